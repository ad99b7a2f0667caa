namespace LayerSteer.Autoencoders;

/// <summary>
/// The active latents of one token: indices ascending with their values; all others are 0. Reused from token to token
/// by its owner; not thread-safe.
/// </summary>
public sealed class SparseLatents
{
    private int[] _indices = new int[64];
    private float[] _values = new float[64];

    /// <summary>The number of active latents.</summary>
    public int Count { get; private set; }

    /// <summary>The latents, ascending, [count].</summary>
    public ReadOnlySpan<int> Indices => _indices.AsSpan(0, Count);

    /// <summary>Their values, [count].</summary>
    public ReadOnlySpan<float> Values => _values.AsSpan(0, Count);

    /// <summary>Removes all.</summary>
    public void Clear() => Count = 0;

    /// <summary>Appends a latent, which must be above the last.</summary>
    public void Add(int latent, float value)
    {
        if (Count > 0 && latent <= _indices[Count - 1])
        {
            throw new ArgumentException(
                $"latent {latent} after {_indices[Count - 1]}; they must ascend", nameof(latent));
        }

        if (Count == _indices.Length)
        {
            Array.Resize(ref _indices, 2 * Count);
            Array.Resize(ref _values, 2 * Count);
        }

        _indices[Count] = latent;
        _values[Count++] = value;
    }

    /// <summary>The value of a latent, 0 if it is not active.</summary>
    public float this[int latent]
    {
        get
        {
            int at = Indices.BinarySearch(latent);
            return at < 0 ? 0f : _values[at];
        }
    }

    /// <summary>Writes the values of all latents, [dSae].</summary>
    public void CopyTo(Span<float> dense)
    {
        dense.Clear();
        for (int i = 0; i < Count; i++)
        {
            dense[_indices[i]] = _values[i];
        }
    }

    /// <summary>Multiplies every value.</summary>
    public void Scale(float factor)
    {
        for (int i = 0; i < Count; i++)
        {
            _values[i] *= factor;
        }
    }

    /// <summary>Becomes a − b, with only the latents where they differ.</summary>
    public void SetDifference(SparseLatents a, SparseLatents b) => SetCombination(a, -1f, b);

    /// <summary>Becomes a + b, with only the latents where that is not 0.</summary>
    public void SetSum(SparseLatents a, SparseLatents b) => SetCombination(a, 1f, b);

    private void SetCombination(SparseLatents a, float sign, SparseLatents b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        Clear();
        int i = 0;
        int j = 0;
        while (i < a.Count || j < b.Count)
        {
            int latentA = i < a.Count ? a._indices[i] : int.MaxValue;
            int latentB = j < b.Count ? b._indices[j] : int.MaxValue;
            int latent = Math.Min(latentA, latentB);
            float value = (latentA == latent ? a._values[i++] : 0f) + (latentB == latent ? sign * b._values[j++] : 0f);
            if (value != 0f)
            {
                Add(latent, value);
            }
        }
    }
}
