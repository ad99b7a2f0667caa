using System.Globalization;

namespace LayerSteer.Steering;

/// <summary>What a gate looks at.</summary>
public enum GateKind
{
    /// <summary>The most active of the topic's latents, as a share of its largest activation on the references.</summary>
    Latent,

    /// <summary>The cosine of x and the edit's direction (Lee et al. 2024, CAST).</summary>
    Cosine,
}

/// <summary>
/// A condition on each position by itself: where it does not hold, the edit changes no bit.
/// <code>
/// latent: max over the topic's latents f of z_f / M_f  &gt; threshold   (present), or not (absent)
/// cosine: x·d / (‖x‖ ‖d‖)                              &gt; threshold   (above), or not (below)
/// </code>
/// z and x are those that the edit finds.
/// </summary>
/// <param name="Kind">What is looked at.</param>
/// <param name="Above">Whether the edit takes place above the threshold, or else up to it.</param>
/// <param name="Threshold">The threshold.</param>
public readonly record struct SteeringGate(GateKind Kind, bool Above, float Threshold)
{
    private const string Known = "present, absent, present:SHARE, absent:SHARE, cosine-above:VALUE, cosine-below:VALUE";

    /// <summary>Reads a gate as it is written on the command line.</summary>
    /// <exception cref="ArgumentException">It is none; the message lists those there are.</exception>
    public static SteeringGate Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':');
        float threshold = 0f;
        bool hasThreshold = parts.Length == 2
            && float.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out threshold)
            && float.IsFinite(threshold);
        bool isLatent = parts[0] is "present" or "absent";
        bool isCosine = parts[0] is "cosine-above" or "cosine-below";
        return (isLatent && (parts.Length == 1 || hasThreshold)) || (isCosine && hasThreshold)
            ? new SteeringGate(
                isLatent ? GateKind.Latent : GateKind.Cosine, parts[0] is "present" or "cosine-above", threshold)
            : throw new ArgumentException($"no gate '{text}'; there are {Known}");
    }

    /// <summary>As <see cref="Parse"/> reads it.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{(Kind == GateKind.Latent ? Above ? "present" : "absent" : Above ? "cosine-above" : "cosine-below")}:{Threshold}");

    /// <summary>Whether the edit takes place at a value.</summary>
    internal bool Opens(double value) => value > Threshold == Above;
}
