using LayerSteer.Hub;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Hub;

public class HubSettingsTests
{
    [Theory]
    [InlineData("/home/u/.cache/huggingface/hub")]
    [InlineData("/home/u/.cache/huggingface/hub", "HF_HOME=", "HF_HUB_CACHE= ")]
    [InlineData("/x/huggingface/hub", "XDG_CACHE_HOME=/x")]
    [InlineData("/h/hub", "XDG_CACHE_HOME=/x", "HF_HOME=/h")]
    [InlineData("/home/u/h/hub", "HF_HOME=~/h")]
    [InlineData("/old", "HF_HOME=/h", "HUGGINGFACE_HUB_CACHE=/old")]
    [InlineData("/c", "HF_HOME=/h", "HUGGINGFACE_HUB_CACHE=/old", "HF_HUB_CACHE=/c")]
    public void The_cache_is_where_other_tools_have_it(string expected, params string[] variables)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "paths of another kind");
        Assert.Equal(expected, Of(variables).CacheFolder);
    }

    [Fact]
    public void The_token_comes_from_the_variable_or_from_a_file()
    {
        using var folder = new TempFolder();
        string file = folder.Write("token", "hf_file\n"u8.ToArray());
        string other = folder.Write("other", "hf_other"u8.ToArray());
        Assert.Equal("hf_file", Of($"HF_HOME={folder.Path}").Token);
        Assert.Equal("hf_other", Of($"HF_HOME={folder.Path}", $"HF_TOKEN_PATH={other}").Token);
        Assert.Equal("hf_set", Of($"HF_HOME={folder.Path}", "HF_TOKEN=hf_set").Token);
        File.Delete(file);
        Assert.Null(Of($"HF_HOME={folder.Path}").Token);
        Assert.Equal(
            "HF_TOKEN is not a token: expected letters, digits and signs without spaces",
            Assert.Throws<ArgumentException>(() => Of("HF_TOKEN=hf_a\nHost: evil")).Message);
    }

    [Fact]
    public void Addresses_and_times_that_mean_nothing_are_refused()
    {
        Assert.Equal("https://huggingface.co/", Of().Endpoint.AbsoluteUri);
        Assert.Equal("https://mirror.example/hf", Of("HF_ENDPOINT=https://mirror.example/hf/").Endpoint.AbsoluteUri);
        foreach (string wrong in (string[])["mirror", "ftp://x", "https://u:p@x", "https://x?y=1", "file:///etc"])
        {
            Assert.Equal(
                $"HF_ENDPOINT is '{wrong}', expected an http or https address, such as https://huggingface.co",
                Assert.Throws<ArgumentException>(() => Of("HF_ENDPOINT=" + wrong)).Message);
        }

        Assert.Equal(TimeSpan.FromSeconds(2.5), Of("HF_HUB_ETAG_TIMEOUT=2.5").AnswerTimeout);
        Assert.Equal(TimeSpan.FromSeconds(30), Of("HF_HUB_DOWNLOAD_TIMEOUT=30").DownloadTimeout);
        Assert.Equal(
            "HF_HUB_DOWNLOAD_TIMEOUT is '-1', expected seconds from above 0 to 86400",
            Assert.Throws<ArgumentException>(() => Of("HF_HUB_DOWNLOAD_TIMEOUT=-1")).Message);
    }

    [Fact]
    public void Switches_are_those_of_other_tools()
    {
        Assert.False(Of().Offline);
        Assert.True(Of("HF_HUB_OFFLINE=1").Offline);
        Assert.True(Of("TRANSFORMERS_OFFLINE=true").Offline);
        Assert.False(Of("HF_HUB_OFFLINE=0").Offline);
        Assert.True(Of().ShowProgress);
        Assert.False(Of("HF_HUB_DISABLE_PROGRESS_BARS=yes").ShowProgress);
    }

    private static HubSettings Of(params string[] variables)
    {
        var values = variables.Append("HOME=/home/u").Select(variable => variable.Split('=', 2))
            .ToDictionary(parts => parts[0], parts => parts[1], StringComparer.Ordinal);
        return HubSettings.From(name => values.GetValueOrDefault(name));
    }
}
