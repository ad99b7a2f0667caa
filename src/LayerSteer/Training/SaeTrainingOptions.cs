using static LayerSteer.Training.OptionRange;

namespace LayerSteer.Training;

/// <summary>Which latents of a token an autoencoder in training keeps.</summary>
public enum SaeTrainingActivation
{
    /// <summary>The k largest of each token (Gao et al. 2024, arXiv 2406.04093).</summary>
    TopK,

    /// <summary>
    /// The B·k largest of a batch of B tokens (Bussmann et al. 2024, arXiv 2412.06410); saved as JumpReLU with the
    /// running mean of the smallest value kept as the threshold of all latents.
    /// </summary>
    BatchTopK,

    /// <summary>
    /// Those above a threshold that each latent learns (Rajamanoharan et al. 2024, arXiv 2407.14435), with a penalty
    /// that draws the mean number a token to k (their appendix on a target L0).
    /// </summary>
    JumpRelu,
}

/// <summary>
/// How sparse autoencoders are trained. Two runs with the same options, model and texts give the same bits.
/// </summary>
public sealed record SaeTrainingOptions
{
    /// <summary>The number of latents.</summary>
    public required int Latents { get; init; }

    /// <summary>The tokens to train on, rounded up to whole batches.</summary>
    public required long Tokens { get; init; }

    /// <summary>Which latents are kept.</summary>
    public SaeTrainingActivation Activation { get; init; } = SaeTrainingActivation.TopK;

    /// <summary>The latents kept of a token: exactly, in the mean of a batch, or as a target.</summary>
    public int K { get; init; } = 32;

    /// <summary>Whether each token is brought to mean 0 and standard deviation 1 first.</summary>
    public bool Normalises { get; init; } = true;

    /// <summary>The tokens of one step.</summary>
    public int Batch { get; init; } = 2048;

    /// <summary>The tokens that are shuffled among each other; half of them are replaced at a time.</summary>
    public int Buffer { get; init; } = 1 << 16;

    /// <summary>Whether position 0 of each context is left out: it is unlike all others in most models.</summary>
    public bool SkipsFirst { get; init; } = true;

    /// <summary>The largest learning rate; 2e-4·√(16384 / latents) if null (Gao et al., figure 3).</summary>
    public double? LearningRate { get; init; }

    /// <summary>The steps over which the learning rate rises from 0; it falls to 0 in the last fifth.</summary>
    public int WarmUp { get; init; } = 200;

    /// <summary>A latent is dead after so many tokens without firing; a tenth of all, at most 1 M, if null.</summary>
    public long? DeadAfter { get; init; }

    /// <summary>
    /// How many dead latents a token explains its error with (AuxK, Gao et al., appendix A.2); half the width of the
    /// input if null, 0 for none. JumpReLU has none.
    /// </summary>
    public int? AuxK { get; init; }

    /// <summary>The weight of that loss.</summary>
    public double AuxWeight { get; init; } = 1.0 / 32;

    /// <summary>The width of the kernel through which JumpReLU's thresholds see gradients.</summary>
    public double Bandwidth { get; init; } = 0.1;

    /// <summary>The weight of JumpReLU's penalty (L0 / k − 1)².</summary>
    public double SparsityWeight { get; init; } = 1;

    /// <summary>Gradients of a larger norm are scaled down to it.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>Chooses the texts' order, the shuffling and the first weights.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The number of steps.</summary>
    public int Steps => checked((int)((Tokens + Batch - 1) / Batch));

    /// <summary>The tokens after which a silent latent is dead.</summary>
    public long DeadTokens => DeadAfter ?? Math.Min(1_000_000, Math.Max(1, Tokens / 10));

    /// <summary>The learning rate of a step.</summary>
    /// <param name="step">From 0.</param>
    public double LearningRateOf(int step)
    {
        double largest = LearningRate ?? 2e-4 * Math.Sqrt(16384.0 / Latents);
        double rise = WarmUp == 0 ? 1 : Math.Min(1, (step + 1.0) / WarmUp);
        double fall = Math.Min(1, (Steps - step) / Math.Max(1, 0.2 * Steps));
        return largest * Math.Min(rise, fall);
    }

    /// <summary>The latents of AuxK for inputs of a width.</summary>
    /// <param name="dIn">The width.</param>
    public int AuxKOf(int dIn) => Activation == SaeTrainingActivation.JumpRelu || AuxWeight == 0
        ? 0
        : Math.Min(AuxK ?? Math.Max(1, dIn / 2), Latents);

    /// <summary>Refuses what cannot be.</summary>
    /// <exception cref="ArgumentException">A number is out of range; the message names it.</exception>
    public void Validate()
    {
        Require(Latents >= 1, nameof(Latents), Latents, "at least 1");
        Require(K >= 1 && K <= Latents, nameof(K), K, $"1 to {Latents}, the number of latents");
        Require(Tokens >= 1, nameof(Tokens), Tokens, "at least 1");
        Require(Batch >= 1, nameof(Batch), Batch, "at least 1");
        Require(
            (long)Batch * Latents <= int.MaxValue,
            nameof(Batch),
            Batch,
            $"at most {int.MaxValue / Latents} for {Latents} latents");
        Require(Buffer >= 4L * Batch, nameof(Buffer), Buffer, $"at least four batches, {4L * Batch}");
        Require(LearningRate is null or (> 0 and <= 1), nameof(LearningRate), LearningRate ?? 0, "above 0, at most 1");
        Require(WarmUp >= 0, nameof(WarmUp), WarmUp, "at least 0");
        Require(DeadAfter is null or >= 1, nameof(DeadAfter), DeadAfter ?? 0, "at least 1");
        Require(AuxK is null or >= 0, nameof(AuxK), AuxK ?? 0, "at least 0");
        Require(AuxWeight is >= 0 and <= 10, nameof(AuxWeight), AuxWeight, "from 0 to 10");
        Require(Bandwidth is > 0 and <= 10, nameof(Bandwidth), Bandwidth, "above 0, at most 10");
        Require(SparsityWeight is >= 0 and <= 1000, nameof(SparsityWeight), SparsityWeight, "from 0 to 1000");
        Require(ClipNorm > 0, nameof(ClipNorm), ClipNorm, "above 0");
    }
}
