using System.Text.Json;
using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Tests.Numerics;
using LayerSteer.Tests.Topics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>Commands without --model use the pocket model; with it, nothing of it.</summary>
public sealed class PocketDefaultsTests : IDisposable
{
    private const string Prompt = "The doctor said that";

    private readonly TemporaryFolder _folder = new();
    private readonly PocketModel _pocket = PocketModel.Open(SamplePocket.Folder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Generate_uses_the_pocket_model_and_records_it()
    {
        JsonElement json = (await CliRun.Of("generate", Prompt, "--topic", "medical", "-n", "6", "--json")).Json;
        using Steerer steerer = _pocket.Load();
        JsonElement steering = json.GetProperty("steering");
        Assert.Equal(_pocket.Model, json.GetProperty("model").GetString());
        Assert.Equal(steerer.Decoder.Digest, steering.GetProperty("digests").GetProperty("model").GetString());
        Assert.Equal(SamplePocket.DefaultHook, steering.GetProperty("hook_points")[0].GetString());
        CliRun named = await CliRun.Of(
            "generate", Prompt, "--model", _pocket.Model, "--sae", _pocket.DefaultSae.Path, "--layer", "2", "--topic",
            _pocket.Topic("medical").Profile, "-n", "6", "--json");
        Assert.Equal(named.Json.GetProperty("text").GetString(), json.GetProperty("text").GetString());
    }

    [Fact]
    public async Task Generate_takes_a_topics_texts_alone_and_another_layer_of_the_pocket_model()
    {
        string[] common = ["-n", "6", "--json"];
        CliRun aligned = await CliRun.Of(["generate", Prompt, "--align", SamplePocket.Medical, "--force", .. common]);
        CliRun named = await CliRun.Of(["generate", Prompt, "--topic", "medical", .. common]);
        Assert.Equal(named.Json.GetProperty("text").GetString(), aligned.Json.GetProperty("text").GetString());
        CliRun other = await CliRun.Of(["generate", Prompt, "--layer", "1", "--method", "sae", .. common]);
        Assert.Equal(
            SamplePocket.OtherHook, other.Json.GetProperty("steering").GetProperty("hook_points")[0].GetString());
        Assert.Equal(
            "topic 'medical' was made with hook point blocks.2.hook_resid_post, here it is blocks.1.hook_resid_post; "
            + "make the topic again or use what it was made with",
            await CliRun.Refused(2, "generate", Prompt, "--layer", "1", "--topic", "medical"));
        Assert.Equal(
            "the pocket model has no autoencoder at blocks.0.hook_resid_post; it has them at "
            + "blocks.1.hook_resid_post, blocks.2.hook_resid_post",
            await CliRun.Refused(1, "generate", Prompt, "--layer", "0", "--topic", "medical"));
    }

    [Fact]
    public async Task Options_that_need_others_are_refused()
    {
        Assert.Equal(
            "method swap needs scores: give --scores, --topic (medical, outdoors), or --align",
            await CliRun.Refused(1, "generate", Prompt));
        Assert.Equal(
            "--reference needs --align, the topic's texts", await CliRun.Refused(1, "generate", Prompt, "--reference", "r"));
        Assert.Equal(
            "--encoder needs --reference: the pocket model's index was made with its own encoder",
            await CliRun.Refused(1, "generate", Prompt, "--align", "a", "--encoder", "e"));
        Assert.Equal(
            "--sae is needed, one autoencoder",
            await CliRun.Refused(1, "index", "--sae", "a,b", "--reference", "r", "--out", "o"));
    }

    [Fact]
    public async Task Nothing_of_the_pocket_model_is_mixed_in_where_a_model_is_named()
    {
        string[] model = ["--model", _pocket.Model];
        Assert.Equal(
            "method swap needs --sae; --method orig is the unsteered model",
            await CliRun.Refused(1, ["generate", Prompt, .. model, "--topic", "medical"]));
        Assert.StartsWith(
            "'outdoors': no such topic file; ",
            await CliRun.Refused(
                2, ["generate", Prompt, .. model, "--sae", _pocket.DefaultSae.Path, "--layer", "2", "--topic", "outdoors"]),
            StringComparison.Ordinal);
        Assert.Equal(
            "--reference, --align and --encoder belong together",
            await CliRun.Refused(
                1, ["generate", Prompt, .. model, "--sae", "a", "--layer", "2", "--align", SamplePocket.Medical]));
        Assert.Equal(
            "--sae is needed, one autoencoder",
            await CliRun.Refused(1, ["index", .. model, "--reference", "r", "--out", "o"]));
        Assert.Equal(
            "--model needs --encoder, the folder of a sentence encoder",
            await CliRun.Refused(
                1, ["index", .. model, "--sae", "a", "--layer", "1", "--reference", "r", "--out", "o"]));
    }

    [Fact]
    public async Task An_autoencoder_sits_where_its_file_says()
    {
        const int DSae = 64;
        HookPoint point = HookPoint.Parse("blocks.1.hook_resid_mid");
        int dIn = ArchitectureSpec.Read(Path.Combine(_pocket.Model, "config.json")).DModel;
        string sae = _folder["own.safetensors"];
        AutoencoderWriter.WriteFile(
            sae,
            new AutoencoderConfig { DIn = dIn, DSae = DSae, Kind = SaeActivationKind.TopK, K = 4, HookPoint = point },
            new AutoencoderTensors
            {
                Encoder = RandomFloats.Of(1, DSae * dIn, 0.3f),
                EncoderBias = new float[DSae],
                Decoder = RandomFloats.Of(2, DSae * dIn, 0.3f),
                DecoderBias = new float[dIn],
            });
        CliRun run = await CliRun.Of(
            "generate", Prompt, "--model", _pocket.Model, "--sae", sae, "--method", "sae", "-n", "2", "--json");
        Assert.Equal(
            point.ToString(), run.Json.GetProperty("steering").GetProperty("hook_points")[0].GetString());
        Assert.Equal(
            $"'{sae}': the autoencoder was trained at {point}, not at blocks.2.hook_resid_mid; use it there",
            await CliRun.Refused(2, "generate", Prompt, "--sae", sae, "--layer", "2", "--method", "sae"));
        Assert.Equal(
            $"'{_pocket.DefaultSae.Path}' does not say which hook point it was trained at; give --layer, and --hook "
            + "if it is not hook_resid_post",
            await CliRun.Refused(2, "generate", Prompt, "--sae", _pocket.DefaultSae.Path, "--method", "sae"));
    }

    [Fact]
    public async Task Index_and_topic_use_it_too()
    {
        string references = Path.Combine(SamplePocket.Tiny, "reference.csv");
        await CliRun.Done("index", "--reference", references, "--out", _folder["index"]);
        IndexManifest manifest = ReferenceIndex.Open(_folder["index"]).Manifest;
        IndexManifest shipped = ReferenceIndex.Open(_pocket.Index).Manifest;
        Assert.Equal(
            (_pocket.Model, _pocket.Encoder, shipped.Sae.Digest, SamplePocket.DefaultHook),
            (manifest.Model.Path, manifest.Encoder.Path, manifest.Sae.Digest, manifest.HookPoint));

        await CliRun.Done("topic", "--align", SamplePocket.Medical, "--out", _folder["topic.json"]);
        TopicProfile topic = TopicProfile.Read(_folder["topic.json"]);
        Assert.Equal(TopicProfile.Read(_pocket.Topic("medical").Profile).Scores.Scores, topic.Scores.Scores);
        CliRun list = await CliRun.Of("topic", "list", "--json");
        Assert.Contains("outdoors", list.Json.EnumerateArray().Select(one => one.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task Trace_tokenize_and_timing_use_it_too()
    {
        string prompts = _folder.Write("prompts.json", """["The doctor"]""");
        CliRun trace = await CliRun.Of(
            "trace", "--prompts", prompts, "--topic", "medical", "--out", _folder["trace.npz"], "--json");
        Assert.Equal(_pocket.Model, trace.Json.GetProperty("model").GetString());
        CliRun named = await CliRun.Of("tokenize", "--model", _pocket.Model, "--text", Prompt, "--json");
        CliRun ids = await CliRun.Of("tokenize", "--text", Prompt, "--json");
        Assert.Equal(named.Out, ids.Out);
        CliRun timing = await CliRun.Of(
            "timing", Prompt, "--reference", Path.Combine(SamplePocket.Tiny, "reference.csv"), "--align",
            SamplePocket.Medical, "--repeats", "1", "--max-texts", "2", "--json");
        using Steerer steerer = _pocket.Load(new LoadOptions());
        Assert.Equal(
            steerer.Decoder.Spec.DModel, timing.Json.GetProperty("model").GetProperty("d_model").GetInt32());
    }
}
