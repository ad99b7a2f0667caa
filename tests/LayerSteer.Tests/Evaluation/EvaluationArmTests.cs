using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using LayerSteer.Tests.Steering;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class EvaluationArmTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly SparseAutoencoder _sae = TinyAutoencoder.Create(SaeActivationKind.TopK);

    public EvaluationArmTests() => _decoder = _tiny.Load();

    public void Dispose()
    {
        _sae.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    [Fact]
    public void A_control_differs_from_the_arm_whose_strength_it_takes_in_its_kind_alone()
    {
        EvaluationArm[] controls = [.. EvaluationArm.All.Where(arm => arm.Base is not null)];
        Assert.Equal(2 * 2 * 7, controls.Length);
        foreach (EvaluationArm control in controls)
        {
            EvaluationArm arm = EvaluationArm.Named(control.StrengthOf);
            Assert.Null(arm.Base);
            Assert.Equal(ArmKind.Steered, arm.Kind);
            Assert.Equal(
                arm, control with { Name = arm.Name, Description = arm.Description, Kind = arm.Kind, Base = null });
            Assert.Equal(
                control.Kind == ArmKind.Matched ? $"random-{arm.Name}" : $"wrong-layer-{arm.Name}", control.Name);
            Assert.True(control.HasStrength && control.DependsOnTopic);
        }

        Assert.All(
            EvaluationArm.All.Where(arm => arm.Base is null), arm => Assert.Equal(arm.Name, arm.StrengthOf));
        Assert.Equal(EvaluationArm.All.Count, EvaluationArm.All.Select(arm => arm.Name).Distinct().Count());
    }

    [Fact]
    public void What_is_not_steered_by_a_topic_has_no_strength()
    {
        string[] without =
        [
            "unsteered", "hint", "example", "few-shot", "sae", "seed-swap", "seed-clamp", "seed-weight", "finetuned",
        ];
        Assert.Equal(without, EvaluationArm.All.Where(arm => !arm.HasStrength).Select(arm => arm.Name));
        Assert.Equal(["unsteered", "sae"], EvaluationArm.All.Where(arm => !arm.DependsOnTopic).Select(arm => arm.Name));
        Assert.True(EvaluationArm.Named("diffmean").HasStrength);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(0, 2)]
    public void A_wrong_layer_arm_makes_the_same_edit_in_another_layer(int layer, int other)
    {
        SteeringPlan right = Plan("contrastive-add", layer, 0.5);
        SteeringPlan wrong = Plan("wrong-layer-contrastive-add", layer, 0.5);
        Assert.Equal(HookPoint.ResidualPost(layer), Assert.Single(right.Edits).Point);
        Assert.Equal(HookPoint.ResidualPost(other), Assert.Single(wrong.Edits).Point);
        Assert.Equal(right.Options, wrong.Options);
        Assert.Equal((SteeringMethod.Add, 0.5f), (wrong.Options.Method, wrong.Options.Strength));
        Assert.Equal(right.Edits[0].TargetLatents.ToArray(), wrong.Edits[0].TargetLatents.ToArray());
        Assert.Equal(other + 1, wrong.LayersBeforeEdits);
    }

    [Fact]
    public void Arms_take_the_scores_of_their_kind_and_matched_ones_other_latents()
    {
        int[] semantic = Latents("add");
        int[] contrastive = Latents("contrastive-add");
        int[] matched = Latents("random-add");
        Assert.Equal(LayerEditTests.RandomScores().Top(10).Order(), semantic);
        Assert.Equal(Reversed().Top(10).Order(), contrastive);
        Assert.Equal(10, matched.Length);
        Assert.NotEqual(semantic, matched);
        Assert.Equal(1f, Plan("sae", 1, 9).Options.Strength);
    }

    private int[] Latents(string arm) => Plan(arm, 1, 1).Edits[0].TargetLatents.ToArray();

    private SteeringPlan Plan(string arm, int layer, double strength)
    {
        EvaluationArm named = EvaluationArm.Named(arm);
        var model = new EvaluatedModel
        {
            Decoder = _decoder,
            Tokenizer = _tiny.LoadTokenizer(),
            Site = new SteeringSite(HookPoint.ResidualPost(layer), _sae),
            Scores = new Dictionary<string, EvaluatedScores>
            {
                ["t"] = new(LayerEditTests.RandomScores(), Reversed(), RandomFloats.Of(3, TinyModel.DModel)),
            },
            Frequencies = [.. Enumerable.Range(0, TinyAutoencoder.DSae).Select(latent => (long)latent)],
        };
        return model.Plan(named, strength, new EvaluationOptions(), named.DependsOnTopic ? "t" : null, seed: 3);
    }

    private static LatentScores Reversed()
    {
        LatentScores scores = LayerEditTests.RandomScores();
        return new LatentScores(
            [.. scores.Values.ToArray().Reverse()], [.. scores.Supported.ToArray().Reverse()], "reversed",
            [.. scores.Maxima.ToArray().Reverse()]);
    }
}
