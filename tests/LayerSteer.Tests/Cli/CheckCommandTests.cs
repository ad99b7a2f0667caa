using System.Text.Json;
using LayerSteer.Tests.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class CheckCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public CheckCommandTests() => Assert.True(Directory.Exists(SamplePocket.Folder));

    public void Dispose() => _folder.Dispose();

    /// <summary>The sample's weights are random: nothing is reconstructed, and the card says so.</summary>
    [Fact]
    public async Task An_autoencoder_of_random_weights_is_found_out()
    {
        JsonElement json = (await CliRun.Of("check", "--window", "16", "--json")).Json;
        Assert.Equal("wrong", json.GetProperty("verdict").GetString());
        Assert.Equal(SamplePocket.DefaultHook, json.GetProperty("hook_point").GetString());
        Assert.NotEmpty(json.GetProperty("findings").EnumerateArray());
        Assert.True(json.GetProperty("quality").GetProperty("fvu").GetDouble() > 0.5);
        CliRun run = await CliRun.Of("check", "--window", "16");
        Assert.Contains("loss recovered", run.Out, StringComparison.Ordinal);
        Assert.Contains($"{SamplePocket.DefaultHook}", run.Out, StringComparison.Ordinal);
        Assert.Contains("wrong", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Texts_and_the_BOS_policy_are_the_users()
    {
        string text = _folder.Write("text.txt", string.Join(' ', Enumerable.Repeat("The doctor said that it is late.", 40)));
        JsonElement json = (await CliRun.Of(
            "check", "--texts", text, "--bos", "none", "--window", "16", "--scan-tokens", "0", "--json")).Json;
        Assert.Equal("none", json.GetProperty("bos").GetString());
        Assert.Empty(json.GetProperty("hook_points").EnumerateObject());
        string small = _folder.Write("small.txt", "One.");
        Assert.Matches(
            "^the text has [0-9]+ tokens; expected at least 32, two windows of 16$",
            await CliRun.Refused(2, "check", "--texts", small, "--window", "16"));
    }
}
