using CsCheck;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Text;

public class UnicodeNormalizerTests
{
    private static readonly UnicodeNormalizer Nfc = new(Compose: true);
    private static readonly UnicodeNormalizer Nfd = new(Compose: false);

    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.OneOf("a", "e", "o", " ", "q", "\u0301", "\u0323", "\u0307", "\u0345", "\u1100", "\u1161", "\u11A8", "\u0F71"),
        Gen.Int[0xC0, 0x3FFF].Select(char.ConvertFromUtf32),
        Gen.Int[0xAC00, 0xD7A3].Select(char.ConvertFromUtf32),
        Gen.Int[0xF900, 0xFFFF].Select(char.ConvertFromUtf32),
        Gen.Int[0x1D100, 0x1D200].Select(char.ConvertFromUtf32))
        .Array[0, 12].Select(string.Concat);

    // From the Unicode standard, annex 15, and Python's unicodedata.
    [Theory]
    [InlineData("café", "cafe\u0301", "caf\u00E9")]
    [InlineData("\u212B", "A\u030A", "\u00C5")]
    [InlineData("\u1E0D\u0307", "d\u0323\u0307", "\u1E0D\u0307")]
    [InlineData("\u1E0B\u0323", "d\u0323\u0307", "\u1E0D\u0307")]
    [InlineData("q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C")]
    [InlineData("\uD55C", "\u1112\u1161\u11AB", "\uD55C")]
    [InlineData("\u1112\u1161\u11AB", "\u1112\u1161\u11AB", "\uD55C")]
    [InlineData("\uD558\u11AB", "\u1112\u1161\u11AB", "\uD55C")]
    [InlineData("\uAC01\u11A8", "\u1100\u1161\u11A8\u11A8", "\uAC01\u11A8")]
    [InlineData("\uFA10", "\u585A", "\u585A")]
    [InlineData("\U0002F800", "\u4E3D", "\u4E3D")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165")]
    [InlineData("\u0301a", "\u0301a", "\u0301a")]
    [InlineData("a\u0315\u0300\u05AE\u0300b", "a\u05AE\u0300\u0300\u0315b", "\u00E0\u05AE\u0300\u0315b")]
    [InlineData("\u09C7\u0334\u09BE", "\u09C7\u0334\u09BE", "\u09C7\u0334\u09BE")]
    [InlineData("\u09C7\u09BE", "\u09C7\u09BE", "\u09CB")]
    public void The_forms_are_Unicode_s(string text, string decomposed, string composed)
    {
        Assert.Equal(decomposed, Nfd.Normalize(text).ToString());
        Assert.Equal(composed, Nfc.Normalize(text).ToString());
    }

    [Fact]
    public void The_forms_are_stable_and_go_into_each_other()
    {
        AnyText.Sample(text =>
        {
            string nfc = Nfc.Normalize(text).ToString();
            string nfd = Nfd.Normalize(text).ToString();
            Assert.Equal(nfc, Nfc.Normalize(nfc).ToString());
            Assert.Equal(nfd, Nfd.Normalize(nfd).ToString());
            Assert.Equal(nfc, Nfc.Normalize(nfd).ToString());
            Assert.Equal(nfd, Nfd.Normalize(nfc).ToString());
        });
    }

    [Fact]
    public void A_megabyte_of_marks_is_ordered_without_delay()
    {
        string marks = string.Concat(Enumerable.Repeat("\u0315\u0300\u0323", 350_000));
        Assert.StartsWith("\u1EA1\u0323\u0323", Nfc.Normalize("a" + marks).ToString(), StringComparison.Ordinal);
    }
}
