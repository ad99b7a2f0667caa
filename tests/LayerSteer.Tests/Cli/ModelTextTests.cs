using LayerSteer.Cli;
using Xunit;

namespace LayerSteer.Tests.Cli;

public class ModelTextTests
{
    [Theory]
    [InlineData("a\u001B[2Jb", "a\uFFFD[2Jb")]
    [InlineData("a\r\nb\rc\u2028d", "a\nb\nc\nd")]
    [InlineData("a\tb\u0007\u009Bc", "a    b\uFFFD\uFFFDc")]
    [InlineData("a\u202Eb\u2066c\u200B", "a\uFFFDb\uFFFDc\uFFFD")]
    [InlineData("[red]é😀\u200D", "[red]é😀\u200D")]
    public void Nothing_in_a_text_moves_the_cursor_or_turns_the_text(string text, string expected) =>
        Assert.Equal(expected, ModelText.Clean(text));

    [Fact]
    public void Half_a_surrogate_pair_is_replaced() =>
        Assert.Equal("a\uFFFDb", ModelText.Clean(new string(['a', '\uD83D', 'b'])));

    [Theory]
    [InlineData(" doctor", "doctor")]
    [InlineData("ical", "…ical")]
    [InlineData(",", ",")]
    [InlineData(" ", "' '")]
    [InlineData("\n", "⏎")]
    [InlineData("", "''")]
    [InlineData("\uFFFD", "(part of a character)")]
    public void A_token_is_shown_on_one_line(string token, string expected) =>
        Assert.Equal(expected, ModelText.Token(token));
}
