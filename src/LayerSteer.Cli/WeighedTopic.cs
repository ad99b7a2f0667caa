using System.Globalization;

namespace LayerSteer.Cli;

/// <summary>A topic as --topic names it: NAME or NAME:WEIGHT.</summary>
/// <param name="Name">A file or the name of a kept topic.</param>
/// <param name="Weight">Its weight; 1 if none is given.</param>
internal readonly record struct WeighedTopic(string Name, double Weight)
{
    /// <summary>Reads one; a file whose name holds a colon is that file.</summary>
    /// <exception cref="ArgumentException">The weight is 0 or no finite number.</exception>
    public static WeighedTopic Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || File.Exists(text)
            || !double.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out double weight))
        {
            return new WeighedTopic(text, 1);
        }

        return weight != 0 && double.IsFinite(weight)
            ? new WeighedTopic(text[..colon], weight)
            : throw new ArgumentException($"--topic is '{text}', expected a weight that is finite and not 0");
    }
}
