using System.Globalization;
using CsvHelper;
using LayerSteer.Formats;

namespace LayerSteer.Topics;

/// <summary>
/// A score for each latent of an autoencoder, from 0 up (1 is the nearest to the topic), with gaps: a latent without a
/// score is unsupported, is never selected, and counts as 0 in a mean. Immutable and thread-safe.
/// </summary>
public sealed class LatentScores
{
    private readonly double[] _values;
    private readonly bool[] _supported;
    private readonly float[] _maxima;

    /// <summary>Scores with gaps; the arrays are copied.</summary>
    /// <param name="values">[dSae]; what stands at a gap does not matter.</param>
    /// <param name="supported">[dSae]: false at a gap.</param>
    /// <param name="name">What the scores are of; the header of the CSV file.</param>
    /// <param name="maxima">
    /// [dSae]: the largest activation of each latent on the reference texts; empty where they are not known.
    /// </param>
    /// <exception cref="ArgumentException">
    /// No latent, different lengths, a score that is negative or not finite, or a scored latent without a positive largest
    /// activation.
    /// </exception>
    public LatentScores(
        ReadOnlySpan<double> values,
        ReadOnlySpan<bool> supported,
        string name = "score",
        ReadOnlySpan<float> maxima = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (values.IsEmpty || values.Length != supported.Length)
        {
            throw new ArgumentException(
                $"{values.Length} scores and {supported.Length} marks of support, expected one of each a latent",
                nameof(values));
        }
        if (!maxima.IsEmpty && maxima.Length != values.Length)
        {
            throw new ArgumentException(
                $"{maxima.Length} largest activations for {values.Length} scores, expected one a latent", nameof(maxima));
        }
        Name = name;
        _maxima = maxima.ToArray();
        _values = new double[values.Length];
        _supported = supported.ToArray();
        for (int latent = 0; latent < values.Length; latent++)
        {
            if (supported[latent])
            {
                if (!IsScore(values[latent]))
                {
                    throw new ArgumentException(
                        FormattableString.Invariant(
                            $"latent {latent} has score {values[latent]}, expected a finite number from 0 up"),
                        nameof(values));
                }
                if (_maxima.Length > 0 && !(_maxima[latent] > 0 && float.IsFinite(_maxima[latent])))
                {
                    throw new ArgumentException(
                        FormattableString.Invariant(
                            $"latent {latent} has a score and largest activation {_maxima[latent]}, expected above 0"),
                        nameof(maxima));
                }
                _values[latent] = values[latent];
                ScoredCount++;
            }
        }
    }

    /// <summary>What the scores are of, "med.train_20.csv".</summary>
    public string Name { get; }

    /// <summary>The number of latents, dSae.</summary>
    public int Count => _values.Length;

    /// <summary>How many latents have a score.</summary>
    public int ScoredCount { get; }

    /// <summary>How many have none.</summary>
    public int UnsupportedCount => Count - ScoredCount;

    /// <summary>[dSae]: the scores, with 0 at each gap. Never NaN.</summary>
    public ReadOnlySpan<double> Values => _values;

    /// <summary>[dSae]: whether each latent has a score.</summary>
    public ReadOnlySpan<bool> Supported => _supported;

    /// <summary>
    /// [dSae]: M_f, the largest activation of each latent on the reference texts, above 0 where there is a score; empty
    /// where they are not known, as in a CSV.
    /// </summary>
    public ReadOnlySpan<float> Maxima => _maxima;

    /// <summary>The mean over all latents with gaps as 0, which the seed's weight method uses.</summary>
    public double MeanWithGapsAsZero => _values.Sum() / Count;

    /// <summary>
    /// The latents with the highest scores, best first; equal scores go to the lower latent, gaps never come.
    /// </summary>
    /// <param name="n">How many to give at most.</param>
    /// <returns>min(<paramref name="n"/>, <see cref="ScoredCount"/>) latents.</returns>
    public int[] Top(int n)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        return
        [
            .. Enumerable.Range(0, Count).Where(latent => _supported[latent])
                .OrderByDescending(latent => _values[latent]).ThenBy(latent => latent).Take(n),
        ];
    }

    /// <summary>
    /// Reads the seed's CSV: header ",name", then each latent in order with its score; an empty cell or nan is a gap.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="dSae">The number of latents of the autoencoder.</param>
    /// <returns>The scores.</returns>
    /// <exception cref="InvalidDataException">
    /// Another number of rows, an index out of order, or a cell that is no finite number from 0 up; the message has the
    /// line.
    /// </exception>
    public static LatentScores ReadCsv(string path, int dSae)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfLessThan(dSae, 1);
        var values = new List<double>();
        var supported = new List<bool>();
        string name = string.Empty;
        CsvText.Read(path, Header, Row);
        return values.Count == dSae
            ? new LatentScores([.. values], [.. supported], name)
            : throw new InvalidDataException(FormattableString.Invariant(
                $"'{path}': {values.Count} scores, expected {dSae} (one a latent of the SAE)"));

        void Header(IReadOnlyList<string> headers)
        {
            if (headers.Count != 2 || headers[0].Length != 0)
            {
                throw new InvalidDataException(
                    $"'{path}' line 1: expected the header ',name' (an index column without a name, and the scores)");
            }
            name = headers[1];
        }

        void Row(CsvReader reader, long line)
        {
            string index = reader.GetString(0);
            if (!int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out int latent)
                || latent != values.Count)
            {
                throw new InvalidDataException(
                    $"'{path}' line {line}: index '{CsvText.Shortened(index)}', "
                    + $"expected {values.Count} (one row a latent, in order)");
            }
            string cell = reader.GetString(1);
            bool gap = cell.Length == 0 || cell is "nan" or "NaN";
            double value = 0;
            bool number = !gap && double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
            if (!gap && !(number && IsScore(value)))
            {
                throw new InvalidDataException(
                    $"'{path}' line {line}: score '{CsvText.Shortened(cell)}', "
                    + "expected a finite number from 0 up or an empty cell");
            }
            values.Add(value);
            supported.Add(!gap);
        }
    }

    /// <summary>
    /// Writes the seed's CSV, with the shortest digits that read back to the same score; whole or not at all.
    /// </summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    public void WriteCsv(string path) => AtomicFile.WriteText(path, writer =>
    {
        writer.WriteLine("," + CsvText.Field(Name));
        for (int latent = 0; latent < Count; latent++)
        {
            string score = _supported[latent] ? PythonNumber.Format(_values[latent]) : string.Empty;
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{latent},{score}"));
        }
    });

    private static bool IsScore(double value) => value >= 0 && double.IsFinite(value);
}
