namespace LayerSteer.Topics;

/// <summary>The smallest of the values that came, ascending; which they are does not depend on the order.</summary>
/// <param name="most">How many are kept.</param>
internal sealed class SmallestValues(int most)
{
    private readonly double[] _values = new double[most];
    private int _count;

    /// <summary>Their mean, NaN of none.</summary>
    public double Mean
    {
        get
        {
            double sum = 0;
            for (int i = 0; i < _count; i++)
            {
                sum += _values[i];
            }
            return sum / _count;
        }
    }

    /// <summary>Takes a value.</summary>
    public void Add(double value)
    {
        if (_count == _values.Length && value >= _values[^1])
        {
            return;
        }
        int at = _count < _values.Length ? _count++ : _count - 1;
        for (; at > 0 && _values[at - 1] > value; at--)
        {
            _values[at] = _values[at - 1];
        }
        _values[at] = value;
    }

    /// <summary>Takes the values of another.</summary>
    public void AddAll(SmallestValues other)
    {
        for (int i = 0; i < other._count; i++)
        {
            Add(other._values[i]);
        }
    }
}
