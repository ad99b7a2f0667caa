using System.Globalization;
using LayerSteer.Models;
using LayerSteer.Topics;
using LayerSteer.Training;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>The arm that the paper compares steering with: the same model, fine-tuned on the topic's texts.</summary>
internal static class FineTunedArm
{
    /// <summary>Fine-tunes the pocket model on texts.</summary>
    /// <param name="pocket">The pocket model.</param>
    /// <param name="texts">The topic's texts.</param>
    /// <param name="options">How to load.</param>
    /// <param name="terminal">Shows the progress.</param>
    /// <param name="cancellation">Checked between steps.</param>
    /// <returns>The fine-tuned model; the caller disposes it.</returns>
    public static Decoder Train(
        PocketModel pocket, TextTable texts, LoadOptions options, Terminal terminal, CancellationToken cancellation) =>
        terminal.Progress()
            .Start(display =>
            {
                ProgressTask task = display.AddTask("fine-tuning", maxValue: FineTuning.Defaults.Steps);
                return FineTuning.Train(
                    pocket.Model,
                    texts.Texts,
                    options,
                    progress: now =>
                    {
                        task.Value = now.Line.Step;
                        task.Description = string.Create(
                            CultureInfo.InvariantCulture,
                            $"fine-tuning, step {now.Line.Step}/{now.Steps}, loss {now.Line.Loss:F2}");
                    },
                    cancellation: cancellation);
            });
}
