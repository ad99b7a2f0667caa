using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>What a sweep loads: the model with each autoencoder, their indexes, and the encoder.</summary>
internal sealed class SweepWork : IDisposable
{
    private readonly List<(Steerer Steerer, ReferenceIndex Index)> _layers = [];

    /// <summary>Loads, and builds the indexes that are missing.</summary>
    /// <exception cref="UsageException">A layer has neither an index nor reference texts.</exception>
    public SweepWork(
        Terminal terminal,
        string model,
        IReadOnlyList<(HookPoint Point, string Sae)> sites,
        LoadOptions load,
        PocketModel? pocket,
        string[] indexes,
        string? reference,
        string? encoder)
    {
        ReferenceIndex[] known = [.. (indexes.Length == 0 && pocket is not null ? [pocket.Index] : indexes)
            .Select(folder => ReferenceIndex.Open(folder))];
        string encoderFolder = SharedOptions.EncoderFolder(encoder) ?? pocket?.Encoder
            ?? known.FirstOrDefault()?.Manifest.Encoder.Path
            ?? throw new UsageException("--encoder is needed, since no index names one");
        TextTable? texts = reference is null ? null : TextTable.Read(reference);
        SentenceEncoder? sentences = SentenceEncoder.Load(encoderFolder, load);
        Encoder = sentences;
        try
        {
            foreach ((HookPoint point, string sae) in sites)
            {
                Steerer? steerer = Steerer.Load(model, [(point, sae)], load);
                try
                {
                    ReferenceIndex index =
                        known.FirstOrDefault(one => one.Manifest.HookPoint == point.ToString())
                        ?? (texts is null
                            ? throw new UsageException(
                                $"no index is of {point}; give --reference TEXTS, or --index one a layer")
                            : PipelineArguments.Index(
                                terminal, steerer.Indexer(sentences, SteeringMode.Corrected), texts, CancellationToken.None));
                    _layers.Add((steerer, index));
                    steerer = null;
                }
                finally
                {
                    steerer?.Dispose();
                }
            }

            sentences = null;
        }
        finally
        {
            if (sentences is not null)
            {
                Dispose();
            }
        }
    }

    /// <summary>The model with the first autoencoder.</summary>
    public Steerer Steerer => _layers[0].Steerer;

    /// <summary>The encoder that scores.</summary>
    public SentenceEncoder Encoder { get; }

    /// <summary>The methods at every layer.</summary>
    public IReadOnlyList<SweptMethod> Methods(
        TextTable texts,
        SteeringMethod[] methods,
        Func<SteeringMethod, IReadOnlyList<double>> strengths,
        CancellationToken cancellation)
    {
        var swept = new List<SweptMethod>();
        foreach ((Steerer steerer, ReferenceIndex index) in _layers)
        {
            TopicProfile profile = steerer.Read(
                PipelineArguments.Score(index, Encoder, texts, UncertaintyLevel.Scores, cancellation).Profile,
                index, texts.Texts, cancellation: cancellation);
            swept.AddRange(methods.Select(method => new SweptMethod(
                steerer.Sites[0].Point, method, strengths(method), strength => steerer.Plan(
                    new SteeringOptions { Method = method, Strength = (float)strength }, profile,
                    SteeringMethods.IsPublished(method) ? ScoringKind.Semantic : ScoringKind.Contrastive))));
        }

        return swept;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((Steerer steerer, _) in _layers)
        {
            steerer.Dispose();
        }

        Encoder.Dispose();
    }
}
