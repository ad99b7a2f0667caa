using LayerSteer.Autoencoders;
using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>
/// The latents that clamp, add, set and their like edit: of each topic those with the highest scores above 0, with their
/// share u_f of the strength. The topics share one budget:
/// <code>u_f = Σ over topics t with f among their best of a_t / Σ_t |a_t|       a_t the topic's weight, below 0 for away</code>
/// Immutable; thread-safe.
/// </summary>
internal sealed class LatentTargets
{
    private readonly int[] _latents;
    private readonly float[] _shares;
    private readonly float[] _maxima;

    public LatentTargets(IReadOnlyList<SteeringTopic> topics, SteeringOptions options)
    {
        double budget = topics.Sum(topic => Math.Abs(topic.Weight));
        var shares = new SortedDictionary<int, double>();
        foreach (SteeringTopic topic in topics)
        {
            foreach (int latent in Best(topic.Scores, options))
            {
                shares[latent] = shares.GetValueOrDefault(latent) + (topic.Weight / budget);
            }
        }

        if (shares.Count == 0)
        {
            throw new ArgumentException(
                $"no latent has a score above 0, so {SteeringMethods.NameOf(options.Method)} has none to edit");
        }

        _latents = [.. shares.Keys];
        _shares = [.. shares.Values.Select(share => (float)share)];
        LatentScores? known = topics.Select(topic => topic.Scores).FirstOrDefault(scores => !scores.Maxima.IsEmpty);
        if (known is null && (SteeringMethods.NeedsMaxima(options.Method) || options.Gate is { Kind: GateKind.Latent }))
        {
            string what = options.Gate is { Kind: GateKind.Latent } ? "a gate on latents" : SteeringMethods.NameOf(options.Method);
            throw new ArgumentException(
                $"scores '{topics[0].Scores.Name}' do not hold the latents' largest activations, which {what} measures "
                + "in; use a topic made by this version of `layersteer topic`, or clamp with an amount");
        }

        _maxima = [.. _latents.Select(latent => known is null ? 1f : known.Maxima[latent])];
    }

    /// <summary>The latents, ascending.</summary>
    public ReadOnlySpan<int> Latents => _latents;

    /// <summary>u_f·M_f of each latent, M_f = 1 where largest activations are not known.</summary>
    public SparseLatents Pushes => Constant(1f, inMaxima: true);

    /// <summary>The change that is the same for every position.</summary>
    /// <param name="amount">What is added to a latent with the whole share.</param>
    /// <param name="inMaxima">Whether it is in each latent's own units.</param>
    public SparseLatents Constant(float amount, bool inMaxima)
    {
        var change = new SparseLatents();
        for (int i = 0; i < _latents.Length; i++)
        {
            float value = amount * _shares[i] * (inMaxima ? _maxima[i] : 1f);
            if (value != 0f)
            {
                change.Add(_latents[i], value);
            }
        }

        return change;
    }

    /// <summary>max over the latents of z_f / M_f; 0 where none is active.</summary>
    public double Presence(SparseLatents z)
    {
        double most = 0;
        for (int i = 0; i < _latents.Length; i++)
        {
            most = Math.Max(most, z[_latents[i]] / (double)_maxima[i]);
        }

        return most;
    }

    /// <summary>z' of one position.</summary>
    /// <param name="method">set, min-clamp, scale or ablate.</param>
    /// <param name="strength">g.</param>
    /// <param name="z">The latents.</param>
    /// <param name="edited">Receives z'.</param>
    public void Edit(SteeringMethod method, float strength, SparseLatents z, SparseLatents edited)
    {
        edited.Clear();
        int at = 0;
        for (int i = 0; i < _latents.Length; i++)
        {
            for (; at < z.Count && z.Indices[at] < _latents[i]; at++)
            {
                edited.Add(z.Indices[at], z.Values[at]);
            }

            bool active = at < z.Count && z.Indices[at] == _latents[i];
            float before = active ? z.Values[at++] : 0f;
            float after = Edited(method, strength, before, i);
            if (after != 0f)
            {
                edited.Add(_latents[i], after);
            }
        }

        for (; at < z.Count; at++)
        {
            edited.Add(z.Indices[at], z.Values[at]);
        }
    }

    private float Edited(SteeringMethod method, float strength, float z, int i)
    {
        float push = strength * _shares[i];
        float kept = MathF.Max(0f, 1f - MathF.Abs(push));
        return method switch
        {
            SteeringMethod.Set => push * _maxima[i],
            SteeringMethod.MinClamp =>
                push > 0f ? MathF.Max(z, push * _maxima[i]) : MathF.Min(z, kept * _maxima[i]),
            SteeringMethod.Scale => z * (push > 0f ? 1f + push : kept),
            _ => z * kept,
        };
    }

    private static IEnumerable<int> Best(LatentScores scores, SteeringOptions options)
    {
        if (options.Mode == SteeringMode.Corrected)
        {
            int count = options.Method == SteeringMethod.Clamp ? options.ClampCount : options.LatentCount;
            return scores.Top(count).Where(latent => scores.Values[latent] > 0);
        }

        // As published: a gap counts as 0, ties go to the lower latent.
        double[] values = scores.Values.ToArray();
        return Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i)
            .Take(options.ClampCount);
    }
}
