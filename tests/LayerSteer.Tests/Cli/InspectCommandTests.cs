using System.Text.Json;
using LayerSteer.Autoencoders;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class InspectCommandTests
{
    private static readonly string Reference = Path.Combine(SamplePocket.Tiny, "reference.csv");

    private readonly PocketModel _pocket = PocketModel.Open(SamplePocket.Folder);

    /// <summary>Everything that is printed against a count over the whole index, and all pairs of decoder rows.</summary>
    [Fact]
    public async Task A_latent_is_described_by_what_it_writes_its_neighbours_and_where_it_is_active()
    {
        ReferenceIndex index = ReferenceIndex.Open(_pocket.Index);
        LatentStatistics busiest = index.LatentStatistics.MaxBy(latent => latent.PromptsActive);
        JsonElement json = (await CliRun.Of(
            "inspect", $"{busiest.Latent}", "--reference", Reference, "--top", "5", "--json")).Json;
        JsonElement one = json.GetProperty("latents")[0];
        Assert.Equal(SamplePocket.DefaultHook, json.GetProperty("hook_point").GetString());
        Assert.Equal(5, one.GetProperty("tokens").GetArrayLength());
        JsonElement activity = one.GetProperty("activity");
        Assert.Equal(busiest.TokensActive, activity.GetProperty("tokens_active").GetInt64());
        Assert.Equal(
            (double)busiest.TokensActive / index.Tokens.Sum(), activity.GetProperty("density").GetDouble(), 12);

        using SparseAutoencoder autoencoder = SparseAutoencoder.Load(_pocket.DefaultSae.Path);
        double[] cosines = [.. one.GetProperty("nearest").EnumerateArray().Select(
            near => near.GetProperty("cosine").GetDouble())];
        Assert.Equal(cosines.OrderDescending(), cosines);
        Assert.All(cosines, cosine => Assert.InRange(cosine, -1.000001, 1.000001));
        int nearest = one.GetProperty("nearest")[0].GetProperty("latent").GetInt32();
        Assert.Equal(
            cosines[0], autoencoder.Nearest(nearest, autoencoder.DSae).Single(near => near.Latent == busiest.Latent).Cosine, 12);

        // The model, run over the text, is most active where the index says it is.
        JsonElement context = one.GetProperty("contexts")[0];
        Assert.Equal(busiest.Max, context.GetProperty("max").GetSingle());
        Assert.NotEqual(string.Empty, context.GetProperty("token").GetString());
        string text = TextTable.Read(Reference).Texts[context.GetProperty("prompt").GetInt32()];
        Assert.Contains(
            context.GetProperty("before").GetString() + context.GetProperty("token").GetString(), text,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_is_printed_for_a_person_too()
    {
        CliRun run = await CliRun.Of("inspect", "0", "1");
        Assert.Equal(0, run.Code);
        foreach (string word in new[] { "latent", "writes", "nearest", "active" })
        {
            Assert.Contains(word, run.Out, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_does_not_fit_is_refused()
    {
        using SparseAutoencoder autoencoder = SparseAutoencoder.Load(_pocket.DefaultSae.Path);
        Assert.Equal(
            $"latent is {autoencoder.DSae}; there are 0 to {autoencoder.DSae - 1}",
            await CliRun.Refused(1, "inspect", $"{autoencoder.DSae}"));
        Assert.Equal(
            "--reference needs --index, which says where a latent is active",
            await CliRun.Refused(1, "inspect", "0", "--layer", "1", "--reference", Reference));
        Assert.StartsWith(
            $"'{SamplePocket.Medical}': text ",
            await CliRun.Refused(
                2, "inspect", $"{ReferenceIndex.Open(_pocket.Index).LatentStatistics.MaxBy(one => one.PromptsActive).Latent}",
                "--reference", SamplePocket.Medical),
            StringComparison.Ordinal);
    }
}
