using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// A set of code points: ranges, general categories, white space, or all but those. Filled by the parser of a pattern,
/// then read by many threads.
/// </summary>
internal sealed class RuneSet
{
    private readonly List<(int First, int Last)> _ranges = [];
    private int _categories; // bit c: UnicodeCategory c
    private bool _space;
    private bool _notSpace;
    private bool _negated;
    private UInt128 _ascii;

    /// <summary>Whether there is something besides ASCII in it.</summary>
    private bool AsciiOnly => _categories == 0 && !_notSpace && !_space && _ranges.TrueForAll(r => r.Last < 128);

    public void AddRange(int first, int last) => _ranges.Add((first, last));

    public void AddCategories(int mask) => _categories |= mask;

    public void AddSpace(bool not)
    {
        _space |= !not;
        _notSpace |= not;
    }

    /// <summary>Adds what another set holds; false if that one is a negated one, which cannot be added.</summary>
    public bool TryAdd(RuneSet other)
    {
        _ranges.AddRange(other._ranges);
        _categories |= other._categories;
        _space |= other._space;
        _notSpace |= other._notSpace;
        return !other._negated;
    }

    /// <summary>
    /// Adds the other case of what is there, as simple case folding has it; false where there are others than ASCII.
    /// </summary>
    public bool TryIgnoreCase()
    {
        if (!AsciiOnly)
        {
            return false;
        }
        for (char lower = 'a'; lower <= 'z'; lower++)
        {
            char upper = (char)(lower - 32);
            if (_ranges.Exists(r => (lower >= r.First && lower <= r.Last) || (upper >= r.First && upper <= r.Last)))
            {
                AddRange(lower, lower);
                AddRange(upper, upper);
                if (lower is 's' or 'k')
                {
                    int folded = lower == 's' ? 0x17F : 0x212A; // long s, Kelvin sign
                    AddRange(folded, folded);
                }
            }
        }
        return true;
    }

    /// <summary>Ends the filling.</summary>
    /// <param name="negated">All but what was added.</param>
    public RuneSet Complete(bool negated = false)
    {
        (int First, int Last)[] sorted = [.. _ranges.Order()];
        _ranges.Clear();
        foreach ((int first, int last) in sorted)
        {
            if (_ranges.Count > 0 && first <= _ranges[^1].Last + 1)
            {
                _ranges[^1] = (_ranges[^1].First, Math.Max(last, _ranges[^1].Last));
            }
            else
            {
                _ranges.Add((first, last));
            }
        }
        _negated = negated;
        for (int c = 0; c < 128; c++)
        {
            _ascii |= IsIn(c) != negated ? UInt128.One << c : UInt128.Zero;
        }
        return this;
    }

    public bool Contains(int codePoint) =>
        codePoint < 128 ? (_ascii >> codePoint & UInt128.One) != UInt128.Zero : IsIn(codePoint) != _negated;

    private bool IsIn(int codePoint)
    {
        var rune = new Rune(codePoint);
        if ((_categories >> (int)Rune.GetUnicodeCategory(rune) & 1) != 0)
        {
            return true;
        }
        if ((_space || _notSpace) && (Rune.IsWhiteSpace(rune) ? _space : _notSpace))
        {
            return true;
        }
        int low = 0, high = _ranges.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (int first, int last) = _ranges[middle];
            if (codePoint >= first && codePoint <= last)
            {
                return true;
            }
            (low, high) = codePoint > last ? (middle + 1, high) : (low, middle);
        }
        return false;
    }

    /// <summary>The categories of a general category's short name ("L", "Nd"); 0 if there is no such name.</summary>
    public static int CategoriesOf(string name)
    {
        int mask = 0;
        for (int c = 0; c < ShortNames.Length; c++)
        {
            if (ShortNames[c] == name || (name.Length == 1 && ShortNames[c][0] == name[0]))
            {
                mask |= 1 << c;
            }
        }
        return mask;
    }

    // In the order of UnicodeCategory.
    private static readonly string[] ShortNames =
    [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co",
        "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
    ];
}
