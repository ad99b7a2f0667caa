using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`trace` against golden.npz; tolerances from golden/README.md.</summary>
public class TraceCommandTests
{
    private const double OfValues = 5e-5;
    private const double OfLogits = 1e-4;

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task Arrays_and_the_logits_of_the_five_methods_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using var folder = new TempFolder();
        foreach (string method in new[] { "orig", "SAE", "clamp", "weight", "swap" })
        {
            string output = folder.File(method + ".npz");
            await CliRun.Done(Trace(golden, output, [.. golden.WithScores(), "--method", method, "--mode", "seed"]));
            using TensorFile arrays = TensorFile.Open(output);
            for (int prompt = 0; prompt < golden.Prompts.Length; prompt++)
            {
                string prefix = GoldenCase.Prefix(prompt);
                Assert.Equal(TensorType.I32, arrays[prefix + "tokens"].Type);
                int[] tokens = golden.TokensWithBos(prompt);
                Assert.Equal(tokens.Select(id => (float)id), arrays[prefix + "tokens"].ToFloats());
                Assert.Equal([golden.LayerCount, tokens.Length, Width(golden)], arrays[prefix + "resid"].Shape);
                foreach (string array in new[] { "resid", "pre_act", "latents", "recon" })
                {
                    Close.To(
                        golden.Floats(prefix + array), arrays[prefix + array].ToFloats(), OfValues, prefix + array);
                }

                CompareLogits(golden, arrays, prefix, method);
            }
        }
    }

    [Fact]
    public async Task Gaps_in_the_scores_are_told_and_read_as_zero_in_seed_mode()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string scores = Path.Combine(golden.Folder, "scores_with_gaps.csv");
        int gaps = golden.Json.GetProperty("gaps").GetProperty("gap_features").GetArrayLength();
        foreach (string method in new[] { "clamp", "weight", "swap" })
        {
            string output = folder.File(method + ".npz");
            CliRun run = await CliRun.Done(Trace(
                golden, output, [.. golden.Steered(), "--scores", scores, "--method", method, "--mode", "seed"]));
            Assert.Contains(
                $"'{scores}': {512 - gaps} latents scored, {gaps} unsupported", run.Notes, StringComparison.Ordinal);
            using TensorFile arrays = TensorFile.Open(output);
            float[] expected = golden.Floats($"gaps.logits_{method}_gaps_as_zero");
            float[] logits = Close.Centred(arrays["p00.logits"].ToFloats(), expected.Length);
            Close.To(expected, logits.AsSpan(logits.Length - expected.Length), OfLogits, method);
        }
    }

    [Fact]
    public async Task Several_layers_are_those_of_the_reference()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string[] layers = ["--model", golden.Model, "--sae", golden.Sae, "--layer", "1,3", "--scores", golden.Scores];
        foreach (string method in new[] { "sae", "swap" })
        {
            string output = folder.File(method + ".npz");
            await CliRun.Done(Trace(golden, output, [.. layers, "--method", method, "--mode", "seed"]));
            using TensorFile arrays = TensorFile.Open(output);
            string key = $"multi.logits_{(method == "sae" ? "SAE" : method)}";
            float[] expected = golden.Floats(key);
            float[] logits = Close.Centred(
                arrays["p00.logits"].ToFloats(), golden.Json.GetProperty("case").GetProperty("vocab_size").GetInt32());
            Close.To(expected, logits.AsSpan(logits.Length - expected.Length), OfLogits, key);
            Assert.Equal([15, 512], arrays["p00.L3.latents"].Shape);
        }
    }

    [Fact]
    public async Task An_empty_prompt_is_bos_alone_and_a_long_one_keeps_its_beginning_with_a_warning()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string text = string.Concat(Enumerable.Repeat("dog ", 200));
        string prompts = folder.Write("prompts.json", TempFolder.Ascii($"""["", "{text}"]"""));
        string output = folder.File("out.npz");
        CliRun run = await CliRun.Done(
            ["trace", .. golden.Steered(), "--method", "orig", "--prompts", prompts, "--out", output]);
        int[] ids =
            GoldenCase.Ints((await CliRun.Of("tokenize", "--model", golden.Model, "--text", text, "--bos", "--json"))
            .Json.GetProperty("ids")[0]);
        using TensorFile arrays = TensorFile.Open(output);
        Assert.Equal([756f], arrays["p00.tokens"].ToFloats());
        Assert.Equal(ids[..golden.Context].Select(id => (float)id), arrays["p01.tokens"].ToFloats());
        Assert.Equal(
            [$"prompt 1 has {ids.Length} tokens; the first {golden.Context} are kept, which is the model's context"],
            run.Warnings);
    }

    [Fact]
    public async Task Safetensors_hold_the_same_bits_and_json_says_what_was_written()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-relu-sharded");
        using var folder = new TempFolder();
        string npz = folder.File("out.npz");
        string safetensors = folder.File("out.safetensors");
        await CliRun.Done(Trace(golden, npz, golden.WithScores()));
        CliRun run = await CliRun.Of([.. Trace(golden, safetensors, golden.WithScores()), "--json"]);
        Assert.Equal(safetensors, run.Json.GetProperty("out").GetString());
        Assert.Equal(golden.Prompts.Length, run.Json.GetProperty("prompts").GetInt32());
        using TensorFile first = TensorFile.Open(npz);
        using TensorFile second = TensorFile.Open(safetensors);
        Assert.Equal(first.Tensors.Keys.Order(), second.Tensors.Keys.Order());
        foreach (string key in first.Tensors.Keys)
        {
            Assert.Equal(first[key].ToFloats(), second[key].ToFloats());
        }
    }

    [Fact]
    public async Task Any_number_of_threads_gives_the_same_bytes()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string[] outputs = [folder.File("1.npz"), folder.File("2.npz"), folder.File("5.npz")];
        foreach (string output in outputs)
        {
            await CliRun.Done(
                [.. Trace(golden, output, golden.WithScores()), "--threads", Path.GetFileNameWithoutExtension(output)]);
        }

        byte[] first = await Bytes(outputs[0]);
        Assert.Equal(first, await Bytes(outputs[1]));
        Assert.Equal(first, await Bytes(outputs[2]));
    }

    [Fact]
    public async Task Csv_files_of_swap_are_those_that_the_published_hooks_write()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        int prompt = golden.Json.GetProperty("csv_prompt").GetInt32();
        string[] swap = ["--method", "swap", "--mode", "seed", "--csv", folder.File("csv")];
        await CliRun.Done(Trace(golden, folder.File("out.npz"), [.. golden.WithScores(), .. swap]));
        CsvLayout.Equal(
            Path.Combine(golden.Folder, "csv", "swap_latents_at_layer_2.csv"),
            Path.Combine(folder.File("csv"), $"p{prompt:D2}", "swap_latents_at_layer_2.csv"),
            OfValues);
    }

    [Fact]
    public async Task Outputs_that_cannot_be_are_refused_before_anything_is_run()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        Assert.Equal(
            $"--out is '{folder.File("out.bin")}', expected a name that ends in .npz or .safetensors",
            await CliRun.Refused(1, Trace(golden, folder.File("out.bin"), golden.WithScores())));
        string nowhere = Path.Combine(folder.Path, "no", "out.npz");
        Assert.Equal(
            $"'{nowhere}': there is no folder '{Path.Combine(folder.Path, "no")}' to write it into",
            await CliRun.Refused(2, Trace(golden, nowhere, golden.WithScores())));
        string[] orig = ["--method", "orig", "--csv", folder.File("csv")];
        Assert.Equal(
            "--csv writes the latents that a method decodes; orig and strength 0 decode none",
            await CliRun.Refused(1, Trace(golden, folder.File("out.npz"), [.. golden.Steered(), .. orig])));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    private static string[] Trace(GoldenCase golden, string output, string[] steering) =>
        ["trace", .. steering, "--prompts", Path.Combine(golden.Folder, "prompts.json"), "--out", output];

    private static void CompareLogits(GoldenCase golden, TensorFile arrays, string prefix, string method)
    {
        int vocabulary = golden.Json.GetProperty("case").GetProperty("vocab_size").GetInt32();
        float[] raw = arrays[prefix + "logits"].ToFloats();
        float[] expected = golden.Floats(prefix + "logits_" + method);
        float[] centred = Close.Centred(raw, vocabulary);
        Close.To(expected, centred.AsSpan(centred.Length - expected.Length), OfLogits, prefix + method);
        if (method == "orig")
        {
            Close.To(golden.Floats(prefix + "logits_hf"), raw, OfLogits, prefix + "logits_hf");
        }
    }

    private static int Width(GoldenCase golden) => golden.Json.GetProperty("case").GetProperty("d_model").GetInt32();

    private static Task<byte[]> Bytes(string path) =>
        File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
}
