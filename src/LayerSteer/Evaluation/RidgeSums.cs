namespace LayerSteer.Evaluation;

/// <summary>A linear model: <code>y = intercept + Σ_j coefficient_j · x_j</code> Immutable.</summary>
/// <param name="Intercept">The value where all x are 0.</param>
/// <param name="Coefficients">One for each x.</param>
public sealed record LinearModel(double Intercept, IReadOnlyList<double> Coefficients)
{
    /// <summary>The value at a point.</summary>
    /// <param name="x">As many as there are coefficients.</param>
    public double At(IReadOnlyList<double> x)
    {
        ArgumentNullException.ThrowIfNull(x);
        double value = Intercept;
        for (int j = 0; j < Coefficients.Count; j++)
        {
            value += Coefficients[j] * x[j];
        }

        return value;
    }
}

/// <summary>
/// The sums from which a ridge regression is solved, so that topics are left out by subtraction:
/// <code>
/// z_j = (x_j − mean_j) / sd_j                          over the points that are in the sums
/// b   = argmin (1/n) Σ (y − ȳ − Σ_j b_j z_j)² + penalty Σ_j b_j²    ⇒    (R + penalty I) b = r
/// R   = correlations of x, r_j = cov(x_j, y) / sd_j
/// </code>
/// The intercept is not penalised; an x that does not vary gets the coefficient 0. Sums in double. Give it x that are
/// of the order of 1 around 0, since variances are differences of sums. Not thread-safe while it is added to.
/// </summary>
/// <param name="width">How many x there are.</param>
public sealed class RidgeSums(int width)
{
    /// <summary>Below this share of the mean square, a variance is rounding.</summary>
    private const double Rounding = 1e-10;

    private readonly double[] _x = new double[width];
    private readonly double[] _xx = new double[width * width]; // lower triangle
    private readonly double[] _xy = new double[width];
    private double _y;
    private double _n;

    /// <summary>Adds a point.</summary>
    /// <param name="x">[width], finite.</param>
    /// <param name="y">Finite.</param>
    public void Add(IReadOnlyList<double> x, double y)
    {
        ArgumentNullException.ThrowIfNull(x);
        for (int i = 0; i < width; i++)
        {
            _x[i] += x[i];
            _xy[i] += x[i] * y;
            for (int j = 0; j <= i; j++)
            {
                _xx[(i * width) + j] += x[i] * x[j];
            }
        }

        _y += y;
        _n++;
    }

    /// <summary>These sums with others added, or taken away where the sign is −1.</summary>
    public RidgeSums Plus(RidgeSums others, int sign = 1)
    {
        ArgumentNullException.ThrowIfNull(others);
        var result = new RidgeSums(width);
        Join(_x, others._x, result._x, sign);
        Join(_xx, others._xx, result._xx, sign);
        Join(_xy, others._xy, result._xy, sign);
        result._y = _y + (sign * others._y);
        result._n = _n + (sign * others._n);
        return result;
    }

    /// <summary>The regression on the points that are in the sums.</summary>
    /// <param name="penalty">Above 0; in units of the variance of a standardised x.</param>
    public LinearModel Solve(double penalty)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(penalty);
        double[] deviation = new double[width];
        for (int i = 0; i < width; i++)
        {
            double square = _xx[(i * width) + i] / _n;
            double variance = square - (_x[i] / _n * (_x[i] / _n));
            deviation[i] = variance > Rounding * square ? Math.Sqrt(variance) : 0;
        }

        double[] matrix = new double[width * width];
        double[] right = new double[width];
        for (int i = 0; i < width; i++)
        {
            matrix[(i * width) + i] = 1 + penalty;
            right[i] = deviation[i] > 0 ? Covariance(_xy[i], _x[i], _y) / deviation[i] : 0;
            for (int j = 0; j < i; j++)
            {
                matrix[(i * width) + j] = deviation[i] > 0 && deviation[j] > 0
                    ? Covariance(_xx[(i * width) + j], _x[i], _x[j]) / (deviation[i] * deviation[j])
                    : 0;
            }
        }

        SolveInPlace(matrix, right);
        double intercept = _y / _n;
        for (int i = 0; i < width; i++)
        {
            right[i] = deviation[i] > 0 ? right[i] / deviation[i] : 0;
            intercept -= right[i] * _x[i] / _n;
        }

        return new LinearModel(intercept, right);
    }

    private double Covariance(double both, double a, double b) => (both / _n) - (a / _n * (b / _n));

    private static void Join(double[] a, double[] b, double[] result, int sign)
    {
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = a[i] + (sign * b[i]);
        }
    }

    /// <summary>Cholesky's factors in the lower triangle, then both triangular systems; the solution is in b.</summary>
    private void SolveInPlace(double[] a, double[] b)
    {
        for (int i = 0; i < width; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = a[(i * width) + j];
                for (int k = 0; k < j; k++)
                {
                    sum -= a[(i * width) + k] * a[(j * width) + k];
                }

                a[(i * width) + j] = i == j ? Math.Sqrt(sum) : sum / a[(j * width) + j];
            }
        }

        for (int i = 0; i < width; i++)
        {
            for (int k = 0; k < i; k++)
            {
                b[i] -= a[(i * width) + k] * b[k];
            }

            b[i] /= a[(i * width) + i];
        }

        for (int i = width - 1; i >= 0; i--)
        {
            for (int k = i + 1; k < width; k++)
            {
                b[i] -= a[(k * width) + i] * b[k];
            }

            b[i] /= a[(i * width) + i];
        }
    }
}
