using System.Text.Json;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Hub;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>
/// `pull`, `list` and names in place of paths, as a process with its own environment and a hub beside it.
/// </summary>
public sealed class PullCommandTests : IDisposable
{
    private const string SaeName = "gpt2-small-resid-post-v5-32k/blocks.1.hook_resid_post";

    private static readonly string Tiny = Path.Combine(TestFiles.Root, "samples", "tiny");

    private readonly HubServer _server = new();
    private readonly TempFolder _folder = new();

    public PullCommandTests()
    {
        _server.Add("openai-community/gpt2", Files("model"));
        _server.Add("sentence-transformers/all-MiniLM-L6-v2", Files("encoder"));
        _server.Add(
            "jbloom/GPT2-Small-OAI-v5-32k-resid-post-SAEs",
            ("v5_32k_layer_1.pt", File.ReadAllBytes(Path.Combine(Tiny, "sae", "autoencoder.safetensors"))));
    }

    [Fact]
    public async Task What_was_pulled_is_used_by_its_name_and_listed_with_what_fits()
    {
        (int code, string output, string error) = await Run(
            $"TOOL pull gpt2 {SaeName} all-MiniLM-L6-v2 --json && HF_HUB_OFFLINE=1 TOOL list --json "
            + $"&& TOOL generate Hello --model gpt2 --sae {SaeName} --method sae -n 3 --json "
            + "&& TOOL tokenize --model gpt2-small --text Hello --json "
            + $"&& TOOL topic --align '{Path.Combine(Tiny, "medical.csv")}' --encoder all-MiniLM-L6-v2 --index "
            + "\"$(TOOL index --model gpt2 --sae gpt2-small/1-res_post_32k-oai --encoder all-MiniLM-L6-v2 --reference "
            + $"'{Path.Combine(Tiny, "reference.csv")}' --out index --json >/dev/null; echo index)\" --json");
        Assert.True(code == 0, error);
        JsonElement[] json = [.. output.TrimEnd('\n').Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(["model", "autoencoder", "encoder"], json[0].EnumerateArray().Select(one => one.GetProperty("kind").GetString()));
        Assert.Equal("blocks.1.hook_resid_post", json[0][1].GetProperty("hook_point").GetString());
        JsonElement sae = Assert.Single(json[1].GetProperty("autoencoders").EnumerateArray());
        Assert.Equal(SaeName, sae.GetProperty("name").GetString());
        Assert.Equal("gpt2", Assert.Single(sae.GetProperty("fits").EnumerateArray()).GetString());
        Assert.Equal((48, 192), (sae.GetProperty("d_in").GetInt32(), sae.GetProperty("d_sae").GetInt32()));
        Assert.Equal(2, json[1].GetProperty("models").GetArrayLength());
        Assert.Contains("blocks.1.hook_resid_post", json[2].GetRawText(), StringComparison.Ordinal);
        Assert.NotEqual(0, json[3].GetProperty("ids")[0].GetArrayLength());
        Assert.DoesNotContain("hf_secret", output + error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_was_not_pulled_says_how_to_and_a_wrong_one_what_is_near()
    {
        (int code, _, string error) = await Run(
            $"TOOL tokenize --text a --model gpt2; TOOL tokenize --text a --model gtp2; "
            + "TOOL tokenize --text a --model ./gpt2; TOOL pull ./gpt2; HF_HUB_OFFLINE=1 TOOL pull gpt2");
        Assert.Equal(2, code);
        string[] lines = error.TrimEnd('\n').Split('\n');
        Assert.Equal(5, lines.Length);
        Assert.Matches("^error: 'gpt2' is neither a path here nor in the cache '.+'; layersteer pull gpt2 fetches it$", lines[0]);
        Assert.StartsWith("error: no model 'gtp2': there is no such path, and of the known names the nearest are gpt2,", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("error: ", lines[2], StringComparison.Ordinal);
        Assert.Equal("error: './gpt2' is a path; expected a name on the hub, such as gpt2 or hf://org/name", lines[3]);
        Assert.StartsWith("error: HF_HUB_OFFLINE", lines[4], StringComparison.Ordinal);
        Assert.Empty(_server.Requests);
    }

    [Fact]
    public async Task A_dry_run_says_the_files_and_fetches_none()
    {
        (int code, string output, string error) = await Run("TOOL pull gpt2 --dry-run; TOOL list");
        Assert.Equal(0, code);
        Assert.Contains("model.safetensors", output, StringComparison.Ordinal);
        Assert.Contains("572.6 kB", output, StringComparison.Ordinal);
        Assert.Contains("openai-community/gpt2 at aaaaaaaaaaaa: 4 files, ", error, StringComparison.Ordinal);
        Assert.Contains("0 models and encoders, 0 autoencoders in '", error, StringComparison.Ordinal);
        Assert.DoesNotContain(_server.Requests, request => request.Method == "GET" && request.Path.Contains("/resolve/"));
    }

    [Fact]
    public async Task Ctrl_C_leaves_what_came_and_the_next_pull_goes_on()
    {
        _server.Intercept = request => request.Method == "GET" && request.Path.EndsWith("/model.safetensors", StringComparison.Ordinal)
            && request.Header("range") is null
            ? Slow(_server.Answer(request))
            : null;
        (int code, _, string error) = await Run(
            $"'{ToolProcess.Host}' '{ToolProcess.Assembly}' pull gpt2 >/dev/null 2>notes & pid=$!\n"
            + """
            for i in $(seq 600); do [ -s "$(ls hub/models--openai-community--gpt2/blobs/*.incomplete 2>/dev/null | head -1)" ] && break; sleep 0.1; done
            kill -TERM $pid; wait $pid; echo "code $?" >&2; grep -o 'error: .*' notes >&2; TOOL pull gpt2 >/dev/null 2>&1
            """);
        Assert.Equal(0, code);
        Assert.StartsWith("code 130\nerror: cancelled\n", error, StringComparison.Ordinal);
        Assert.Contains(_server.Gets("/model.safetensors"), request => request.Header("range") is not null);
    }

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    private static HubAnswer Slow(HubAnswer answer)
    {
        HubAnswer slow = answer with { Pause = TimeSpan.FromMilliseconds(300), BlockBytes = 20_000 };
        foreach ((string name, string value) in answer.Headers)
        {
            slow.Headers.TryAdd(name, value);
        }

        return slow;
    }

    private static (string, byte[])[] Files(string folder) =>
        [.. Directory.EnumerateFiles(Path.Combine(Tiny, folder)).Select(file => (Path.GetFileName(file), File.ReadAllBytes(file)))];

    private Task<(int Code, string Out, string Error)> Run(string script) => ToolProcess.Bash(
        $"cd '{_folder.Path}'\n{script}",
        ("HF_ENDPOINT", _server.Address.AbsoluteUri),
        ("HF_HUB_CACHE", _folder.File("hub")),
        ("HF_HOME", _folder.Path),
        ("HF_TOKEN", "hf_secret"),
        ("HF_HUB_OFFLINE", "0"),
        ("HF_HUB_ETAG_TIMEOUT", "120"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "120"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("LAYERSTEER_HOME", _folder.File("home")),
        ("LAYERSTEER_CACHE", _folder.File("cache")),
        ("LAYERSTEER_POCKET", _folder.File("pocket")));
}
