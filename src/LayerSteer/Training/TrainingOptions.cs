using static LayerSteer.Training.OptionRange;

namespace LayerSteer.Training;

/// <summary>How a decoder is trained. Two runs with the same options, texts and start give the same bits.</summary>
public sealed record TrainingOptions
{
    /// <summary>The number of steps of the optimiser.</summary>
    public required int Steps { get; init; }

    /// <summary>The windows of one step.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>
    /// The windows that go through the model at once; memory grows with it, and it decides the order of sums.
    /// </summary>
    public int MicroBatch { get; init; } = 8;

    /// <summary>The tokens of a window; the model's context length if null.</summary>
    public int? Context { get; init; }

    /// <summary>The largest learning rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The steps over which it rises from 0.</summary>
    public int WarmUp { get; init; } = 100;

    /// <summary>The learning rate of the last step, as a part of the largest, at the end of a cosine.</summary>
    public double FinalRate { get; init; } = 0.1;

    /// <summary>The weight decay of matrices.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>The decay of the mean of the gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>The decay of the mean of their squares.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Gradients of a larger norm are scaled down to it.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>The probability of dropout after the embedding and on what each block adds; 0 is none.</summary>
    public double Dropout { get; init; }

    /// <summary>Chooses the order of the windows, what dropout drops, and new weights.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>
    /// The rank of LoRA adapters on every matrix of the blocks (Hu et al. 2022); 0 trains all weights.
    /// </summary>
    public int LoraRank { get; init; }

    /// <summary>The factor of the adapters is this over the rank.</summary>
    public double LoraAlpha { get; init; } = 16;

    /// <summary>The learning rate of a step: a linear rise, then half a cosine.</summary>
    /// <param name="step">From 0.</param>
    public double LearningRateOf(int step)
    {
        if (step < WarmUp)
        {
            return LearningRate * (step + 1) / WarmUp;
        }

        double progress = (double)(step - WarmUp) / Math.Max(1, Steps - WarmUp);
        return LearningRate * (FinalRate + ((1 - FinalRate) * 0.5 * (1 + Math.Cos(Math.PI * progress))));
    }

    /// <summary>Refuses what cannot be.</summary>
    /// <exception cref="ArgumentException">A number is out of range; the message names it.</exception>
    public void Validate()
    {
        Require(Steps >= 1, nameof(Steps), Steps, "at least 1");
        Require(Batch >= 1, nameof(Batch), Batch, "at least 1");
        Require(MicroBatch >= 1, nameof(MicroBatch), MicroBatch, "at least 1");
        Require(Context is null or >= 1, nameof(Context), Context ?? 0, "at least 1");
        Require(LearningRate > 0 && LearningRate <= 1, nameof(LearningRate), LearningRate, "above 0, at most 1");
        Require(WarmUp >= 0, nameof(WarmUp), WarmUp, "at least 0");
        Require(FinalRate is >= 0 and <= 1, nameof(FinalRate), FinalRate, "from 0 to 1");
        Require(WeightDecay is >= 0 and <= 10, nameof(WeightDecay), WeightDecay, "from 0 to 10");
        Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "from 0 to below 1");
        Require(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "from 0 to below 1");
        Require(ClipNorm > 0, nameof(ClipNorm), ClipNorm, "above 0");
        Require(Dropout is >= 0 and < 1, nameof(Dropout), Dropout, "from 0 to below 1");
        Require(LoraRank >= 0, nameof(LoraRank), LoraRank, "at least 0");
        Require(LoraAlpha > 0, nameof(LoraAlpha), LoraAlpha, "above 0");
    }
}
