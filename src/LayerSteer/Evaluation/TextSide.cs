using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>
/// Texts of one kind, read unsteered and under plans: what the unsteered model makes of them, and what each plan
/// changes. Not thread-safe.
/// </summary>
/// <param name="decoder">The model.</param>
/// <param name="skipped">How many positions at the beginning count for nothing: BOS.</param>
/// <param name="plans">The plans, at least one.</param>
/// <param name="distributions">Whether distributions are compared, and not only the texts' own tokens.</param>
internal sealed class TextSide(Decoder decoder, int skipped, IReadOnlyList<SteeringPlan> plans, bool distributions)
{
    private readonly int _width = plans[0].Edits[0].Point.WidthIn(decoder.Spec);
    private readonly List<float[]> _residuals = []; // [positions, width] a text
    private readonly double[] _likely = new double[decoder.Spec.Vocabulary];
    private float[] _before = [];
    private int[] _ids = [];
    private double[][] _logs = []; // ln p of each position
    private double[][] _p = [];
    private int _first;
    private int _count;
    private double _loss;
    private double _targets;
    private double _positions;

    /// <summary>What each plan changes.</summary>
    public EditShift[] Shifts { get; } =
    [
        .. plans.Select(plan => new EditShift(plan.Edits[0].Point.WidthIn(decoder.Spec), decoder.Spec.Vocabulary)),
    ];

    /// <summary>The mean residual of each text, unsteered.</summary>
    public List<double[]> TextResiduals { get; } = [];

    /// <summary>The mean of <see cref="TextResiduals"/>.</summary>
    public double[] MeanResidual =>
        [.. Enumerable.Range(0, _width).Select(i => TextResiduals.Average(text => text[i]))];

    /// <summary>Mean unsteered p of each token.</summary>
    public IEnumerable<double> Likely => _likely.Select(sum => sum / _positions);

    /// <summary>Mean −ln p of the texts' own tokens, unsteered, nats.</summary>
    public double Loss => _loss / _targets;

    /// <summary>Log-odds of each token against other texts.</summary>
    public double[] LogOdds(TextSide others)
    {
        double least = 0.1 / _likely.Length;
        return [.. Likely.Zip(others.Likely, (own, other) => Math.Log((own + least) / (other + least)))];
    }

    /// <summary>The share of the residuals' variance that an autoencoder leaves unexplained; 1 without any.</summary>
    public double Fvu(SparseAutoencoder autoencoder)
    {
        var meter = new ReconstructionMeter(_width);
        var reader = new SaeReader(autoencoder);
        foreach (float[] rows in _residuals)
        {
            reader.Reconstruct(rows, (_, x, latents, made) => meter.Add(x, made, latents.Count));
        }

        return meter.Quality.Fvu is var fvu && double.IsNaN(fvu) ? 1 : fvu;
    }

    /// <summary>Makes ready for one pass: the text unsteered, then under some of the plans.</summary>
    public void Begin(int[] ids, int first, int count)
    {
        (_ids, _first, _count) = (ids, first, count);
        _before = new float[(count + 1) * ids.Length * _width];
    }

    /// <summary>Hook: residuals as the edits find them.</summary>
    public void Before(HookRows rows) => rows.Values.CopyTo(_before);

    /// <summary>Hook: residuals as the edits leave them.</summary>
    public void After(HookRows rows)
    {
        for (int plan = 0; plan < _count; plan++)
        {
            for (int position = skipped; position < _ids.Length; position++)
            {
                int row = ((plan + 1) * _ids.Length) + position;
                Shifts[_first + plan].AddResidual(_before.AsSpan(row * _width, _width), rows[row]);
            }
        }
    }

    /// <summary>Takes the logits of the pass.</summary>
    public void End(DecoderRun run)
    {
        int length = _ids.Length;
        var logs = new double[length][];
        var p = new double[length][];
        var options = new ParallelOptions { MaxDegreeOfParallelism = decoder.Pool.Threads };
        Parallel.For(skipped, length, options, position =>
        {
            ReadOnlySpan<float> logits = run.Logits(position);
            double log = LogLikelihood.LogSum(logits);
            double[] values = new double[logits.Length];
            for (int v = 0; v < values.Length; v++)
            {
                values[v] = logits[v] - log;
            }

            logs[position] = values;
            p[position] = [.. values.Select(Math.Exp)];
        });
        (_logs, _p) = (logs, p);
        if (_first == 0)
        {
            TakeUnsteered();
        }

        Parallel.For(0, _count, options, plan =>
        {
            EditShift shift = Shifts[_first + plan];
            for (int position = skipped; position < length; position++)
            {
                ReadOnlySpan<float> logits = run.Logits(((plan + 1) * length) + position);
                if (distributions)
                {
                    shift.AddDistribution(_p[position], _logs[position], logits);
                }

                if (position + 1 < length)
                {
                    shift.AddTarget(_logs[position], logits, _ids[position + 1]);
                }
            }
        });
    }

    private void TakeUnsteered()
    {
        double[] mean = new double[_width];
        int rows = _ids.Length - skipped;
        _residuals.Add(_before.AsSpan(skipped * _width, rows * _width).ToArray());
        for (int position = skipped; position < _ids.Length; position++)
        {
            for (int i = 0; i < _width; i++)
            {
                mean[i] += _before[(position * _width) + i] / (double)rows;
            }

            for (int v = 0; v < _likely.Length; v++)
            {
                _likely[v] += _p[position][v];
            }

            _positions++;
            if (position + 1 < _ids.Length)
            {
                _loss -= _logs[position][_ids[position + 1]];
                _targets++;
            }
        }

        TextResiduals.Add(mean);
    }
}
