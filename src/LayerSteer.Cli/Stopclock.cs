using System.Diagnostics;

namespace LayerSteer.Cli;

/// <summary>
/// Measures work: first it is repeated until it is warm (the runtime has compiled it for good, caches are filled), then
/// each measurement repeats it as often as it takes to be well above the clock's grain.
/// </summary>
internal sealed class Stopclock(int repeats, CancellationToken cancellation)
{
    private const double WarmUpMilliseconds = 400;
    private const double LeastMilliseconds = 1;

    /// <summary>Measures work on each of some items.</summary>
    /// <param name="key">Its name for programs.</param>
    /// <param name="name">What is done.</param>
    /// <param name="unit">What a unit is.</param>
    /// <param name="items">What it is done to; at least one.</param>
    /// <param name="work">Does it, and returns how many units that was.</param>
    /// <returns>The time of one unit, a measurement for each item and repeat.</returns>
    public Timing Measure<T>(string key, string name, string unit, IReadOnlyList<T> items, Func<T, long> work)
    {
        long[] units = new long[items.Count];
        int loops = Loops(() =>
        {
            for (int i = 0; i < units.Length; i++)
            {
                units[i] = work(items[i]);
            }
        }, items.Count);
        var milliseconds = new List<double>();
        for (int repeat = 0; repeat < repeats; repeat++)
        {
            // An item without units, such as a text of which no token is known, has no time a unit.
            for (int i = 0; i < units.Length; i++)
            {
                if (units[i] > 0)
                {
                    T item = items[i];
                    milliseconds.Add(OneUnit(() => work(item), loops));
                }
            }
        }

        return milliseconds.Count > 0
            ? new Timing(key, name, unit, units.Sum(), milliseconds)
            : throw new InvalidDataException($"the texts have no {unit} to measure {name} with");
    }

    /// <summary>
    /// Measures two ways to do the same thing to the same items in turn, the one that comes first changing each time.
    /// </summary>
    /// <returns>The times of one unit of both, paired, and how many units all items have in the second.</returns>
    public (double[] First, double[] Second, long Units) Compare<T>(
        IReadOnlyList<T> items, Func<T, long> first, Func<T, long> second)
    {
        long units = 0;
        Loops(() =>
        {
            units = 0;
            foreach (T item in items)
            {
                first(item);
                units += second(item);
            }
        }, items.Count);
        var ofFirst = new List<double>();
        var ofSecond = new List<double>();
        for (int repeat = 0; repeat < repeats; repeat++)
        {
            for (int i = 0; i < items.Count; i++)
            {
                T item = items[i];
                bool secondLeads = (repeat + i) % 2 == 1;
                double leading = OneUnit(() => (secondLeads ? second : first)(item), 1);
                double following = OneUnit(() => (secondLeads ? first : second)(item), 1);
                ofFirst.Add(secondLeads ? following : leading);
                ofSecond.Add(secondLeads ? leading : following);
            }
        }

        return ([.. ofFirst], [.. ofSecond], units);
    }

    /// <summary>Warms up; returns how often one item must be repeated to be measured well.</summary>
    private int Loops(Action round, int items)
    {
        long start = Stopwatch.GetTimestamp();
        int rounds = 0;
        double elapsed;
        do
        {
            cancellation.ThrowIfCancellationRequested();
            round();
            rounds++;
            elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        while (rounds < 2 || elapsed < WarmUpMilliseconds);
        return (int)Math.Ceiling(LeastMilliseconds * rounds * items / elapsed);
    }

    private double OneUnit(Func<long> work, int loops)
    {
        cancellation.ThrowIfCancellationRequested();
        long units = 0;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < loops; i++)
        {
            units += work();
        }

        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / units;
    }
}
