using LayerSteer.Models;
using LayerSteer.Topics;

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
        throw new NotSupportedException("--finetune: this version cannot train; leave it out");
}
