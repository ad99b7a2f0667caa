using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Training;

/// <summary>
/// The baseline that the paper compares steering with, in one call: a LoRA adapter for a model, trained on a topic's
/// texts.
/// </summary>
public static class FineTuning
{
    /// <summary>The usual options for some thousand tokens of text: a rank of 8, 60 steps of 4 windows.</summary>
    public static TrainingOptions Defaults { get; } = new()
    {
        Steps = 60,
        Batch = 4,
        MicroBatch = 4,
        LearningRate = 2e-3,
        WarmUp = 6,
        WeightDecay = 0,
        LoraRank = 8,
        LoraAlpha = 16,
    };

    /// <summary>Trains an adapter and loads the model with it.</summary>
    /// <param name="model">The folder of the checkpoint.</param>
    /// <param name="texts">The topic's texts, at least one.</param>
    /// <param name="load">How to load the result.</param>
    /// <param name="options">How to train, with a LoRA rank of at least 1; <see cref="Defaults"/> if null.</param>
    /// <param name="progress">Told each line of the log; may be null.</param>
    /// <param name="cancellation">Checked after each step.</param>
    /// <returns>The model; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">The texts are empty, or an option is out of range.</exception>
    /// <exception cref="InvalidDataException">The checkpoint cannot be read, or the loss is no longer finite.</exception>
    /// <exception cref="NotSupportedException">Training does not know the architecture.</exception>
    public static Decoder Train(
        string model,
        IReadOnlyList<string> texts,
        LoadOptions load,
        TrainingOptions? options = null,
        Action<TrainingProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(load);
        options ??= Defaults;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.LoraRank, 1);
        TokenSource source =
            TrainingTexts.Encode("texts", texts, TextTokenizer.Load(model), cancellation: cancellation);
        using ParameterSet parameters = TrainableCheckpoint.Read(model, out ArchitectureSpec spec);
        int context = Math.Clamp(source.Tokens.Length - 1, 1, options.Context ?? spec.ContextLength);
        using var trainer = new DecoderTrainer(
            spec,
            parameters,
            [source],
            options with { Context = context },
            load.Pool ?? WorkerPool.Shared,
            string.Empty);
        trainer.Run(null, progress: progress, cancellation: cancellation);
        string folder = Directory.CreateTempSubdirectory("layersteer-adapter-").FullName;
        try
        {
            trainer.Adapters!.Write(
                folder, Path.GetFileName(model), TrainableCheckpoint.DigestOf(model), TensorType.F32);
            return Decoder.Load(model, load with { Adapter = folder });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
