using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Text;

public class SplitPreTokenizerTests
{
    // As the Hugging Face documentation describes them.
    [Theory]
    [InlineData("Removed", false, "so|very|far")]
    [InlineData("Isolated", false, "so|-|very|-|-|far")]
    [InlineData("MergedWithPrevious", false, "so-|very-|-|far")]
    [InlineData("MergedWithNext", false, "so|-very|-|-far")]
    [InlineData("Contiguous", false, "so|-|very|--|far")]
    [InlineData("Removed", true, "-|-|-")]
    [InlineData("Isolated", true, "so|-|very|-|-|far")]
    public void Each_behaviour_splits_as_documented(string behavior, bool invert, string expected)
    {
        var split = new SplitPreTokenizer(
            TextPattern.Literal("-", "f"), Enum.Parse<SplitBehavior>(behavior), invert);
        Assert.Equal(expected, Pieces(split, "so-very--far"));
    }

    [Theory]
    [InlineData("MergedWithPrevious", "-|-|a-")]
    [InlineData("MergedWithNext", "-|-a|-")]
    [InlineData("Removed", "a")]
    public void Matches_at_the_ends_stand_alone(string behavior, string expected)
    {
        var split = new SplitPreTokenizer(TextPattern.Literal("-", "f"), Enum.Parse<SplitBehavior>(behavior), false);
        Assert.Equal(expected, Pieces(split, "--a-"));
    }

    [Theory]
    [InlineData(true, false, true, "hello  big world", "▁hello|▁|▁big|▁world")]
    [InlineData(true, false, true, " hello", "▁hello")]
    [InlineData(true, false, true, "▁hello", "▁hello")]
    [InlineData(false, false, true, "a b ", "a|▁b|▁")]
    [InlineData(true, false, false, "a b", "▁a▁b")]
    public void Metaspace_marks_spaces(bool prepend, bool onlyAtStart, bool cut, string text, string expected)
    {
        Assert.Equal(expected, Pieces(new MetaspacePreTokenizer('▁', prepend, onlyAtStart, cut), text));
    }

    [Fact]
    public void Metaspace_may_prepend_at_the_start_of_the_text_only()
    {
        var first = new MetaspacePreTokenizer('▁', Prepend: true, OnlyAtStart: true, Cut: true);
        var pieces = new List<string>();
        first.Split("a", atStart: true, (piece, _) => pieces.Add(piece.ToString()));
        first.Split("a", atStart: false, (piece, _) => pieces.Add(piece.ToString()));
        Assert.Equal(["▁a", "a"], pieces);
    }

    private static string Pieces(PreTokenizer step, string text)
    {
        var pieces = new List<string>();
        step.Split(text, true, (piece, _) => pieces.Add(piece.ToString()));
        return string.Join('|', pieces);
    }
}
