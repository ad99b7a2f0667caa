using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Models;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`trace --tokens`: ids as they are, for models without a tokenizer. Tolerances from golden/README.md.</summary>
public sealed class TraceTokensTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Gemma_2_has_the_residuals_and_logits_of_the_reference()
    {
        string golden = TestFiles.Golden("gemma2-tiny");
        using JsonDocument json = JsonDocument.Parse(
            await File.ReadAllTextAsync(Path.Combine(golden, "golden.json"), TestContext.Current.CancellationToken));
        using TensorFile expected = TensorFile.Open(Path.Combine(golden, "golden.npz"));
        string tokens = Write(JsonSerializer.Serialize(
            json.RootElement.GetProperty("sequences").EnumerateArray().Select(s => s.GetProperty("tokens"))));
        using TensorFile arrays = await Trace(Path.Combine(golden, "model"), tokens);
        for (int i = 0; i < 4; i++)
        {
            string s = $"s{i:D2}.";
            string p = $"p{i:D2}.";
            Assert.Equal(expected[s + "resid"].Shape, arrays[p + "resid"].Shape);
            Close.To(expected[s + "resid"].ToFloats(), arrays[p + "resid"].ToFloats(), 5e-5, p + "resid");
            Close.To(expected[s + "logits"].ToFloats(), arrays[p + "logits"].ToFloats(), 1e-4, p + "logits");
            Assert.Equal(expected[s + "tokens"].ToFloats(), arrays[p + "tokens"].ToFloats());
        }
    }

    [Fact]
    public async Task A_real_llama_without_a_tokenizer_has_the_logits_that_are_expected()
    {
        string folder = TestFiles.InShared("weights/stories260K");
        using JsonDocument json = JsonDocument.Parse(
            await File.ReadAllTextAsync(Path.Combine(folder, "expected.json"), TestContext.Current.CancellationToken));
        string tokens = Write($"[{json.RootElement.GetProperty("prompt_ids").GetRawText()}]");
        using TensorFile arrays = await Trace(Path.Combine(folder, "hf"), tokens);
        float[] logits = arrays["p00.logits"].ToFloats();
        float[] expected =
            [.. json.RootElement.GetProperty("last_logits").EnumerateArray().Select(e => e.GetSingle())];
        Close.To(expected, logits.AsSpan(^expected.Length..), 1e-4, "logits");
        Assert.Equal([5, 5, 64], arrays["p00.resid"].Shape);
    }

    [Theory]
    [InlineData("[[1, 130]]", "'DIR/tokens.json': id 130 at 1 of list 0; the model's vocabulary has ids 0 to 129")]
    [InlineData("[[1], [-1]]", "'DIR/tokens.json': id -1 at 0 of list 1; the model's vocabulary has ids 0 to 129")]
    [InlineData("[]", "'DIR/tokens.json': no lists; expected a JSON list of lists of token ids, none empty")]
    [InlineData("[[1], []]", "'DIR/tokens.json': list 1 has no ids; expected a JSON list of lists of token ids, none empty")]
    [InlineData("[[1], null]", "'DIR/tokens.json': list 1 has no ids; expected a JSON list of lists of token ids, none empty")]
    public async Task Ids_that_cannot_be_are_refused_by_name(string json, string message)
    {
        using TinyFamily tiny = TinyFamily.Create("llama3");
        tiny.Write();
        string refusal = await Refused(2, "trace", "--model", tiny.Path, "--tokens", Write(json), "--method", "orig");
        Assert.Equal(message, refusal);
    }

    [Fact]
    public async Task Lists_longer_than_the_context_and_what_is_no_list_are_refused()
    {
        using TinyFamily tiny = TinyFamily.Create("llama3");
        tiny.Write();
        string[] trace = ["trace", "--model", tiny.Path, "--method", "orig", "--tokens"];
        string longer = JsonSerializer.Serialize(new[] { TinyFamily.Ids(1, TinyFamily.Context + 1) });
        Assert.Equal(
            "'DIR/tokens.json': list 0 has 49 ids; the model's context is 48",
            await Refused(2, [.. trace, Write(longer)]));
        Assert.StartsWith(
            "'DIR/tokens.json': expected a JSON list of lists of token ids, none empty: ",
            await Refused(2, [.. trace, Write("[1, 2]")]),
            StringComparison.Ordinal);
        Assert.Equal(
            "'DIR/none.json': no such file; expected a JSON list of lists of token ids, none empty",
            await Refused(2, [.. trace, _folder.File("none.json")]));
    }

    [Fact]
    public async Task Ids_and_texts_exclude_each_other_and_texts_need_a_tokenizer()
    {
        using TinyFamily tiny = TinyFamily.Create("llama3");
        tiny.Write();
        string tokens = Write("[[1, 2, 3]]");
        string[] trace = ["trace", "--model", tiny.Path, "--method", "orig"];
        Assert.Equal("give one of --prompts and --tokens", await Refused(1, trace));
        Assert.Equal(
            "give one of --prompts and --tokens",
            await Refused(1, [.. trace, "--tokens", tokens, "--prompts", tokens]));
        Assert.Equal(
            "--tokens are taken as they are; --bos goes with --prompts",
            await Refused(1, [.. trace, "--tokens", tokens, "--bos", "one"]));
        string texts = _folder.Write("texts.json", TempFolder.Ascii("""["a"]"""));
        string refusal = await Refused(2, [.. trace, "--prompts", texts]);
        Assert.Contains(tiny.Path, refusal, StringComparison.Ordinal);
        Assert.Contains("tokenizer", refusal, StringComparison.Ordinal);
    }

    private string Write(string json) => _folder.Write("tokens.json", TempFolder.Ascii(json));

    private async Task<TensorFile> Trace(string model, string tokens)
    {
        string output = _folder.File("out.npz");
        await CliRun.Done("trace", "--model", model, "--tokens", tokens, "--method", "orig", "--out", output);
        return TensorFile.Open(output);
    }

    private async Task<string> Refused(int code, params string[] args) =>
        (await CliRun.Refused(code, [.. args, "--out", _folder.File("out.npz")]))
        .Replace(_folder.Path, "DIR", StringComparison.Ordinal);
}
