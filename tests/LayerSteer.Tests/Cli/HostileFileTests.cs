using System.Text.Json.Nodes;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;
using static LayerSteer.Tests.Formats.PickleBytes;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Cli;

/// <summary>Bad files of models, autoencoders and scores: one line that names them, exit code 2, nothing left behind.</summary>
public sealed class HostileFileTests : IDisposable
{
    private const string Tensor = "h.0.attn.c_attn.weight";

    private readonly GoldenCase _golden = GoldenCase.Open("gpt2-topk");
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _golden.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Damaged_weights_are_refused()
    {
        string cut = Model(path => File.WriteAllBytes(path, File.ReadAllBytes(path)[..^100]));
        await Refused(cut, "x");
        string header = Model(path => File.WriteAllBytes(path, Concat(U64(1L << 60), File.ReadAllBytes(path)[8..])));
        await Refused(header, "x");
        string beyond = Model(path => HostileFiles.Edit(path, json => Offsets(json, Tensor)[1] = 1L << 40));
        await Refused(beyond, "x");
        string overlapping = Model(path => HostileFiles.Edit(path, json =>
            json["h.0.ln_1.bias"]!["data_offsets"] = Offsets(json, "h.0.ln_1.weight").DeepClone()));
        await Refused(overlapping, "x");
        string type = Model(path => HostileFiles.Edit(path, json => json["h.0.ln_1.bias"]!["dtype"] = "I32"));
        await Refused(type, "x");
        string shape = Model(path => HostileFiles.Edit(path, json => json[Tensor]!["shape"] = new JsonArray(192, 64)));
        await Refused(shape, "x");
        string missing = Model(path => HostileFiles.Edit(path, json => Rename(json, "wpe.weight", "other")));
        await Refused(missing, "x");
        string nan = Model(path =>
        {
            long at = 0;
            HostileFiles.Edit(path, json => at = (long)Offsets(json, Tensor)[0]!, data => BitConverter.GetBytes(float.NaN).CopyTo(data, at + 40));
        });
        await Refused(nan, "x");
    }

    [Fact]
    public async Task Damaged_folders_are_refused()
    {
        await Refused("nowhere", "x");
        string config = HostileFiles.CopyModel(_golden, _folder);
        File.WriteAllText(Path.Combine(config, "config.json"), "{");
        await Refused(config, "x");
        string heads = HostileFiles.CopyModel(_golden, _folder);
        string path = Path.Combine(heads, "config.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"n_head\": 4", "\"n_head\": 7", StringComparison.Ordinal));
        await Refused(heads, "x");
        string weights = HostileFiles.CopyModel(_golden, _folder);
        File.Delete(Path.Combine(weights, "model.safetensors"));
        await Refused(weights, "x");
        string tokens = HostileFiles.CopyModel(_golden, _folder);
        File.Delete(Path.Combine(tokens, "vocab.json"));
        await Refused(tokens, "x");
    }

    [Fact]
    public async Task Damaged_shards_are_refused()
    {
        using GoldenCase sharded = GoldenCase.Open("gpt2-relu-sharded");
        string copy = HostileFiles.CopyModel(sharded, _folder);
        File.Delete(Path.Combine(copy, "model-00002-of-00002.safetensors"));
        await Refused(copy, "x");
        string index = Path.Combine(copy, "model.safetensors.index.json");
        JsonObject json = JsonNode.Parse(File.ReadAllText(index))!.AsObject();
        json["weight_map"]!["transformer.wte.weight"] = "../../etc/passwd";
        File.WriteAllText(index, json.ToJsonString());
        await Refused(copy, "x");
    }

    [Fact]
    public async Task Damaged_autoencoders_are_refused()
    {
        await RefusedSae("cut.pt", File.ReadAllBytes(_golden.Sae)[..^1000], "x");
        await RefusedSae("type.pt", HostileFiles.Sae(96, 64, type: "LongStorage"), "x");
        await RefusedSae("shape.pt", HostileFiles.Sae(96, 64, decoderRows: 63), "x");
        await RefusedSae("nan.pt", HostileFiles.Sae(96, 64, first: float.NaN), "x");
        await RefusedSae("missing.pt", HostileFiles.Sae(96, 64, without: "latent_bias"), "x");
        await RefusedSae("activation.pt", HostileFiles.Sae(96, 64, activation: "Swish"), "x");
        await RefusedSae("width.pt", HostileFiles.Sae(96, 32), "x");
        await RefusedSae("text.pt", Ascii("not a checkpoint"), "x");
    }

    [Fact]
    public async Task A_pickle_that_would_run_code_is_refused_and_runs_nothing()
    {
        string proof = _folder.File("proof");
        byte[] evil = Pickle(Concat(Global("posix", "system"), Tuple(TextOf($"touch {proof}")), Ascii("R")));
        await RefusedSae("evil.pt", Archive(evil), "x");
        await RefusedSae("evil-legacy.pt", evil, "x");
        Assert.False(File.Exists(proof));
    }

    [Fact]
    public async Task An_autoencoder_that_is_not_there_is_refused()
    {
        await Refused(_golden.Model, "x", "--sae", _folder.File("none.pt"));
        string empty = _folder.File("empty");
        Directory.CreateDirectory(empty);
        await Refused(_golden.Model, "x", "--sae", empty);
    }

    [Fact]
    public async Task Scores_that_do_not_fit_are_refused()
    {
        string[] lines = File.ReadAllLines(_golden.Scores);
        await RefusedScores(lines[..^1], "x");
        await RefusedScores([.. lines, "512,0.5"], "x");
        await RefusedScores([.. lines[..3], "2,-0.5", .. lines[4..]], "x");
        await RefusedScores([.. lines[..3], "2,inf", .. lines[4..]], "x");
        await RefusedScores([.. lines[..3], "7,0.5", .. lines[4..]], "x");
        await RefusedScores([.. lines[..3], "2,0.5,1", .. lines[4..]], "x");
        await RefusedScores([.. lines[1..]], "x");
        await Refused(_golden.Model, "x", "--scores", _folder.File("none.csv"));
    }

    private string Model(Action<string> damage)
    {
        string copy = HostileFiles.CopyModel(_golden, _folder);
        damage(Path.Combine(copy, "model.safetensors"));
        return copy;
    }

    private Task RefusedSae(string name, byte[] bytes, string expected)
    {
        string path = _folder.Write(name, bytes);
        return Refused(_golden.Model, expected, "--sae", path);
    }

    private Task RefusedScores(string[] lines, string expected)
    {
        string path = _folder.Write("scores.csv", Ascii(string.Join('\n', lines) + "\n"));
        return Refused(_golden.Model, expected, "--scores", path);
    }

    /// <summary>MODEL and FOLDER in the expected line stand for the paths.</summary>
    private async Task Refused(string model, string expected, params string[] instead)
    {
        string output = _folder.File("out");
        Directory.CreateDirectory(output);
        string[] args = ["trace", .. _golden.WithScores(), "--prompts", Path.Combine(_golden.Folder, "prompts.json"), "--out", Path.Combine(output, "x.npz")];
        args[Array.IndexOf(args, "--model") + 1] = model;
        if (instead.Length == 2)
        {
            args[Array.IndexOf(args, instead[0]) + 1] = instead[1];
        }

        string error = (await CliRun.Refused(2, args)).Replace(model, "MODEL", StringComparison.Ordinal)
            .Replace(_folder.Path, "FOLDER", StringComparison.Ordinal);
        File.AppendAllText("/tmp/got.txt", $"{expected} {error}\n");
        Assert.Empty(Directory.GetFileSystemEntries(output));
    }

    private static JsonArray Offsets(JsonObject header, string tensor) => header[tensor]!["data_offsets"]!.AsArray();

    private static void Rename(JsonObject header, string from, string to)
    {
        JsonNode tensor = header[from]!;
        header.Remove(from);
        header[to] = tensor.DeepClone();
    }
}
