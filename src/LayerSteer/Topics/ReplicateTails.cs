namespace LayerSteer.Topics;

/// <summary>
/// The standard deviation and the two percentiles of a stream of replicates. Only the tails are kept, which is all that
/// the percentiles need: 54 numbers of a thousand, and no sorting of the rest.
/// </summary>
internal sealed class ReplicateTails
{
    private readonly double _tail;
    private readonly double[] _low;  // ascending: the smallest seen
    private readonly double[] _high; // descending: the largest seen
    private double _sum;
    private double _squares;

    /// <summary>Prepares for a stream.</summary>
    /// <param name="most">The most values that come.</param>
    /// <param name="level">The level of the interval, between 0 and 1.</param>
    public ReplicateTails(int most, double level)
    {
        _tail = (1 - level) / 2;
        int kept = Math.Min(most, (int)(_tail * (most - 1)) + 2);
        _low = new double[kept];
        _high = new double[kept];
    }

    /// <summary>How many values came.</summary>
    public int Count { get; private set; }

    /// <summary>The sample standard deviation; of at least two values.</summary>
    public double Deviation => Math.Sqrt(Math.Max(0, (_squares - (_sum * _sum / Count)) / (Count - 1)));

    /// <summary>The lower percentile, between the two values that it lies between.</summary>
    public double Lower => Percentile(_low);

    /// <summary>The upper percentile.</summary>
    public double Upper => Percentile(_high);

    /// <summary>Takes a value.</summary>
    public void Add(double value)
    {
        _sum += value;
        _squares += value * value;
        int kept = Math.Min(Count, _low.Length);
        if (kept < _low.Length || value < _low[^1])
        {
            int at = Math.Min(kept, _low.Length - 1);
            for (; at > 0 && _low[at - 1] > value; at--)
            {
                _low[at] = _low[at - 1];
            }
            _low[at] = value;
        }
        if (kept < _high.Length || value > _high[^1])
        {
            int at = Math.Min(kept, _high.Length - 1);
            for (; at > 0 && _high[at - 1] < value; at--)
            {
                _high[at] = _high[at - 1];
            }
            _high[at] = value;
        }
        Count++;
    }

    private double Percentile(double[] tail)
    {
        double at = _tail * (Count - 1);
        int low = (int)at;
        return tail[low] + ((at - low) * (tail[Math.Min(low + 1, Math.Min(Count, tail.Length) - 1)] - tail[low]));
    }
}
