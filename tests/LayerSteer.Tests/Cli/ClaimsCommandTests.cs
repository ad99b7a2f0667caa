using System.Text.Json;
using LayerSteer.Cli;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class ClaimsCommandTests
{
    private static readonly string[] Quick =
    [
        "claims", "--latents", "10", "--draws", "2", "--runs", "1", "--tokens", "64", "--side-effect-tokens", "24",
    ];

    public ClaimsCommandTests() => Assert.True(Directory.Exists(SamplePocket.Folder));

    [Fact]
    public async Task Every_figure_stands_beside_its_claim_and_a_verdict()
    {
        JsonElement json = (await CliRun.Of([.. Quick, "--json"])).Json;
        JsonElement[] figures = [.. json.GetProperty("figures").EnumerateArray()];
        foreach (string layer in new[] { SamplePocket.OtherHook, SamplePocket.DefaultHook })
        {
            JsonElement passThrough = One("T11", layer, "KL of the pass-through, nats");
            Assert.Equal(0, passThrough.GetProperty("value").GetDouble());
            Assert.Equal("reproduced", passThrough.GetProperty("verdict").GetString());
            Assert.True(One("T11", layer, "reconstruction / isotropic").GetProperty("value").GetDouble() > 0);
        }

        string pair = $"{SamplePocket.OtherHook} -> {SamplePocket.DefaultHook}";
        Assert.InRange(One("T9", pair, "rho of crowding").GetProperty("value").GetDouble(), -1, 1);
        Assert.Equal("not run", One("T9", pair, "rho of frequency").GetProperty("verdict").GetString());
        JsonElement swap = One("T4", "swap", "steering adds, ms/token");
        Assert.Equal(JsonValueKind.Number, swap.GetProperty("value").ValueKind);
        Assert.Equal("0.92 or less", swap.GetProperty("criterion").GetString());
        JsonElement unscored = figures.Single(one => one.GetProperty("where").GetString() == "min-clamp, contrastive");
        Assert.Equal("not run", unscored.GetProperty("verdict").GetString());
        Assert.All(figures.Where(one => one.GetProperty("verdict").GetString() == "reproduced"), one =>
            Assert.Equal(JsonValueKind.Number, one.GetProperty("value").ValueKind));

        JsonElement One(string target, string where, string what) => figures.Single(
            one => one.GetProperty("target").GetString() == target && one.GetProperty("where").GetString() == where
                && one.GetProperty("what").GetString() == what);
    }

    [Fact]
    public async Task One_layer_has_no_side_effects_to_measure_and_the_tables_say_so()
    {
        CliRun run = await CliRun.Done([.. Quick, "--layer", "2"]);
        Assert.Contains("no autoencoders of two layers in a row", run.Out, StringComparison.Ordinal);
        Assert.Contains("exactly 0", run.Out, StringComparison.Ordinal);
        Assert.Contains("T4", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_does_not_fit_is_refused()
    {
        PocketModel pocket = PocketModel.Open(SamplePocket.Folder);
        Assert.Equal(
            "--sae is needed, one autoencoder or more",
            await CliRun.Refused(1, "claims", "--model", pocket.Model));
        Assert.Equal("--latents is '3', expected a whole number from 10", await CliRun.Refused(1, "claims", "--latents", "3"));
        Assert.Contains(
            "at blocks.2.hook_resid_post; loaded are",
            await CliRun.Refused(2, [.. Quick, "--layer", "1", "--index", pocket.Index]),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3.0, 1.5, "reproduced", "reproduced")]
    [InlineData(1.2, 1.15, "not reproduced", "not reproduced")]
    [InlineData(5.0, 2.0, "not reproduced", "reproduced")]
    [InlineData(0.9, 0.8, "not reproduced", "not run")]
    [InlineData(null, null, "not run", "not run")]
    public void Verdicts_follow_the_criteria(double? isotropic, double? covariance, string first, string second)
    {
        ClaimFigure[] figures =
        [
            .. ClaimFigures.Of([new ErrorPathology(
                HookPoint.ResidualPost(1), 10, 5, 0.3, 0.2, new RandomReplacement(0.1, isotropic, 0.01),
                new RandomReplacement(0.1, covariance, 0.01), 1e-12)]),
        ];
        Assert.Equal(first, figures.Single(one => one.What == "reconstruction / isotropic").Word);
        Assert.Equal(second, figures.Single(one => one.What == "reconstruction / covariance").Word);
        Assert.Equal("not reproduced", figures.Single(one => one.What == "KL of the pass-through, nats").Word);
    }
}
