using System.Text.RegularExpressions;
using CsCheck;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Text;

public class TextPatternTests
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string Words = @"[^\r\n\p{L}\p{N}]?";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
    private const string Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string Rest = @" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string Llama3 = Contractions + "|" + Words + @"\p{L}+|\p{N}{1,3}|" + Rest;
    private const string Qwen = Contractions + "|" + Words + @"\p{L}+|\p{N}|" + Rest;
    private const string O200k = Words + Upper + "*" + Lower + "+" + Contractions + "?|" + Words + Upper + "+" + Lower
        + "*" + Contractions + @"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    // Characters of every class that the patterns tell apart; within U+FFFF, where .NET's expressions see the same.
    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.OneOf("a", "Zed", "'s", "'LL", "'re", "'", " ", "  ", "\n", "\r\n", "\t", "1", "2345", "!", "/", "…", "é", "Ω"),
        Gen.OneOf("e\u0301", "\u01C5", "\u02B0", "日本", "\u0660", "\u2167", "\u00B2", "\u0085", "\u00A0", "\u3000", "_"),
        Gen.Char['\0', '\u2FFF'].Select(c => c.ToString()))
        .Array[0, 30].Select(string.Concat);

    [Theory]
    [InlineData(Gpt2)]
    [InlineData(Llama3)]
    [InlineData(Qwen)]
    [InlineData(O200k)]
    [InlineData(@"[a-e]+|[^a-z\s]{2,4}|\w\d?|\W")]
    [InlineData(@"(?:ab|a)(?:b|c)*|(?:x|[yz]){2,3}(?=\s)|.")]
    [InlineData(@"(a|ab)(c|bcd)|[\]\-x]|\x41\u0042|[^\n]")]
    public void Matches_are_those_of_the_plain_expression(string pattern)
    {
        TextPattern ours = TextPatternParser.Parse(pattern, "f", "p");
        var plain = new Regex(pattern, RegexOptions.CultureInvariant);
        AnyText.Sample(text => Assert.Equal(
            plain.Matches(text).Select(m => m.Value), Found(ours, text)));
    }

    [Fact]
    public void The_hand_written_scanner_of_GPT2_splits_as_its_pattern_does()
    {
        TextPattern pattern = TextPatternParser.Parse(Gpt2, "f", "p");
        Gen.OneOf(AnyText, Gen.Int[0x10000, 0x1FFFF].Select(char.ConvertFromUtf32)).Array[0, 5].Select(string.Concat)
            .Sample(text =>
            {
                var pieces = new List<string>();
                new Gpt2PreTokenizer(false).Split(text, true, (piece, _) => pieces.Add(piece.ToString()));
                Assert.Equal(Found(pattern, text), pieces);
            });
    }

    [Theory]
    [InlineData(@"\p{L}+", "x\U00020000\U0001D44E 1", "x\U00020000\U0001D44E")]
    [InlineData(@"(?i:'s|k)", "'ſ 'S K", "'ſ|'S|K")]
    [InlineData(@"\p{L}++\p{L}|.", "ab", "a|b")]
    [InlineData(@"[a[bc]]+|\P{L}", "abc1", "abc|1")]
    [InlineData(@"\p{^L}+", "ab12", "12")]
    [InlineData(@"[]a]+", "]a]", "]a]")]
    [InlineData(@"a{,2}b|a", "aaab", "a|aab")]
    public void Characters_are_code_points_and_classes_are_Oniguruma_s(string pattern, string text, string expected)
    {
        Assert.Equal(expected.Split('|'), Found(TextPatternParser.Parse(pattern, "f", "p"), text));
    }

    [Theory]
    [InlineData("(?<=a)b", "the group '(?<' is not supported (at 2)")]
    [InlineData("a*?b", "a lazy repetition ('??', '*?', '+?') is not supported (at 3)")]
    [InlineData(@"\bx", @"the escape '\b' is not supported (at 0)")]
    [InlineData(@"(a)\1", @"the escape '\1' is not supported (at 3)")]
    [InlineData("^a", "the anchor '^' is not supported (at 0)")]
    [InlineData(@"\p{Han}+", @"the class '\p{Han}' (general categories such as L, Lu, N, Nd, P, Zs are) is not supported (at 0)")]
    [InlineData("[a&&b]", "'&&' or '[:' in a class is not supported (at 4)")]
    [InlineData("[a[^b]]", "a negated class in a class is not supported (at 6)")]
    [InlineData("(?:a?)*b", "the repetition of what can match nothing is not supported (at 7)")]
    [InlineData("(?:ab)++", "a possessive repetition of a group is not supported (at 8)")]
    [InlineData("(?i:é)", "others than ASCII letters under (?i: is not supported (at 5)")]
    public void What_is_not_supported_is_named_with_its_place(string pattern, string message)
    {
        Assert.Equal(
            $"'f': p '{pattern}': {message}",
            Assert.Throws<NotSupportedException>(() => TextPatternParser.Parse(pattern, "f", "p")).Message);
    }

    [Theory]
    [InlineData("a*", "'f': p 'a*' can match nothing at all, which is not supported")]
    [InlineData("(?=a)", "'f': p '(?=a)' can match nothing at all, which is not supported")]
    public void A_pattern_that_matches_nothing_is_refused(string pattern, string message)
    {
        Assert.Equal(
            message, Assert.Throws<NotSupportedException>(() => TextPatternParser.Parse(pattern, "f", "p")).Message);
    }

    [Theory]
    [InlineData("(a", "'(' without ')' at 2")]
    [InlineData("a)", "')' without '(' at 1")]
    [InlineData("[a", "'[' without ']' at 0")]
    [InlineData("+", "'+' with nothing before it at 0")]
    [InlineData("a{2", "'{' without a count from 0 to 1000 at 1")]
    [InlineData("a{3,2}", "'{' without a count from 0 to 1000 at 1")]
    [InlineData("a{1001}", "'{' without a count from 0 to 1000 at 1")]
    [InlineData("[b-a]", "a range that ends before it begins at 4")]
    [InlineData(@"\p{L", @"'\p' without '{…}' at 0")]
    [InlineData(@"\x{D800}", "a code point that is none at 0")]
    [InlineData(@"a\", @"'\' at the end at 2")]
    public void An_unsound_pattern_is_refused_with_its_place(string pattern, string message)
    {
        Assert.Equal(
            $"'f': p '{pattern}' is not a sound pattern: {message}",
            Assert.Throws<InvalidDataException>(() => TextPatternParser.Parse(pattern, "f", "p")).Message);
    }

    [Fact]
    public void Patterns_cannot_nest_or_grow_without_end()
    {
        Assert.Throws<NotSupportedException>(() => TextPatternParser.Parse(new string('(', 40) + "a", "f", "p"));
        Assert.Throws<NotSupportedException>(() => TextPatternParser.Parse(new string('[', 40) + "a", "f", "p"));
        Assert.Throws<NotSupportedException>(() => TextPatternParser.Parse("((a|b){900}c){900}", "f", "p"));
        Assert.Throws<NotSupportedException>(() => TextPatternParser.Parse(new string('a', 10_001), "f", "p"));
    }

    [Theory]
    [InlineData("(?:a+)+b")]
    [InlineData("(?:a|a)*b")]
    [InlineData("a*a*a*a*b")]
    public void A_pattern_that_would_go_back_and_forth_is_stopped(string pattern)
    {
        TextPattern hostile = TextPatternParser.Parse(pattern, "f", "p");
        Assert.Equal(
            $"'f': the pattern '{pattern}' takes more than 500 steps a character on a text of 3000 characters",
            Assert.Throws<InvalidDataException>(() => Found(hostile, new string('a', 3000))).Message);
    }

    [Theory]
    [InlineData(Llama3)]
    [InlineData(O200k)]
    public void A_megabyte_without_a_space_or_of_spaces_takes_steps_in_proportion(string pattern)
    {
        TextPattern ours = TextPatternParser.Parse(pattern, "f", "p");
        foreach (string unit in (string[])["a", "A", "日", " ", "!", "7", "\n", "\r\n ", "'", "aA", "\U00020000"])
        {
            string text = string.Concat(Enumerable.Repeat(unit, (1 << 20) / unit.Length)) + "x";
            Assert.Equal(text.Length, Found(ours, text).Sum(m => m.Length));
        }
    }

    private static List<string> Found(TextPattern pattern, string text)
    {
        var found = new List<string>();
        TextPattern.Matches scan = pattern.Scan(text, stackalloc int[TextPattern.StackInts]);
        while (scan.Next(out int start, out int end))
        {
            found.Add(text[start..end]);
        }
        return found;
    }
}
