using LayerSteer.Autoencoders;

namespace LayerSteer.Topics;

/// <summary>Sums of one prompt's latents over its tokens. Reused from prompt to prompt; not thread-safe.</summary>
internal sealed class PromptAccumulator(int dSae)
{
    private readonly double[] _sum = new double[dSae];
    private readonly double[] _sumOfSquares = new double[dSae];
    private readonly float[] _max = new float[dSae];
    private readonly int[] _count = new int[dSae];
    private readonly List<int> _touched = [];
    private int _tokens;

    /// <summary>Adds one token; latents that are not above 0 do not count as active.</summary>
    public void Add(SparseLatents latents)
    {
        _tokens++;
        for (int i = 0; i < latents.Count; i++)
        {
            float value = latents.Values[i];
            if (value <= 0f)
            {
                continue;
            }

            int latent = latents.Indices[i];
            if (_count[latent]++ == 0)
            {
                _touched.Add(latent);
            }

            _sum[latent] += value;
            _sumOfSquares[latent] += (double)value * value;
            _max[latent] = Math.Max(_max[latent], value);
        }
    }

    /// <summary>The summary of the tokens added since the last one; the sums start again from 0.</summary>
    public PromptSummary Take(int id, string digest, float[] embeddings)
    {
        _touched.Sort();
        int[] latents = [.. _touched];
        var summary = new PromptSummary
        {
            Id = id,
            Digest = digest,
            Tokens = _tokens,
            Embeddings = embeddings,
            Latents = latents,
            Sum = [.. latents.Select(f => _sum[f])],
            SumOfSquares = [.. latents.Select(f => _sumOfSquares[f])],
            Max = [.. latents.Select(f => _max[f])],
            Count = [.. latents.Select(f => _count[f])],
        };
        foreach (int f in latents)
        {
            (_sum[f], _sumOfSquares[f], _max[f], _count[f]) = (0, 0, 0, 0);
        }

        _touched.Clear();
        _tokens = 0;
        return summary;
    }
}
