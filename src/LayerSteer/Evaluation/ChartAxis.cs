using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>
/// An axis with ticks at round numbers, the first at or below the data and the last at or above them:
/// <code>
/// linear:       position(v) = (v − low) / (high − low)
/// logarithmic:  position(v) = (ln v − ln low) / (ln high − ln low)
/// </code>
/// </summary>
internal sealed class ChartAxis
{
    private static readonly double[] Steps = [1, 2, 2.5, 5, 10];
    private readonly bool _logarithmic;

    private ChartAxis(IReadOnlyList<double> ticks, bool logarithmic)
    {
        Ticks = ticks;
        _logarithmic = logarithmic;
    }

    /// <summary>The ticks, ascending, at least two.</summary>
    public IReadOnlyList<double> Ticks { get; }

    public double Low => Ticks[0];

    public double High => Ticks[^1];

    /// <summary>An axis over finite data, with about as many ticks as asked for.</summary>
    public static ChartAxis Linear(double low, double high, int ticks = 5) => new(Round(low, high, ticks), false);

    /// <summary>An axis over data above 0.</summary>
    public static ChartAxis Logarithmic(double low, double high)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(low);
        if (high / low < 3)
        {
            double[] linear = Round(low, high, 4);
            if (linear[0] > 0)
            {
                return new ChartAxis(linear, true);
            }
        }

        int first = (int)Math.Floor(Math.Log10(low)) - 1;
        int last = (int)Math.Ceiling(Math.Log10(high)) + 1;
        double[][] choices = [[1, 2, 5], [1, 3], [1]];
        double[] chosen = [];
        foreach (double[] digits in choices)
        {
            chosen = Covering([.. Decades(first, last, 1, digits)], low, high);
            if (chosen.Length <= 8)
            {
                return new ChartAxis(chosen, true);
            }
        }

        for (int every = 2; chosen.Length > 8; every++)
        {
            chosen = Covering([.. Decades(first - every, last + every, every, [1])], low, high);
        }

        return new ChartAxis(chosen, true);
    }

    /// <summary>Where a value lies: 0 at the first tick, 1 at the last.</summary>
    public double Position(double value) => _logarithmic
        ? (Math.Log(value) - Math.Log(Low)) / (Math.Log(High) - Math.Log(Low))
        : (value - Low) / (High - Low);

    /// <summary>A tick as text, with a minus sign and without needless zeros.</summary>
    public static string Label(double tick) => Math.Abs(tick) is >= 1e5 or (> 0 and < 1e-3)
        ? tick.ToString("0.##e0;−0.##e0", CultureInfo.InvariantCulture)
        : tick.ToString("0.######;−0.######;0", CultureInfo.InvariantCulture);

    private static IEnumerable<double> Decades(int first, int last, int every, double[] digits) =>
        from decade in Enumerable.Range(0, ((last - first) / every) + 1)
        from digit in digits
        select double.Parse(
            string.Create(CultureInfo.InvariantCulture, $"{digit}e{first + (decade * every)}"),
            CultureInfo.InvariantCulture);

    /// <summary>The ticks from the last at or below the data to the first at or above them.</summary>
    private static double[] Covering(double[] all, double low, double high)
    {
        int from = Array.FindLastIndex(all, tick => tick <= low);
        int to = Array.FindIndex(all, tick => tick >= high);
        return to > from ? all[from..(to + 1)] : all[from..(from + 2)];
    }

    /// <summary>Multiples of 1, 2, 2.5 or 5 times a power of ten that contain the data.</summary>
    private static double[] Round(double low, double high, int ticks)
    {
        double size = Math.Max(Math.Abs(low), Math.Abs(high));
        double range = high - low > 1e-9 * size ? high - low : size == 0 ? 1 : size * 0.2;
        double raw = range / Math.Max(1, ticks - 1);
        int power = (int)Math.Floor(Math.Log10(raw));
        double scale = Math.Pow(10, Math.Abs(power));
        double unit = power < 0 ? 1 / scale : scale;
        double digit = Steps.First(step => step * unit >= raw * (1 - 1e-12) || step == Steps[^1]);
        double first = Math.Floor(low / (digit * unit) * (1 + (low < 0 ? -1e-12 : 1e-12)));
        double last = Math.Ceiling(high / (digit * unit) * (1 + (high < 0 ? 1e-12 : -1e-12)));
        return
        [
            .. Enumerable.Range(0, (int)(Math.Max(last, first + 1) - first) + 1)
                .Select(i => power < 0 ? (first + i) * digit / scale : (first + i) * digit * scale),
        ];
    }
}
