using System.Globalization;
using LayerSteer.Steering;

namespace LayerSteer.Cli;

/// <summary>Strengths to try: 1,2,4 for all methods, or clamp=0.1,0.3 for one.</summary>
internal static class StrengthLists
{
    /// <summary>The strengths of each method; what is said of one goes before what is said of all.</summary>
    /// <param name="given">The texts of the option.</param>
    /// <param name="methods">What "all methods" are.</param>
    /// <param name="defaults">The strengths of methods that nothing is said of.</param>
    /// <exception cref="ArgumentException">No number, or no method.</exception>
    public static IReadOnlyDictionary<SteeringMethod, IReadOnlyList<double>> Read(
        string[] given,
        IEnumerable<SteeringMethod> methods,
        IReadOnlyDictionary<SteeringMethod, IReadOnlyList<double>> defaults)
    {
        var strengths = new Dictionary<SteeringMethod, IReadOnlyList<double>>(defaults);
        foreach (string text in given.OrderBy(text => text.Contains('=', StringComparison.Ordinal)))
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            double[] numbers = [.. text[(equals + 1)..].Split(',').Select(number => Number(text, number))];
            foreach (SteeringMethod method in equals < 0 ? methods : [SteeringMethods.Parse(text[..equals])])
            {
                strengths[method] = numbers;
            }
        }

        return strengths;
    }

    private static double Number(string text, string number) =>
        double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw new ArgumentException(
                $"--strengths is '{text}', expected numbers such as 1,2,4, or METHOD=NUMBERS");
}
