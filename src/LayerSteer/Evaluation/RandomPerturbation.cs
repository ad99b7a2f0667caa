using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>
/// Random vectors of a length, to compare an error with (Gurnee 2024; Lee and Heimersheim 2024, arXiv 2410.12555):
/// <code>
/// isotropic   v ∝ g                                g ~ N(0, I), [d]
/// covariance  v ∝ Σ_t g_t (x_t − x̄) / √n           g ~ N(0, I), [n]; before scaling v ~ N(0, cov x)
/// </code>
/// The second lies where activations vary, the first anywhere.
/// </summary>
internal static class RandomPerturbation
{
    /// <summary>A direction that prefers nothing.</summary>
    /// <param name="random">The generator.</param>
    /// <param name="length">The length of the vector.</param>
    /// <param name="vector">Receives it, [d].</param>
    public static void Isotropic(ref SplitMix64 random, double length, Span<double> vector)
    {
        Normal(ref random, vector);
        ScaleTo(length, vector);
    }

    /// <summary>A direction as the differences of some rows from their mean go.</summary>
    /// <param name="random">The generator.</param>
    /// <param name="centred">What <see cref="Centred"/> made of the rows, [n, d].</param>
    /// <param name="length">The length of the vector.</param>
    /// <param name="vector">Receives it, [d].</param>
    /// <exception cref="InvalidDataException">All rows are the same, so that there is no direction.</exception>
    public static void OfCovariance(
        ref SplitMix64 random, ReadOnlySpan<double> centred, double length, Span<double> vector)
    {
        Draw(ref random, centred, vector);
        ScaleTo(length, vector);
    }

    /// <summary>The same before it is scaled: a draw of N(0, cov x), the covariance over n.</summary>
    public static void Draw(ref SplitMix64 random, ReadOnlySpan<double> centred, Span<double> vector)
    {
        int n = centred.Length / vector.Length;
        double[] weights = new double[n];
        Normal(ref random, weights);
        vector.Clear();
        for (int t = 0; t < n; t++)
        {
            ReadOnlySpan<double> row = centred.Slice(t * vector.Length, vector.Length);
            double weight = weights[t] / Math.Sqrt(n);
            for (int i = 0; i < row.Length; i++)
            {
                vector[i] += weight * row[i];
            }
        }
    }

    /// <summary>Rows less their mean, [n, d].</summary>
    /// <param name="rows">The rows, [n, d].</param>
    /// <param name="width">d.</param>
    public static double[] Centred(ReadOnlySpan<float> rows, int width)
    {
        double[] mean = new double[width];
        for (int i = 0; i < rows.Length; i++)
        {
            mean[i % width] += rows[i];
        }

        int n = rows.Length / width;
        double[] centred = new double[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            centred[i] = rows[i] - (mean[i % width] / n);
        }

        return centred;
    }

    /// <summary>‖v‖.</summary>
    public static double Norm(ReadOnlySpan<double> vector)
    {
        double squares = 0;
        foreach (double value in vector)
        {
            squares += value * value;
        }

        return Math.Sqrt(squares);
    }

    /// <summary>Independent standard normal numbers, two of each pair of draws (Box and Muller 1958).</summary>
    private static void Normal(ref SplitMix64 random, Span<double> values)
    {
        for (int i = 0; i < values.Length; i += 2)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            (double sine, double cosine) = Math.SinCos(2 * Math.PI * random.NextDouble());
            values[i] = radius * cosine;
            if (i + 1 < values.Length)
            {
                values[i + 1] = radius * sine;
            }
        }
    }

    private static void ScaleTo(double length, Span<double> vector)
    {
        double norm = Norm(vector);
        if (!(norm > 0))
        {
            throw new InvalidDataException("the activations of a text are all the same; expected some that vary");
        }

        foreach (ref double value in vector)
        {
            value *= length / norm;
        }
    }
}
