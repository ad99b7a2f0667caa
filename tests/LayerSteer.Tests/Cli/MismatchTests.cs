using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>Files that are right one by one and do not belong together: one line, exit code 2.</summary>
public sealed class MismatchTests : IDisposable
{
    private readonly GoldenCase _golden = GoldenCase.Open("gpt2-topk");
    private readonly GoldenCase _other = GoldenCase.Open("gpt2-fp16-lastlayer");
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _golden.Dispose();
        _other.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task An_autoencoder_of_another_width_or_layer_is_refused()
    {
        Assert.Equal(
            $"'{_other.Sae}': the autoencoder's input has width 40, but blocks.2.hook_resid_post of this model has "
            + "width 64",
            await CliRun.Refused(
                2, "generate", "Hello", "--model", _golden.Model, "--sae", _other.Sae, "--layer", "2", "--scores",
                _other.Scores));
        Assert.Equal(
            "no hook point 'blocks.4.hook_resid_post'; this model has layers 0 to 3",
            await CliRun.Refused(2, ["generate", "Hello", .. _golden.WithScores(4)]));
        Assert.Equal(
            $"'{_golden.Sae}': the autoencoder's input has width 64, but blocks.2.mlp.hook_post of this model has "
            + "width 256",
            await CliRun.Refused(2, ["generate", "Hello", .. _golden.WithScores(), "--hook", "mlp.hook_post"]));
        Assert.Equal(
            "two edits at one hook point; expected each once",
            await CliRun.Refused(
                2, "generate", "Hello", "--model", _golden.Model, "--sae", _golden.Sae, "--layer", "2,2", "--scores",
                _golden.Scores));
    }

    [Fact]
    public async Task A_prompt_that_is_empty_or_leaves_no_room_is_refused_and_prints_nothing()
    {
        Assert.Equal(
            "the prompt is empty; give at least one character",
            await CliRun.Refused(2, ["generate", string.Empty, .. _golden.WithScores()]));
        string text = string.Concat(Enumerable.Repeat("dog ", 60));
        CliRun ids = await CliRun.Of("tokenize", "--model", _golden.Model, "--text", text, "--bos", "--json");
        int count = ids.Json.GetProperty("ids")[0].GetArrayLength();
        Assert.Equal(
            $"the prompt has {count} tokens with BOS and the model's context is 96, which leaves no room for a new "
            + "one; expected at most 95",
            await CliRun.Refused(2, ["generate", text, .. _golden.WithScores()]));
        string prompts = _folder.Write("prompts.json", TempFolder.Ascii("""["Hello", ""]"""));
        Assert.Equal(
            $"'{prompts}': prompt 1 is empty; give at least one character",
            await CliRun.Refused(2, ["generate", "--prompts", prompts, .. _golden.WithScores()]));
    }

    [Fact]
    public async Task Reference_and_alignment_sets_without_texts_are_refused_and_leave_nothing()
    {
        string empty = _folder.Write("empty.csv", TempFolder.Ascii(",0\n"));
        string blank = _folder.Write("blank.csv", TempFolder.Ascii(",0\n0,fine\n1, \n"));
        const string None = "no texts; expected a header ',0' and one row a text";
        string[] index = _golden.Index(_folder.File("index"));
        index[Array.IndexOf(index, "--reference") + 1] = empty;
        Assert.Equal($"'{empty}': {None}", await CliRun.Refused(2, index));
        index[Array.IndexOf(index, "--reference") + 1] = blank;
        Assert.Equal($"'{blank}' line 3, column '0': an empty text", await CliRun.Refused(2, index));
        Assert.False(Directory.Exists(_folder.File("index")));
        await CliRun.Done(_golden.Index(_folder.File("index")));
        Assert.Equal(
            $"'{empty}': {None}",
            await CliRun.Refused(
                2, "topic", "--index", _folder.File("index"), "--align", empty, "--out", _folder.File("topic.json")));
        Assert.False(File.Exists(_folder.File("topic.json")));
    }

    [Fact]
    public async Task More_shards_than_texts_are_refused()
    {
        Assert.Equal(
            "--shard is 2/17, but there are only 16 texts; use fewer shards",
            await CliRun.Refused(1, [.. _golden.Index(_folder.File("index")), "--shard", "2/17"]));
        Assert.False(Directory.Exists(_folder.File("index")));
    }

    [Fact]
    public async Task Modes_are_not_mixed()
    {
        await CliRun.Done(_golden.Index(_folder.File("index")));
        string topic = _folder.File("topic.json");
        Assert.Equal(
            $"'{_folder.File("index")}' was built with mode seed, but --mode is corrected; build an index with that "
            + "mode",
            await CliRun.Refused(2, [.. _golden.Topic(_folder.File("index")), "--mode", "corrected", "--out", topic]));
        Assert.False(File.Exists(topic));
        await CliRun.Done([.. _golden.Topic(_folder.File("index")), "--out", topic]);
        Assert.Equal(
            "topic 'd_align' was made with mode seed, here it is corrected; make the topic again or use what it was "
            + "made with",
            await CliRun.Refused(2, ["generate", "Hello", .. _golden.Steered(), "--topic", topic]));
        Assert.Equal(
            $"'{_folder.File("index")}' was begun with mode seed, expected corrected; build into another folder",
            await CliRun.Refused(2, _golden.Index(_folder.File("index"), "corrected")));
    }

    [Fact]
    public async Task A_topic_of_another_layer_model_or_autoencoder_is_refused()
    {
        string topic = _folder.File("topic.json");
        await CliRun.Done(_golden.Index(_folder.File("index"), "corrected"));
        await CliRun.Done([.. _golden.Topic(_folder.File("index")), "--out", topic]);
        Assert.Equal(
            "topic 'd_align' was made with hook point blocks.2.hook_resid_post, here it is blocks.1.hook_resid_post; "
            + "make the topic again or use what it was made with",
            await CliRun.Refused(2, ["generate", "Hello", .. _golden.Steered(1), "--topic", topic]));

        string sae = _folder.File("other.pt");
        File.WriteAllBytes(sae, HostileFiles.Sae(512, 64));
        string refused = await CliRun.Refused(
            2, "generate", "Hello", "--model", _golden.Model, "--sae", sae, "--layer", "2", "--topic", topic);
        Assert.Matches(
            "^topic 'd_align' was made with autoencoder digest [0-9a-f]{64}, here it is [0-9a-f]{64}; make ", refused);
        Assert.Equal(
            "topic 'd_align' is of one layer; 2 are steered, so give --scores for each",
            await CliRun.Refused(
                2, "generate", "Hello", "--model", _golden.Model, "--sae", _golden.Sae, "--layer", "1,2", "--topic",
                topic));
    }

    [Fact]
    public async Task An_encoder_that_is_not_the_one_of_the_index_is_refused()
    {
        string index = _folder.File("index");
        await CliRun.Done(_golden.Index(index));
        string refused = await CliRun.Refused(2, [.. _golden.Topic(index), "--encoder", _other.Encoder]);
        Assert.Matches(
            "^'.*index' was built with the sentence encoder [0-9a-f]{12}… \\('.*gpt2-topk/encoder'\\), but '.*' is "
            + "[0-9a-f]{12}…; "
            + "give the encoder of the index$",
            refused);
    }

    [Fact]
    public async Task A_topic_that_is_not_there_or_no_topic_is_refused()
    {
        string missing =
            await CliRun.Refused(2, ["generate", "Hello", .. _golden.Steered(), "--topic", "no-such-topic"]);
        Assert.StartsWith("'no-such-topic': no such topic file; ", missing, StringComparison.Ordinal);
        string json = _folder.Write("topic.json", TempFolder.Ascii("{}"));
        Assert.Equal(
            $"'{json}': no whole number 'format_version'",
            await CliRun.Refused(2, ["generate", "Hello", .. _golden.Steered(), "--topic", json]));
        await CliRun.Done(_golden.Index(_folder.File("index")));
        Assert.Equal(
            "'a/b' cannot name a topic; expected letters, digits, '-', '_', '.' or spaces",
            await CliRun.Refused(2, [.. _golden.Topic(_folder.File("index")), "--name", "a/b"]));
    }

    [Fact]
    public async Task Outputs_that_cannot_be_written_are_refused_before_any_is_written()
    {
        await CliRun.Done(_golden.Index(_folder.File("index")));
        string topic = _folder.File("topic.json");
        string nowhere = Path.Combine(_folder.Path, "no", "scores.csv");
        Assert.Equal(
            $"'{nowhere}': there is no folder '{Path.Combine(_folder.Path, "no")}' to write it into",
            await CliRun.Refused(
                2, [.. _golden.Topic(_folder.File("index")), "--out", topic, "--scores-out", nowhere]));
        Assert.Equal(
            $"'{_folder.Path}': is a folder, expected the name of a file to write",
            await CliRun.Refused(2, [.. _golden.Topic(_folder.File("index")), "--out", topic, "--dump", _folder.Path]));
        Assert.False(File.Exists(topic));
    }
}
