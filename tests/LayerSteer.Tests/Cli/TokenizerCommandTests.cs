using System.Text;
using System.Text.Json;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Text;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class TokenizerCommandTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _texts;
    private readonly string _out;

    public TokenizerCommandTests()
    {
        string[] texts = Sentences.Made(seed: 3, 300);
        _texts = Write("a.txt", string.Join("\n<|endoftext|>\n", texts));
        _out = _folder.File("tokenizer");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_tokenizer_is_trained_saved_and_described()
    {
        string more = Write("b.jsonl", "{\"text\": \"The otter swims under the ice.\"}");
        JsonElement json = (await CliRun.Of(
            "tokenizer", "train", "--texts", _texts, more, "--vocab", "380", "--out", _out, "--max-length", "128",
            "--json")).Json;
        TextTokenizer tokenizer = TextTokenizer.Load(_out);

        Assert.Equal((380, 128), (tokenizer.VocabularySize, tokenizer.ModelMaxLength));
        Assert.Equal(_out, json.GetProperty("tokenizer").GetString());
        Assert.Equal(380, json.GetProperty("vocabulary").GetInt32());
        Assert.Equal(123, json.GetProperty("merges").GetInt32());
        Assert.Equal(301, json.GetProperty("documents").GetInt32());
        Assert.Equal(0, json.GetProperty("left_out_bytes").GetInt32());
        Assert.Equal(tokenizer.Digest, json.GetProperty("digest").GetString());
        Assert.Equal(
            json.GetProperty("text_bytes").GetDouble() / json.GetProperty("tokens").GetDouble(),
            json.GetProperty("bytes_per_token").GetDouble());
        Assert.Equal(
            tokenizer.Encode("The otter"),
            (await CliRun.Of("tokenize", "--model", _out, "--text", "The otter", "--json")).Json
                .GetProperty("ids")[0].EnumerateArray().Select(id => id.GetInt32()));
    }

    [Fact]
    public async Task A_table_shows_what_was_trained()
    {
        CliRun run = await CliRun.Done("tokenizer", "train", "--texts", _texts, "--vocab", "300", "--out", _out);

        Assert.Contains("300 ids, 43 merges", run.Out, StringComparison.Ordinal);
        Assert.Contains("300 documents, ", run.Out, StringComparison.Ordinal);
        Assert.Contains(" on these texts", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_separator_may_be_named()
    {
        string dashes = Write("dashes.txt", "abab\n---\nabab\n---\nabab");
        JsonElement json = (await CliRun.Of(
            "tokenizer", "train", "--texts", dashes, "--vocab", "258", "--separator", "---", "--out", _out, "--json"))
            .Json;

        Assert.Equal(3, json.GetProperty("documents").GetInt32());
    }

    [Fact]
    public async Task Texts_and_options_that_will_not_do_are_refused_and_nothing_is_written()
    {
        Assert.Equal(
            "the texts give 4 merges of pairs that occur at least 2 times, but a vocabulary of 6144 needs 5887; "
            + "give more text or ask for at most 261",
            await CliRun.Refused(
                2, "tokenizer", "train", "--texts", Write("small.txt", "abcd abcd abcd"), "--out", _out));
        Assert.Equal(
            "'nowhere.txt': no such file or folder",
            await CliRun.Refused(2, "tokenizer", "train", "--texts", "nowhere.txt", "--out", _out));
        Assert.Equal(
            $"'{_texts}': is a file, expected the name of a folder",
            await CliRun.Refused(2, "tokenizer", "train", "--texts", _texts, "--out", _texts));
        Assert.Equal(
            "--vocab is '256', expected a whole number from 257 on",
            await CliRun.Refused(1, "tokenizer", "train", "--texts", _texts, "--vocab", "256", "--out", _out));
        Assert.Equal(
            "Option '--texts' is required.", await CliRun.Refused(1, "tokenizer", "train", "--out", _out));
        Assert.False(Path.Exists(_out));
    }

    [Fact]
    public async Task A_cancelled_training_writes_nothing()
    {
        using var cancellation = new CancellationTokenSource();
        await cancellation.CancelAsync();
        CliRun run = await CliRun.Of(
            cancellation.Token, "tokenizer", "train", "--texts", _texts, "--vocab", "300", "--out", _out);

        Assert.Equal((130, string.Empty), (run.Code, run.Out));
        Assert.Equal(["cancelled"], run.Errors);
        Assert.False(Path.Exists(_out));
    }

    private string Write(string name, string content) => _folder.Write(name, Encoding.UTF8.GetBytes(content));
}
