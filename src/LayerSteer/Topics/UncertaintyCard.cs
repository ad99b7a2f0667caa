namespace LayerSteer.Topics;

/// <summary>
/// What a topic's scores rest on, from the index and the sentence vectors alone: coverage, support, errors, separation
/// from chance, and whether the references know the topic. The formulas are with each part. Immutable as long as nobody
/// writes into its arrays.
/// </summary>
public sealed record UncertaintyCard
{
    /// <summary>What it was measured with.</summary>
    public required UncertaintyOptions Options { get; init; }

    /// <summary>How much of the dictionary the prompts have shown.</summary>
    public required DictionaryCoverage Coverage { get; init; }

    /// <summary>How often latents are active.</summary>
    public required LatentDensity Density { get; init; }

    /// <summary>What each latent rests on.</summary>
    public required LatentSupport Support { get; init; }

    /// <summary>How far each latent's mean would be another.</summary>
    public required LatentErrors Errors { get; init; }

    /// <summary>What is left of each latent's mean when its support is weighed.</summary>
    public required LatentShrinkage Shrinkage { get; init; }

    /// <summary>Whether there is any signal.</summary>
    public required TopicSeparation Separation { get; init; }

    /// <summary>Whether the reference prompts come near the topic.</summary>
    public required ReferenceKnowledge Knowledge { get; init; }

    /// <summary>What decides the verdict.</summary>
    public VerdictFigures Figures => new()
    {
        GlobalP = Separation.GlobalP,
        Significant = Separation.Significant,
        Between = Shrinkage.Between,
        InSupportShare = Knowledge.InSupportShare,
        EnergyP = Knowledge.EnergyP,
        TopicPrompts = Knowledge.TopicPrompts,
    };

    /// <summary>The verdict.</summary>
    public TopicVerdict Verdict => TopicVerdict.Of(Figures, Options);

    /// <summary>Measures a card; the same to the bit for a seed, whatever the number of threads.</summary>
    /// <param name="index">The index, with at least one prompt.</param>
    /// <param name="alignment">[windows, dEmbedding], row-major: the topic's sentence vectors of length 1.</param>
    /// <param name="windowsOfText">How many windows each text has, in order; null if each has one.</param>
    /// <param name="kind">The summary that the scores use.</param>
    /// <param name="options">Seed, sizes and thresholds; the defaults when left out.</param>
    /// <param name="threads">The most threads; 0 for as many as the machine has.</param>
    /// <param name="cancellation">Checked all along.</param>
    /// <returns>The card.</returns>
    /// <exception cref="ArgumentException">
    /// No vector, another length, one that is not of length 1, windows that do not add up, or an option that cannot be.
    /// </exception>
    public static UncertaintyCard Measure(
        ReferenceIndex index,
        float[] alignment,
        IReadOnlyList<int>? windowsOfText = null,
        SummaryKind kind = SummaryKind.Average,
        UncertaintyOptions? options = null,
        int threads = 0,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(alignment);
        double[] squared = new FeatureScorer(index, kind).SquaredDistances(alignment);
        return Measure(index, squared, alignment, windowsOfText, kind, options, threads, cancellation);
    }

    /// <summary>As above, with the distances at hand.</summary>
    internal static UncertaintyCard Measure(
        ReferenceIndex index,
        double[] squared,
        float[] alignment,
        IReadOnlyList<int>? windowsOfText,
        SummaryKind kind,
        UncertaintyOptions? options,
        int threads,
        CancellationToken cancellation)
    {
        options ??= new UncertaintyOptions();
        options.Require();
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = threads > 0 ? threads : -1,
            CancellationToken = cancellation,
        };
        int[] starts = Starts(windowsOfText, alignment.Length / index.Manifest.DEmbedding);
        SummaryRows rows = index.Summaries(kind);
        var columns = new LatentColumns(rows);
        double[] distances = LatentSupport.Used(columns, squared);
        LatentSupport support = LatentSupport.Of(columns, distances);
        LatentShrinkage shrinkage = LatentShrinkage.Of(support);
        var texts = new TextDistances(index, columns.Prompts, alignment, starts, parallel);
        return new UncertaintyCard
        {
            Options = options,
            Coverage = DictionaryCoverage.Of(rows.Support, support.Effective, index.PromptCount),
            Density = LatentDensity.Of(index),
            Support = support,
            Errors = LatentErrors.Measure(columns, distances, support, texts, options, parallel),
            Shrinkage = shrinkage,
            Separation = TopicSeparation.Measure(
                columns, distances, support, shrinkage, options, parallel),
            Knowledge = ReferenceKnowledge.Measure(
                index, alignment, starts, squared, options, parallel),
        };
    }

    private static int[] Starts(IReadOnlyList<int>? windowsOfText, int windows)
    {
        var starts = new List<int> { 0 };
        foreach (int count in windowsOfText ?? [.. Enumerable.Repeat(1, windows)])
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(windowsOfText));
            starts.Add(starts[^1] + count);
        }
        return starts[^1] == windows ? [.. starts]
            : throw new ArgumentException($"{starts[^1]} windows of texts, expected {windows}", nameof(windowsOfText));
    }
}
