namespace LayerSteer.Text;

/// <summary>
/// Canonical decomposition and composition, combining classes and lower case from <see cref="UnicodeTables"/>: the
/// same on every machine, with or without ICU.
/// </summary>
internal static class UnicodeMapping
{
    private const int HangulBase = 0xAC00;
    private const int HangulCount = 11172;

    /// <summary>Writes the full canonical decomposition of a code point and returns its length.</summary>
    /// <param name="codePoint">Any code point.</param>
    /// <param name="result">Receives at most 4 code points.</param>
    public static int Decompose(int codePoint, Span<int> result)
    {
        result[0] = codePoint;
        if (codePoint < 0xC0)
        {
            return 1;
        }
        int syllable = codePoint - HangulBase;
        if (syllable is >= 0 and < HangulCount)
        {
            // The Unicode standard, 3.12: 588 = 21 vowels * 28 final consonants, the first final being "none".
            result[0] = 0x1100 + syllable / 588;
            result[1] = 0x1161 + syllable % 588 / 28;
            result[2] = 0x11A7 + syllable % 28;
            return syllable % 28 == 0 ? 2 : 3;
        }
        int row = UnicodeTables.Decomposable.BinarySearch(codePoint);
        if (row < 0)
        {
            return 1;
        }
        int start = row == 0 ? 0 : UnicodeTables.DecompositionEnds[row - 1];
        ReadOnlySpan<int> decomposition = UnicodeTables.Decompositions[start..UnicodeTables.DecompositionEnds[row]];
        decomposition.CopyTo(result);
        return decomposition.Length;
    }

    /// <summary>The code point that two compose to canonically, or -1.</summary>
    public static int Compose(int first, int second)
    {
        // Hangul: 19 leading consonants by 21 vowels, then 27 final consonants.
        if (first is >= 0x1100 and < 0x1113 && second is >= 0x1161 and < 0x1176)
        {
            return HangulBase + (first - 0x1100) * 588 + (second - 0x1161) * 28;
        }
        int syllable = first - HangulBase;
        if (syllable is >= 0 and < HangulCount && syllable % 28 == 0 && second is > 0x11A7 and < 0x11C3)
        {
            return first + second - 0x11A7;
        }
        ReadOnlySpan<int> table = UnicodeTables.Compositions;
        int low = 0, high = table.Length / 3;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (int a, int b) = (table[3 * middle], table[(3 * middle) + 1]);
            if (a == first && b == second)
            {
                return table[(3 * middle) + 2];
            }
            bool before = a < first || (a == first && b < second);
            (low, high) = before ? (middle + 1, high) : (low, middle);
        }
        return -1;
    }

    /// <summary>The canonical combining class; 0 for a starter.</summary>
    public static int CombiningClass(int codePoint)
    {
        ReadOnlySpan<int> ranges = UnicodeTables.CombiningRanges;
        int row = codePoint < ranges[0] ? -1 : LastRowFrom(ranges, 3, codePoint);
        return row >= 0 && codePoint <= ranges[row + 1] ? ranges[row + 2] : 0;
    }

    /// <summary>
    /// Writes the full lower case of a code point, whatever stands around it, and returns its length.
    /// </summary>
    /// <param name="codePoint">Any code point.</param>
    /// <param name="result">Receives at most 2 code points.</param>
    public static int ToLower(int codePoint, Span<int> result)
    {
        if (codePoint == 0x130)
        {
            result[0] = 'i';
            result[1] = 0x307;
            return 2;
        }
        ReadOnlySpan<int> runs = UnicodeTables.LowerCaseRuns;
        int row = codePoint < runs[0] ? -1 : LastRowFrom(runs, 4, codePoint);
        bool mapped = row >= 0 && codePoint <= runs[row + 1] && (codePoint - runs[row]) % runs[row + 2] == 0;
        result[0] = mapped ? runs[row + 3] + codePoint - runs[row] : codePoint;
        return 1;
    }

    // Where the last row begins whose first number is at most the code point; the first row's is.
    private static int LastRowFrom(ReadOnlySpan<int> table, int width, int codePoint)
    {
        int low = 0, high = table.Length / width;
        while (high - low > 1)
        {
            int middle = (low + high) / 2;
            (low, high) = table[middle * width] <= codePoint ? (middle, high) : (low, middle);
        }
        return low * width;
    }
}
