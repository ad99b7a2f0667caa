using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Evaluation;

/// <summary>
/// Counts the downstream latents that a push along a direction changes: mean_t #{f : |z'_tf − z_tf| > threshold}. The passes
/// end at the downstream layer.
/// </summary>
internal sealed class CollateralMeter : IDisposable
{
    private readonly IReadOnlyList<int[]> _texts;
    private readonly IReadOnlySet<int> _special;
    private readonly HookPoint _point;
    private readonly HookPoint _downstreamPoint;
    private readonly SparseAutoencoder _downstream;
    private readonly double _threshold;
    private readonly DecoderRun _run;
    private readonly KvCache _cache;
    private readonly EncodedRows _encoded;
    private readonly SparseLatents[][] _before;
    private readonly SparseLatents _after = new();
    private readonly SparseLatents _change = new();

    /// <summary>Reads the texts without a push.</summary>
    public CollateralMeter(
        Decoder decoder,
        HookPoint point,
        SparseAutoencoder downstream,
        HookPoint downstreamPoint,
        IReadOnlyList<int[]> texts,
        IReadOnlySet<int> special,
        double threshold)
    {
        Tokens = texts.Sum(ids => ids.Count(id => !special.Contains(id)));
        if (Tokens == 0)
        {
            throw new ArgumentException("the texts have no tokens that are not special; expected at least one");
        }

        _texts = texts;
        _special = special;
        _point = point;
        _downstreamPoint = downstreamPoint;
        _downstream = downstream;
        _threshold = threshold;
        int longest = texts.Max(ids => ids.Length);
        _run = decoder.CreateRun(longest);
        _cache = decoder.CreateCache(longest, downstreamPoint.Layer);
        _encoded = downstream.CreateRows(longest);
        _before = [.. texts.Select(ids => ids.Select(_ => new SparseLatents()).ToArray())];
        double norms = 0;
        for (int i = 0; i < texts.Count; i++)
        {
            SparseLatents[] latents = _before[i];
            Read(texts[i], new HookSet().Add(point, rows => norms += Norms(rows)).Add(downstreamPoint, rows =>
            {
                downstream.Encode(rows.Values, rows.Count, _encoded);
                for (int row = 0; row < rows.Count; row++)
                {
                    _encoded.Activate(row, latents[row]);
                }
            }));
        }

        MeanNorm = norms / Tokens;
    }

    /// <summary>Positions that are pushed and counted at.</summary>
    public int Tokens { get; }

    /// <summary>The mean ‖x‖ there, where the push is.</summary>
    public double MeanNorm { get; }

    /// <summary>The collateral of a push.</summary>
    /// <param name="direction">d̂, [dModel].</param>
    /// <param name="alpha">How far.</param>
    public double Of(float[] direction, float alpha)
    {
        long count = 0;
        for (int i = 0; i < _texts.Count; i++)
        {
            SparseLatents[] before = _before[i];
            Read(_texts[i], new HookSet().Add(_point, rows => Push(rows, direction, alpha)).Add(_downstreamPoint, rows =>
            {
                _downstream.Encode(rows.Values, rows.Count, _encoded);
                for (int row = 0; row < rows.Count; row++)
                {
                    count += _special.Contains(rows.Tokens[row]) ? 0 : Changed(before[row], row);
                }
            }));
        }

        return (double)count / Tokens;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose();
        _run.Dispose();
    }

    private void Read(int[] ids, HookSet hooks)
    {
        _cache.Truncate(0);
        _run.Forward([new SequenceBlock(_cache, ids)], hooks, LogitRows.None);
    }

    private double Norms(HookRows rows)
    {
        double sum = 0;
        for (int row = 0; row < rows.Count; row++)
        {
            if (_special.Contains(rows.Tokens[row]))
            {
                continue;
            }

            double squares = 0;
            foreach (float value in rows[row])
            {
                squares += (double)value * value;
            }

            sum += Math.Sqrt(squares);
        }

        return sum;
    }

    private void Push(HookRows rows, float[] direction, float alpha)
    {
        for (int row = 0; row < rows.Count; row++)
        {
            if (_special.Contains(rows.Tokens[row]))
            {
                continue;
            }

            Span<float> x = rows[row];
            for (int i = 0; i < x.Length; i++)
            {
                x[i] += alpha * direction[i];
            }
        }
    }

    private int Changed(SparseLatents before, int row)
    {
        _encoded.Activate(row, _after);
        _change.SetDifference(_after, before);
        int count = 0;
        foreach (float change in _change.Values)
        {
            count += Math.Abs(change) > _threshold ? 1 : 0;
        }

        return count;
    }
}
