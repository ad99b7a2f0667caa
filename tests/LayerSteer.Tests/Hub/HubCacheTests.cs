using LayerSteer.Hub;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Hub;

/// <summary>Caches as other tools of the hub leave them.</summary>
public sealed class HubCacheTests : IDisposable
{
    private static readonly string First = new('1', 40);
    private static readonly string Second = new('2', 40);

    private readonly TempFolder _folder = new();
    private readonly HubCache _cache;

    public HubCacheTests() => _cache = new HubCache(_folder.File("hub"));

    [Fact]
    public void What_another_tool_fetched_is_found_under_any_of_its_names()
    {
        Model("models--gpt2", First);
        Ref("models--gpt2", "main", First);
        string expected = Path.Combine(_cache.Folder, "models--gpt2", "snapshots", First);
        foreach (string name in (string[])["gpt2", "gpt2-small", "openai-community/gpt2", $"gpt2@{First}"])
        {
            Assert.Equal(expected, _cache.Locate(HubNames.Resolve(name, HubKind.Model)));
        }
    }

    [Fact]
    public void A_revision_is_the_commit_that_its_ref_names()
    {
        Model("models--org--m", First);
        Model("models--org--m", Second);
        Ref("models--org--m", "main", First);
        Ref("models--org--m", "v2", Second);
        Assert.EndsWith(First, Locate("org/m"), StringComparison.Ordinal);
        Assert.EndsWith(Second, Locate("org/m@v2"), StringComparison.Ordinal);
        Assert.EndsWith(Second, Locate("org/m@" + Second), StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => Locate("org/m@v3"));
        Assert.Throws<FileNotFoundException>(() => Locate("org/m@" + new string('3', 40)));
    }

    [Fact]
    public void Where_main_moved_on_an_earlier_snapshot_serves_what_it_has()
    {
        const string Release = "models--jbloom--GPT2-Small-SAEs-Reformatted";
        Write(Release, First, "blocks.8.hook_resid_pre/sae_weights.safetensors");
        Write(Release, Second, "blocks.9.hook_resid_pre/sae_weights.safetensors");
        Ref(Release, "main", Second);
        foreach (string layer in (string[])["8", "9"])
        {
            HubTarget target = HubNames.Resolve(
                $"gpt2-small-res-jb/blocks.{layer}.hook_resid_pre", HubKind.Autoencoder);
            Assert.EndsWith($"blocks.{layer}.hook_resid_pre", _cache.Locate(target), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_is_not_here_says_how_to_fetch_it()
    {
        Assert.Equal(
            $"'gpt2' is neither a path here nor in the cache '{_cache.Folder}'; layersteer pull gpt2 fetches it",
            Assert.Throws<FileNotFoundException>(() => Locate("gpt2")).Message);
        Write("models--gpt2", First, "config.json");
        Ref("models--gpt2", "main", First);
        Assert.Equal(
            $"'gpt2' is not whole in the cache '{_cache.Folder}': it has no weights, or not all of them; "
            + "layersteer pull gpt2 fetches what it lacks",
            Assert.Throws<FileNotFoundException>(() => Locate("gpt2")).Message);
        Write("models--gpt2", First, "vocab.json");
        Assert.EndsWith(First, _cache.Locate(HubNames.Resolve("gpt2", HubKind.Model), needsWeights: false), StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_lacks_a_shard_is_not_whole()
    {
        Write("models--org--m", First, "config.json");
        Write("models--org--m", First, "model.safetensors.index.json");
        Write("models--org--m", First, "model-00001-of-00002.safetensors");
        Assert.Throws<FileNotFoundException>(() => Locate("org/m"));
        Write("models--org--m", First, "model-00002-of-00002.safetensors");
        Assert.EndsWith(First, Locate("org/m"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../../elsewhere")]
    [InlineData("main")]
    [InlineData("")]
    public void A_ref_that_is_no_commit_is_none(string text)
    {
        Model("models--org--m", First);
        Ref("models--org--m", "v1", text);
        Assert.Throws<FileNotFoundException>(() => Locate("org/m@v1"));
    }

    [Fact]
    public void A_file_that_leads_out_of_the_cache_is_refused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a privilege");
        Model("models--org--m", First);
        string outside = _folder.Write("outside", [1]);
        string link = Path.Combine(_cache.Folder, "models--org--m", "snapshots", First, "vocab.json");
        File.CreateSymbolicLink(link, outside);
        Assert.Equal(
            $"'{link}' leads to '{outside}', out of the cache '{_cache.Folder}'; remove it and pull again",
            Assert.Throws<InvalidDataException>(() => Locate("org/m")).Message);
    }

    [Fact]
    public void A_cache_that_is_itself_a_link_is_used()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a privilege");
        Model("models--org--m", First);
        string link = _folder.File("link");
        Directory.CreateSymbolicLink(link, _cache.Folder);
        Assert.EndsWith(
            First, new HubCache(link).Locate(HubNames.Resolve("org/m", HubKind.Model)), StringComparison.Ordinal);
    }

    [Fact]
    public void Links_in_a_circle_are_refused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a privilege");
        string a = _folder.File("a");
        File.CreateSymbolicLink(a, _folder.File("b"));
        File.CreateSymbolicLink(_folder.File("b"), a);
        Assert.Throws<IOException>(() => RealPath.Of(a));
    }

    [Fact]
    public void An_inventory_says_what_fits_together()
    {
        Write("models--gpt2", First, "config.json", """{"n_embd": 8, "n_layer": 3, "n_head": 2}""");
        Write("models--gpt2", First, "model.safetensors", "weights");
        Write("models--google--gemma-3-1b-pt", First, "config.json",
            """{"text_config": {"hidden_size": 6, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 5}}""");
        Write("models--google--gemma-3-1b-pt", First, "model.safetensors");
        Write("models--sentence-transformers--all-MiniLM-L6-v2", First, "modules.json", "[]");
        Sae("blocks.2.hook_resid_pre", 8);
        Sae("blocks.7.hook_resid_pre", 8);
        Sae("blocks.1.hook_resid_pre", 9);
        Write("models--org--saes", First, "mine/cfg.json", """{"d_in": 10, "d_sae": 7, "hook_name": "blocks.1.attn.hook_z"}""");
        Write("models--org--saes", First, "mine/sae_weights.safetensors");
        Write("models--org--saes", First, "damaged/sae_weights.safetensors");
        CacheInventory inventory = CacheInventory.Read(_cache, TestContext.Current.CancellationToken);
        Assert.Equal(
            [("gemma-3-1b", 6, 10, 2), ("gpt2", 8, 8, 3), ("all-MiniLM-L6-v2", 0, 0, 0)],
            inventory.Models.Select(model => (model.Name, model.DModel, model.DHeads, model.Layers)));
        Assert.Equal(
            [
                ("gpt2-small-res-jb/blocks.1.hook_resid_pre", "its input has width 9, but gpt2 has 8 there"),
                ("gpt2-small-res-jb/blocks.2.hook_resid_pre", "gpt2"),
                ("gpt2-small-res-jb/blocks.7.hook_resid_pre", "it is for layer 7, but gpt2 has layers 0 to 2"),
                ("hf://org/saes/damaged", "no model here has its width"),
                ("hf://org/saes/mine", "gemma-3-1b"),
            ],
            inventory.Autoencoders.Select(sae => (sae.Name, sae.WhyNot ?? string.Join(',', sae.Fits))));
        Assert.Equal(47, inventory.Models.Single(model => model.Name == "gpt2").Bytes);
    }

    [Fact]
    public void A_cache_that_is_not_there_is_empty()
    {
        CacheInventory inventory = CacheInventory.Read(_cache, TestContext.Current.CancellationToken);
        Assert.Empty(inventory.Models);
        Assert.Empty(inventory.Autoencoders);
    }

    public void Dispose() => _folder.Dispose();

    private string Locate(string name) => _cache.Locate(HubNames.Resolve(name, HubKind.Model));

    private void Model(string repository, string commit)
    {
        Write(repository, commit, "config.json");
        Write(repository, commit, "model.safetensors");
    }

    private void Sae(string id, int width)
    {
        const string Release = "models--jbloom--GPT2-Small-SAEs-Reformatted";
        Write(Release, First, id + "/cfg.json", $$"""{"d_in": {{width}}, "d_sae": 7, "hook_point": "{{id}}"}""");
        Write(Release, First, id + "/sae_weights.safetensors");
    }

    /// <summary>
    /// A blob and a link to it, as huggingface_hub writes them; a plain file where links need a privilege.
    /// </summary>
    private void Write(string repository, string commit, string name, string content = "{}")
    {
        string pointer = Path.Combine([_cache.Folder, repository, "snapshots", commit, .. name.Split('/')]);
        Directory.CreateDirectory(Path.GetDirectoryName(pointer)!);
        if (OperatingSystem.IsWindows())
        {
            File.WriteAllText(pointer, content);
            return;
        }

        string blob = Path.Combine(
            _cache.Folder, repository, "blobs", HubServedRepository.GitSha1(System.Text.Encoding.UTF8.GetBytes(content)));
        Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
        File.WriteAllText(blob, content);
        File.CreateSymbolicLink(pointer, Path.GetRelativePath(Path.GetDirectoryName(pointer)!, blob));
    }

    private void Ref(string repository, string revision, string commit)
    {
        string path = Path.Combine(_cache.Folder, repository, "refs", revision);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, commit);
    }
}
