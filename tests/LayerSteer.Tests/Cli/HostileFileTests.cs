using System.Text.Json.Nodes;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;
using static LayerSteer.Tests.Formats.PickleBytes;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Cli;

/// <summary>
/// Bad files of models, autoencoders and scores: one line that names them, exit code 2, nothing left behind.
/// </summary>
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
        await Refused(
            cut,
            "'MODEL/model.safetensors': its tensors take 1166080 bytes, but 1165980 bytes follow the header; the file is "
            + "cut short");
        string header = Model(path => File.WriteAllBytes(path, Concat(U64(1L << 60), File.ReadAllBytes(path)[8..])));
        await Refused(
            header,
            "'MODEL/model.safetensors': declares a header of 1152921504606846976 bytes, but 1170720 bytes follow (at most "
            + "100000000 are read)");
        string beyond = Model(path => HostileFiles.Edit(path, json => Offsets(json, Tensor)[1] = 1L << 40));
        await Refused(
            beyond,
            "'MODEL/model.safetensors': tensor h.0.attn.c_attn.weight is F32 [64, 192], which takes 49152 bytes, but its "
            + "data_offsets are [255744, 1099511627776]");
        string overlapping = Model(path => HostileFiles.Edit(path, json =>
            json["h.0.ln_1.bias"]!["data_offsets"] = Offsets(json, "h.0.ln_1.weight").DeepClone()));
        await Refused(
            overlapping,
            "'MODEL/model.safetensors': tensor h.0.ln_1.bias begins at byte 218368 of the data, expected 218624: it "
            + "overlaps another tensor");
        string type = Model(path => HostileFiles.Edit(path, json => json["h.0.ln_1.bias"]!["dtype"] = "I32"));
        await Refused(type, "'MODEL/model.safetensors': tensor h.0.ln_1.bias is I32, expected F16, BF16, F32 or F64");
        string shape = Model(path => HostileFiles.Edit(path, json => json[Tensor]!["shape"] = new JsonArray(192, 64)));
        await Refused(shape, "'MODEL/model.safetensors': tensor h.0.attn.c_attn.weight is [192, 64], expected [64, 192]");
        string missing = Model(path => HostileFiles.Edit(path, json => Rename(json, "wpe.weight", "other")));
        await Refused(
            missing,
            "'MODEL': no tensor 'wpe.weight'; of its 56 tensors the nearest are wte.weight, h.0.attn.c_attn.weight, "
            + "h.0.attn.c_proj.weight, h.0.ln_1.weight, h.0.ln_2.weight, h.0.mlp.c_fc.weight, h.0.mlp.c_proj.weight, "
            + "h.1.attn.c_attn.weight");
        string nan = Model(path =>
        {
            long at = 0;
            HostileFiles.Edit(
                path,
                json => at = (long)Offsets(json, Tensor)[0]!,
                data => BitConverter.GetBytes(float.NaN).CopyTo(data, at + 40));
        });
        await Refused(
            nan, "'MODEL/model.safetensors': tensor h.0.attn.c_attn.weight holds NaN at element 10, expected finite numbers");
    }

    [Fact]
    public async Task Damaged_folders_are_refused()
    {
        await Refused("./nowhere", "'MODEL/config.json': no such file; a checkpoint folder has a config.json");
        string config = HostileFiles.CopyModel(_golden, _folder);
        File.WriteAllText(Path.Combine(config, "config.json"), "{");
        await Refused(
            config,
            "'MODEL/config.json': not valid JSON: Expected depth to be zero at the end of the JSON payload. There is "
            + "an open JSON object or array that should be closed. LineNumber: 0 | BytePositionInLine: 1.");
        string heads = HostileFiles.CopyModel(_golden, _folder);
        string path = Path.Combine(heads, "config.json");
        File.WriteAllText(
            path, File.ReadAllText(path).Replace("\"n_head\": 4", "\"n_head\": 7", StringComparison.Ordinal));
        await Refused(heads, "'MODEL/config.json': n_embd is 64, expected a multiple of n_head = 7");
        string weights = HostileFiles.CopyModel(_golden, _folder);
        File.Delete(Path.Combine(weights, "model.safetensors"));
        await Refused(
            weights,
            "'MODEL': no weights; looked for model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
            + "pytorch_model.bin.index.json");
        string tokens = HostileFiles.CopyModel(_golden, _folder);
        File.Delete(Path.Combine(tokens, "vocab.json"));
        await Refused(
            tokens,
            "'MODEL': no tokenizer found; looked for tokenizer.json, vocab.json with merges.txt, vocab.txt, tokenizer.model; "
            + "merges.txt is there, but vocab.json is not");
    }

    [Fact]
    public async Task Damaged_shards_are_refused()
    {
        using GoldenCase sharded = GoldenCase.Open("gpt2-relu-sharded");
        string copy = HostileFiles.CopyModel(sharded, _folder);
        File.Delete(Path.Combine(copy, "model-00002-of-00002.safetensors"));
        await Refused(
            copy,
            "'MODEL/model.safetensors.index.json': names the shard 'model-00002-of-00002.safetensors', which is not "
            + "in the folder");
        string index = Path.Combine(copy, "model.safetensors.index.json");
        JsonObject json = JsonNode.Parse(File.ReadAllText(index))!.AsObject();
        json["weight_map"]!["transformer.wte.weight"] = "../../etc/passwd";
        File.WriteAllText(index, json.ToJsonString());
        await Refused(
            copy,
            "'MODEL/model.safetensors.index.json': weight_map['transformer.wte.weight'] is '../../etc/passwd', "
            + "expected the name of a file in the same folder");
    }

    [Fact]
    public async Task Damaged_autoencoders_are_refused()
    {
        await RefusedSae(
            "cut.pt",
            File.ReadAllBytes(_golden.Sae)[..^1000],
            "'FOLDER/cut.pt': the zip archive has no end record; the file is cut short or was changed");
        await RefusedSae(
            "type.pt",
            HostileFiles.Sae(96, 64, type: "LongStorage"),
            "'FOLDER/type.pt': tensor encoder.weight is I64, expected F16, BF16, F32 or F64");
        await RefusedSae(
            "shape.pt",
            HostileFiles.Sae(96, 64, decoderRows: 63),
            "'FOLDER/shape.pt': tensor decoder.weight is [63, 96], expected [64, 96]");
        await RefusedSae(
            "nan.pt",
            HostileFiles.Sae(96, 64, first: float.NaN),
            "'FOLDER/nan.pt': tensor encoder.weight holds NaN at element 0, expected finite numbers");
        await RefusedSae(
            "missing.pt",
            HostileFiles.Sae(96, 64, without: "latent_bias"),
            "'FOLDER/missing.pt': no tensor latent_bias; the file has pre_bias, encoder.weight, decoder.weight");
        await RefusedSae(
            "activation.pt",
            HostileFiles.Sae(96, 64, activation: "Swish"),
            "'FOLDER/activation.pt': activation is 'Swish'; supported: TopK, ReLU");
        await RefusedSae(
            "width.pt",
            HostileFiles.Sae(96, 32),
            "'FOLDER/width.pt': the autoencoder's input has width 32, but blocks.2.hook_resid_post of this model has "
            + "width 64");
        await RefusedSae(
            "text.pt",
            Ascii("not a checkpoint"),
            "'FOLDER/text.pt': it starts with the bytes 6e6f742061206368, expected a file written by torch.save");
    }

    [Fact]
    public async Task A_pickle_that_would_run_code_is_refused_and_runs_nothing()
    {
        string proof = _folder.File("proof");
        byte[] evil = Pickle(Concat(Global("posix", "system"), Tuple(Unicode($"touch {proof}")), Ascii("R")));
        await RefusedSae(
            "evil.pt",
            Archive(evil),
            "'FOLDER/evil.pt': the pickle names the function 'posix.system'; only tensors can be loaded");
        await RefusedSae(
            "evil-legacy.pt",
            evil,
            "'FOLDER/evil-legacy.pt': it is a plain pickle, not written by torch.save; only tensors can be loaded");
        Assert.False(File.Exists(proof));
    }

    [Fact]
    public async Task An_autoencoder_that_is_not_there_is_refused()
    {
        await Refused(_golden.Model, "Could not find file 'FOLDER/none.pt'.", "--sae", _folder.File("none.pt"));
        string empty = _folder.File("empty");
        Directory.CreateDirectory(empty);
        await Refused(
            _golden.Model,
            "'FOLDER/empty': 0 files end in .pt, .safetensors or .npz, expected one; name the file",
            "--sae",
            empty);
    }

    [Fact]
    public async Task Scores_that_do_not_fit_are_refused()
    {
        string[] lines = File.ReadAllLines(_golden.Scores);
        await RefusedScores(lines[..^1], "'FOLDER/scores.csv': 511 scores, expected 512 (one a latent of the SAE)");
        await RefusedScores(
            [.. lines, "512,0.5"], "'FOLDER/scores.csv': 513 scores, expected 512 (one a latent of the SAE)");
        await RefusedScores(
            [.. lines[..3], "2,-0.5", .. lines[4..]],
            "'FOLDER/scores.csv' line 4: score '-0.5', expected a finite number from 0 up or an empty cell");
        await RefusedScores(
            [.. lines[..3], "2,inf", .. lines[4..]],
            "'FOLDER/scores.csv' line 4: score 'inf', expected a finite number from 0 up or an empty cell");
        await RefusedScores(
            [.. lines[..3], "7,0.5", .. lines[4..]],
            "'FOLDER/scores.csv' line 4: index '7', expected 2 (one row a latent, in order)");
        await RefusedScores(
            [.. lines[..3], "2,0.5,1", .. lines[4..]],
            "'FOLDER/scores.csv' line 4: Record 4 (line 4) has 3 fields but 2 were expected.");
        await RefusedScores(
            [.. lines[1..]],
            "'FOLDER/scores.csv' line 1: expected the header ',name' (an index column without a name, and the scores)");
        await Refused(_golden.Model, "Could not find file 'FOLDER/none.csv'.", "--scores", _folder.File("none.csv"));
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
        string prompts = Path.Combine(_golden.Folder, "prompts.json");
        string[] args =
            ["trace", .. _golden.WithScores(), "--prompts", prompts, "--out", Path.Combine(output, "x.npz")];
        args[Array.IndexOf(args, "--model") + 1] = model;
        if (instead.Length == 2)
        {
            args[Array.IndexOf(args, instead[0]) + 1] = instead[1];
        }

        string error = await CliRun.Refused(2, args);
        Assert.Equal(
            expected,
            error.Replace(model, "MODEL", StringComparison.Ordinal)
                .Replace(_folder.Path, "FOLDER", StringComparison.Ordinal));
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
