namespace LayerSteer.Models;

/// <summary>
/// A set of whole numbers, such as layers or token ids, that equals another with the same numbers, so that records that
/// hold it compare by value. Immutable; thread-safe.
/// </summary>
public sealed class NumberSet : IEquatable<NumberSet>
{
    private readonly HashSet<int> _numbers;

    private NumberSet(IEnumerable<int> numbers)
    {
        _numbers = [.. numbers];
        Numbers = [.. _numbers.Order()];
    }

    /// <summary>The set without numbers.</summary>
    public static NumberSet Empty { get; } = new([]);

    /// <summary>The numbers, ascending.</summary>
    public IReadOnlyList<int> Numbers { get; }

    /// <summary>A set of these numbers.</summary>
    /// <param name="numbers">In any order; ones that occur twice count once.</param>
    public static NumberSet Of(IEnumerable<int> numbers)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        var set = new NumberSet(numbers);
        return set.Numbers.Count == 0 ? Empty : set;
    }

    /// <summary>Whether a number is in the set.</summary>
    /// <param name="number">Any number.</param>
    public bool Contains(int number) => _numbers.Contains(number);

    /// <inheritdoc/>
    public bool Equals(NumberSet? other) => other is not null && _numbers.SetEquals(other._numbers);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as NumberSet);

    /// <inheritdoc/>
    public override int GetHashCode() => Numbers.Aggregate(Numbers.Count, HashCode.Combine);

    /// <summary>The numbers, separated by commas.</summary>
    public override string ToString() => string.Join(", ", Numbers);
}
