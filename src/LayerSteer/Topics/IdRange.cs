namespace LayerSteer.Topics;

/// <summary>A run of prompt ids: <paramref name="First"/> .. <paramref name="End"/> - 1.</summary>
/// <param name="First">The first id.</param>
/// <param name="End">One more than the last id.</param>
public readonly record struct IdRange(int First, int End)
{
    /// <summary>How many ids there are.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int Count => End - First;

    /// <summary>Whether <paramref name="id"/> is one of them.</summary>
    /// <param name="id">A prompt id.</param>
    /// <returns>True if it is.</returns>
    public bool Contains(int id) => id >= First && id < End;

    /// <summary>
    /// The ids of one shard: the list is cut into <paramref name="of"/> runs that differ by at most one.
    /// </summary>
    /// <param name="number">The shard, from 1.</param>
    /// <param name="of">How many shards there are.</param>
    /// <param name="count">How many prompts the whole list has.</param>
    /// <returns>The run of this shard; all runs together are 0 .. count - 1, each once.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The shard is not one of 1 .. of, or has no prompt.</exception>
    public static IdRange OfShard(int number, int of, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(number, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(number, of);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, of);
        return new IdRange((int)((long)count * (number - 1) / of), (int)((long)count * number / of));
    }

    /// <summary>The same ids in as few runs as possible, ascending.</summary>
    internal static IdRange[] Joined(IEnumerable<IdRange> ranges)
    {
        var joined = new List<IdRange>();
        foreach (IdRange range in ranges.OrderBy(r => r.First))
        {
            if (joined.Count > 0 && joined[^1].End == range.First)
            {
                joined[^1] = joined[^1] with { End = range.End };
            }
            else
            {
                joined.Add(range);
            }
        }
        return [.. joined];
    }

    /// <inheritdoc/>
    public override string ToString() => $"{First}..{End - 1}";
}
