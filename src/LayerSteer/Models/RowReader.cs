using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>Readers of matrices that files hold in other pieces or another order. All are row-major.</summary>
internal static class RowReader
{
    /// <summary>Matrices one below the other.</summary>
    /// <param name="parts">Each with its number of elements.</param>
    public static ElementReader Joined(IReadOnlyList<(ElementReader Read, long Length)> parts) => (start, destination) =>
    {
        foreach ((ElementReader read, long length) in parts)
        {
            if (destination.IsEmpty)
            {
                return;
            }

            if (start < length)
            {
                int count = (int)Math.Min(destination.Length, length - start);
                read(start, destination[..count]);
                destination = destination[count..];
                start += count;
            }

            start -= length;
        }
    };

    /// <summary>
    /// Rows [3, heads, dHead] of a matrix that holds them as [heads, 3, dHead]: all queries, all keys, all values.
    /// </summary>
    /// <param name="read">The matrix as it is held.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="dHead">The rows of a head.</param>
    /// <param name="inputs">The elements of a row.</param>
    public static ElementReader ByRole(ElementReader read, int heads, int dHead, int inputs) => (start, destination) =>
    {
        long run = (long)dHead * inputs; // what stays together
        while (!destination.IsEmpty)
        {
            long role = start / run / heads;
            long head = start / run % heads;
            long within = start % run;
            int count = (int)Math.Min(destination.Length, run - within);
            read((((head * 3) + role) * run) + within, destination[..count]);
            destination = destination[count..];
            start += count;
        }
    };
}
