namespace LayerSteer.Autoencoders;

/// <summary>How rows are reconstructed by an autoencoder.</summary>
/// <param name="Rows">How many rows.</param>
/// <param name="Fvu">
/// Fraction of variance unexplained: Σ‖x − x̂‖² / Σ‖x − mean(x)‖²; NaN where the rows do not vary.
/// </param>
/// <param name="L0">Active latents a row.</param>
/// <param name="Cosine">Mean cosine of x and x̂.</param>
/// <param name="NormRatio">Mean ‖x̂‖ / ‖x‖.</param>
/// <param name="RelativeError">Σ‖x − x̂‖² / Σ‖x‖², which does not need rows that vary.</param>
public readonly record struct ReconstructionQuality(
    int Rows, double Fvu, double L0, double Cosine, double NormRatio, double RelativeError);

/// <summary>Sums what <see cref="ReconstructionQuality"/> says, in double. Not thread-safe.</summary>
/// <param name="width">The width of a row.</param>
internal sealed class ReconstructionMeter(int width)
{
    private readonly double[] _sums = new double[width];
    private double _squares;
    private double _errors;
    private double _cosines;
    private double _ratios;
    private long _active;
    private int _rows;

    /// <summary>What has been added so far.</summary>
    public ReconstructionQuality Quality
    {
        get
        {
            double variance = _squares;
            foreach (double sum in _sums)
            {
                variance -= sum * sum / _rows;
            }

            // What rounding leaves of rows that are all the same is no variance.
            bool varies = variance > 1e-12 * _squares;
            return new ReconstructionQuality(
                _rows,
                varies ? _errors / variance : double.NaN,
                (double)_active / _rows,
                _cosines / _rows,
                _ratios / _rows,
                _errors / _squares);
        }
    }

    /// <summary>Adds one row.</summary>
    /// <param name="x">The values, [width].</param>
    /// <param name="reconstruction">x̂, [width].</param>
    /// <param name="active">How many latents are active.</param>
    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> reconstruction, int active)
    {
        double squares = 0;
        double own = 0;
        double dot = 0;
        for (int i = 0; i < _sums.Length; i++)
        {
            double value = x[i];
            double made = reconstruction[i];
            _sums[i] += value;
            squares += value * value;
            own += made * made;
            dot += value * made;
            _errors += (value - made) * (value - made);
        }

        _squares += squares;
        _cosines += squares > 0 && own > 0 ? dot / Math.Sqrt(squares * own) : 0;
        _ratios += squares > 0 ? Math.Sqrt(own / squares) : 0;
        _active += active;
        _rows++;
    }
}
