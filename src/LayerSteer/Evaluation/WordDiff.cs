using System.Text;

namespace LayerSteer.Evaluation;

/// <summary>A piece of a text.</summary>
/// <param name="Text">The piece.</param>
/// <param name="IsChanged">Whether the other text does not have it there.</param>
public readonly record struct DiffPiece(string Text, bool IsChanged);

/// <summary>
/// Which words of a text another text does not have: those outside a longest common subsequence of words,
/// <code>L(i, j) = 1 + L(i+1, j+1) if a_i = b_j, otherwise max(L(i+1, j), L(i, j+1))</code>
/// A word is what stands between spaces; the spaces in front of it go with it, and are not compared.
/// </summary>
public static class WordDiff
{
    /// <summary>The longest texts that are compared whole; of longer ones the rest counts as changed.</summary>
    internal const int MostWords = 2000;

    /// <summary>The text in pieces, in order; joined they are the text.</summary>
    /// <param name="text">The text whose words are marked.</param>
    /// <param name="other">The text that it is compared with.</param>
    /// <returns>The pieces; neighbours differ in <see cref="DiffPiece.IsChanged"/>.</returns>
    public static IReadOnlyList<DiffPiece> Of(string text, string other)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(other);
        string[] words = Words(text);
        bool[] kept = Common(
            [.. words.Take(MostWords).Select(word => word.Trim())],
            [.. Words(other).Take(MostWords).Select(word => word.Trim())]);
        var pieces = new List<DiffPiece>();
        var piece = new StringBuilder();
        for (int i = 0; i < words.Length; i++)
        {
            piece.Append(words[i]);
            bool changed = IsChanged(i);
            if (i == words.Length - 1 || IsChanged(i + 1) != changed)
            {
                pieces.Add(new DiffPiece(piece.ToString(), changed));
                piece.Clear();
            }
        }

        return pieces;

        bool IsChanged(int i) => (i >= kept.Length || !kept[i]) && !string.IsNullOrWhiteSpace(words[i]);
    }

    /// <summary>The words, each with the spaces in front of it; spaces at the end are a piece of their own.</summary>
    internal static string[] Words(string text)
    {
        var words = new List<string>();
        int start = 0;
        for (int i = 1; i <= text.Length; i++)
        {
            if (i == text.Length || (char.IsWhiteSpace(text[i]) && !char.IsWhiteSpace(text[i - 1])))
            {
                words.Add(text[start..i]);
                start = i;
            }
        }

        return [.. words];
    }

    /// <summary>For each word of the first whether it is in the common subsequence.</summary>
    private static bool[] Common(string[] a, string[] b)
    {
        var length = new int[a.Length + 1, b.Length + 1];
        for (int i = a.Length - 1; i >= 0; i--)
        {
            for (int j = b.Length - 1; j >= 0; j--)
            {
                length[i, j] = a[i] == b[j]
                    ? 1 + length[i + 1, j + 1]
                    : Math.Max(length[i + 1, j], length[i, j + 1]);
            }
        }

        var kept = new bool[a.Length];
        for (int i = 0, j = 0; i < a.Length && j < b.Length;)
        {
            if (a[i] == b[j])
            {
                kept[i] = true;
                (i, j) = (i + 1, j + 1);
            }
            else if (length[i + 1, j] >= length[i, j + 1])
            {
                i++;
            }
            else
            {
                j++;
            }
        }

        return kept;
    }
}
