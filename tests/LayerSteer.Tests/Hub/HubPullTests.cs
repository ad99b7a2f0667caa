using System.Runtime.InteropServices;
using LayerSteer.Hub;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Hub;

public sealed class HubPullTests : IDisposable
{
    private readonly HubCase _case = new();

    [Fact]
    public async Task A_model_is_laid_out_as_other_tools_of_the_hub_lay_it_out()
    {
        PullResult result = await _case.Pull();
        Assert.Equal((_case.Snapshot, 3, HubKind.Model), (result.Path, result.Fetched, result.Plan.Kind));
        Assert.Equal(
            ["config.json", "model.safetensors", "vocab.json"],
            Directory.EnumerateFiles(_case.Snapshot).Select(file => Path.GetFileName(file)).Order());
        Assert.Equal(_case.Weights, await File.ReadAllBytesAsync(
            Path.Combine(_case.Snapshot, "model.safetensors"), TestContext.Current.CancellationToken));
        Assert.Equal(_case.Model.Commit, await File.ReadAllTextAsync(
            Path.Combine(_case.Repository, "refs", "main"), TestContext.Current.CancellationToken));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(
                $"../../blobs/{HubServedRepository.GitSha1(_case.Config)}",
                new FileInfo(Path.Combine(_case.Snapshot, "config.json")).LinkTarget);
            Assert.Equal(
                $"../../blobs/{HubServedRepository.Sha256(_case.Weights)}",
                new FileInfo(Path.Combine(_case.Snapshot, "model.safetensors")).LinkTarget);
        }

        Assert.Equal(_case.Snapshot, new HubCache(_case.Settings.CacheFolder).Locate(
            HubNames.Resolve(HubCase.Name, HubKind.Model)));
    }

    [Fact]
    public async Task What_is_here_is_not_fetched_again()
    {
        await _case.Pull();
        _case.Server.Requests.Clear();
        PullResult again = await _case.Pull();
        Assert.Equal((0, again.Plan.Bytes), (again.Fetched, again.Plan.BytesHere));
        Assert.DoesNotContain(_case.Server.Requests, r => r.Method == "GET" && r.Path.Contains("/resolve/"));
    }

    [Fact]
    public async Task A_new_commit_takes_the_blobs_that_have_not_changed()
    {
        await _case.Pull();
        string old = _case.Snapshot;
        _case.Model.Commit = new string('b', 40);
        _case.Model.Files["vocab.json"] = "{ }"u8.ToArray();
        _case.Server.Requests.Clear();
        PullResult result = await _case.Pull();
        Assert.Equal((1, _case.Snapshot), (result.Fetched, result.Path));
        Assert.Empty(_case.Server.Gets("/model.safetensors"));
        Assert.True(File.Exists(Path.Combine(old, "model.safetensors")));
        Assert.Equal(_case.Model.Commit, await File.ReadAllTextAsync(
            Path.Combine(_case.Repository, "refs", "main"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_cut_connection_is_resumed_where_it_broke()
    {
        _case.OnWeights(2, request => _case.Changed(request, a => a with { CutAfter = 200_000 }));
        await _case.Pull();
        string?[] ranges = [.. _case.Server.Gets("/model.safetensors").Select(request => request.Header("range"))];
        Assert.Equal(3, ranges.Length);
        Assert.Null(ranges[0]);
        Assert.All(ranges[1..], range => Assert.StartsWith("bytes=", range, StringComparison.Ordinal));
        Assert.Equal(_case.Weights, await File.ReadAllBytesAsync(_case.Blob, TestContext.Current.CancellationToken));
        Assert.False(File.Exists(_case.Incomplete));
    }

    [Fact]
    public async Task What_an_earlier_run_left_is_taken_over()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_case.Incomplete)!);
        await File.WriteAllBytesAsync(
            _case.Incomplete, _case.Weights[..300_000], TestContext.Current.CancellationToken);
        PullResult result = await _case.Pull();
        Assert.Equal(300_000, result.Plan.BytesHere);
        Assert.Equal("bytes=300000-", Assert.Single(_case.Server.Gets("/model.safetensors")).Header("range"));
    }

    [Theory]
    [InlineData(300_000)]
    [InlineData(HubCase.WeightBytes)]
    [InlineData(HubCase.WeightBytes + 5)]
    public async Task What_was_left_of_another_file_is_fetched_anew(int bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_case.Incomplete)!);
        await File.WriteAllBytesAsync(_case.Incomplete, new byte[bytes], TestContext.Current.CancellationToken);
        await _case.Pull();
        Assert.Equal(_case.Weights, await File.ReadAllBytesAsync(_case.Blob, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_server_that_knows_no_ranges_is_read_from_the_start()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_case.Incomplete)!);
        await File.WriteAllBytesAsync(_case.Incomplete, _case.Weights[..300], TestContext.Current.CancellationToken);
        _case.OnWeights(1, _ => new HubAnswer(200, _case.Weights));
        await _case.Pull();
        Assert.Single(_case.Server.Gets("/model.safetensors"));
        Assert.Equal(_case.Weights, await File.ReadAllBytesAsync(_case.Blob, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Bytes_of_another_digest_are_refused_and_removed()
    {
        byte[] other = [.. _case.Weights];
        other[^1] ^= 1;
        _case.OnWeights(1, _ => new HubAnswer(200, other));
        string message = await _case.Refused<InvalidDataException>();
        Assert.Equal(
            $"org/tiny/model.safetensors: what {_case.Server.Address.Authority} sends has the digest "
            + $"{HubServedRepository.Sha256(other)}, expected {HubServedRepository.Sha256(_case.Weights)}; "
            + "it was removed; pull again, and if it stays so the file is not to be trusted",
            message);
        Assert.False(File.Exists(_case.Incomplete) || File.Exists(_case.Blob));
        Assert.False(Directory.Exists(Path.Combine(_case.Repository, "refs")));
    }

    [Fact]
    public async Task A_small_file_is_checked_by_gits_digest()
    {
        _case.Server.Intercept = request => request.Method == "GET" && request.Path.EndsWith("/vocab.json", StringComparison.Ordinal)
            ? new HubAnswer(200, "[]"u8.ToArray())
            : null;
        Assert.StartsWith(
            "org/tiny/vocab.json: what ", await _case.Refused<InvalidDataException>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_length_other_than_declared_is_refused()
    {
        _case.OnWeights(1, _ => new HubAnswer(200, _case.Weights[..50]));
        Assert.Equal(
            $"org/tiny/model.safetensors: {_case.Server.Address.Authority} sends 50 bytes, expected 700001",
            await _case.Refused<InvalidDataException>());
        _case.OnWeights(1, _ => new HubAnswer(200, [.. _case.Weights, 1, 2]) { DeclaredLength = null });
        Assert.Equal(
            $"org/tiny/model.safetensors: {_case.Server.Address.Authority} sends more than the 700001 bytes it says",
            await _case.Refused<InvalidDataException>());
    }

    [Fact]
    public async Task A_server_that_always_breaks_off_is_given_up_and_what_came_is_kept()
    {
        _case.Settings = _case.Settings with { MostFailures = 3 };
        _case.OnWeights(1, request => _case.Changed(request, a => a with { CutAfter = 100_000 }));
        Func<HubRequest, HubAnswer?> first = _case.Server.Intercept!;
        _case.Server.Intercept = request => first(request)
            ?? (request.Method == "GET" && request.Path.EndsWith("/model.safetensors", StringComparison.Ordinal)
                ? _case.Changed(request, a => a with { CutAfter = 0 })
                : null);
        string message = await _case.Refused<IOException>();
        Assert.Matches(
            "^org/tiny/model.safetensors: the connection (broke|ended) after \\d+ of 700001 bytes; gave up after 3 tries; "
            + "what was fetched is kept: the same command goes on from there$",
            message);
        long kept = new FileInfo(_case.Incomplete).Length;
        _case.Server.Intercept = null;
        _case.Server.Requests.Clear();
        await _case.Pull();
        Assert.Equal(
            kept == 0 ? null : $"bytes={kept}-",
            Assert.Single(_case.Server.Gets("/model.safetensors")).Header("range"));
    }

    [Fact]
    public async Task A_peer_that_falls_silent_is_asked_again()
    {
        _case.Settings = _case.Settings with { DownloadTimeout = TimeSpan.FromSeconds(4) };
        _case.OnWeights(1, request => _case.Changed(
            request, a => a with { Pause = TimeSpan.FromMinutes(5), BlockBytes = 100 }));
        await _case.Pull();
        Assert.Equal(2, _case.Server.Gets("/model.safetensors").Count());
    }

    [Fact]
    public async Task A_slow_peer_that_goes_on_sending_is_waited_for()
    {
        _case.Settings = _case.Settings with { DownloadTimeout = TimeSpan.FromSeconds(20) };
        _case.OnWeights(1, request => _case.Changed(
            request, a => a with { Pause = TimeSpan.FromMilliseconds(20), BlockBytes = 70_000 }));
        await _case.Pull();
        Assert.Single(_case.Server.Gets("/model.safetensors"));
    }

    [Fact]
    public async Task A_stopped_pull_goes_on_from_there()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        _case.OnWeights(1, request => _case.Changed(
            request, a => a with { Pause = TimeSpan.FromMilliseconds(50), BlockBytes = 50_000 }));
        using var pull = new HubPull(_case.Settings);
        PullPlan plan = await pull.PlanAsync(HubNames.Resolve(HubCase.Name), stop.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull.FetchAsync(
            plan,
            (file, bytes) =>
            {
                if (file.Name == "model.safetensors" && bytes >= 100_000)
                {
                    stop.Cancel();
                }
            },
            stop.Token));
        long kept = new FileInfo(_case.Incomplete).Length;
        Assert.InRange(kept, 100_000, HubCase.WeightBytes - 1);
        Assert.False(File.Exists(Path.Combine(_case.Repository, "refs", "main")));
        _case.Server.Requests.Clear();
        await _case.Pull();
        Assert.Equal($"bytes={kept}-", Assert.Single(_case.Server.Gets("/model.safetensors")).Header("range"));
    }

    [Fact]
    public async Task Two_pulls_at_once_fetch_each_file_once()
    {
        _case.OnWeights(10, request => _case.Changed(
            request, a => a with { Pause = TimeSpan.FromMilliseconds(10), BlockBytes = 100_000 }));
        PullResult[] results = await Task.WhenAll(_case.Pull(), _case.Pull());
        Assert.Equal(3, results.Sum(result => result.Fetched));
        Assert.Single(_case.Server.Gets("/model.safetensors"));
    }

    [Fact]
    public async Task Where_links_fail_the_files_themselves_lie_there()
    {
        _case.Settings = _case.Settings with { UseLinks = false };
        await _case.Pull();
        var weights = new FileInfo(Path.Combine(_case.Snapshot, "model.safetensors"));
        Assert.Equal((null, HubCase.WeightBytes), (weights.LinkTarget, weights.Length));
        Assert.False(File.Exists(_case.Blob));
        _case.Server.Requests.Clear();
        Assert.Equal(0, (await _case.Pull()).Fetched);
        Assert.Empty(_case.Server.Gets("/model.safetensors"));
    }

    [Fact]
    public async Task Large_files_come_from_another_host_which_never_sees_the_token()
    {
        using var store = new HubServer();
        store.Add("any", ("model.safetensors", _case.Weights));
        _case.Server.Store = store;
        await _case.Pull();
        Assert.NotEmpty(store.Requests);
        Assert.All(store.Requests, request => Assert.Null(request.Header("authorization")));
        Assert.All(_case.Server.Requests, request => Assert.Equal("Bearer hf_secret", request.Header("authorization")));
        Assert.All(store.Requests, request => Assert.Null(request.Header("cookie")));
    }

    [Fact]
    public async Task A_renamed_repository_is_followed_on_the_same_host_with_the_token()
    {
        _case.Server.Add("new/tiny", [.. _case.Model.Files.Select(file => (file.Key, file.Value))]);
        _case.Server.Intercept = request => request.Path.Contains("org/tiny", StringComparison.Ordinal)
            ? new HubAnswer(307, []).With("Location", request.Path.Replace("org/tiny", "new/tiny", StringComparison.Ordinal))
            : null;
        await _case.Pull();
        Assert.True(File.Exists(Path.Combine(_case.Snapshot, "model.safetensors")));
        Assert.All(_case.Server.Requests, request => Assert.Equal("Bearer hf_secret", request.Header("authorization")));
    }

    [Theory]
    [InlineData("file:///etc/passwd", "to file:, expected https:")]
    [InlineData("ftp://example.org/x", "to ftp:, expected https:")]
    [InlineData("http://user:word@example.org/x", "to an address with a user in it")]
    public async Task A_redirect_to_nowhere_good_is_refused(string location, string why)
    {
        _case.OnWeights(1, _ => new HubAnswer(302, []).With("Location", location));
        Assert.Equal(
            $"{_case.Server.Address.Authority} redirects {why}; this is refused",
            await _case.Refused<InvalidDataException>());
    }

    [Fact]
    public async Task Redirects_in_a_circle_end()
    {
        _case.OnWeights(100, request => new HubAnswer(302, []).With("Location", request.Path));
        Assert.Contains("redirects more than 8 times", await _case.Refused<InvalidDataException>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, "RepoNotFound", "there is no such repository, or it is private; check the name, or the token in use may not read it")]
    [InlineData(403, "", "this is not allowed; the token in use may not read it")]
    [InlineData(403, "GatedRepo", "its owner asks to agree to terms first, on its page at HOST; then try again with that account's token")]
    [InlineData(404, "RepoNotFound", "there is no such repository; check the name")]
    [InlineData(404, "RevisionNotFound", "there is no such branch, tag or commit; check what follows '@'")]
    [InlineData(400, "", "expected 200")]
    public async Task A_refusal_says_what_would_help(int status, string code, string expected)
    {
        _case.Server.Intercept = _ => code.Length == 0
            ? new HubAnswer(status, [])
            : new HubAnswer(status, []).With("X-Error-Code", code);
        string message = await _case.Refused<IOException>();
        string host = _case.Server.Address.Authority;
        string said = code.Length == 0 ? string.Empty : $" ({code})";
        Assert.Equal(
            $"{host} answers {status}{said} to org/tiny: {expected.Replace("HOST", host, StringComparison.Ordinal)}", message);
        Assert.Single(_case.Server.Requests);
        Assert.DoesNotContain("hf_secret", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task What_may_pass_is_tried_again(int status)
    {
        int left = 3;
        _case.Server.Intercept = _ => Interlocked.Decrement(ref left) >= 0 ? new HubAnswer(status, []) : null;
        Assert.Equal(3, (await _case.Pull()).Fetched);
        _case.Settings = _case.Settings with { MostFailures = 2 };
        _case.Server.Intercept = _ => new HubAnswer(status, []);
        Assert.Contains("gave up after 2 tries", await _case.Refused<IOException>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_long_wait_is_not_waited()
    {
        _case.Server.Intercept = _ => new HubAnswer(429, []).With("Retry-After", "7200");
        Assert.Equal(
            $"{_case.Server.Address.Authority} answers 429 to org/tiny: too many requests; wait, or set HF_TOKEN for a "
            + "larger share; gave up after 1 tries; it asks to wait 7200 s",
            await _case.Refused<IOException>());
    }

    [Fact]
    public async Task Offline_the_network_is_not_touched()
    {
        _case.Settings = _case.Settings with { Offline = true };
        Assert.Equal(
            "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so nothing is fetched; unset it to use the network",
            await _case.Refused<IOException>());
        Assert.Empty(_case.Server.Requests);
    }

    [Fact]
    public async Task A_hub_that_is_not_there_is_named()
    {
        string host = _case.Server.Address.Authority;
        _case.Server.Dispose();
        _case.Settings = _case.Settings with { MostFailures = 2 };
        string message = await _case.Refused<IOException>();
        Assert.StartsWith($"{host} cannot be reached: ", message, StringComparison.Ordinal);
        Assert.EndsWith("; gave up after 2 tries", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_checked_is_not_fetched()
    {
        _case.Server.Intercept = request => request.Method == "HEAD"
            ? new HubAnswer(200, _case.Config).With("ETag", "\"0123\"")
            : null;
        Assert.Contains("gives the ETag '\"0123\"', expected", await _case.Refused<InvalidDataException>(), StringComparison.Ordinal);
        _case.Server.Intercept = request => request.Method == "HEAD"
            ? new HubAnswer(200, []) { DeclaredLength = null }.With("ETag", $"\"{new string('0', 40)}\"")
            : null;
        Assert.Contains("gives the length 'nothing', expected", await _case.Refused<InvalidDataException>(), StringComparison.Ordinal);
        Assert.Empty(_case.Server.Gets("/config.json"));
    }

    [Fact]
    public async Task What_the_disk_cannot_hold_is_refused_before_the_first_byte()
    {
        _case.Server.Intercept = request => request.Method != "HEAD" ? null
            : new HubAnswer(200, []) { DeclaredLength = null }
                .With("ETag", $"\"{new string('0', 40)}\"").With("X-Linked-Size", $"{1L << 43}");
        Assert.Contains("GB are to be fetched, but '", await _case.Refused<IOException>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{\"sha\": \"../../main\", \"siblings\": []}")]
    public async Task A_listing_that_is_none_is_refused(string listing)
    {
        _case.Server.Intercept = _ => new HubAnswer(200, System.Text.Encoding.UTF8.GetBytes(listing));
        await _case.Refused<InvalidDataException>();
        Assert.False(Directory.Exists(_case.Repository));
    }

    [Fact]
    public async Task Another_commit_than_the_one_asked_for_is_refused()
    {
        _case.Server.Intercept = request => request.Path.StartsWith("/api/", StringComparison.Ordinal)
            ? _case.Model.Listing("main")
            : null;
        Assert.Contains(
            "expected a commit of 40 digits, the one asked for",
            await _case.Refused<InvalidDataException>($"{HubCase.Name}@{new string('c', 40)}"),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_that_lead_out_are_not_written()
    {
        _case.Server.Add("org/evil", ("sae/../../../cfg.json", _case.Config), ("sae/..\\..\\x.safetensors", _case.Weights));
        string message = await _case.Refused<InvalidDataException>("hf://org/evil/sae");
        Assert.Contains("names a file 'sae/..\\..\\x.safetensors', which is not a safe name", message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(_case.Settings.CacheFolder, "models--org--evil")));
    }

    [Fact]
    public async Task A_link_that_leads_out_of_the_cache_is_not_followed()
    {
        Assert.SkipWhen(RuntimeInformation.IsOSPlatform(OSPlatform.Windows), "links need a privilege");
        using var outside = new TempFolder();
        Directory.CreateDirectory(_case.Repository);
        Directory.CreateSymbolicLink(Path.Combine(_case.Repository, "blobs"), outside.Path);
        Assert.Contains("out of the cache", await _case.Refused<InvalidDataException>(), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside.Path));
    }

    [Fact]
    public async Task Shards_are_fetched_with_their_index_and_only_a_whole_set()
    {
        _case.Server.Add(
            "org/shards",
            ("config.json", _case.Config),
            ("model.safetensors.index.json", _case.Vocabulary),
            ("model-00001-of-00002.safetensors", _case.Weights),
            ("model-00002-of-00002.safetensors", [1, 2, 3]));
        Assert.Equal(4, (await _case.Pull("org/shards")).Fetched);
        _case.Server.Add(
            "org/part",
            ("config.json", _case.Config),
            ("model.safetensors.index.json", _case.Vocabulary),
            ("model-00001-of-00002.safetensors", _case.Weights));
        Assert.StartsWith(
            "'org/part' has no model.safetensors, and no whole set of shards",
            await _case.Refused<InvalidDataException>("org/part"),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pickles_are_not_fetched()
    {
        _case.Server.Add("org/pickle", ("config.json", _case.Config), ("pytorch_model.bin", _case.Weights));
        Assert.StartsWith(
            "'org/pickle' has its weights only as pytorch_model.bin, a pickle, which other tools run as code",
            await _case.Refused<NotSupportedException>("org/pickle"),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_many_autoencoders_only_the_one_that_is_named_is_fetched()
    {
        HubServedRepository repository = _case.Server.Add("jbloom/GPT2-Small-OAI-v5-32k-resid-post-SAEs");
        for (int layer = 0; layer < 12; layer++)
        {
            repository.Files[$"v5_32k_layer_{layer}.pt/cfg.json"] = _case.Config;
            repository.Files[$"v5_32k_layer_{layer}.pt/sae_weights.safetensors"] = _case.Weights;
            repository.Files[$"v5_32k_layer_{layer}.pt/more/sae_weights.safetensors"] = _case.Weights;
        }

        PullResult result = await _case.Pull("gpt2-small/9-res_post_32k-oai");
        Assert.Equal(["v5_32k_layer_9.pt/cfg.json", "v5_32k_layer_9.pt/sae_weights.safetensors"],
            result.Plan.Files.Select(file => file.Name));
        Assert.EndsWith(Path.Combine(repository.Commit, "v5_32k_layer_9.pt"), result.Path, StringComparison.Ordinal);
        Assert.Equal(result.Path, new HubCache(_case.Settings.CacheFolder).Locate(HubNames.Resolve(
            "gpt2-small-resid-post-v5-32k/blocks.9.hook_resid_post", HubKind.Autoencoder)));
        Assert.Contains(
            "has 24 autoencoders; name one of them",
            await _case.Refused<InvalidDataException>($"hf://{repository.Name}"),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sentence_encoder_comes_with_its_modules()
    {
        _case.Server.Add(
            "sentence-transformers/all-MiniLM-L6-v2",
            ("modules.json", _case.Config), ("config.json", _case.Config), ("vocab.txt", _case.Config),
            ("1_Pooling/config.json", _case.Config), ("model.safetensors", _case.Weights),
            ("pytorch_model.bin", _case.Weights), ("openvino/model.safetensors", _case.Weights));
        PullResult result = await _case.Pull("all-minilm-l6-v2");
        Assert.Equal(HubKind.Encoder, result.Plan.Kind);
        Assert.Equal(
            ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "vocab.txt"],
            result.Plan.Files.Select(file => file.Name));
    }

    [Fact]
    public async Task Nothing_that_is_said_holds_the_token()
    {
        Assert.DoesNotContain("hf_secret", _case.Settings.ToString(), StringComparison.Ordinal);
        _case.Server.Intercept = _ => new HubAnswer(401, []);
        Exception e = await Assert.ThrowsAsync<IOException>(() => _case.Pull());
        Assert.DoesNotContain("hf_secret", e.ToString(), StringComparison.Ordinal);
    }

    public void Dispose() => _case.Dispose();
}
