using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>
/// The edit of one layer: an autoencoder, what is known of the topics, and the options, made ready.
/// <code>
/// corrected: x' = x + h·std·W_decᵀ (z' − z)  (error term kept), or decode(z')
///            project: x' = x − h·g·(x·d̂)d̂      diffmean: x' = x + h·g·v
///            h = 1 in the prompt, 0.5^(n / half-life) at the n-th generated token
/// seed:      x' = decode(z', mu, std);  weight decodes with mu = mean(s), std = mean(s)² instead, as published
/// </code>
/// Where a gate is shut nothing is touched. Immutable; thread-safe.
/// </summary>
public sealed class LayerEdit
{
    private readonly SteeringOptions _options;
    private readonly bool[] _scored = [];
    private readonly LatentSelection? _selection;
    private readonly LatentTargets? _targets;
    private readonly SparseLatents _constant = new();
    private readonly float[] _vector = [];
    private readonly float[] _direction = [];
    private readonly InputScale? _publishedScale;

    /// <summary>Makes an edit toward one topic ready.</summary>
    /// <param name="point">Where it takes place.</param>
    /// <param name="autoencoder">The autoencoder for that place; must outlive the edit.</param>
    /// <param name="scores">The topic's scores, one a latent; null for methods orig and sae.</param>
    /// <param name="options">How to steer.</param>
    /// <exception cref="ArgumentException">
    /// Options contradict each other, or scores are missing or do not fit.
    /// </exception>
    public LayerEdit(HookPoint point, SparseAutoencoder autoencoder, LatentScores? scores, SteeringOptions options)
        : this(point, autoencoder, scores is null ? [] : [new SteeringTopic(scores)], options)
    {
    }

    /// <summary>Makes an edit toward, or away from, topics ready.</summary>
    /// <param name="point">Where it takes place.</param>
    /// <param name="autoencoder">The autoencoder for that place; must outlive the edit.</param>
    /// <param name="topics">The topics; none for methods orig and sae, one in seed mode.</param>
    /// <param name="options">How to steer.</param>
    /// <exception cref="ArgumentException">
    /// Options contradict each other, or what a topic holds does not fit or is not enough for the method.
    /// </exception>
    public LayerEdit(
        HookPoint point, SparseAutoencoder autoencoder, IReadOnlyList<SteeringTopic> topics, SteeringOptions options)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Point = point;
        Autoencoder = autoencoder;
        _options = options;
        if (!SteeringMethods.NeedsScores(options.Method))
        {
            RefuseGateWithoutTopic(options);
            return;
        }

        Check(topics);
        _scored = [.. Enumerable.Range(0, autoencoder.DSae).Select(latent => topics.Any(topic => topic.Scores.Supported[latent]))];
        switch (options.Method)
        {
            case SteeringMethod.DiffMean:
                _vector = MeanDifference(topics);
                break;
            case SteeringMethod.Weight or SteeringMethod.Swap:
                _selection = new LatentSelection(topics, options);
                _publishedScale = PublishedScale(topics[0].Scores);
                break;
        }

        if (SteeringMethods.HasTargets(options.Method) || options.Gate is not null)
        {
            _targets = new LatentTargets(topics, options);
        }

        if (IsConstant(options.Method))
        {
            bool inMaxima = options.Method == SteeringMethod.Add;
            float amount = inMaxima ? 1f : options.ClampAmount;
            _constant = _targets!.Constant(
                options.Mode == SteeringMode.Seed ? amount : amount * options.Strength, inMaxima);
        }

        if (options.Method == SteeringMethod.Project || options.Gate is { Kind: GateKind.Cosine })
        {
            _direction = Direction();
        }
    }

    /// <summary>Where the edit takes place.</summary>
    public HookPoint Point { get; }

    /// <summary>The autoencoder it goes through.</summary>
    public SparseAutoencoder Autoencoder { get; }

    /// <summary>
    /// The latents with the highest scores, ascending, where the method is about them; empty for the other methods, and
    /// for a clamp by nothing.
    /// </summary>
    public ReadOnlySpan<int> TargetLatents =>
        !SteeringMethods.HasTargets(_options.Method) || (IsConstant(_options.Method) && _constant.Count == 0)
            ? [] : _targets!.Latents;

    /// <summary>z' − z where it is the same for every position: that of clamp and add.</summary>
    internal SparseLatents ConstantChange => _constant;

    /// <summary>What diffmean adds at strength 1, [dIn]; empty for the other methods.</summary>
    internal ReadOnlySpan<float> Vector => _vector;

    /// <summary>g.</summary>
    internal float Strength => _options.Strength;

    /// <summary>
    /// Whether the edit reads latents: one that adds a known direction and keeps the error term does not.
    /// </summary>
    internal bool Encodes => _options.Gate is { Kind: GateKind.Latent }
        || !(_options.Method is SteeringMethod.Project or SteeringMethod.DiffMean
            || (IsConstant(_options.Method) && _options.KeepsErrorTerm));

    /// <summary>Whether the edit does something else at each position.</summary>
    internal bool DependsOnPosition => _options.Gate is not null || _options.HalfLife is not null;

    /// <summary>Edits one position in place.</summary>
    /// <param name="x">The residual, [dIn].</param>
    /// <param name="row">Its row among those encoded in the scratch; not read unless <see cref="Encodes"/>.</param>
    /// <param name="scale">Its mean and scale.</param>
    /// <param name="generated">Which generated token stands there, from 1; 0 or less in the prompt.</param>
    /// <param name="scratch">Working memory.</param>
    /// <param name="statistics">Counts what was done.</param>
    internal void Apply(
        Span<float> x,
        int row,
        InputScale scale,
        int generated,
        EditScratch scratch,
        EditStatistics statistics)
    {
        float size = SizeAt(generated);
        if (Encodes)
        {
            scratch.Encoded.Activate(row, scratch.Latents);
        }

        if (size == 0f || !Opens(x, scratch.Latents))
        {
            return;
        }

        x.CopyTo(scratch.Before);
        switch (_options.Method)
        {
            case SteeringMethod.Project:
                Project(x, size);
                break;
            case SteeringMethod.DiffMean:
                Add(_vector, size * _options.Strength, x);
                break;
            case var method when IsConstant(method) && _options.KeepsErrorTerm:
                Autoencoder.AddChange(_constant, Sized(scale, size), x);
                break;
            default:
                CountActivations(scratch.Latents, statistics);
                SparseLatents edited = Edit(row, scratch);
                if (_options.KeepsErrorTerm)
                {
                    scratch.Change.SetDifference(edited, scratch.Latents);
                    Autoencoder.AddChange(scratch.Change, Sized(scale, size), x);
                }
                else
                {
                    Autoencoder.Decode(edited, _publishedScale ?? scale, x);
                }

                break;
        }

        statistics.Count(RelativeChange(scratch.Before, x));
    }

    /// <summary>
    /// z' − z of one position, nothing where the edit takes no part or goes past the latents; valid until the scratch is
    /// used again.
    /// </summary>
    /// <param name="x">The residual, [dIn].</param>
    /// <param name="generated">Which generated token stands there, from 1; 0 or less in the prompt.</param>
    /// <param name="scratch">Working memory.</param>
    internal SparseLatents ChangeAt(ReadOnlySpan<float> x, int generated, EditScratch scratch)
    {
        if (!Encodes && !DependsOnPosition)
        {
            return _constant;
        }

        Autoencoder.Encode(x, 1, scratch.Encoded);
        scratch.Encoded.Activate(0, scratch.Latents);
        float size = SizeAt(generated);
        if (size == 0f || !Opens(x, scratch.Latents))
        {
            scratch.Change.Clear();
            return scratch.Change;
        }

        scratch.Change.SetDifference(Edit(0, scratch), scratch.Latents);
        if (size != 1f)
        {
            scratch.Change.Scale(size);
        }

        return scratch.Change;
    }

    /// <summary>
    /// z' of one position, [dSae], before gate and half-life. As published, swap keeps the sign of the pre-activations that
    /// it masks: −0 where one was negative.
    /// </summary>
    internal void WriteEdited(ReadOnlySpan<float> x, Span<float> edited, EditScratch scratch)
    {
        Autoencoder.Encode(x, 1, scratch.Encoded);
        scratch.Encoded.Activate(0, scratch.Latents);
        Edit(0, scratch).CopyTo(edited);
        if (_options is not { Method: SteeringMethod.Swap, Mode: SteeringMode.Seed })
        {
            return;
        }

        ReadOnlySpan<float> preActivations = scratch.Encoded.PreActivations(0);
        for (int i = 0; i < edited.Length; i++)
        {
            edited[i] = edited[i] == 0f ? MathF.CopySign(0f, preActivations[i]) : edited[i];
        }
    }

    private static bool IsConstant(SteeringMethod method) => method is SteeringMethod.Clamp or SteeringMethod.Add;

    private static void RefuseGateWithoutTopic(SteeringOptions options)
    {
        if (options.Gate is not null)
        {
            throw new ArgumentException(
                $"a gate looks for a topic, and method {SteeringMethods.NameOf(options.Method)} has none");
        }
    }

    private static InputScale Sized(InputScale scale, float size) =>
        size == 1f ? scale : new InputScale(scale.Mean, scale.Scale * size);

    private static void Add(ReadOnlySpan<float> vector, float factor, Span<float> x)
    {
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = MathF.FusedMultiplyAdd(factor, vector[i], x[i]);
        }
    }

    private static double RelativeChange(ReadOnlySpan<float> before, ReadOnlySpan<float> after)
    {
        double change = 0;
        double norm = 0;
        for (int i = 0; i < before.Length; i++)
        {
            double difference = (double)after[i] - before[i];
            change += difference * difference;
            norm += (double)before[i] * before[i];
        }

        return norm > 0 ? Math.Sqrt(change / norm) : change > 0 ? double.PositiveInfinity : 0;
    }

    private void Check(IReadOnlyList<SteeringTopic> topics)
    {
        if (topics.Count == 0)
        {
            throw new ArgumentException($"method {SteeringMethods.NameOf(_options.Method)} needs scores");
        }

        foreach (SteeringTopic topic in topics)
        {
            if (topic.Scores.Count != Autoencoder.DSae)
            {
                throw new ArgumentException(
                    $"{topic.Scores.Count} scores for an autoencoder of {Autoencoder.DSae} latents; expected one a latent");
            }

            if (topic.Weight == 0 || !double.IsFinite(topic.Weight))
            {
                throw new ArgumentException(
                    $"topic '{topic.Scores.Name}' has weight {topic.Weight}, expected a finite number that is not 0");
            }

            if (topic.MeanDifference is { } vector && vector.Count != Autoencoder.DIn)
            {
                throw new ArgumentException(
                    $"topic '{topic.Scores.Name}' has a mean difference of {vector.Count} numbers for inputs of width "
                    + $"{Autoencoder.DIn}");
            }
        }

        if (_options.Mode == SteeringMode.Seed && topics is not [{ Weight: > 0 }])
        {
            throw new ArgumentException(
                "seed mode steers toward one topic: it is the published formulas; use corrected mode for several, or for "
                + "away");
        }
    }

    private float[] MeanDifference(IReadOnlyList<SteeringTopic> topics)
    {
        double budget = topics.Sum(topic => Math.Abs(topic.Weight));
        double[] sum = new double[Autoencoder.DIn];
        foreach (SteeringTopic topic in topics)
        {
            IReadOnlyList<float> vector = topic.MeanDifference ?? throw new ArgumentException(
                $"topic '{topic.Scores.Name}' holds no mean difference, which method diffmean adds; make the topic with "
                + "`layersteer topic --model MODEL --sae SAE`");
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += topic.Weight / budget * vector[i];
            }
        }

        return [.. sum.Select(value => (float)value)];
    }

    private InputScale? PublishedScale(LatentScores scores)
    {
        if (_options is not { Method: SteeringMethod.Weight, Mode: SteeringMode.Seed } || !Autoencoder.Normalises)
        {
            return null;
        }

        double mean = scores.MeanWithGapsAsZero;
        return new InputScale((float)mean, (float)(mean * mean));
    }

    /// <summary>The unit vector of what the edit is toward.</summary>
    private float[] Direction()
    {
        float[] direction = new float[Autoencoder.DIn];
        if (_vector.Length > 0)
        {
            _vector.CopyTo(direction, 0);
        }
        else
        {
            Autoencoder.AddChange(_targets!.Pushes, new InputScale(0f, 1f), direction);
        }

        double norm = Math.Sqrt(direction.Sum(value => (double)value * value));
        return norm > 0
            ? [.. direction.Select(value => (float)(value / norm))]
            : throw new ArgumentException("the topic's direction is all zeros, so there is none to look along");
    }

    private float SizeAt(int generated) => generated <= 0 || _options.HalfLife is not { } half
        ? 1f
        : (float)Math.Pow(0.5, generated / half);

    private bool Opens(ReadOnlySpan<float> x, SparseLatents latents) => _options.Gate switch
    {
        null => true,
        { Kind: GateKind.Latent } gate => gate.Opens(_targets!.Presence(latents)),
        { } gate => gate.Opens(Cosine(x)),
    };

    private double Cosine(ReadOnlySpan<float> x)
    {
        double squares = 0;
        foreach (float value in x)
        {
            squares += (double)value * value;
        }

        return squares > 0 ? Along(x) / Math.Sqrt(squares) : 0;
    }

    private double Along(ReadOnlySpan<float> x)
    {
        double dot = 0;
        for (int i = 0; i < x.Length; i++)
        {
            dot += (double)x[i] * _direction[i];
        }

        return dot;
    }

    private void Project(Span<float> x, float size) => Add(_direction, (float)(-size * _options.Strength * Along(x)), x);

    private SparseLatents Edit(int row, EditScratch scratch)
    {
        switch (_options.Method)
        {
            case SteeringMethod.Reconstruction or SteeringMethod.Project or SteeringMethod.DiffMean:
                return scratch.Latents;
            case SteeringMethod.Clamp or SteeringMethod.Add:
                scratch.Edited.SetSum(scratch.Latents, _constant);
                return scratch.Edited;
            case SteeringMethod.Weight or SteeringMethod.Swap:
                scratch.Encoded.Select(row, _selection!.Keys, _selection.TakesKeys, scratch.Edited);
                return scratch.Edited;
            default:
                _targets!.Edit(_options.Method, _options.Strength, scratch.Latents, scratch.Edited);
                return scratch.Edited;
        }
    }

    private void CountActivations(SparseLatents latents, EditStatistics statistics)
    {
        for (int i = 0; _scored.Length > 0 && i < latents.Count; i++)
        {
            if (latents.Values[i] > 0f)
            {
                statistics.CountActivation(latents.Values[i], _scored[latents.Indices[i]]);
            }
        }
    }
}
