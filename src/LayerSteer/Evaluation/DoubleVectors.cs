namespace LayerSteer.Evaluation;

/// <summary>Products of vectors in double, summed in the order of their elements.</summary>
internal static class DoubleVectors
{
    public static double Dot(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Count; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    public static double Norm(IReadOnlyList<double> a) => Math.Sqrt(Dot(a, a));

    public static double Cosine(double[] a, double[] b)
    {
        double norms = Norm(a) * Norm(b);
        return norms > 0 ? Dot(a, b) / norms : 0;
    }

    public static double Variance(double[] values)
    {
        double mean = values.Average();
        return values.Sum(value => (value - mean) * (value - mean)) / Math.Max(1, values.Length - 1);
    }
}
