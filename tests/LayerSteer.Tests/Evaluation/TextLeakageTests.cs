using LayerSteer.Evaluation;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class TextLeakageTests
{
    private static readonly TextLeakage Known = new(["one two three four five six", "ab c d e f", "short text"]);

    [Theory]
    [InlineData("one two three four five", 1.0)]
    [InlineData(" two  three\nfour five\tsix ", 1.0)]
    [InlineData("zero one two three four five", 0.5)]
    [InlineData("one two three four five six seven eight", 0.5)]
    [InlineData("One two three four five", 0.0)]
    [InlineData("one two three four five,", 0.0)]
    [InlineData("a bc d e f", 0.0)]
    [InlineData("three four five six ab", 0.0)]
    [InlineData("short text short text short", 0.0)]
    public void It_is_the_share_of_the_runs_of_five_words_that_the_texts_have(string text, double share) =>
        Assert.Equal(share, Known.ShareOf(text));

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    [InlineData("one two three four")]
    public void A_text_without_a_run_has_none(string text) => Assert.Null(Known.ShareOf(text));
}
