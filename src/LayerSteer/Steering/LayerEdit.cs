using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>
/// The edit of one layer: an autoencoder, the topic's scores for it and the options, made ready.
/// <code>
/// corrected: x' = x + std·W_decᵀ (z' − z)  (error term kept), or decode(z')
/// seed:      x' = decode(z', mu, std);  weight decodes with mu = mean(s), std = mean(s)² instead, as published
/// </code>
/// Immutable; thread-safe.
/// </summary>
public sealed class LayerEdit
{
    private readonly SteeringOptions _options;
    private readonly LatentScores? _scores;
    private readonly LatentSelection? _selection;
    private readonly SparseLatents _clamped = new();
    private readonly InputScale? _publishedScale;

    /// <summary>Makes an edit ready.</summary>
    /// <param name="point">Where it takes place.</param>
    /// <param name="autoencoder">The autoencoder for that place; must outlive the edit.</param>
    /// <param name="scores">The topic's scores, one a latent; needed by clamp, weight and swap.</param>
    /// <param name="options">How to steer.</param>
    /// <exception cref="ArgumentException">
    /// Options contradict each other, or scores are missing or do not fit.
    /// </exception>
    public LayerEdit(HookPoint point, SparseAutoencoder autoencoder, LatentScores? scores, SteeringOptions options)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Point = point;
        Autoencoder = autoencoder;
        _options = options;
        _scores = scores;
        if (!SteeringMethods.NeedsScores(options.Method))
        {
            return;
        }

        if (scores is null)
        {
            throw new ArgumentException($"method {SteeringMethods.NameOf(options.Method)} needs scores");
        }

        if (scores.Count != autoencoder.DSae)
        {
            throw new ArgumentException(
                $"{scores.Count} scores for an autoencoder of {autoencoder.DSae} latents; expected one a latent");
        }

        if (options.Method == SteeringMethod.Clamp)
        {
            ReadyClamp(scores);
            return;
        }

        _selection = new LatentSelection(scores, options);
        if (options is { Method: SteeringMethod.Weight, Mode: SteeringMode.Seed } && autoencoder.Normalises)
        {
            double mean = scores.MeanWithGapsAsZero;
            _publishedScale = new InputScale((float)mean, (float)(mean * mean));
        }
    }

    /// <summary>Where the edit takes place.</summary>
    public HookPoint Point { get; }

    /// <summary>The autoencoder it goes through.</summary>
    public SparseAutoencoder Autoencoder { get; }

    /// <summary>The latents that clamp raises, ascending; empty for the other methods.</summary>
    public ReadOnlySpan<int> ClampedLatents => _clamped.Indices;

    /// <summary>z' − z where it is the same for every position: that of a clamp.</summary>
    internal SparseLatents ConstantChange => _clamped;

    /// <summary>
    /// Whether the edit reads latents; a clamp that keeps the error term adds a known direction and does not.
    /// </summary>
    internal bool Encodes => !(_options.Method == SteeringMethod.Clamp && _options.KeepsErrorTerm);

    /// <summary>Edits one position in place.</summary>
    /// <param name="x">The residual, [dIn].</param>
    /// <param name="row">Its row among those encoded in the scratch; not read unless <see cref="Encodes"/>.</param>
    /// <param name="scale">Its mean and scale.</param>
    /// <param name="scratch">Working memory.</param>
    /// <param name="statistics">Counts what was done.</param>
    internal void Apply(
        Span<float> x,
        int row,
        InputScale scale,
        EditScratch scratch,
        EditStatistics statistics)
    {
        x.CopyTo(scratch.Before);
        if (!Encodes)
        {
            Autoencoder.AddChange(_clamped, scale, x);
        }
        else
        {
            scratch.Encoded.Activate(row, scratch.Latents);
            CountActivations(scratch.Latents, statistics);
            SparseLatents edited = Edit(row, scratch);
            if (_options.KeepsErrorTerm)
            {
                scratch.Change.SetDifference(edited, scratch.Latents);
                Autoencoder.AddChange(scratch.Change, scale, x);
            }
            else
            {
                Autoencoder.Decode(edited, _publishedScale ?? scale, x);
            }
        }

        statistics.Count(RelativeChange(scratch.Before, x));
    }

    /// <summary>z' − z of one position; valid until the scratch is used again.</summary>
    internal SparseLatents ChangeAt(ReadOnlySpan<float> x, EditScratch scratch)
    {
        if (!Encodes)
        {
            return _clamped;
        }

        Autoencoder.Encode(x, 1, scratch.Encoded);
        scratch.Encoded.Activate(0, scratch.Latents);
        scratch.Change.SetDifference(Edit(0, scratch), scratch.Latents);
        return scratch.Change;
    }

    /// <summary>
    /// z' of one position, [dSae]. As published, swap keeps the sign of the pre-activations that it masks: −0 where one
    /// was negative.
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

    private SparseLatents Edit(int row, EditScratch scratch)
    {
        switch (_options.Method)
        {
            case SteeringMethod.Reconstruction:
                return scratch.Latents;
            case SteeringMethod.Clamp:
                scratch.Edited.SetSum(scratch.Latents, _clamped);
                return scratch.Edited;
            default:
                scratch.Encoded.Select(row, _selection!.Keys, _selection.TakesKeys, scratch.Edited);
                return scratch.Edited;
        }
    }

    private void ReadyClamp(LatentScores scores)
    {
        bool seed = _options.Mode == SteeringMode.Seed;
        float amount = seed ? _options.ClampAmount : _options.ClampAmount * _options.Strength;
        int[] top = seed
            ? TopWithGapsAsZero(scores, _options.ClampCount)
            : [.. scores.Top(_options.ClampCount).Where(latent => scores.Values[latent] > 0)];
        if (top.Length == 0)
        {
            throw new ArgumentException("no latent has a score above 0, so clamp has none to raise");
        }

        // An amount of 0 changes no latent, so it must not touch x at all.
        foreach (int latent in top.Where(_ => amount != 0f).Order())
        {
            _clamped.Add(latent, amount);
        }
    }

    /// <summary>As published: the highest scores, a gap counting as 0, ties to the lower latent.</summary>
    private static int[] TopWithGapsAsZero(LatentScores scores, int count)
    {
        double[] values = scores.Values.ToArray();
        return [.. Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i).Take(count)];
    }

    private void CountActivations(SparseLatents latents, EditStatistics statistics)
    {
        if (_scores is null)
        {
            return;
        }

        for (int i = 0; i < latents.Count; i++)
        {
            if (latents.Values[i] > 0f)
            {
                statistics.CountActivation(latents.Values[i], _scores.Supported[latents.Indices[i]]);
            }
        }
    }
}
