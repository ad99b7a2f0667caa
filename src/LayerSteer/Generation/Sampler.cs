using LayerSteer.Numerics;

namespace LayerSteer.Generation;

/// <summary>
/// Chooses tokens by <see cref="SamplerOptions"/>. Probabilities are computed in double. The draw of step t is the
/// first number of a SplitMix64 generator seeded with the first number of SplitMix64(seed) plus t: it depends on
/// nothing else. Not thread-safe: one for each request.
/// </summary>
public sealed class Sampler
{
    private readonly SamplerOptions _options;
    private readonly ulong _key;
    private int[] _ranked = [];
    private double[] _weights = [];

    /// <summary>Makes a sampler.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public Sampler(SamplerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        var generator = new SplitMix64(options.Seed);
        _key = generator.Next();
    }

    /// <summary>The token of a step.</summary>
    /// <param name="logits">The logits, [vocabulary].</param>
    /// <param name="step">The number of tokens generated before, from 0.</param>
    /// <returns>A token id.</returns>
    /// <exception cref="InvalidDataException">A logit is not finite: the model or the edit is broken.</exception>
    /// <exception cref="ArgumentException">There is no pick for the step, or it is beyond the vocabulary.</exception>
    public int Next(ReadOnlySpan<float> logits, int step)
    {
        if (!StatisticsKernel.AllFinite(logits))
        {
            throw new InvalidDataException(
                $"logits of step {step} are not finite; the edit drove the model out of range");
        }

        return _options.Kind switch
        {
            SamplingKind.Greedy => Ranked(logits, 1)[0],
            SamplingKind.Picks => Pick(logits, step),
            SamplingKind.UniformTopK => Uniform(Ranked(logits, _options.TopK), step),
            _ => Draw(logits, step),
        };
    }

    private SplitMix64 GeneratorOf(int step) => new(unchecked(_key + (ulong)step));

    private int Pick(ReadOnlySpan<float> logits, int step)
    {
        if (step >= _options.Picks.Count)
        {
            throw new ArgumentException($"step {step} has no pick; {_options.Picks.Count} were given");
        }

        int pick = _options.Picks[step];
        return pick < logits.Length
            ? Ranked(logits, pick + 1)[pick]
            : throw new ArgumentException($"pick {pick} of step {step} is beyond the vocabulary of {logits.Length}");
    }

    private int Uniform(ReadOnlySpan<int> ranked, int step)
    {
        SplitMix64 generator = GeneratorOf(step);
        return ranked[generator.NextInt(ranked.Length)];
    }

    private int Draw(ReadOnlySpan<float> logits, int step)
    {
        bool all = _options.TopK == 0 && _options.TopP == 1.0;
        ReadOnlySpan<int> ranked = all
            ? InOrder(logits.Length)
            : Ranked(logits, _options.TopK == 0 ? logits.Length : _options.TopK);
        float largest = all ? Largest(logits) : logits[ranked[0]];
        if (_weights.Length < ranked.Length)
        {
            _weights = new double[ranked.Length];
        }

        double total = 0;
        for (int i = 0; i < ranked.Length; i++)
        {
            _weights[i] = Math.Exp(((double)logits[ranked[i]] - largest) / _options.Temperature);
            total += _weights[i];
        }

        int count = ranked.Length;
        if (_options.TopP < 1.0)
        {
            double reached = 0;
            count = 0;
            while (count < ranked.Length && reached < _options.TopP * total)
            {
                reached += _weights[count++];
            }

            total = reached;
        }

        SplitMix64 generator = GeneratorOf(step);
        double target = generator.NextDouble() * total;
        for (int i = 0; i < count - 1; i++)
        {
            target -= _weights[i];
            if (target < 0)
            {
                return ranked[i];
            }
        }

        return ranked[count - 1];
    }

    private ReadOnlySpan<int> InOrder(int count)
    {
        if (_ranked.Length < count)
        {
            _ranked = [.. Enumerable.Range(0, count)];
        }

        return _ranked.AsSpan(0, count);
    }

    /// <summary>The ids of the k largest logits, descending, ties to the lower id.</summary>
    private ReadOnlySpan<int> Ranked(ReadOnlySpan<float> logits, int k)
    {
        k = Math.Min(k, logits.Length);
        if (_ranked.Length < k)
        {
            _ranked = new int[k];
        }

        Span<int> ranked = _ranked.AsSpan(0, k);
        TopK.SelectSorted(logits, ranked);
        return ranked;
    }

    private static float Largest(ReadOnlySpan<float> logits)
    {
        float largest = logits[0];
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }

        return largest;
    }
}
