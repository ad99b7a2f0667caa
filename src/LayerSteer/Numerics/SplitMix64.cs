namespace LayerSteer.Numerics;

/// <summary>
/// The one random generator of LayerSteer: SplitMix64 (Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number
/// Generators", figure 16). The same seed gives the same numbers on every machine and in every version.
/// <code>
/// state += 0x9E3779B97F4A7C15
/// z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9
/// z = (z ^ (z >> 27)) * 0x94D049BB133111EB
/// next = z ^ (z >> 31)
/// </code>
/// A mutable struct: pass it by reference, a copy repeats the numbers. Not thread-safe and not for secrets.
/// </summary>
public struct SplitMix64
{
    private ulong _state;

    /// <summary>A generator that starts at <paramref name="seed"/>; every value, 0 included, is a good seed.</summary>
    /// <param name="seed">The start of the state.</param>
    public SplitMix64(ulong seed) => _state = seed;

    /// <summary>The next 64 bits.</summary>
    /// <returns>Uniform over all values of <see cref="ulong"/>.</returns>
    public ulong Next()
    {
        unchecked
        {
            _state += 0x9E3779B97F4A7C15UL;
            ulong z = _state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            return z ^ (z >> 31);
        }
    }

    /// <summary>The next number in [0, 1): the upper 53 bits of <see cref="Next"/> times 2^-53.</summary>
    /// <returns>A multiple of 2^-53, never 1.</returns>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>
    /// The next integer in [0, <paramref name="bound"/>), without bias: the upper 64 bits of next * bound, and the few
    /// values of next that would favour one result are drawn again (Lemire 2019).
    /// </summary>
    /// <param name="bound">The number of values, at least 1.</param>
    /// <returns>Uniform over 0 .. bound - 1.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is below 1.</exception>
    public int NextInt(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        ulong range = (ulong)bound;
        ulong rejected = unchecked(0UL - range) % range;
        ulong low;
        ulong high;
        do
        {
            high = Math.BigMul(Next(), range, out low);
        }
        while (low < rejected);
        return (int)high;
    }

    /// <summary>Puts <paramref name="items"/> into a uniformly random order (Fisher and Yates, from the end).</summary>
    /// <typeparam name="T">The type of an item.</typeparam>
    /// <param name="items">Shuffled in place; one draw of <see cref="NextInt"/> an item after the first.</param>
    public void Shuffle<T>(Span<T> items)
    {
        for (int last = items.Length - 1; last > 0; last--)
        {
            int other = NextInt(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }
}
