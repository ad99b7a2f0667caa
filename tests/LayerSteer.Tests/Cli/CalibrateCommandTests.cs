using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`calibrate` and `forecast` on the sample model, whose text is noise: the way, not the figures.</summary>
public sealed class CalibrateCommandTests : IDisposable
{
    private static readonly string[] Nouns =
    [
        "boat", "bread", "garden", "engine", "river", "violin", "ladder", "candle", "castle", "pepper",
    ];

    private readonly TempFolder _folder = new();

    public CalibrateCommandTests()
    {
        Directory.CreateDirectory(_folder.File("topics"));
        foreach (string noun in Nouns)
        {
            _folder.Write(Path.Combine("topics", noun + ".jsonl"), Topic(noun));
        }
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_calibration_is_written_and_forecasts()
    {
        JsonElement json = (await CliRun.Done([.. Arguments("out"), "--layer", "1,2", "--json"])).Json;
        Assert.Equal(
            Nouns.Order(StringComparer.Ordinal),
            json.GetProperty("topics").EnumerateArray().Select(topic => topic.GetString()));
        Assert.Equal(Nouns.Length * 2 * 4, json.GetProperty("points").GetInt32());
        Assert.Equal(8, json.GetProperty("forecasts").GetArrayLength());
        string markdown = await Text("out", CalibrationMarkdown.FileName);
        Assert.Contains("| clamp | strength and layer only | cost |", markdown, StringComparison.Ordinal);
        Calibration calibration = Calibration.Read(Path.Combine(_folder.File("out"), Calibration.FileName));
        Assert.Equal(
            [("clamp", true), ("clamp", false), ("swap", true), ("swap", false)],
            calibration.Forecasters.Select(one => (one.Method, one.NeedsTexts)));
        await CliRun.Done(
            "topic", "--index", Path.Combine(SamplePocket.Folder, "index"), "--encoder",
            Path.Combine(SamplePocket.Folder, "encoder"), "--align", SamplePocket.Medical, "--out",
            _folder.File("medical.json"));
        string[] asked =
        [
            "forecast", "--topic", _folder.File("medical.json"), "--calibration",
            Path.Combine(_folder.File("out"), Calibration.FileName),
        ];
        JsonElement forecast = (await CliRun.Done([.. asked, "--align", SamplePocket.Medical, "--json"])).Json;
        Assert.Equal(4, forecast.GetArrayLength());
        foreach (JsonElement one in forecast.EnumerateArray())
        {
            Assert.True(one.GetProperty("uses_texts").GetBoolean());
            double low = one.GetProperty("effect_low").GetDouble();
            Assert.True(low <= one.GetProperty("effect_high").GetDouble());
            Assert.Equal(!(low > 0), one.GetProperty("abstains").GetBoolean());
            Assert.True(one.GetProperty("perplexity_ratio_low").GetDouble() > 0);
        }

        CliRun table = await CliRun.Done([.. asked, "--method", "clamp", "--strength", "0.15"]);
        Assert.Contains("0.15", table.Out, StringComparison.Ordinal);
        Assert.Contains("--align makes them sharper", table.Notes, StringComparison.Ordinal);
        Assert.Equal(
            "the calibration knows clamp at strengths 0.1 to 0.3, not at 5",
            await CliRun.Refused(2, [.. asked, "--method", "clamp", "--strength", "5"]));
        Assert.Equal(
            "the calibration knows nothing of method weight; it knows clamp, swap",
            await CliRun.Refused(2, [.. asked, "--method", "weight"]));
        Assert.StartsWith(
            $"'{Path.Combine(SamplePocket.Tiny, "reference.csv")}': not the texts that topic 'medical' was made of",
            await CliRun.Refused(2, [.. asked, "--align", Path.Combine(SamplePocket.Tiny, "reference.csv")]));
        await Assert_refuses_other_digests(asked, calibration);
    }

    [Fact]
    public async Task A_cut_log_goes_on_to_the_same_files_to_the_byte_with_other_batches_and_threads()
    {
        await CliRun.Done([.. Arguments("out"), "--layer", "2"]);
        string place = Path.Combine("out", SamplePocket.DefaultHook);
        string[] files =
        [
            Path.Combine(place, EvaluationLog.ResultFile), Path.Combine(place, CalibrationRun.PredictorFile),
            Path.Combine("out", Calibration.FileName), Path.Combine("out", CalibrationReport.FileName),
            Path.Combine("out", CalibrationMarkdown.FileName),
        ];
        byte[][] before = [.. files.Select(file => File.ReadAllBytes(_folder.File(file)))];
        await Cut(files[0], before[0].Length * 3 / 5);
        await Cut(files[1], before[1].Length / 3);
        File.Delete(_folder.File(files[2]));
        await CliRun.Done([.. Arguments("out"), "--layer", "2", "--batch", "7", "--threads", "1"]);
        for (int i = 0; i < files.Length; i++)
        {
            Assert.Equal(before[i], await Bytes(files[i]));
        }
    }

    [Fact]
    public async Task Topics_are_found_in_texts()
    {
        var random = new LayerSteer.Numerics.SplitMix64(1);
        var corpus = new StringBuilder();
        for (int i = 0; i < 900; i++)
        {
            string noun = Nouns[i % 3];
            string text = $"{noun} {noun} {noun} {noun} {noun} {random.NextInt(5000)}";
            corpus.Append(JsonSerializer.Serialize(new { text })).Append('\n');
        }

        _folder.Write("corpus.jsonl", Encoding.UTF8.GetBytes(corpus.ToString()));
        CliRun run = await CliRun.Of(
        [
            .. Arguments("found"), "--layer", "2", "--methods", "clamp", "--texts", _folder.File("corpus.jsonl"),
            "--clusters", "3", "--passages", "900",
        ]);
        Assert.True(run.Code == 0, run.Notes);
        Assert.Contains("topics found: ", run.Notes, StringComparison.Ordinal);
        JsonNode report = JsonNode.Parse(await Text("found", CalibrationReport.FileName))!;
        Assert.True(report["topics"]!.AsArray().Count > Nouns.Length);
    }

    [Fact]
    public async Task Too_few_topics_and_no_bank_are_refused()
    {
        string[] few = Arguments("few");
        few[Array.IndexOf(few, "--topics") + 1] =
            string.Join(',', Nouns.Take(4).Select(noun => Path.Combine(_folder.File("topics"), noun + ".jsonl")));
        Assert.Equal(
            "4 topics; expected at least 10, better 40 or more: intervals are learned from topics that are left out",
            await CliRun.Refused(2, few));
        string[] none = Arguments("none");
        int at = Array.IndexOf(none, "--topics");
        Assert.Equal(
            "give --topics, --texts or both: a calibration learns from a bank of topics",
            await CliRun.Refused(1, [.. none[..at], .. none[(at + 2)..]]));
    }

    [Fact]
    public async Task A_missing_index_needs_reference_texts()
    {
        string[] arguments = Arguments("out");
        int at = Array.IndexOf(arguments, "--reference");
        Assert.Equal(
            $"no index of {SamplePocket.OtherHook}: name it with --index, or give --reference to build it",
            await CliRun.Refused(1, [.. arguments[..at], .. arguments[(at + 2)..]]));
    }

    private async Task Assert_refuses_other_digests(string[] asked, Calibration calibration)
    {
        foreach ((Calibration other, string what) in ((Calibration, string)[])
        [
            (calibration with { Model = "m" }, "another model: m"),
            (calibration with { Tokenizer = "t" }, "another tokenizer: t"),
            (
                calibration with { Sites = [.. calibration.Sites.Select(site => site with { Sae = "s" })] },
                "another autoencoder at"),
        ])
        {
            other.Write(_folder.File("other.json"));
            string error = await CliRun.Refused(2, [.. asked[..^1], _folder.File("other.json")]);
            Assert.Contains("the calibration is of " + what, error, StringComparison.Ordinal);
        }

        (calibration with { Encoder = "e" }).Write(_folder.File("other.json"));
        Assert.Contains(
            "was made with another sentence encoder",
            await CliRun.Refused(2, [.. asked[..^1], _folder.File("other.json")]),
            StringComparison.Ordinal);
    }

    private async Task Cut(string file, int length)
    {
        byte[] bytes = await Bytes(file);
        await File.WriteAllBytesAsync(_folder.File(file), bytes[..length], TestContext.Current.CancellationToken);
    }

    private Task<byte[]> Bytes(string file) =>
        File.ReadAllBytesAsync(_folder.File(file), TestContext.Current.CancellationToken);

    private Task<string> Text(string folder, string file) =>
        File.ReadAllTextAsync(Path.Combine(_folder.File(folder), file), TestContext.Current.CancellationToken);

    private string[] Arguments(string output)
    {
        _ = SamplePocket.Folder;
        return
        [
            "calibrate", "--topics", _folder.File("topics"), "--reference",
            Path.Combine(SamplePocket.Tiny, "reference.csv"), "--out", _folder.File(output), "--prompt-count", "2",
            "--seeds", "1", "--tokens", "4", "--resamples", "100", "--methods", "clamp,swap",
            "--strengths", "clamp=0.1,0.3", "--strengths", "swap=1,4",
        ];
    }

    private static byte[] Topic(string noun)
    {
        string[] splits = ["align", "align", "align", "test", "test"];
        string[] texts =
        [
            $"The {noun} was there.", $"We saw a {noun} today.", $"No {noun} is like this {noun}.",
            $"Every {noun} counts.", $"Bring the {noun} home.",
        ];
        var lines = new StringBuilder();
        for (int i = 0; i < texts.Length; i++)
        {
            var line = new { topic = noun, split = splits[i], text = texts[i] };
            lines.Append(JsonSerializer.Serialize(line)).Append('\n');
        }

        return Encoding.UTF8.GetBytes(lines.ToString());
    }
}
