using System.Globalization;

namespace LayerSteer.Cli;

/// <summary>What --strength says: a number, or that it is to be found.</summary>
/// <param name="Value">The number; 1 where it is to be found.</param>
/// <param name="IsAuto">Whether it is to be found.</param>
internal readonly record struct ChosenStrength(float Value, bool IsAuto)
{
    public static ChosenStrength Parse(string text) => text.Equals("auto", StringComparison.OrdinalIgnoreCase)
        ? new ChosenStrength(1f, true)
        : float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value)
            && value >= 0f && float.IsFinite(value)
            ? new ChosenStrength(value, false)
            : throw new ArgumentException($"--strength is '{text}', expected a number from 0 on, or auto");
}
