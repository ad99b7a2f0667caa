using System.Text.Json;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Models;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class MeasureCommandTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly TempFolder _folder = new();
    private readonly string _texts;
    private readonly string _pairs;

    public MeasureCommandTests()
    {
        _tiny.Load().Dispose();
        _tiny.LoadTokenizer();
        _texts = _folder.Write("texts.txt", TempFolder.Ascii("the hat\n<|endoftext|>\nthen an ant ran\n"));
        _pairs = _folder.Write("pairs.jsonl", TempFolder.Ascii(
            """{"linguistics_term":"order","sentence_good":"the hat","sentence_bad":"hat the"}""" + "\n"
            + """{"UID":"number","sentence_good":"an ant","sentence_bad":"an ants"}""" + "\n"));
    }

    public void Dispose()
    {
        _tiny.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Texts_pairs_and_overlap_are_measured_in_one_value()
    {
        JsonElement json = (await CliRun.Done(
            "measure", "--model", _tiny.Path, "--texts", _texts, "--pairs", _pairs, "--overlap", _texts, "--samples", "3",
            "--json")).Json;

        JsonElement texts = json.GetProperty("texts")[0];
        Assert.Equal(("texts.txt", 2, 22), (
            texts.GetProperty("file").GetString(),
            texts.GetProperty("documents").GetInt32(),
            texts.GetProperty("bytes").GetInt32()));
        Assert.InRange(texts.GetProperty("bits_per_byte").GetDouble(), 2, 30);
        Assert.Equal(2, json.GetProperty("pairs").GetProperty("pairs").GetInt32());
        Assert.Equal(
            ["number", "order"],
            json.GetProperty("pairs").GetProperty("phenomena").EnumerateArray()
                .Select(p => p.GetProperty("phenomenon").GetString()));
        Assert.Equal(
            [8, 13, 20],
            json.GetProperty("overlap").GetProperty("runs").EnumerateArray()
                .Select(run => run.GetProperty("words").GetInt32()));
    }

    [Fact]
    public async Task What_is_measured_is_shown_as_tables()
    {
        CliRun run = await CliRun.Done("measure", "--model", _tiny.Path, "--texts", _texts, "--pairs", _pairs);

        Assert.Contains("bits a byte", run.Out, StringComparison.Ordinal);
        Assert.Contains("phenomenon", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_to_measure_is_refused()
    {
        Assert.Equal(
            "nothing to measure; give --texts, --pairs, --overlap or --topics",
            await CliRun.Refused(1, "measure", "--model", _tiny.Path));
        Assert.Equal(
            "--topics needs --encoder, the folder of a sentence encoder",
            await CliRun.Refused(1, "measure", "--model", _tiny.Path, "--topics", _texts));
    }
}
