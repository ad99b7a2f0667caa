using LayerSteer.Models;
using LayerSteer.Tests.Golden;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Models;

public class SentenceEncoderTests
{
    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void Sentence_vectors_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using SentenceEncoder encoder = SentenceEncoder.Load(golden.Encoder);
        foreach ((string file, string array, string ids) in new[]
        {
            ("d_ref.csv", "score.ref_embed", "ref_wordpiece_ids"), ("d_align.csv", "score.align_embed", "align_wordpiece_ids"),
        })
        {
            TextTable texts = TextTable.Read(Path.Combine(golden.Folder, file));
            int[][] windows = [.. texts.Texts.Select(t => encoder.Tokenizer.EncodeWithSpecials(t, encoder.TokenizerMaxLength))];
            Assert.Equal(golden.Json.GetProperty("scoring").GetProperty(ids).EnumerateArray().Select(GoldenCase.Ints), windows);
            Close.To(golden.Floats(array), encoder.Embed(windows, TestContext.Current.CancellationToken).SelectMany(v => v).ToArray(), 2e-6, array);
        }
    }
}
