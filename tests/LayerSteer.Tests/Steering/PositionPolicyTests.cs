using LayerSteer.Steering;
using Xunit;

namespace LayerSteer.Tests.Steering;

public class PositionPolicyTests
{
    /// <summary>A prompt of 4 positions and 4 generated ones; the very first and last are special tokens.</summary>
    [Theory]
    [InlineData("all", "0,1,2,3,4,5,6,7")]
    [InlineData("all-but-special", "1,2,3,4,5,6")]
    [InlineData("prompt", "1,2,3")]
    [InlineData("generated", "4,5,6")]
    [InlineData("2:5", "2,3,4")]
    [InlineData("5:", "5,6")]
    [InlineData(":2", "1")]
    [InlineData("0:1", "")]
    [InlineData(":", "1,2,3,4,5,6")]
    public void A_policy_touches_its_positions(string text, string expected)
    {
        PositionPolicy policy = PositionPolicy.Parse(text);
        IEnumerable<int> touched =
            Enumerable.Range(0, 8).Where(p => policy.Includes(p, promptLength: 4, isSpecial: p is 0 or 7));
        Assert.Equal(expected, string.Join(',', touched));
        Assert.Equal(policy, PositionPolicy.Parse(policy.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("All")]
    [InlineData("5:5")]
    [InlineData("6:5")]
    [InlineData("-1:5")]
    [InlineData("1:2:3")]
    [InlineData("1")]
    [InlineData("a:b")]
    [InlineData("1:99999999999")]
    public void Other_texts_are_refused(string text) => Assert.Equal(
        $"no positions '{text}'; there are all-but-special, all, prompt, generated, FROM:TO (such as 4:20)",
        Assert.Throws<ArgumentException>(() => PositionPolicy.Parse(text)).Message);
}
