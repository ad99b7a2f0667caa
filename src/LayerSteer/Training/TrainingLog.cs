using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Training;

/// <summary>One line of a training log.</summary>
/// <param name="Step">The step, from 1.</param>
/// <param name="Tokens">The tokens predicted so far.</param>
/// <param name="Loss">The mean loss since the line before, in nats a token.</param>
/// <param name="ValidationLoss">The loss on the validation texts, if it was measured here; NaN otherwise.</param>
/// <param name="LearningRate">Of this step.</param>
/// <param name="GradientNorm">Of this step, before clipping.</param>
/// <param name="Seconds">The time spent so far, over all sittings.</param>
public readonly record struct TrainingLine(
    int Step,
    long Tokens,
    double Loss,
    double ValidationLoss,
    double LearningRate,
    double GradientNorm,
    double Seconds);

/// <summary>What a training run has said so far; it is kept in the checkpoint and written as a table.</summary>
public sealed class TrainingLog
{
    internal const int Columns = 7;

    private readonly List<TrainingLine> _lines = [];

    /// <summary>The lines, in order.</summary>
    public IReadOnlyList<TrainingLine> Lines => _lines;

    /// <summary>Adds a line.</summary>
    /// <param name="line">The line.</param>
    public void Add(TrainingLine line) => _lines.Add(line);

    /// <summary>Writes the lines as CSV with a header.</summary>
    /// <param name="path">The file; replaced when the new one is whole.</param>
    public void WriteCsv(string path) => AtomicFile.WriteText(path, writer =>
    {
        writer.WriteLine("step,tokens,loss,validation_loss,learning_rate,gradient_norm,seconds");
        foreach (TrainingLine line in _lines)
        {
            string validation = double.IsNaN(line.ValidationLoss)
                ? string.Empty
                : line.ValidationLoss.ToString("F4", CultureInfo.InvariantCulture);
            writer.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{line.Step},{line.Tokens},{line.Loss:F4},{validation},{line.LearningRate:G4},"
                + $"{line.GradientNorm:F4},{line.Seconds:F1}"));
        }
    });

    /// <summary>The losses and the norm of the gradient over tokens, as the text of an SVG file.</summary>
    public string Chart()
    {
        return CurveChart.Draw(
            ["training", "validation"],
            [
                new("Loss, nats a token", false, [Curve(0, line => line.Loss), Curve(1, line => line.ValidationLoss)]),
                new("Norm of the gradient, before clipping", true, [Curve(0, line => line.GradientNorm)]),
            ]);

        Curve Curve(int entry, Func<TrainingLine, double> value) =>
            new(entry, [.. _lines.Select(line => ((double)line.Tokens, value(line)))]);
    }

    internal double[] ToArray() => [.. _lines.SelectMany(line => (double[])
        [line.Step, line.Tokens, line.Loss, line.ValidationLoss, line.LearningRate, line.GradientNorm, line.Seconds])];

    internal static TrainingLog FromArray(ReadOnlySpan<double> values)
    {
        var log = new TrainingLog();
        for (int i = 0; i + Columns <= values.Length; i += Columns)
        {
            ReadOnlySpan<double> v = values.Slice(i, Columns);
            log.Add(new TrainingLine((int)v[0], (long)v[1], v[2], v[3], v[4], v[5], v[6]));
        }

        return log;
    }
}
