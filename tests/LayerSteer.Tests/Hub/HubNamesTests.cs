using LayerSteer.Hub;
using Xunit;

namespace LayerSteer.Tests.Hub;

public class HubNamesTests
{
    [Theory]
    [InlineData("gpt2", "openai-community/gpt2")]
    [InlineData("gpt2-small", "openai-community/gpt2")]
    [InlineData("openai-community/gpt2", "openai-community/gpt2")]
    [InlineData("gpt2-xl@v1", "openai-community/gpt2-xl@v1")]
    [InlineData("pythia-70m-deduped", "EleutherAI/pythia-70m-deduped")]
    [InlineData("gemma-2-2b", "google/gemma-2-2b")]
    [InlineData("google/gemma-2-2b", "google/gemma-2-2b")]
    [InlineData("gemma-3-1b", "google/gemma-3-1b-pt")]
    [InlineData("llama-3.1-8b", "meta-llama/Llama-3.1-8B")]
    [InlineData("Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct")]
    [InlineData("someone/something", "someone/something")]
    [InlineData("hf://someone/something@refs/pr/1", null)]
    [InlineData("hf://someone/something@dev", "someone/something@dev")]
    public void A_model_is_found_by_the_names_that_people_use(string name, string? expected)
    {
        if (expected is null)
        {
            Assert.Throws<ArgumentException>(() => HubNames.Resolve(name, HubKind.Model));
            return;
        }

        HubTarget target = HubNames.Resolve(name, HubKind.Model);
        Assert.Equal((expected, HubKind.Model, ""), (target.Repository.ToString(), target.Kind, target.Path));
    }

    [Theory]
    [InlineData(
        "gpt2-small-resid-post-v5-32k/blocks.9.hook_resid_post",
        "jbloom/GPT2-Small-OAI-v5-32k-resid-post-SAEs", "v5_32k_layer_9.pt", "blocks.9.hook_resid_post", "gpt2-small")]
    [InlineData(
        "gpt2-small/9-res_post_32k-oai",
        "jbloom/GPT2-Small-OAI-v5-32k-resid-post-SAEs", "v5_32k_layer_9.pt", "blocks.9.hook_resid_post", "gpt2-small")]
    [InlineData(
        "gpt2-small-res-jb/blocks.8.hook_resid_pre",
        "jbloom/GPT2-Small-SAEs-Reformatted", "blocks.8.hook_resid_pre", "blocks.8.hook_resid_pre", "gpt2-small")]
    [InlineData(
        "gemma-scope-2b-pt-res-canonical/layer_20/width_16k/canonical",
        "google/gemma-scope-2b-pt-res", "layer_20/width_16k/average_l0_71", "blocks.20.hook_resid_post", "gemma-2-2b")]
    [InlineData(
        "gemma-2-2b/20-gemmascope-res-16k",
        "google/gemma-scope-2b-pt-res", "layer_20/width_16k/average_l0_71", "blocks.20.hook_resid_post", "gemma-2-2b")]
    [InlineData(
        "gemma-scope-2b-pt-att/layer_20/width_16k/average_l0_446",
        "google/gemma-scope-2b-pt-att", "layer_20/width_16k/average_l0_446", "blocks.20.attn.hook_z", "gemma-2-2b")]
    [InlineData(
        "gemma-scope-2-4b-it-res/layer_17_width_16k_l0_medium",
        "google/gemma-scope-2-4b-it", "resid_post/layer_17_width_16k_l0_medium", "blocks.17.hook_resid_post",
        "google/gemma-3-4b-it")]
    [InlineData(
        "llama_scope_lxr_8x/l15r_8x",
        "fnlp/Llama3_1-8B-Base-LXR-8x", "Llama3_1-8B-Base-L15R-8x", "blocks.15.hook_resid_post",
        "meta-llama/Llama-3.1-8B")]
    [InlineData(
        "hf://google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71",
        "google/gemma-scope-2b-pt-res", "layer_20/width_16k/average_l0_71", "blocks.20.hook_resid_post", "gemma-2-2b")]
    [InlineData("hf://someone/saes/layers.3@v2", "someone/saes@v2", "layers.3", null, null)]
    [InlineData("hf://someone/saes@v2/layers.3/sae.pt", "someone/saes@v2", "layers.3/sae.pt", null, null)]
    [InlineData("someone/sae", "someone/sae", "", null, null)]
    public void An_autoencoder_is_found_by_the_names_that_people_use(
        string name, string repository, string path, string? hook, string? model)
    {
        HubTarget target = HubNames.Resolve(name, HubKind.Autoencoder);
        Assert.Equal(
            (repository, path, hook, model, name),
            (target.Repository.ToString(), target.Path, target.HookPoint?.ToString(), target.ModelName, target.Name));
    }

    [Theory]
    [InlineData("gtp2", HubKind.Model, "model", "gpt2")]
    [InlineData("all-MiniLM-L6", HubKind.Encoder, "sentence encoder", "all-MiniLM-L6-v2")]
    [InlineData(
        "gpt2-small-res-jb/blocks.12.hook_resid_pre", HubKind.Autoencoder, "autoencoder",
        "gpt2-small-res-jb/blocks.1.hook_resid_pre")]
    [InlineData("gpt2-small/9-res-oai", HubKind.Autoencoder, "autoencoder", "gpt2-small/9-res-jb")]
    public void An_unknown_name_is_refused_with_the_three_nearest(
        string name, HubKind kind, string what, string nearest)
    {
        string message = Assert.Throws<ArgumentException>(() => HubNames.Resolve(name, kind)).Message;
        Assert.StartsWith(
            $"no {what} '{name}': there is no such path, and of the known names the nearest are {nearest}, ",
            message,
            StringComparison.Ordinal);
        Assert.Equal(3, HubNames.Nearest(name, kind).Count);
    }

    [Fact]
    public void A_transcoder_is_refused_by_name()
    {
        string message = Assert.Throws<NotSupportedException>(
            () => HubNames.Resolve("gemma-scope-2b-pt-transcoders/layer_13/width_16k/average_l0_8")).Message;
        Assert.StartsWith(
            "'gemma-scope-2b-pt-transcoders/layer_13/width_16k/average_l0_8' is a transcoder: it reads at one place and "
            + "writes at another, so it cannot stand at one hook point; take an autoencoder, such as ",
            message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hf://x")]
    [InlineData("hf://../..")]
    [InlineData("hf://org/repo/../x")]
    [InlineData("hf://org/repo/a//b")]
    [InlineData("hf://org/repo/C:/x")]
    [InlineData("hf://org/repo/a\\b")]
    [InlineData("hf://org/repo@../x")]
    [InlineData("hf://-org/repo")]
    [InlineData("org/..")]
    [InlineData("org/a--b")]
    [InlineData("org/repo@")]
    [InlineData("org/repo@a b")]
    [InlineData("a/b/c")]
    [InlineData("")]
    public void What_can_be_no_name_on_a_hub_is_refused(string name) =>
        Assert.Throws<ArgumentException>(() => HubNames.Resolve(name));

    [Fact]
    public void Every_listed_autoencoder_resolves_to_itself_and_its_path_is_safe()
    {
        KnownSae[] all = [.. KnownSaes.All];
        Assert.Equal(4500, all.Length);
        Assert.Equal(all.Length, all.Select(sae => sae.Name).Distinct(StringComparer.Ordinal).Count());
        Assert.All(all, sae =>
        {
            Assert.True(HubFileName.IsSafe(sae.Path), sae.Path);
            Assert.Equal(sae.Repository, HubRepository.Parse(sae.Repository).Name);
            Assert.True(sae.IsTranscoder || sae.HookPoint is not null, sae.Name);
            Assert.NotNull(KnownModels.Find(sae.Model));
        });
        foreach (KnownSae sae in all.Where((_, i) => i % 97 == 0))
        {
            Assert.Equal(sae, KnownSaes.Find(sae.Name));
            Assert.Equal(sae.Path, KnownSaes.FindPath(sae.Repository, sae.Path)?.Path);
            if (sae.NeuronpediaId is { } id)
            {
                Assert.Equal(sae.Path, KnownSaes.Find(id)?.Path);
            }
        }
    }

    [Fact]
    public void Every_known_model_is_found_by_each_of_its_names()
    {
        foreach (KnownModel model in KnownModels.All)
        {
            Assert.Equal(model.Repository, HubRepository.Parse(model.Repository).Name);
            Assert.All(model.Names, name => Assert.Same(model, KnownModels.Find(name.ToUpperInvariant())));
            Assert.DoesNotContain('@', string.Concat(model.Names));
        }
    }

    [Theory]
    [InlineData("gpt2-small", "gpt2", true)]
    [InlineData("gpt2-small", "openai-community/gpt2", true)]
    [InlineData("gpt2-small", "gpt2-medium", false)]
    [InlineData("Someone/Model-A", "model-a", true)]
    [InlineData("Someone/Model-A", "model-b", false)]
    [InlineData("Someone/gpt2", "gpt2", false)]
    public void Names_of_one_model_are_the_same(string name, string other, bool same) =>
        Assert.Equal(same, KnownModels.AreSame(name, other));

    [Theory]
    [InlineData("cfg.json", true)]
    [InlineData("a/b.c/d-e_f.pt", true)]
    [InlineData("layers:v0", true)]
    [InlineData("", false)]
    [InlineData("/etc/passwd", false)]
    [InlineData("../x", false)]
    [InlineData("a/../x", false)]
    [InlineData("a/./x", false)]
    [InlineData("a//x", false)]
    [InlineData("a/", false)]
    [InlineData("C:/x", false)]
    [InlineData("c:x", false)]
    [InlineData("a\\x", false)]
    [InlineData("a\0x", false)]
    [InlineData("a\nx", false)]
    [InlineData("a/nul", false)]
    [InlineData("COM1.txt", false)]
    [InlineData("aux.safetensors", false)]
    [InlineData("x.", false)]
    [InlineData("x ", false)]
    [InlineData("x?", false)]
    [InlineData("a*", false)]
    public void Names_of_files_stay_within_their_folder(string name, bool safe)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() && name.Contains(':', StringComparison.Ordinal), "a stream there");
        Assert.Equal(safe, HubFileName.IsSafe(name));
    }

    [Theory]
    [InlineData("./gpt2", true)]
    [InlineData("/models/gpt2", true)]
    [InlineData("~/gpt2", true)]
    [InlineData("folder\\gpt2", true)]
    [InlineData("folder/", true)]
    [InlineData("sae.safetensors", true)]
    [InlineData("gpt2", false)]
    [InlineData("org/gpt2", false)]
    [InlineData("hf://org/repo/sae.pt", false)]
    public void A_text_that_is_written_as_a_path_is_one(string text, bool isPath) =>
        Assert.Equal(isPath, HubNames.IsPath(text));

    [Theory]
    [InlineData("", "", 0)]
    [InlineData("gpt2", "gpt2", 0)]
    [InlineData("gtp2", "gpt2", 2)]
    [InlineData("gpt", "gpt2", 1)]
    [InlineData("kitten", "sitting", 3)]
    public void Edits_are_the_fewest(string from, string to, int edits) =>
        Assert.Equal((edits, edits), (NearestNames.Edits(from, to), NearestNames.Edits(to, from)));
}
