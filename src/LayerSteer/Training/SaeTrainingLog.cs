using System.Globalization;
using LayerSteer.Evaluation;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Training;

/// <summary>One line of the log of one autoencoder; means are over the steps since its line before.</summary>
/// <param name="Site">Its number among the hook points of the run.</param>
/// <param name="Step">The step, from 1.</param>
/// <param name="Tokens">The tokens trained on so far.</param>
/// <param name="Loss">The mean loss.</param>
/// <param name="Fvu">
/// The mean fraction of variance unexplained of the training rows, in the normalised space if the run normalises.
/// </param>
/// <param name="L0">The mean number of active latents a token.</param>
/// <param name="DeadShare">The share of latents that have not fired for long, from 0 to 1.</param>
/// <param name="LearningRate">Of this step.</param>
/// <param name="Seconds">The time spent so far, over all sittings.</param>
/// <param name="TokensPerSecond">Since the line before, over all hook points together.</param>
/// <param name="HeldOut">What was measured on held-out text; NaN in every field where it was not measured.</param>
public readonly record struct SaeTrainingLine(
    int Site,
    int Step,
    long Tokens,
    double Loss,
    double Fvu,
    double L0,
    double DeadShare,
    double LearningRate,
    double Seconds,
    double TokensPerSecond,
    SpliceQuality HeldOut);

/// <summary>What a run has said so far; it is kept in the checkpoint and written as a table.</summary>
public sealed class SaeTrainingLog
{
    private const int Columns = 15;

    private readonly List<SaeTrainingLine> _lines = [];

    /// <summary>Makes an empty log.</summary>
    /// <param name="points">The hook points of the run.</param>
    public SaeTrainingLog(IReadOnlyList<HookPoint> points) => Points = points;

    /// <summary>The hook points.</summary>
    public IReadOnlyList<HookPoint> Points { get; }

    /// <summary>The lines, in order.</summary>
    public IReadOnlyList<SaeTrainingLine> Lines => _lines;

    /// <summary>The newest line of a hook point.</summary>
    /// <param name="site">Its number.</param>
    /// <exception cref="InvalidOperationException">There is none yet.</exception>
    public SaeTrainingLine Last(int site) => _lines.Last(line => line.Site == site);

    /// <summary>Adds a line.</summary>
    /// <param name="line">The line.</param>
    public void Add(SaeTrainingLine line) => _lines.Add(line);

    /// <summary>Writes the lines as CSV with a header; fields that were not measured are empty.</summary>
    /// <param name="path">The file; replaced when the new one is whole.</param>
    public void WriteCsv(string path) => AtomicFile.WriteText(path, writer =>
    {
        writer.WriteLine(
            "hook,step,tokens,loss,fvu,l0,dead_share,learning_rate,seconds,tokens_per_second,"
            + "held_out_fvu,held_out_l0,ce_original,ce_spliced,ce_zero_ablated,loss_recovered");
        foreach (SaeTrainingLine line in _lines)
        {
            string[] fields =
            [
                Points[line.Site].ToString(), Text(line.Step, "F0"), Text(line.Tokens, "F0"), Text(line.Loss, "F5"),
                Text(line.Fvu, "F5"), Text(line.L0, "F2"), Text(line.DeadShare, "F5"), Text(line.LearningRate, "G4"),
                Text(line.Seconds, "F1"), Text(line.TokensPerSecond, "F0"), Text(line.HeldOut.Fvu, "F5"),
                Text(line.HeldOut.L0, "F2"), Text(line.HeldOut.CeOriginal, "F5"), Text(line.HeldOut.CeSpliced, "F5"),
                Text(line.HeldOut.CeAblated, "F5"), Text(line.HeldOut.LossRecovered, "F5"),
            ];
            writer.WriteLine(string.Join(',', fields));
        }
    });

    internal double[] ToArray() => [.. _lines.SelectMany(line => (double[])
    [
        line.Site, line.Step, line.Tokens, line.Loss, line.Fvu, line.L0, line.DeadShare, line.LearningRate,
        line.Seconds, line.TokensPerSecond, line.HeldOut.Fvu, line.HeldOut.L0, line.HeldOut.CeOriginal,
        line.HeldOut.CeSpliced, line.HeldOut.CeAblated,
    ])];

    internal void Restore(ReadOnlySpan<double> values)
    {
        _lines.Clear();
        for (int i = 0; i + Columns <= values.Length; i += Columns)
        {
            ReadOnlySpan<double> v = values.Slice(i, Columns);
            _lines.Add(new SaeTrainingLine(
                (int)v[0], (int)v[1], (long)v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9],
                new SpliceQuality(v[10], v[11], v[12], v[13], v[14])));
        }
    }

    private static string Text(double value, string format) =>
        double.IsNaN(value) ? string.Empty : value.ToString(format, CultureInfo.InvariantCulture);
}
