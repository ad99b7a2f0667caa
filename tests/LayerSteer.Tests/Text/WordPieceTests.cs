using System.Buffers.Binary;
using System.Security.Cryptography;
using CsCheck;
using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class WordPieceTests
{
    private static readonly BertNormalizer Uncased =
        new(CleanText: true, SpaceCjk: true, StripAccents: true, Lowercase: true);

    [Fact]
    public void Every_code_point_decomposes_and_lowers_as_in_Unicode_14()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        int[] parts = new int[4];
        var row = new List<int>();
        byte[] bytes = new byte[64];
        for (int c = 0; c < 0x110000; c++)
        {
            if (c is >= 0xD800 and < 0xE000)
            {
                continue;
            }
            row.Clear();
            int length = UnicodeMapping.Decompose(c, parts);
            row.AddRange([c, length, .. parts[..length]]);
            length = UnicodeMapping.ToLower(c, parts);
            row.AddRange([length, .. parts[..length], UnicodeMapping.CombiningClass(c)]);
            for (int i = 0; i < row.Count; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4 * i), row[i]);
            }
            hash.AppendData(bytes.AsSpan(0, 4 * row.Count));
        }

        // The same rows (code point, n, NFD, n, lower case, class) written and hashed by Python's unicodedata 14.0.0.
        Assert.Equal(
            "c38e16d2fa4b7f071496b28b9df0d81b29290164b9b04b91d748ad27e52c9d8a",
            Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    [Theory]
    [InlineData("Café ÅNGSTRÖM Việt", "cafe angstrom viet")]
    [InlineData("İSTANBUL ΣΟΦΟΣ", "istanbul σοφοσ")]
    [InlineData("한글", "\u1112\u1161\u11AB\u1100\u1173\u11AF")]
    [InlineData("a\tb\nc\rd\u00A0e\u3000f\u2028g", "a b c d e f g")]
    [InlineData("a\u0085b\u0000c\uFFFDd\u00ADe\u200Bf\uE000g\u001Fh\uD800i", "abcdefghi")]
    [InlineData("a中b\U00020000", "a 中 b \U00020000 ")]
    [InlineData("\uF900", " \u8C48 ")]
    [InlineData("ﬁ ½ ²", "ﬁ ½ ²")]
    [InlineData("a\U0001D165\u302E\u0301b", "a\U0001D165\u302Eb")]
    [InlineData("a\u302E\U0001D165b", "a\U0001D165\u302Eb")]
    [InlineData("a\u302E\u034F\U0001D165b", "a\u302E\U0001D165b")]
    [InlineData("", "")]
    public void Text_is_normalised_as_for_bert_uncased(string text, string expected)
    {
        Assert.Equal(expected, Uncased.Normalize(text).ToString());
    }

    [Fact]
    public void Each_step_of_the_normaliser_can_be_left_out()
    {
        Assert.Equal("i\u0307", (Uncased with { StripAccents = false }).Normalize("İ").ToString());
        Assert.Equal("é", (Uncased with { StripAccents = false }).Normalize("É").ToString());
        Assert.Equal("E", (Uncased with { Lowercase = false }).Normalize("É").ToString());
        Assert.Equal("中", (Uncased with { SpaceCjk = false }).Normalize("中").ToString());
        Assert.Equal("a\t\u200Bb", (Uncased with { CleanText = false }).Normalize("a\t\u200Bb").ToString());
    }

    [Theory]
    [InlineData("[MASK] [mask] x[SEP]y", "[MASK] [ mask ] x [SEP] y")]
    [InlineData("a$b+c<d=e>f^g`h|i~j_k", "a $ b + c < d = e > f ^ g ` h | i ~ j _ k")]
    [InlineData("5€ 10°C", "5 ##€ 10 ##° ##c")]
    [InlineData("«quoted»", "« quoted »")]
    [InlineData("hello\nworld", "hello world")]
    public void Words_split_at_punctuation_and_special_tokens_are_found(string text, string pieces)
    {
        Assert.Equal(pieces, string.Join(' ', Bert.Encode(text).Select(Bert.Piece)));
    }

    [Fact]
    public void A_word_is_measured_in_code_points()
    {
        TextTokenizer tokenizer = Load(("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n𝒳\n##𝒳\nx\n##x\n"));

        Assert.Equal(100, tokenizer.Encode(string.Concat(Enumerable.Repeat("𝒳", 100))).Length);
        Assert.Equal([1], tokenizer.Encode(string.Concat(Enumerable.Repeat("𝒳", 101))));
        Assert.Equal([7, 8, 8, 1], tokenizer.Encode("xxx xxy"));
    }

    [Fact]
    public void Truncation_keeps_the_first_pieces_and_both_special_tokens()
    {
        Assert.Equal([101, 2540, 102], Bert.EncodeWithSpecials("heart attack", 3));
        Assert.Equal([101, 102], Bert.EncodeWithSpecials("heart attack", 2));
        Assert.Equal([101, 2540, 2886, 102], Bert.EncodeWithSpecials("heart attack", null));
        Assert.Equal(
            "The special tokens alone are 2 ids. (Parameter 'maxLength')\nActual value was 1.",
            Assert.Throws<ArgumentOutOfRangeException>(() => Bert.EncodeWithSpecials("heart", 1))
                .Message.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Ids_are_in_range_and_a_space_between_texts_changes_nothing()
    {
        TextTokenizer bert = Bert;
        Gen<string> text = Gen.OneOf(
            Gen.Char['\0', '\u02FF'].Select(c => c.ToString()),
            Gen.Int[0x300, 0x10FFFF].Where(c => c is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32),
            Gen.OneOf("heart ", "[SEP]", "É", "中", "\u0301", "un", "able")).Array[0, 30].Select(string.Concat);
        Gen.Select(text, text).Sample((left, right) =>
        {
            int[] both = bert.Encode(left + " " + right);
            return both.All(id => id >= 0 && id < bert.VocabularySize)
                && both.SequenceEqual([.. bert.Encode(left), .. bert.Encode(right)]);
        });
    }
}
