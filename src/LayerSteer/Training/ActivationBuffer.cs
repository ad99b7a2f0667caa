using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>
/// Rows of activations in native memory, drawn in random order: when half are drawn, others take their places and all
/// are shuffled anew. A row is of one token and has a part for each hook point. Not thread-safe. The caller disposes
/// it.
/// </summary>
internal sealed class ActivationBuffer : IDisposable
{
    private readonly NativeBuffer[] _rows;
    private readonly int[] _widths;
    private readonly ulong _seed;

    /// <summary>Makes an empty buffer.</summary>
    /// <param name="widths">The width of each hook point.</param>
    /// <param name="capacity">The number of rows.</param>
    /// <param name="seed">Chooses the order.</param>
    public ActivationBuffer(int[] widths, int capacity, ulong seed)
    {
        _widths = widths;
        _seed = seed;
        _rows = [.. widths.Select(width => new NativeBuffer((long)capacity * width))];
        Order = new int[capacity];
        for (int i = 0; i < capacity; i++)
        {
            Order[i] = i;
        }
    }

    /// <summary>Where the rows lie, in the order in which they are drawn, from the end of those left.</summary>
    public int[] Order { get; }

    /// <summary>How many rows are left.</summary>
    public int Left { get; private set; }

    /// <summary>How often it was shuffled.</summary>
    public long Shuffles { get; private set; }

    /// <summary>How many rows could be added.</summary>
    public int Free => Order.Length - Left;

    /// <summary>Whether half were drawn.</summary>
    public bool WantsRows => Left <= Order.Length / 2;

    /// <summary>The i-th row after those that are there, of one hook point, to be written.</summary>
    public Span<float> Next(int site, int i) => Row(site, Order[Left + i]);

    /// <summary>A row by its place.</summary>
    public Span<float> Row(int site, int place) =>
        _rows[site].Span((long)place * _widths[site], _widths[site]);

    /// <summary>Counts rows that were written as there.</summary>
    public void Add(int count) => Left += count;

    /// <summary>Shuffles all that is there.</summary>
    public void Shuffle()
    {
        var random = new SplitMix64(new SplitMix64(_seed + (ulong)Shuffles++).Next());
        random.Shuffle(Order.AsSpan(0, Left));
    }

    /// <summary>Copies the next rows of one hook point, [count, width]; <see cref="Remove"/> removes them.</summary>
    public void Copy(int site, int count, Span<float> to)
    {
        int width = _widths[site];
        for (int i = 0; i < count; i++)
        {
            Row(site, Order[Left - count + i]).CopyTo(to.Slice(i * width, width));
        }
    }

    /// <summary>Removes rows that were drawn.</summary>
    public void Remove(int count) => Left -= count;

    /// <summary>Goes on with rows that were kept.</summary>
    public void Restore(ReadOnlySpan<int> order, int left, long shuffles)
    {
        order.CopyTo(Order);
        Left = left;
        Shuffles = shuffles;
    }

    public void Dispose() => Array.ForEach(_rows, rows => rows.Dispose());
}
