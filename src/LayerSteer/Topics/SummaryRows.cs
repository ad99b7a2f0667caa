namespace LayerSteer.Topics;

/// <summary>
/// The prompts of an index, each as one sparse row over the latents that sums to 1. A prompt on which nothing fired has
/// an empty row and takes no part in scoring.
/// <code>
/// average: s_rf = sum_rf   / Σ_f sum_rf
/// maximum: s_rf = max_rf   / Σ_f max_rf
/// counts:  s_rf = count_rf / Σ_f count_rf
/// </code>
/// Immutable and thread-safe.
/// </summary>
public sealed class SummaryRows
{
    private readonly ReferenceIndex _index;
    private readonly double[] _values;
    private readonly int[] _support;

    internal SummaryRows(ReferenceIndex index, SummaryKind kind)
    {
        if (!Enum.IsDefined(kind))
        {
            throw new ArgumentOutOfRangeException(nameof(kind));
        }
        _index = index;
        Kind = kind;
        _values = new double[index.Latents.Length];
        _support = new int[index.Manifest.DSae];
        for (int row = 0; row < index.PromptCount; row++)
        {
            int start = index.RowStarts[row];
            int end = index.RowStarts[row + 1];
            double total = 0;
            for (int i = start; i < end; i++)
            {
                _values[i] = kind switch
                {
                    SummaryKind.Average => index.Sums[i],
                    SummaryKind.Maximum => index.Maxima[i],
                    _ => index.Counts[i],
                };
                total += _values[i];
                _support[index.Latents[i]]++;
            }
            for (int i = start; i < end; i++)
            {
                _values[i] /= total;
            }
            PromptsUsed += end > start ? 1 : 0;
        }
        Coverage = (double)_support.Count(prompts => prompts > 0) / _support.Length;
    }

    /// <summary>Which summary it is.</summary>
    public SummaryKind Kind { get; }

    /// <summary>How many prompts there are, empty rows too.</summary>
    public int PromptCount => _index.PromptCount;

    /// <summary>How many prompts have a row that is not empty.</summary>
    public int PromptsUsed { get; }

    /// <summary>The share of latents that are positive on at least one prompt, 0 to 1.</summary>
    public double Coverage { get; }

    /// <summary>[dSae]: on how many prompts each latent is positive, k_f.</summary>
    public ReadOnlySpan<int> Support => _support;

    /// <summary>The latents of one row, ascending.</summary>
    /// <param name="row">The row of the prompt in <see cref="ReferenceIndex.PromptIds"/>.</param>
    /// <returns>[active]</returns>
    public ReadOnlySpan<int> Latents(int row) =>
        _index.Latents.AsSpan(_index.RowStarts[row].._index.RowStarts[row + 1]);

    /// <summary>The values of one row, in the order of <see cref="Latents"/>; they sum to 1.</summary>
    /// <param name="row">The row of the prompt in <see cref="ReferenceIndex.PromptIds"/>.</param>
    /// <returns>[active]</returns>
    public ReadOnlySpan<double> Values(int row) => _values.AsSpan(_index.RowStarts[row].._index.RowStarts[row + 1]);

    /// <summary>Writes one row with all latents.</summary>
    /// <param name="row">The row of the prompt in <see cref="ReferenceIndex.PromptIds"/>.</param>
    /// <param name="dense">Receives [dSae]: 0 where a latent is not active, all NaN if nothing fired.</param>
    public void CopyTo(int row, Span<double> dense)
    {
        ReadOnlySpan<int> latents = Latents(row);
        ReadOnlySpan<double> values = Values(row);
        dense.Fill(latents.IsEmpty ? double.NaN : 0);
        for (int i = 0; i < latents.Length; i++)
        {
            dense[latents[i]] = values[i];
        }
    }
}
