using LayerSteer.Steering;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

public class SteeringOptionsTests
{
    private static readonly SteeringOptions Seed = new() { Mode = SteeringMode.Seed };

    public static TheoryData<SteeringOptions, string> Refused => new()
    {
        { new() { Strength = -1f }, "strength is -1, expected a finite number from 0 on" },
        { new() { Strength = float.NaN }, "strength is NaN, expected a finite number from 0 on" },
        { new() { Strength = float.PositiveInfinity }, "strength is Infinity, expected a finite number from 0 on" },
        { new() { ClampAmount = float.NaN }, "clamp amount is NaN, expected a finite number" },
        { new() { ClampCount = 0 }, "clamp count is 0, expected at least 1" },
        { new() { HalfLife = 0 }, "half-life is 0, expected a finite number of tokens above 0" },
        {
            new() { HalfLife = 4, KeepErrorTerm = false },
            "a half-life needs the error term kept: what is replaced does not fade"
        },
        {
            new() { Method = SteeringMethod.Project, KeepErrorTerm = false },
            "method project edits x without the autoencoder, so there is no error term to drop"
        },
        {
            Seed with { Method = SteeringMethod.Add },
            "method add is not one of the published ones, so seed mode has none; use corrected mode"
        },
        {
            Seed with { Gate = new SteeringGate(GateKind.Latent, true, 0) },
            "seed mode has neither gate nor half-life: it is the published formulas; use corrected mode for them"
        },
        {
            new() { Method = SteeringMethod.Reconstruction, KeepErrorTerm = true },
            "method sae with the error term kept would be orig; leave out the error term or use another method"
        },
        {
            new() { Method = SteeringMethod.Reconstruction, Strength = 0.5f },
            "strength is 0.5, but method sae has none; expected 1, or 0 for no edit"
        },
        {
            Seed with { Strength = 2f },
            "seed mode has no strength: it is the published formulas; use corrected mode for --strength"
        },
        {
            Seed with { Strength = 0f },
            "seed mode has no strength: it is the published formulas; use corrected mode for --strength"
        },
        {
            Seed with { KeepErrorTerm = true },
            "seed mode drops the error term: it is the published formulas; use corrected mode to keep it"
        },
        {
            Seed with { Positions = PositionPolicy.Default },
            "seed mode edits every position: it is the published formulas; use corrected mode for --positions"
        },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Options_that_contradict_each_other_are_refused(SteeringOptions options, string message) =>
        Assert.Equal(message, Assert.Throws<ArgumentException>(options.Validate).Message);

    [Fact]
    public void Each_mode_has_its_own_defaults()
    {
        var corrected = new SteeringOptions();
        corrected.Validate();
        Seed.Validate();
        (Seed with { Positions = new PositionPolicy(PositionKind.All), KeepErrorTerm = false }).Validate();
        Assert.True(corrected.KeepsErrorTerm);
        Assert.False(Seed.KeepsErrorTerm);
        Assert.False((corrected with { Method = SteeringMethod.Reconstruction }).KeepsErrorTerm);
        Assert.Equal(PositionKind.AllButSpecial, corrected.EffectivePositions.Kind);
        Assert.Equal(PositionKind.All, Seed.EffectivePositions.Kind);
    }

    [Theory]
    [InlineData(SteeringMethod.Swap, SteeringMode.Corrected, 1f, false)]
    [InlineData(SteeringMethod.Swap, SteeringMode.Corrected, 0f, true)]
    [InlineData(SteeringMethod.Clamp, SteeringMode.Corrected, -0f, true)]
    [InlineData(SteeringMethod.Original, SteeringMode.Corrected, 1f, true)]
    [InlineData(SteeringMethod.Original, SteeringMode.Seed, 1f, true)]
    [InlineData(SteeringMethod.Reconstruction, SteeringMode.Seed, 1f, false)]
    public void Strength_zero_and_method_orig_edit_nothing(
        SteeringMethod method, SteeringMode mode, float strength, bool nothing) =>
        Assert.Equal(nothing, new SteeringOptions { Method = method, Mode = mode, Strength = strength }.IsIdentity);

    [Fact]
    public void A_method_reads_back_from_its_name_in_any_case()
    {
        foreach (SteeringMethod method in Enum.GetValues<SteeringMethod>())
        {
            Assert.Equal(method, SteeringMethods.Parse(SteeringMethods.NameOf(method)));
            Assert.Equal(method, SteeringMethods.Parse(SteeringMethods.NameOf(method).ToUpperInvariant()));
        }

        Assert.Equal(
            "no method 'swop'; there are orig, sae, clamp, weight, swap, add, set, min-clamp, scale, ablate, project, diffmean",
            Assert.Throws<ArgumentException>(() => SteeringMethods.Parse("swop")).Message);
    }
}
