namespace LayerSteer.Evaluation;

/// <summary>How <see cref="SideEffectPredictors"/> measures; the defaults are those of the paper.</summary>
public sealed record SideEffectOptions
{
    /// <summary>The fewest latents of a sample: two a fold.</summary>
    public const int FewestLatents = 10;

    /// <summary>How many latents are steered, each alone.</summary>
    public int Latents { get; init; } = 300;

    /// <summary>How many neighbours crowding looks at.</summary>
    public int Neighbours { get; init; } = 20;

    /// <summary>α, how far a latent is pushed along its unit decoder row, in the model's own units.</summary>
    public float Alpha { get; init; } = 1f;

    /// <summary>A downstream latent counts that changes by more than this, in its autoencoder's units.</summary>
    public double Threshold { get; init; } = 0.05;

    /// <summary>How often latents are drawn again for an interval.</summary>
    public int Resamples { get; init; } = 2000;

    /// <summary>λ of the ridge, for predictors at standard deviation 1 and a mean over latents.</summary>
    public double Ridge { get; init; } = 0.01;

    /// <summary>The seed of the sample, the folds and the resamples.</summary>
    public ulong Seed { get; init; }

    /// <summary>Refuses what makes no sense.</summary>
    /// <exception cref="ArgumentException">A number is out of range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Latents, FewestLatents);
        ArgumentOutOfRangeException.ThrowIfLessThan(Neighbours, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Resamples, 100);
        if (!float.IsFinite(Alpha) || Alpha == 0 || !(Threshold >= 0) || !(Ridge > 0))
        {
            throw new ArgumentException(
                $"alpha {Alpha}, threshold {Threshold}, ridge {Ridge}; expected alpha finite and not 0, the others above 0");
        }
    }
}
