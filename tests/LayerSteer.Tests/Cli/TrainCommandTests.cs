using System.Diagnostics;
using System.Text.Json;
using LayerSteer.Models;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Models;
using LayerSteer.Text;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class TrainCommandTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly TempFolder _folder = new();
    private readonly string _texts;

    public TrainCommandTests()
    {
        _tiny.Load().Dispose();
        _tiny.LoadTokenizer();
        _texts = _folder.Write("texts.txt", TempFolder.Ascii(string.Concat(Enumerable.Range(0, 60).Select(i =>
            $"The {(i % 3 == 0 ? "cat" : "dog")} number {i} sat on the mat.\n<|endoftext|>\n"))));
    }

    public void Dispose()
    {
        _tiny.Dispose();
        _folder.Dispose();
    }

    private string[] Train(string output, int steps = 6) =>
        [
            "train", "--tokenizer", _tiny.Path, "--texts", _texts, "--out", _folder.File(output), "--layers", "2",
            "--width", "32", "--heads", "2", "--context", "32", "--steps", $"{steps}", "--batch", "2",
            "--log-every", "2", "--checkpoint-minutes", "0.000001",
        ];

    private string[] Finetune(string output, params string[] more) =>
        [
            "finetune", "--model", _tiny.Path, "--texts", _texts, "--out", _folder.File(output), "--steps", "4",
            "--batch", "2", .. more,
        ];

    private byte[] Weights(string output, string name = "model.safetensors") =>
        File.ReadAllBytes(Path.Combine(_folder.File(output), name));

    [Fact]
    public async Task A_trained_folder_loads_as_a_model_with_its_tokenizer_and_its_log()
    {
        JsonElement json = (await CliRun.Done([.. Train("model"), "--validation", _texts, "--json"])).Json;

        using Decoder decoder = Decoder.Load(_folder.File("model"));
        ArchitectureSpec spec = decoder.Spec;
        Assert.Equal((2, 32, TinyModel.Vocabulary), (spec.NLayers, spec.DModel, spec.Vocabulary));
        int[] ids = TextTokenizer.Load(_folder.File("model")).Encode("the cat");
        Assert.Equal(TextTokenizer.Load(_tiny.Path).Encode("the cat"), ids);
        Assert.Equal(6 * 2 * 32, json.GetProperty("tokens").GetInt64());
        Assert.InRange(json.GetProperty("validation_loss").GetDouble(), 1, 7);
        string[] log = await File.ReadAllLinesAsync(
            Path.Combine(_folder.File("model"), "losses.csv"), TestContext.Current.CancellationToken);
        Assert.Equal("step,tokens,loss,validation_loss,learning_rate,gradient_norm,seconds", log[0]);
        Assert.Equal(["2", "4", "6"], log[1..].Select(line => line.Split(',')[0]));
    }

    [Fact]
    public async Task A_run_killed_at_any_moment_ends_in_the_weights_of_a_whole_one()
    {
        const int Steps = 150;
        await CliRun.Done(Train("whole", Steps));
        var random = new Random(3);
        for (int kill = 0; kill < 3; kill++)
        {
            using Process process = ToolProcess.Start(Train("killed", Steps));
            string checkpoint = Path.Combine(_folder.File("killed"), DecoderTrainer.CheckpointName);
            while (!File.Exists(checkpoint) && !process.HasExited)
            {
                await Task.Delay(1, TestContext.Current.CancellationToken);
            }

            await Task.Delay(random.Next(30, 120), TestContext.Current.CancellationToken);
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        await CliRun.Done(Train("killed", Steps));

        Assert.Equal(Weights("whole"), Weights("killed"));
    }

    [Fact]
    public async Task A_cancelled_run_says_so_and_goes_on_later()
    {
        await CliRun.Done(Train("whole"));
        CliRun cancelled = await CliRun.Of(new CancellationToken(true), Train("part"));
        if (cancelled.Code == 130)
        {
            Assert.Equal(["cancelled"], cancelled.Errors);
        }

        await CliRun.Done(Train("part"));

        Assert.Equal(Weights("whole"), Weights("part"));
    }

    [Fact]
    public async Task Finetuning_changes_all_weights_or_writes_an_adapter_that_generates()
    {
        await CliRun.Done(Finetune("full"));
        await CliRun.Done(Finetune("lora", "--lora", "2", "--save-dtype", "bf16"));

        using (Decoder.Load(_folder.File("full")))
        using (Decoder.Load(_tiny.Path, new LoadOptions { Adapter = _folder.File("lora") }))
        {
        }

        Assert.False(File.Exists(Path.Combine(_folder.File("lora"), "model.safetensors")));
        Assert.True(File.Exists(Path.Combine(_folder.File("lora"), "losses.csv")));
    }

    [Fact]
    public async Task What_cannot_be_trained_is_refused_in_one_line()
    {
        string empty = _folder.Write("empty.txt", []);
        string small = _folder.Write("small.txt", TempFolder.Ascii("the cat"));
        string[] train = Train("refused");
        int texts = Array.IndexOf(train, _texts);

        train[texts] = empty;
        Assert.Contains($"'{empty}'", await CliRun.Refused(2, train), StringComparison.Ordinal);
        train[texts] = small;
        Assert.Equal(
            "the texts are smaller than one window: 7 tokens, expected at least 33; "
            + "give more text or a smaller context",
            await CliRun.Refused(2, train));
        string[] heads = Train("refused");
        heads[Array.IndexOf(heads, "--heads") + 1] = "3";
        Assert.Equal("--width is 32, expected a multiple of --heads = 3", await CliRun.Refused(1, heads));
        Assert.Equal(
            "--weight is 'cat', expected NAME=FACTOR, such as medical=2",
            await CliRun.Refused(1, [.. Train("refused"), "--weight", "cat"]));
        Assert.Equal(
            "no file's name contains 'bird'; there are texts.txt",
            await CliRun.Refused(2, [.. Train("refused"), "--weight", "bird=2"]));
        Assert.Equal(
            $"--context is 64, but the model's context is {TinyModel.Context}",
            await CliRun.Refused(1, Finetune("refused", "--context", "64")));
        Assert.Equal(
            $"--out is the folder of the model, '{_tiny.Path}'; give another",
            await CliRun.Refused(1, "finetune", "--model", _tiny.Path, "--texts", _texts, "--out", _tiny.Path));

        string refused = _folder.File("refused");
        Assert.True(!Directory.Exists(refused) || Directory.GetFiles(refused).Length == 0);
    }

    [Fact]
    public async Task A_checkpoint_of_another_shape_is_refused_and_kept()
    {
        await CliRun.Done(Train("model"));
        byte[] before = Weights("model");
        string[] other = Train("model");
        other[Array.IndexOf(other, "--layers") + 1] = "3";
        string refusal = await CliRun.Refused(2, other);

        Assert.Contains("is the checkpoint of another run: ", refusal, StringComparison.Ordinal);
        Assert.Contains("NLayers = 2 there, NLayers = 3 here", refusal, StringComparison.Ordinal);
        Assert.Equal(before, Weights("model"));
    }

    [Fact]
    public async Task A_full_disk_ends_the_run_in_one_line_with_nothing_half_written()
    {
        string output = _folder.File("full");
        string args = string.Join(' ', Train("full").Select(arg => $"'{arg}'"));
        (int code, string printed, string error) = await ToolProcess.Bash(
            $"trap '' XFSZ; ulimit -f 100; TOOL {args}", ("DOTNET_EnableWriteXorExecute", "0"));

        Assert.Equal((2, string.Empty), (code, printed));
        Assert.StartsWith("error: ", error.TrimEnd('\n').Split('\n')[^1], StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(output));
    }
}
