namespace LayerSteer.Numerics;

/// <summary>
/// Rows of a matrix of which few elements are not 0: entries of row r are the slots [Starts[r], Starts[r] + Counts[r]),
/// columns ascending. Reused from batch to batch by its owner; not thread-safe.
/// </summary>
internal sealed class SparseRows
{
    /// <summary>The first slot of each row.</summary>
    public int[] Starts { get; private set; } = [];

    /// <summary>The entries of each row.</summary>
    public int[] Counts { get; private set; } = [];

    /// <summary>The column of each slot.</summary>
    public int[] Columns { get; private set; } = [];

    /// <summary>The value of each slot.</summary>
    public float[] Values { get; private set; } = [];

    /// <summary>The number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>The number of entries.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            for (int row = 0; row < Rows; row++)
            {
                count += Counts[row];
            }

            return count;
        }
    }

    /// <summary>Makes room for rows; their entries are still to be written.</summary>
    public void SetRows(int rows)
    {
        if (Starts.Length < rows)
        {
            Starts = new int[rows];
            Counts = new int[rows];
        }

        Rows = rows;
    }

    /// <summary>Gives every row the same room.</summary>
    public void SetRoom(int perRow)
    {
        for (int row = 0; row < Rows; row++)
        {
            Starts[row] = row * perRow;
        }

        Reserve((long)Rows * perRow);
    }

    /// <summary>Gives every row room for its count.</summary>
    public void SetRoomOfCounts()
    {
        long slots = 0;
        for (int row = 0; row < Rows; row++)
        {
            Starts[row] = checked((int)slots);
            slots += Counts[row];
        }

        Reserve(slots);
    }

    private void Reserve(long slots)
    {
        if (Columns.Length < slots)
        {
            int room = checked((int)(slots + (slots / 8)));
            Columns = new int[room];
            Values = new float[room];
        }
    }
}

/// <summary>
/// The entries of <see cref="SparseRows"/> column by column, rows ascending: those of column c are [Starts[c],
/// Starts[c + 1]).
/// </summary>
internal sealed class SparseColumns
{
    /// <summary>The first entry of each column, and the end of the last.</summary>
    public int[] Starts { get; private set; } = [];

    /// <summary>The row of each entry.</summary>
    public int[] Rows { get; private set; } = [];

    /// <summary>The slot of each entry among those of the rows.</summary>
    public int[] Slots { get; private set; } = [];

    /// <summary>The number of columns.</summary>
    public int Columns { get; private set; }

    /// <summary>Sorts the entries of rows by their columns.</summary>
    public void Set(SparseRows rows, int columns)
    {
        int count = checked((int)rows.Count);
        Columns = columns;
        if (Starts.Length < columns + 1)
        {
            Starts = new int[columns + 1];
        }

        if (Rows.Length < count)
        {
            Rows = new int[count + (count / 8)];
            Slots = new int[Rows.Length];
        }

        // Counts, one further on; then sums; then each start moves to its end while entries are placed, and back.
        Array.Clear(Starts);
        for (int row = 0; row < rows.Rows; row++)
        {
            foreach (int column in rows.Columns.AsSpan(rows.Starts[row], rows.Counts[row]))
            {
                Starts[column + 1]++;
            }
        }

        for (int column = 0; column < columns; column++)
        {
            Starts[column + 1] += Starts[column];
        }

        for (int row = 0; row < rows.Rows; row++)
        {
            int stop = rows.Starts[row] + rows.Counts[row];
            for (int slot = rows.Starts[row]; slot < stop; slot++)
            {
                int at = Starts[rows.Columns[slot]]++;
                Rows[at] = row;
                Slots[at] = slot;
            }
        }

        Array.Copy(Starts, 0, Starts, 1, columns);
        Starts[0] = 0;
    }
}
