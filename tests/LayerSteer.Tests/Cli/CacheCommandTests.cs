using System.Text.Json;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Models;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>
/// `cache`, --no-cache and --dtype. Of all tests of the command line only these load a model that is large enough to be
/// kept: a tiny one with a large tensor beside it.
/// </summary>
public sealed class CacheCommandTests : IDisposable
{
    private const int Beside = 9 << 20;

    private readonly TinyModel _tiny = new();

    public CacheCommandTests() => Directory.CreateDirectory(CliRun.Cache);

    [Fact]
    public async Task What_is_kept_is_listed_used_and_cleared()
    {
        WriteLarge();
        await CliRun.Done("cache", "clear");
        CliRun empty = await CliRun.Done("cache");
        Assert.Equal((string.Empty, $"0 files, 0.0 MB in '{CliRun.Cache}'"), (empty.Out, empty.Notes.Trim()));
        Assert.Empty((await CliRun.Of("cache", "--json")).Json.EnumerateArray());

        await CliRun.Done(Generate("--no-cache"));
        Assert.Empty((await CliRun.Of("cache", "--json")).Json.EnumerateArray());

        JsonElement first = (await CliRun.Of(Generate())).Json;
        JsonElement file = Assert.Single((await CliRun.Of("cache", "--json")).Json.EnumerateArray());
        Assert.Equal("model", file.GetProperty("kind").GetString());
        Assert.Equal("f32", file.GetProperty("dtype").GetString());
        string digest = first.GetProperty("steering").GetProperty("digests").GetProperty("model").GetString()!;
        Assert.Equal(digest, file.GetProperty("digest").GetString());
        string path = file.GetProperty("path").GetString()!;
        Assert.Equal(new FileInfo(path).Length, file.GetProperty("bytes").GetInt64());
        File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
        JsonElement second = (await CliRun.Of(Generate())).Json;
        Assert.Equal(first.GetProperty("ids").GetRawText(), second.GetProperty("ids").GetRawText());
        Assert.True(File.GetLastWriteTimeUtc(path) > DateTime.UtcNow.AddMinutes(-5));

        CliRun table = await CliRun.Done("cache");
        string[] rows = [.. table.Out.Split('\n').Where(line => line.Contains("model", StringComparison.Ordinal))];
        string[] cells = [.. Assert.Single(rows).Split('│').Select(cell => cell.Trim())];
        Assert.Equal(["", "model", digest[..12], "f32", "0.2 MB"], cells[..5]);
        Assert.Equal($"1 file, 0.2 MB in '{CliRun.Cache}'", table.Notes.Trim());

        File.WriteAllText(path, "damaged");
        Assert.Equal("unreadable", Assert.Single((await CliRun.Of("cache", "--json")).Json.EnumerateArray())
            .GetProperty("kind").GetString());
        Assert.True((await CliRun.Of("cache", "clear", "--json")).Json.GetProperty("files").GetInt32() >= 1);
        Assert.Empty((await CliRun.Of("cache", "--json")).Json.EnumerateArray());
    }

    [Fact]
    public async Task A_cache_folder_that_cannot_be_written_is_noted_once()
    {
        WriteLarge();
        using var folder = new TempFolder();
        string file = folder.Write("file", [1]);
        (int code, string output, string error) = await ToolProcess.Bash(
            $"TOOL generate a --model '{_tiny.Path}' --method orig -n 1 --json", ("LAYERSTEER_CACHE", file));
        Assert.Equal(0, code);
        Assert.StartsWith("{\"prompt\":\"a\",", output, StringComparison.Ordinal);
        Assert.Matches($"^'{file}': packed weights cannot be kept \\(.+\\); the next start packs them again\n$", error);
    }

    [Fact]
    public async Task The_cache_is_where_the_system_keeps_such_things()
    {
        Assert.SkipWhen(OperatingSystem.IsMacOS(), "there are no XDG folders");
        (_, _, string error) = await ToolProcess.Bash(
            "unset LAYERSTEER_CACHE; TOOL cache; XDG_CACHE_HOME=relative TOOL cache; unset XDG_CACHE_HOME; TOOL cache",
            ("XDG_CACHE_HOME", "/nowhere/that/is"), ("HOME", "/nowhere/home"));
        Assert.Equal(
            "0 files, 0.0 MB in '/nowhere/that/is/layersteer'\n"
            + "0 files, 0.0 MB in '/nowhere/home/.cache/layersteer'\n"
            + "0 files, 0.0 MB in '/nowhere/home/.cache/layersteer'\n",
            error);
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("INT8")]
    public async Task A_report_says_the_type_of_the_weights(string dtype)
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        string[] args = ["generate", "Hello", .. golden.Model(), "--method", "orig", "-n", "2", "--dtype", dtype];
        string name = dtype.ToLowerInvariant();
        Assert.Equal(name, (await CliRun.Of([.. args, "--json"])).Json.GetProperty("dtype").GetString());
        Assert.Contains($"; {name} weights, BOS one, ", (await CliRun.Done(args)).Notes, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_type_is_refused()
    {
        Assert.Equal(
            "--dtype is 'f16'; there are f32, bf16, int8",
            await CliRun.Refused(1, "generate", "a", "--model", "m", "--method", "orig", "--dtype", "f16"));
    }

    [Fact]
    public async Task An_index_and_a_topic_say_the_type_and_another_one_is_not_mixed_in()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string index = folder.File("index");
        JsonElement built = (await CliRun.Of([.. golden.Index(index, "corrected"), "--dtype", "bf16", "--json"])).Json;
        Assert.Equal("bf16", built.GetProperty("dtype").GetString());
        Assert.Equal("bf16", IndexManifest.Read(index).Dtype);
        Assert.Equal(
            $"'{index}' was begun with dtype bf16, expected f32; build into another folder",
            await CliRun.Refused(2, [.. golden.Index(index, "corrected"), "--dtype", "f32"]));
        string other = folder.File("other");
        await CliRun.Done([.. golden.Index(other, "corrected"), "--dtype", "int8"]);
        Assert.Equal(
            $"'{other}': dtype is int8, expected bf16 as in '{index}'",
            await CliRun.Refused(2, "index", "merge", index, other, "--out", folder.File("merged")));

        string topic = folder.File("topic.json");
        CliRun scored =
            await CliRun.Of([.. golden.Topic(index), "--encoder", golden.Encoder, "--out", topic, "--json"]);
        Assert.Equal("bf16", scored.Json.GetProperty("dtype").GetString());
        string[] generate =
            ["generate", "Hello", .. golden.Steered(), "--topic", topic, "-n", "1", "--force", "--json", "--dtype"];
        string note = $"topic '{TopicProfile.Read(topic).Name}' was made with a model in bf16; here it is ";
        Assert.Contains(note + "f32", (await CliRun.Done([.. generate, "f32"])).Notes, StringComparison.Ordinal);
        Assert.DoesNotContain(note, (await CliRun.Done([.. generate, "bf16"])).Notes, StringComparison.Ordinal);
    }

    public void Dispose() => _tiny.Dispose();

    private string[] Generate(params string[] more) =>
        ["generate", "a", "--model", _tiny.Path, "--method", "orig", "-n", "3", "--json", .. more];

    private void WriteLarge()
    {
        _tiny.LoadTokenizer();
        _tiny.Tensors["beside"] = ([Beside], new float[Beside]);
        _tiny.WriteConfig();
        _tiny.WriteTensors("model.safetensors", _tiny.Tensors.Keys);
    }
}
