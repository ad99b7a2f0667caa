using System.Text.Json;
using System.Text.Json.Serialization;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// A topic as an autoencoder sees it: the score and support of each latent, how much of the dictionary was seen, and
/// what all of it was made with. A JSON file. Immutable as long as nobody writes into its arrays.
/// </summary>
public sealed record TopicProfile
{
    /// <summary>The one format version that this version reads and writes.</summary>
    public const int CurrentFormatVersion = 1;

    /// <summary>The verdict of a topic whose scores can be used; nobody asked how far.</summary>
    public const string Scored = "scored";

    /// <summary>The verdict of a card that found nothing amiss.</summary>
    public const string Supported = "supported";

    /// <summary>The verdict of a card that found evidence, and reasons to doubt.</summary>
    public const string Weak = "weak";

    /// <summary>
    /// The verdict of a topic whose scores prefer no latent to another, or no more than chance would.
    /// </summary>
    public const string NotSteerable = "not steerable";

    /// <summary>The version of the file's layout.</summary>
    public int FormatVersion { get; init; } = CurrentFormatVersion;

    /// <summary>The version of LayerSteer that wrote it.</summary>
    public string ToolVersion { get; init; } = IndexManifest.CurrentToolVersion;

    /// <summary>When it was made, UTC.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>The topic's name.</summary>
    public required string Name { get; init; }

    /// <summary>"scored", or of a card "supported", "weak" or "not steerable".</summary>
    public required string Verdict { get; init; }

    /// <summary>The figures that decided the verdict; empty when it is scored.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }

    /// <summary>The mode of the index.</summary>
    public required SteeringMode Mode { get; init; }

    /// <summary>Which summary of the reference prompts was used.</summary>
    public required SummaryKind Summary { get; init; }

    /// <summary>Whether the scores repeat the seed's all-zero defect.</summary>
    public required bool PublishedBug { get; init; }

    /// <summary>The number of latents of the autoencoder.</summary>
    public required int DSae { get; init; }

    /// <summary>The width of the residual stream.</summary>
    public required int DModel { get; init; }

    /// <summary>The layer that the latents are of.</summary>
    public required int Layer { get; init; }

    /// <summary>The hook point as TransformerLens writes it.</summary>
    public required string HookPoint { get; init; }

    /// <summary>The share of latents with support, 0 to 1.</summary>
    public required double Coverage { get; init; }

    /// <summary>How many reference prompts took part.</summary>
    public required int PromptsUsed { get; init; }

    /// <summary>How far the reference prompts are from the topic.</summary>
    public required DistanceStatistics MinDistance { get; init; }

    /// <summary>The topic's texts.</summary>
    public required AlignmentSource Alignment { get; init; }

    /// <summary>What the index was made with.</summary>
    public required ProfileProvenance Provenance { get; init; }

    /// <summary>The scored latents.</summary>
    public required ProfileScores Scores { get; init; }

    /// <summary>What the topic's own texts say; null if they were not run through the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProfileContrast? Contrast { get; init; }

    /// <summary>Whether the autoencoder can represent the topic; null if its texts were not run through the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProfileRepresentation? Representation { get; init; }

    /// <summary>What the scores rest on; null where no card was made.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProfileUncertainty? Uncertainty { get; init; }

    /// <summary>A profile of a scoring.</summary>
    /// <param name="name">The topic's name.</param>
    /// <param name="manifest">The manifest of the index that was scored.</param>
    /// <param name="scoring">The scoring, from an index with at least one prompt.</param>
    /// <param name="alignment">The topic's texts.</param>
    /// <param name="created">The time, UTC.</param>
    /// <param name="card">What the scores rest on, if that was measured; it decides the verdict.</param>
    /// <returns>The profile.</returns>
    public static TopicProfile From(
        string name,
        IndexManifest manifest,
        FeatureScoring scoring,
        AlignmentSource alignment,
        DateTimeOffset created,
        UncertaintyCard? card = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(scoring);
        ArgumentNullException.ThrowIfNull(alignment);
        LatentScores scores = scoring.Scores;
        int[] latents = [.. Enumerable.Range(0, scores.Count).Where(latent => scores.Supported[latent])];
        TopicVerdict? verdict = scoring.Verdict == Scored ? card?.Verdict : null;
        return new TopicProfile
        {
            Created = created,
            Name = name,
            Verdict = verdict?.Word ?? scoring.Verdict,
            Reasons = verdict?.Reasons ?? scoring.Reasons,
            Mode = manifest.Mode,
            Summary = scoring.Summary,
            PublishedBug = scoring.PublishedBug,
            DSae = manifest.DSae,
            DModel = manifest.DModel,
            Layer = manifest.Layer,
            HookPoint = manifest.HookPoint,
            Coverage = scoring.Coverage,
            PromptsUsed = scoring.PromptsUsed,
            MinDistance = DistanceStatistics.Of(scoring.MinDistances),
            Alignment = alignment,
            Provenance = new ProfileProvenance(
                manifest.Model, manifest.Sae, manifest.Encoder, manifest.TokenizerDigest, manifest.BosPolicy,
                manifest.Reference, manifest.ToolVersion, manifest.Dtype),
            Scores = new ProfileScores(
                latents,
                [.. latents.Select(latent => scores.Values[latent])],
                [.. latents.Select(latent => scoring.Support[latent])],
                scores.Maxima.IsEmpty ? null : [.. latents.Select(latent => scores.Maxima[latent])]),
            Uncertainty = card is null ? null : ProfileUncertainty.Of(card, latents),
        };
    }

    /// <summary>The profile with what the model says of the topic's own texts; a card is judged again with that.</summary>
    /// <param name="contrast">The contrastive scores.</param>
    /// <param name="representation">Whether the autoencoder can represent the topic.</param>
    public TopicProfile With(ProfileContrast contrast, ProfileRepresentation representation)
    {
        ArgumentNullException.ThrowIfNull(representation);
        TopicVerdict? verdict = Uncertainty is not { } card || Verdict == Scored ? null : TopicVerdict.Of(
            card.Decisive with
            {
                SupportedMass = representation.SupportedMass5,
                UnexplainedVariance = representation.Fvu,
            },
            card.Options);
        return this with
        {
            Contrast = contrast,
            Representation = representation,
            Verdict = verdict?.Word ?? Verdict,
            Reasons = verdict?.Reasons ?? Reasons,
        };
    }

    /// <summary>The scores of all latents, with a gap at each that is not listed.</summary>
    /// <returns>The scores, named as the topic.</returns>
    public LatentScores ToLatentScores()
    {
        double[] values = new double[DSae];
        bool[] supported = new bool[DSae];
        float[] maxima = Scores.Maxima is null ? [] : new float[DSae];
        for (int i = 0; i < Scores.Latents.Length; i++)
        {
            values[Scores.Latents[i]] = Scores.Scores[i];
            supported[Scores.Latents[i]] = true;
            if (Scores.Maxima is not null)
            {
                maxima[Scores.Latents[i]] = Scores.Maxima[i];
            }
        }
        return new LatentScores(values, supported, Name, maxima);
    }

    /// <summary>The scores of a kind.</summary>
    /// <param name="kind">Which evidence they are made from.</param>
    /// <exception cref="ArgumentException">The profile has none of that kind.</exception>
    public LatentScores ToLatentScores(ScoringKind kind) => kind == ScoringKind.Semantic
        ? ToLatentScores()
        : Contrast?.ToLatentScores(ToLatentScores()) ?? throw new ArgumentException(
            $"topic '{Name}' has no contrastive scores; make it with `layersteer topic --model MODEL --sae SAE`");

    /// <summary>Reads and checks a profile.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The profile.</returns>
    /// <exception cref="InvalidDataException">
    /// No JSON, a field missing, or a value that cannot be; the message names it.
    /// </exception>
    /// <exception cref="NotSupportedException">Another format version.</exception>
    public static TopicProfile Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        TopicProfile profile = TopicsJson.Read(path, CurrentFormatVersion, TopicsJson.Compact.TopicProfile);
        return profile.Problem() is string problem
            ? throw new InvalidDataException($"'{path}': {problem}")
            : profile;
    }

    /// <summary>Writes the profile, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <exception cref="InvalidOperationException">A value cannot be; nothing is written.</exception>
    public void Write(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Problem() is string problem)
        {
            throw new InvalidOperationException(problem);
        }
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, TopicsJson.Compact.TopicProfile));
    }

    private string? Problem()
    {
        if (Verdict is not (Scored or Supported or Weak or NotSteerable))
        {
            return $"verdict is '{CsvText.Shortened(Verdict)}', expected '{Scored}', '{Supported}', '{Weak}' or "
                + $"'{NotSteerable}'";
        }
        if (Verdict is Supported or Weak && Uncertainty is null)
        {
            return $"verdict is '{Verdict}' without uncertainty, which decides it";
        }
        if (!Enum.IsDefined(Mode) || !Enum.IsDefined(Summary))
        {
            return $"mode is {Mode} and summary is {Summary}, expected the names of this version";
        }
        if (Verdict == Scored != (Reasons.Count == 0) || Reasons.Contains(null!))
        {
            return $"verdict is '{Verdict}' with {Reasons.Count} reasons";
        }
        if (DSae is < 1 or > IndexManifest.LargestDimension || DModel is < 1 or > IndexManifest.LargestDimension)
        {
            return $"d_sae is {DSae} and d_model is {DModel}, expected 1 to {IndexManifest.LargestDimension}";
        }
        if (Layer < 0 || HookPoint.Length == 0 || Name.Length == 0)
        {
            return $"layer is {Layer}, hook_point is '{HookPoint}' and name is '{Name}', "
                + "expected 0 or more and no empty one";
        }
        if (!(Coverage is >= 0 and <= 1))
        {
            return FormattableString.Invariant($"coverage is {Coverage}, expected 0 to 1");
        }
        if (!WeightTypes.Names.Contains(Provenance.Dtype))
        {
            return $"provenance.dtype is '{CsvText.Shortened(Provenance.Dtype)}', "
                + $"expected {string.Join(", ", WeightTypes.Names)}";
        }
        if (PromptsUsed < 0 || PromptsUsed > Provenance.Reference.Count)
        {
            return $"prompts_used is {PromptsUsed}, "
                + $"expected 0 to the {Provenance.Reference.Count} of provenance.reference";
        }
        DistanceStatistics d = MinDistance;
        if (!(d.Min >= 0 && d.Min <= d.Median && d.Median <= d.Max && d.Min <= d.Mean && d.Mean <= d.Max && d.Max < 3))
        {
            return "min_distance is not ordered from 0 to 2";
        }
        if (Alignment.Texts < 1 || Alignment.Windows < Alignment.Texts)
        {
            return $"alignment has {Alignment.Texts} texts and {Alignment.Windows} windows";
        }
        return ScoresProblem() ?? Contrast?.Problem(DSae) ?? Representation?.Problem()
            ?? (Uncertainty?.Problem(Scores) is string problem ? "uncertainty: " + problem : null);
    }

    private string? ScoresProblem()
    {
        int scored = Scores.Latents.Length;
        if (Scores.Scores.Length != scored || Scores.Support.Length != scored)
        {
            return $"scores has {scored} latents, {Scores.Scores.Length} scores and {Scores.Support.Length} supports";
        }
        if (Scores.Maxima is { } maxima && maxima.Length != scored)
        {
            return $"scores has {scored} latents and {maxima.Length} maxima";
        }
        int previous = -1;
        for (int i = 0; i < scored; i++)
        {
            if (Scores.Maxima is not null && !(Scores.Maxima[i] > 0 && float.IsFinite(Scores.Maxima[i])))
            {
                return FormattableString.Invariant($"scores.maxima[{i}] is {Scores.Maxima[i]}, expected above 0");
            }
            int latent = Scores.Latents[i];
            if (latent <= previous || latent >= DSae)
            {
                return $"scores.latents[{i}] is {latent} after {previous}, "
                    + $"expected ascending latents from 0 to {DSae - 1}";
            }
            if (!(Scores.Scores[i] is >= 0 and <= 1))
            {
                return FormattableString.Invariant($"scores.scores[{i}] is {Scores.Scores[i]}, expected 0 to 1");
            }
            if (Scores.Support[i] < (PublishedBug ? 0 : 1) || Scores.Support[i] > PromptsUsed)
            {
                return $"scores.support[{i}] is {Scores.Support[i]}, expected 1 to the {PromptsUsed} prompts used";
            }
            previous = latent;
        }
        return null;
    }
}
