namespace LayerSteer.Evaluation;

/// <summary>The normal and Student's t distribution, to about ten digits.</summary>
internal static class Distributions
{
    private const int Panels = 4000; // of Simpson's rule; both densities are smooth

    /// <summary>The probability below <paramref name="x"/> of a standard normal.</summary>
    public static double NormalBelow(double x) =>
        0.5 + (Integral(z => Math.Exp(-0.5 * z * z), x) / Math.Sqrt(2 * Math.PI));

    /// <summary>The value that a t with some degrees of freedom is below with probability p.</summary>
    /// <param name="p">Between 0 and 1.</param>
    /// <param name="freedom">Degrees of freedom, at least 1.</param>
    public static double StudentQuantile(double p, int freedom)
    {
        double low = -1;
        double high = 1;
        while (StudentBelow(low, freedom) > p)
        {
            low *= 2;
        }

        while (StudentBelow(high, freedom) < p)
        {
            high *= 2;
        }

        for (int i = 0; i < 60; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = StudentBelow(middle, freedom) < p ? (middle, high) : (low, middle);
        }

        return (low + high) / 2;
    }

    /// <summary>
    /// density(x) = c (1 + x²/ν)^(−(ν+1)/2) with c·√(νπ) = Γ((ν+1)/2) / Γ(ν/2); t = √ν tan u makes it cos^(ν−1) u.
    /// </summary>
    private static double StudentBelow(double t, int freedom)
    {
        double gammas = freedom % 2 == 1 ? 1 / Math.Sqrt(Math.PI) : Math.Sqrt(Math.PI) / 2;
        for (int i = 2 - (freedom % 2); i < freedom; i += 2)
        {
            gammas *= (i + 1.0) / i;
        }

        double angle = Math.Atan(t / Math.Sqrt(freedom));
        return 0.5 + (Integral(u => Math.Pow(Math.Cos(u), freedom - 1), angle) * gammas / Math.Sqrt(Math.PI));
    }

    private static double Integral(Func<double, double> density, double end)
    {
        double step = end / Panels;
        double sum = density(0) + density(end);
        for (int i = 1; i < Panels; i++)
        {
            sum += density(i * step) * (i % 2 == 1 ? 4 : 2);
        }

        return sum * step / 3;
    }
}
