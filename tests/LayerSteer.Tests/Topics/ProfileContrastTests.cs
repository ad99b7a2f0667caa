using System.Text.Json.Nodes;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

/// <summary>What a model says of a topic, in the topic's profile.</summary>
public sealed class ProfileContrastTests : IDisposable
{
    private static readonly ProfileContrast Contrast =
        new(2, 30, [1, 5], [0.5, 1], [2f, 3.5f], [0.25f, -1f, 0f], "digest", "output");

    private static readonly ProfileRepresentation Representation = new(
        2, 30, Fvu: 0.3, FvuLow: 0.2, FvuHigh: 0.4, OtherFvu: 0.25, Cosine: 0.9, L0: 7, NormRatio: 0.95,
        LossChange: -0.01, LossRecovered: 0.98, Divergence: 0.02, SupportedMass1: 1, SupportedMass2: 0.95,
        SupportedMass5: 0.9, TopMass: 0.1, TopMassLift: 2, UseCorrelation: 0.5, UseLow: -0.1, UseHigh: 0.8);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Both_parts_are_read_back()
    {
        TopicProfile read = WrittenAndRead(TopicProfileTests.Sample(_folder, out _).With(Contrast, Representation));
        Assert.Equal(Representation, read.Representation);
        ProfileContrast contrast = read.Contrast!;
        Assert.Equal(Contrast.Latents, contrast.Latents);
        Assert.Equal(Contrast.Scores, contrast.Scores);
        Assert.Equal(Contrast.Maxima, contrast.Maxima);
        Assert.Equal(Contrast.MeanDifference, contrast.MeanDifference);
        Assert.Equal(
            (2, 30, "digest", "output"), (contrast.Texts, contrast.Tokens, contrast.OtherTexts, contrast.Filter));

        ProfileRepresentation unknown = new(
            1, 1, null, null, null, null, 0, 0, 0, null, null, null, null, null, null, null, null, null, null, null);
        Assert.Equal(unknown, WrittenAndRead(read with { Representation = unknown }).Representation);
    }

    [Fact]
    public void Contrastive_scores_are_0_where_only_the_semantic_ones_are_known_and_have_a_gap_elsewhere()
    {
        TopicProfile profile = TopicProfileTests.Sample(_folder, out _);
        Assert.Equal(
            "topic 'medical' has no contrastive scores; make it with `layersteer topic --model MODEL --sae SAE`",
            Assert.Throws<ArgumentException>(() => profile.ToLatentScores(ScoringKind.Contrastive)).Message);
        LatentScores scores = profile.With(Contrast, Representation).ToLatentScores(ScoringKind.Contrastive);
        Assert.Equal((SampleIndex.DSae, "medical"), (scores.Count, scores.Name));
        ReadOnlySpan<bool> semantic = profile.ToLatentScores().Supported;
        for (int latent = 0; latent < scores.Count; latent++)
        {
            Assert.Equal(semantic[latent] || latent is 1 or 5, scores.Supported[latent]);
            Assert.Equal(latent is 1 or 5, scores.Values[latent] > 0);
        }

        Assert.Equal((0.5, 1.0), (scores.Values[1], scores.Values[5]));
        Assert.Equal((2f, 3.5f), (scores.Maxima[1], scores.Maxima[5]));
        Assert.Equal(
            profile.ToLatentScores().Values.ToArray(), profile.ToLatentScores(ScoringKind.Semantic).Values.ToArray());
    }

    [Theory]
    [InlineData("contrast.texts", "0", "contrast has 0 texts and 30 tokens")]
    [InlineData("contrast.tokens", "1", "contrast has 2 texts and 1 tokens")]
    [InlineData("contrast.latents", "[1]", "contrast has 1 latents, 2 scores and 2 maxima")]
    [InlineData("contrast.latents", "[5,1]",
        "contrast.latents[1] is 1 after 5, expected ascending latents from 0 to 39")]
    [InlineData("contrast.latents", "[1,40]",
        "contrast.latents[1] is 40 after 1, expected ascending latents from 0 to 39")]
    [InlineData("contrast.latents", "[-1,5]",
        "contrast.latents[0] is -1 after -1, expected ascending latents from 0 to 39")]
    [InlineData("contrast.scores", "[0,1]",
        "contrast.scores[0] is 0 and contrast.maxima[0] 2, expected above 0 to 1 and above 0")]
    [InlineData("contrast.maxima", "[2,-1]",
        "contrast.scores[1] is 1 and contrast.maxima[1] -1, expected above 0 to 1 and above 0")]
    [InlineData("contrast.mean_difference", "[1,1e999]",
        "contrast.mean_difference[1] is Infinity, expected a finite number")]
    [InlineData("contrast.mean_difference", "[]", "contrast.mean_difference has 0 numbers")]
    [InlineData("contrast.filter", "\"best\"", "contrast.filter is 'best', expected none, output or confidence")]
    [InlineData("representation.tokens", "1", "representation has 2 texts and 1 tokens")]
    [InlineData("representation.fvu", "-1", "representation.fvu is -1, expected 0 to 1.7976931348623157E+308")]
    [InlineData("representation.fvu_high", "0.125",
        "representation.fvu_high is 0.125, expected 0.2 to 1.7976931348623157E+308")]
    [InlineData("representation.cosine", "2", "representation.cosine is 2, expected -1.001 to 1.001")]
    [InlineData("representation.supported_mass5", "1.5", "representation.supported_mass5 is 1.5, expected 0 to 1")]
    [InlineData("representation.use_low", "-2", "representation.use_low is -2, expected -1 to 1")]
    [InlineData("representation.loss_change", "1e999",
        "representation.loss_change is Infinity, expected -1000000 to 1000000")]
    public void A_value_that_cannot_be_is_refused_by_field(string field, string value, string message) =>
        Assert.Equal($"'{_folder["p.json"]}': {message}", Refusal(field, value));

    [Theory]
    [InlineData("contrast.latents")]
    [InlineData("contrast.scores")]
    [InlineData("contrast.maxima")]
    [InlineData("contrast.mean_difference")]
    [InlineData("contrast.filter")]
    [InlineData("contrast.other_texts")]
    [InlineData("contrast.texts")]
    [InlineData("representation.cosine")]
    public void Null_is_refused_where_there_must_be_a_value(string field)
    {
        string message = Refusal(field, "null");
        Assert.StartsWith($"'{_folder["p.json"]}': ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void A_card_is_judged_again_with_what_the_model_says()
    {
        TopicProfile card = Supported();
        Assert.Equal(TopicProfile.Supported, card.With(Contrast, Representation).Verdict);
        Assert.Contains(
            "unexplained variance on the topic's texts 0.3, weak above 0.5",
            card.With(Contrast, Representation).Reasons);
        IsWeak(
            "unexplained variance on the topic's texts 0.625, weak above 0.5",
            card,
            Representation with { Fvu = 0.625 });
        IsWeak(
            "share of the topic's activation on supported latents 0.25, weak below 0.5",
            card,
            Representation with { SupportedMass5 = 0.25 });
        Assert.Equal(
            TopicProfile.Supported,
            card.With(Contrast, Representation with { Fvu = null, SupportedMass5 = null }).Verdict);
    }

    [Fact]
    public void What_made_a_card_weak_makes_it_weak_when_it_is_judged_again()
    {
        IsWeak(
            "p of texts no different from the references 0.5, weak above 0.05",
            Supported(known => known with { EnergyP = 0.5 }),
            Representation);
        IsWeak(
            "references as near as the topic's own texts 0, weak below 1",
            Supported(known => known with { TopicPrompts = 0 }),
            Representation);
        IsWeak(
            "share of the topic near a reference 0.05, weak below 0.1",
            Supported(known => known with { InSupportShare = 0.05 }),
            Representation);
    }

    [Fact]
    public void Scores_that_nobody_asked_how_far_stay_scored()
    {
        TopicProfile profile = TopicProfileTests.Sample(_folder, out _);
        TopicProfile read = profile.With(Contrast, Representation with { Fvu = 5 });
        Assert.Equal(TopicProfile.Scored, read.Verdict);
        Assert.Empty(read.Reasons);
    }

    private static void IsWeak(string reason, TopicProfile card, ProfileRepresentation representation)
    {
        TopicProfile read = card.With(Contrast, representation);
        Assert.Equal(TopicProfile.Weak, read.Verdict);
        Assert.Equal([reason], read.Reasons);
    }

    /// <summary>A profile whose card has nothing amiss but what is changed.</summary>
    private TopicProfile Supported(Func<ReferenceKnowledge, ReferenceKnowledge>? change = null)
    {
        using var folder = new TemporaryFolder();
        TopicProfile profile = TopicProfileTests.WithCard(folder);
        ReferenceKnowledge known = profile.Uncertainty!.Knowledge with
        {
            InSupportShare = 1,
            TopicPrompts = 5,
            EnergyP = 0.01,
        };
        return profile with
        {
            Verdict = TopicProfile.Supported,
            Uncertainty = profile.Uncertainty with
            {
                Separation = new ProfileSeparation(20, 3, 0.01, 4, 1),
                Shrinkage = new ProfileShrinkage(0.1, 0.1, 0.5, 1),
                Knowledge = change?.Invoke(known) ?? known,
            },
        };
    }

    private TopicProfile WrittenAndRead(TopicProfile profile)
    {
        profile.Write(_folder["p.json"]);
        return TopicProfile.Read(_folder["p.json"]);
    }

    private string Refusal(string field, string value)
    {
        TopicProfileTests.Sample(_folder, out _).With(Contrast, Representation).Write(_folder["p.json"]);
        string[] names = field.Split('.');
        JsonNode json = JsonNode.Parse(File.ReadAllText(_folder["p.json"]))!;
        Assert.True(json[names[0]]!.AsObject().ContainsKey(names[1]));
        json[names[0]]![names[1]] = "VALUE";
        _folder.Write("p.json", json.ToJsonString().Replace("\"VALUE\"", value, StringComparison.Ordinal));
        return Assert.Throws<InvalidDataException>(() => TopicProfile.Read(_folder["p.json"])).Message;
    }
}
