namespace LayerSteer.Models;

/// <summary>How the frequencies of a rotary position embedding are stretched for longer contexts.</summary>
public enum RotaryScaling
{
    /// <summary>Not at all: <c>default</c>.</summary>
    None,

    /// <summary>Every frequency over a factor: <c>linear</c>.</summary>
    Linear,

    /// <summary>Low frequencies over a factor, high ones as they are: <c>llama3</c>.</summary>
    Llama3,
}

/// <summary>
/// A rotary position embedding (Su et al. 2021) in the half-split layout:
/// <code>
/// ω_i = theta^(−2i / dimensions), i = 0 … dimensions/2 − 1;  angle = position · ω_i
/// linear:  ω_i / factor
/// llama3:  with λ = 2π / ω and L the original context: ω where λ &lt; L / high, ω / factor where λ > L / low,
///          otherwise (1 − s)·ω / factor + s·ω,  s = (L / λ − low) / (high − low)
/// </code>
/// </summary>
public sealed record RotarySpec
{
    /// <summary>How many of a head's first dimensions turn; even.</summary>
    public required int Dimensions { get; init; }

    /// <summary>The base of the frequencies.</summary>
    public required double Theta { get; init; }

    /// <summary>How frequencies are stretched.</summary>
    public RotaryScaling Scaling { get; init; }

    /// <summary>The factor of both scalings.</summary>
    public double Factor { get; init; } = 1;

    /// <summary><c>low_freq_factor</c> of <see cref="RotaryScaling.Llama3"/>.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary><c>high_freq_factor</c> of <see cref="RotaryScaling.Llama3"/>; above the low one.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>The context before scaling, for <see cref="RotaryScaling.Llama3"/>.</summary>
    public int OriginalContext { get; init; }

    /// <summary>The frequencies in radians a position, [dimensions / 2]; computed in double and rounded once.</summary>
    public float[] Frequencies()
    {
        float[] frequencies = new float[Dimensions / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = (float)Scaled(Math.Pow(Theta, -2.0 * i / Dimensions));
        }

        return frequencies;
    }

    private double Scaled(double frequency)
    {
        if (Scaling != RotaryScaling.Llama3)
        {
            return Scaling == RotaryScaling.Linear ? frequency / Factor : frequency;
        }

        double turns = OriginalContext * frequency / (2 * Math.PI); // over the original context
        if (turns > HighFrequencyFactor)
        {
            return frequency;
        }

        if (turns < LowFrequencyFactor)
        {
            return frequency / Factor;
        }

        double share = (turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor);
        return ((1 - share) * frequency / Factor) + (share * frequency);
    }
}
