using System.Globalization;

namespace LayerSteer.Steering;

/// <summary>Which positions an edit touches.</summary>
public enum PositionKind
{
    /// <summary>Every position, BOS too.</summary>
    All,

    /// <summary>Every position but those of special tokens.</summary>
    AllButSpecial,

    /// <summary>The prompt, without special tokens.</summary>
    Prompt,

    /// <summary>
    /// The generated tokens, without special tokens. The first new token is predicted at the prompt's last position, so
    /// it is not steered.
    /// </summary>
    Generated,

    /// <summary>
    /// Positions [From, To), without special tokens; position 0 is the first token, BOS if there is one.
    /// </summary>
    Window,
}

/// <summary>The positions that an edit touches.</summary>
/// <param name="Kind">The rule.</param>
/// <param name="From">The first position of a window.</param>
/// <param name="To">The end of a window, exclusive.</param>
public readonly record struct PositionPolicy(PositionKind Kind, int From = 0, int To = int.MaxValue)
{
    /// <summary>All but special tokens, the default.</summary>
    public static PositionPolicy Default { get; } = new(PositionKind.AllButSpecial);

    /// <summary>
    /// Reads <c>all</c>, <c>all-but-special</c>, <c>prompt</c>, <c>generated</c> or a window <c>FROM:TO</c> (either may
    /// be left out).
    /// </summary>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public static PositionPolicy Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        switch (text)
        {
            case "all":
                return new PositionPolicy(PositionKind.All);
            case "all-but-special":
                return Default;
            case "prompt":
                return new PositionPolicy(PositionKind.Prompt);
            case "generated":
                return new PositionPolicy(PositionKind.Generated);
        }

        string[] ends = text.Split(':');
        if (ends.Length == 2
            && TryEnd(ends[0], 0, out int from)
            && TryEnd(ends[1], int.MaxValue, out int to)
            && from < to)
        {
            return new PositionPolicy(PositionKind.Window, from, to);
        }

        throw new ArgumentException(
            $"no positions '{text}'; there are all-but-special, all, prompt, generated, FROM:TO (such as 4:20)");
    }

    /// <summary>Whether the position of a token is touched.</summary>
    /// <param name="position">The position, from 0.</param>
    /// <param name="promptLength">The number of positions of the prompt, BOS included.</param>
    /// <param name="isSpecial">Whether the token is a special one.</param>
    public bool Includes(int position, int promptLength, bool isSpecial) => Kind switch
    {
        PositionKind.All => true,
        PositionKind.Prompt => !isSpecial && position < promptLength,
        PositionKind.Generated => !isSpecial && position >= promptLength,
        PositionKind.Window => !isSpecial && position >= From && position < To,
        _ => !isSpecial,
    };

    /// <summary>As <see cref="Parse"/> reads it.</summary>
    public override string ToString() => Kind switch
    {
        PositionKind.All => "all",
        PositionKind.Prompt => "prompt",
        PositionKind.Generated => "generated",
        PositionKind.Window => string.Create(
            CultureInfo.InvariantCulture, $"{From}:{(To == int.MaxValue ? string.Empty : To)}"),
        _ => "all-but-special",
    };

    private static bool TryEnd(string text, int missing, out int end)
    {
        end = missing;
        return text.Length == 0 || int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out end);
    }
}
