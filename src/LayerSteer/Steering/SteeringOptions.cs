using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>How to steer.</summary>
public sealed record SteeringOptions
{
    /// <summary>The method; swap if not said.</summary>
    public SteeringMethod Method { get; init; } = SteeringMethod.Swap;

    /// <summary>
    /// corrected: the error term is kept, special tokens are left alone, the strength is continuous. seed: the
    /// published formulas (arXiv 2506.12576): x is replaced by the reconstruction at every position, gaps in the scores
    /// count as 0.
    /// </summary>
    public SteeringMode Mode { get; init; } = SteeringMode.Corrected;

    /// <summary>
    /// g ≥ 0, corrected mode only. swap and weight select by max(a, 0)·w, where w = s^g for a score s > 0 and
    /// max(0, 1 − g) for a score of 0 or none; clamp adds g times its amount; what it is to the others
    /// <see cref="SteeringMethod"/> says. 0 skips the edit: nothing changes, to the bit.
    /// </summary>
    public float Strength { get; init; } = 1f;

    /// <summary>
    /// Whether x' = x + decode(z') − decode(z) (the autoencoder's error stays) or x' = decode(z'). Null is the mode's
    /// own: kept in corrected mode, dropped in seed mode and by method sae.
    /// </summary>
    public bool? KeepErrorTerm { get; init; }

    /// <summary>
    /// The positions that are edited; null is the mode's own: all but special tokens, or in seed mode all.
    /// </summary>
    public PositionPolicy? Positions { get; init; }

    /// <summary>What clamp adds to each of its latents, in the autoencoder's units.</summary>
    public float ClampAmount { get; init; } = 10f;

    /// <summary>How many latents clamp raises: those with the highest scores of each topic.</summary>
    public int ClampCount { get; init; } = 5;

    /// <summary>How many latents add, set and the other methods that are about the best latents edit, or a gate looks at.</summary>
    public int LatentCount { get; init; } = 10;

    /// <summary>Where the edit takes place, by what it finds there; null for everywhere. Corrected mode only.</summary>
    public SteeringGate? Gate { get; init; }

    /// <summary>
    /// The number of generated tokens over which the edit loses half of its size, above 0; null for never. The positions
    /// of the prompt are edited whole. Corrected mode only, with the error term kept.
    /// </summary>
    public double? HalfLife { get; init; }

    /// <summary>Whether nothing is edited.</summary>
    public bool IsIdentity => Method == SteeringMethod.Original || (Mode == SteeringMode.Corrected && Strength == 0f);

    /// <summary>Whether the error term is kept, the mode's own rule applied.</summary>
    public bool KeepsErrorTerm =>
        KeepErrorTerm ?? (Mode == SteeringMode.Corrected && Method != SteeringMethod.Reconstruction);

    /// <summary>The positions, the mode's own rule applied.</summary>
    public PositionPolicy EffectivePositions =>
        Positions ?? (Mode == SteeringMode.Seed ? new PositionPolicy(PositionKind.All) : PositionPolicy.Default);

    /// <summary>Refuses options that contradict each other.</summary>
    /// <exception cref="ArgumentException">They do; the message names the option.</exception>
    public void Validate()
    {
        if (!(Strength >= 0f) || !float.IsFinite(Strength))
        {
            throw new ArgumentException($"strength is {Strength}, expected a finite number from 0 on");
        }

        if (!float.IsFinite(ClampAmount))
        {
            throw new ArgumentException($"clamp amount is {ClampAmount}, expected a finite number");
        }

        if (ClampCount < 1)
        {
            throw new ArgumentException($"clamp count is {ClampCount}, expected at least 1");
        }

        if (LatentCount < 1)
        {
            throw new ArgumentException($"latent count is {LatentCount}, expected at least 1");
        }

        if (HalfLife is { } half && (!(half > 0) || !double.IsFinite(half)))
        {
            throw new ArgumentException($"half-life is {half}, expected a finite number of tokens above 0");
        }

        if (Mode == SteeringMode.Seed)
        {
            ValidateSeed();
        }
        else if (Method is SteeringMethod.Project or SteeringMethod.DiffMean && KeepErrorTerm == false)
        {
            throw new ArgumentException(
                $"method {SteeringMethods.NameOf(Method)} edits x without the autoencoder, so there is no error term to drop");
        }
        else if (HalfLife is not null && !KeepsErrorTerm)
        {
            throw new ArgumentException("a half-life needs the error term kept: what is replaced does not fade");
        }
        else if (Method == SteeringMethod.Reconstruction && KeepErrorTerm == true)
        {
            throw new ArgumentException(
                "method sae with the error term kept would be orig; leave out the error term or use another method");
        }
        else if (Method == SteeringMethod.Reconstruction && Strength is not (0f or 1f))
        {
            throw new ArgumentException(
                $"strength is {Strength}, but method sae has none; expected 1, or 0 for no edit");
        }
    }

    private void ValidateSeed()
    {
        if (!SteeringMethods.IsPublished(Method))
        {
            throw new ArgumentException(
                $"method {SteeringMethods.NameOf(Method)} is not one of the published ones, so seed mode has none; "
                + "use corrected mode");
        }

        if (Gate is not null || HalfLife is not null)
        {
            throw new ArgumentException(
                "seed mode has neither gate nor half-life: it is the published formulas; use corrected mode for them");
        }

        if (Strength != 1f)
        {
            throw new ArgumentException(
                "seed mode has no strength: it is the published formulas; use corrected mode for --strength");
        }

        if (KeepErrorTerm == true)
        {
            throw new ArgumentException(
                "seed mode drops the error term: it is the published formulas; use corrected mode to keep it");
        }

        if (Positions is { Kind: not PositionKind.All })
        {
            throw new ArgumentException(
                "seed mode edits every position: it is the published formulas; use corrected mode for --positions");
        }
    }
}
