using System.Text.Json;
using LayerSteer.Models;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Training;
using Xunit;

namespace LayerSteer.Tests.Cli;

public class EncoderCommandTests
{
    private static readonly string[] Size = ["--dim", "32", "--steps", "12"];

    [Fact]
    public async Task An_encoder_is_trained_gone_on_with_and_converted()
    {
        using var folder = new TempFolder();
        string[] train = Arguments(folder);
        JsonElement first = (await CliRun.Of([.. train, .. Size, "--out", folder.File("one"), "--json"])).Json;
        Assert.Equal(
            (32, 12, PlantedTopics.Vocabulary, folder.File("one")),
            (first.GetProperty("dimension").GetInt32(), first.GetProperty("steps").GetInt32(),
                first.GetProperty("vocabulary").GetInt32(), first.GetProperty("out").GetString()));
        Assert.True(first.GetProperty("loss").GetDouble() > 0);
        Assert.InRange(first.GetProperty("accuracy_in_batch").GetDouble(), 0, 1);

        string checkpoint = Path.Combine(folder.File("one"), "training.safetensors");
        Directory.CreateDirectory(folder.File("two"));
        File.Copy(checkpoint, Path.Combine(folder.File("two"), "training.safetensors"));
        CliRun again = await CliRun.Done([.. train, .. Size, "--out", folder.File("two"), "--threads", "3"]);
        Assert.Contains("going on from step 12 of 12", again.Notes, StringComparison.Ordinal);
        Assert.StartsWith(
            $"{folder.File("two")}: {PlantedTopics.Vocabulary} vectors of 32, 192 pairs in 12 steps",
            again.Out,
            StringComparison.Ordinal);
        Assert.Equal(Weights(folder.File("one")), Weights(folder.File("two")));
        CliRun anew = await CliRun.Done([.. train, .. Size, "--out", folder.File("three"), "--threads", "1"]);
        Assert.DoesNotContain("going on", anew.Notes, StringComparison.Ordinal);
        Assert.Equal(Weights(folder.File("one")), Weights(folder.File("three")));

        CliRun converted = await CliRun.Done(
            "encoder", "convert", "--encoder", folder.File("one"), "--out", folder.File("small"));
        Assert.Equal($"{folder.File("small")}: bf16", converted.Out.TrimEnd());
        Assert.False(File.Exists(Path.Combine(folder.File("small"), "training.safetensors")));
        using SentenceEncoder encoder = SentenceEncoder.Load(folder.File("small"));
        Assert.Equal(32, encoder.DEmbedding);
        float[] vector = encoder.Embed(
            [encoder.Tokenizer.Encode("the tide")], TestContext.Current.CancellationToken)[0];
        Assert.Equal(1, vector.Sum(v => (double)v * v), 1e-6);
    }

    [Fact]
    public async Task What_cannot_be_is_refused_with_one_line()
    {
        using var folder = new TempFolder();
        string[] train = Arguments(folder);
        string output = folder.File("out");
        Assert.Equal(
            "--dim is '40', expected a multiple of 16 from 16 to 4096",
            await CliRun.Refused(1, [.. train, "--out", output, "--dim", "40"]));
        Assert.Equal(
            "--weight is 'x', expected NAME=FACTOR, such as medical=2",
            await CliRun.Refused(1, [.. train, "--out", output, "--weight", "x"]));
        Assert.False(Directory.Exists(output));

        await CliRun.Done([.. train, .. Size, "--out", output]);
        Assert.Equal(
            $"'{Path.Combine(output, "training.safetensors")}' is the checkpoint of another run: "
            + "Steps = 12 there, Steps = 13 here; give another --out, or the settings and texts of that run",
            await CliRun.Refused(2, [.. train, "--out", output, "--dim", "32", "--steps", "13"]));

        string tiny = folder.File("tiny.txt");
        File.WriteAllText(tiny, "the deck\n<|endoftext|>\n");
        Assert.Equal(
            "no document of the corpus has 24 tokens, which a pair of passages of 12 takes; "
            + "give longer documents or shorter passages",
            await CliRun.Refused(
                2,
                "encoder", "train", "--texts", tiny, "--tokenizer", folder.File("tokenizer"),
                "--out", folder.File("o")));
    }

    private static string[] Arguments(TempFolder folder)
    {
        string texts = folder.File("texts.txt");
        File.WriteAllText(texts, string.Concat(PlantedTopics.Documents(80, 2).Select(d => d + "\n<|endoftext|>\n")));
        PlantedTopics.Tokenizer(Directory.CreateDirectory(folder.File("tokenizer")).FullName);
        return
        [
            "encoder", "train", "--texts", texts, "--tokenizer", folder.File("tokenizer"), "--batch", "16",
        ];
    }

    private static byte[] Weights(string encoder) =>
        File.ReadAllBytes(Path.Combine(encoder, "0_StaticEmbedding", "model.safetensors"));
}
