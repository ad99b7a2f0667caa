using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Topics;

/// <summary>
/// The intermediate files of IBM/sae-steering, byte for byte as pandas writes them: header ",0,1,2,…", then a row name
/// and the numbers with the shortest digits of their type; a missing number is an empty cell; lines end with LF.
/// </summary>
public static class SeedCsv
{
    /// <summary>The sentence vectors of the reference texts.</summary>
    public const string ReferenceEmbeddings = "D_ref_embeds.csv";

    /// <summary>The sentence vectors of the alignment texts.</summary>
    public const string AlignmentEmbeddings = "D_align_embeds.csv";

    private static readonly string[] Methods = ["sae", "clamp", "weight", "swap"];

    /// <summary>The name of the file of prompt summaries.</summary>
    /// <param name="layer">The layer.</param>
    /// <returns>"dref_latents_2.csv".</returns>
    public static string ReferenceLatents(int layer) =>
        string.Create(CultureInfo.InvariantCulture, $"dref_latents_{layer}.csv");

    /// <summary>The name of the file of the latents that a method decodes.</summary>
    /// <param name="method">sae, clamp, weight or swap.</param>
    /// <param name="layer">The layer.</param>
    /// <returns>"swap_latents_at_layer_2.csv".</returns>
    /// <exception cref="ArgumentException">Another method.</exception>
    public static string MethodLatents(string method, int layer) => Methods.Contains(method, StringComparer.Ordinal)
        ? string.Create(CultureInfo.InvariantCulture, $"{method}_latents_at_layer_{layer}.csv")
        : throw new ArgumentException($"no method '{method}'; there are {string.Join(", ", Methods)}", nameof(method));

    /// <summary>Writes a matrix of float32, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="values">[rows, columns], row-major; NaN is an empty cell.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="rowNames">
    /// [rows]: the text of each token, for a method's latents; null numbers the rows from 0.
    /// </param>
    /// <exception cref="ArgumentException">The lengths do not fit together.</exception>
    public static void Write(string path, float[] values, int columns, IReadOnlyList<string>? rowNames = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        int rows = values.Length / columns;
        if (rows * columns != values.Length || (rowNames is not null && rowNames.Count != rows))
        {
            throw new ArgumentException(
                $"{values.Length} values and {rowNames?.Count ?? rows} row names do not make rows of {columns}",
                nameof(values));
        }
        WriteRows(path, rows, columns, rowNames, (row, column) =>
        {
            float value = values[(row * columns) + column];
            return float.IsNaN(value) ? string.Empty : PythonNumber.Format(value);
        });
    }

    /// <summary>
    /// Writes the summaries of the reference prompts, whole or not at all: averages and maxima as float32, counts as
    /// float64, which are the seed's types; a prompt on which nothing fired is a row of empty cells.
    /// </summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="summaries">The summaries.</param>
    public static void Write(string path, SummaryRows summaries)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(summaries);
        int columns = summaries.Support.Length;
        double[] dense = new double[columns];
        int filled = -1;
        WriteRows(path, summaries.PromptCount, columns, null, (row, column) =>
        {
            if (filled != row)
            {
                summaries.CopyTo(row, dense);
                filled = row;
            }
            double value = dense[column];
            return double.IsNaN(value) ? string.Empty
                : summaries.Kind == SummaryKind.Counts ? PythonNumber.Format(value)
                : PythonNumber.Format((float)value);
        });
    }

    private static void WriteRows(
        string path, int rows, int columns, IReadOnlyList<string>? names, Func<int, int, string> cell) =>
        AtomicFile.WriteText(path, writer =>
        {
            for (int column = 0; column < columns; column++)
            {
                writer.Write(string.Create(CultureInfo.InvariantCulture, $",{column}"));
            }
            writer.WriteLine();
            for (int row = 0; row < rows; row++)
            {
                writer.Write(names is null ? row.ToString(CultureInfo.InvariantCulture) : CsvText.Field(names[row]));
                for (int column = 0; column < columns; column++)
                {
                    writer.Write(',');
                    writer.Write(cell(row, column));
                }
                writer.WriteLine();
            }
        });
}
