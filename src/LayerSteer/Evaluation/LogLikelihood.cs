using LayerSteer.Models;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>
/// The log-probabilities that a decoder, steered or not, gives to the tokens of a text:
/// <code>log p(t_i | t_0 … t_(i−1)), in nats</code>
/// Not thread-safe. The caller disposes it.
/// </summary>
public sealed class LogLikelihood : IDisposable
{
    private readonly Decoder _decoder;
    private readonly DecoderRun _run;
    private readonly KvCache _cache;
    private readonly SteeringPass _steering = new();
    private readonly SteeringPlan? _plan;

    /// <summary>Makes the working memory.</summary>
    /// <param name="decoder">The model; it must outlive this object.</param>
    /// <param name="plan">The edits, at every position that their policy has in a prompt; null for none.</param>
    public LogLikelihood(Decoder decoder, SteeringPlan? plan = null)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        _plan = plan;
        _decoder = decoder;
        _run = decoder.CreateRun(Math.Min(DecoderRun.DefaultRows, decoder.Spec.ContextLength));
        _cache = decoder.CreateCache(decoder.Spec.ContextLength);
    }

    /// <summary>
    /// The log-probability of every token after the first. A text longer than the context is read in stretches that
    /// overlap by half, so that each token is predicted from at least half a context where there is as much.
    /// </summary>
    /// <param name="ids">The tokens, at least two; the first is only read.</param>
    /// <returns>One number for each token after the first, in nats.</returns>
    /// <exception cref="ArgumentException">There are fewer than two tokens, or an id is unknown.</exception>
    public double[] Of(ReadOnlySpan<int> ids)
    {
        if (ids.Length < 2)
        {
            throw new ArgumentException($"{ids.Length} tokens, expected at least 2", nameof(ids));
        }

        int context = _decoder.Spec.ContextLength;
        int[] tokens = ids.ToArray();
        double[] result = new double[tokens.Length - 1];
        int known = 0;
        for (int start = 0; known < result.Length; start += Math.Max(1, context / 2))
        {
            int count = Math.Min(context, result.Length - start);
            _cache.Truncate(0);
            HookSet? hooks = _steering.HooksFor([new SteeredSequence(count, _plan)]);
            for (int done = 0; done < count;)
            {
                int rows = Math.Min(_run.MaxRows, count - done);
                _run.Forward(
                    [new SequenceBlock(_cache, tokens.AsMemory(start + done, rows))], hooks, LogitRows.All);
                for (int row = 0; row < rows; row++)
                {
                    int at = start + done + row;
                    if (at >= known)
                    {
                        result[at] = LogProbability(_run.Logits(row), tokens[at + 1]);
                    }
                }

                done += rows;
            }

            known = start + count;
        }

        return result;
    }

    /// <summary>log softmax(logits)[token], summed in double.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="token">The id.</param>
    public static double LogProbability(ReadOnlySpan<float> logits, int token) => logits[token] - LogSum(logits);

    /// <summary>log Σ e^logit, in double.</summary>
    internal static double LogSum(ReadOnlySpan<float> logits)
    {
        double largest = Largest(logits);
        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }

        return largest + Math.Log(sum);
    }

    internal static float Largest(ReadOnlySpan<float> logits)
    {
        float largest = logits[0];
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }

        return largest;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose();
        _run.Dispose();
    }
}
