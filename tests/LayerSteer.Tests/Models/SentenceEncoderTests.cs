using LayerSteer.Models;
using LayerSteer.Tests.Golden;
using LayerSteer.Topics;
using Microsoft.Extensions.AI;
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
            ("d_ref.csv", "score.ref_embed", "ref_wordpiece_ids"),
            ("d_align.csv", "score.align_embed", "align_wordpiece_ids"),
        })
        {
            TextTable texts = TextTable.Read(Path.Combine(golden.Folder, file));
            int[][] windows = [.. texts.Texts
                .Select(t => encoder.Tokenizer.EncodeWithSpecials(t, encoder.TokenizerMaxLength))];
            Assert.Equal(
                golden.Json.GetProperty("scoring").GetProperty(ids).EnumerateArray().Select(GoldenCase.Ints), windows);
            Close.To(
                golden.Floats(array),
                encoder.Embed(windows, TestContext.Current.CancellationToken).SelectMany(v => v).ToArray(),
                2e-6,
                array);
        }
    }

    [Fact]
    public void A_text_in_windows_is_all_embedded()
    {
        using SentenceEncoder encoder = SentenceEncoder.Load(
            Path.Combine(TestFiles.Root, "samples", "tiny", "encoder"));
        string text = string.Concat(Enumerable.Repeat("The doctor listened and the ferry leaned on the mud. ", 9));
        int[] pieces = encoder.Tokenizer.Encode(text);
        foreach (int maxLength in new[] { 3, 7, 16, pieces.Length + 1, pieces.Length + 2, 256 })
        {
            IReadOnlyList<int[]> windows = encoder.Windows(text, maxLength);
            Assert.Equal(pieces, windows.SelectMany(window => window[1..^1]));
            Assert.All(windows, window => Assert.True(window.Length <= maxLength && window.Length > 2));
            Assert.All(windows.SkipLast(1), window => Assert.Equal(maxLength, window.Length));
        }

        Assert.Single(encoder.Windows(string.Empty, 16));
        float[] vectors = Assert.Single(new TextEmbedder(encoder, SteeringMode.Corrected).Embed(
            [text + text + text + text], TestContext.Current.CancellationToken));
        Assert.Equal(0, vectors.Length % encoder.DEmbedding);
        Assert.True(vectors.Length > encoder.DEmbedding);
    }

    [Fact]
    public void A_window_has_the_same_vector_alone_and_beside_others()
    {
        using SentenceEncoder encoder = SentenceEncoder.Load(
            Path.Combine(TestFiles.Root, "samples", "tiny", "encoder"));
        string[] texts =
        [
            "A cough.",
            "The river rose in the night, and by morning the fields were a lake.",
            "x",
            "Rest and drink water.",
        ];
        int[][] windows = [.. texts.Select(text => encoder.Tokenizer.EncodeWithSpecials(text, 256))];
        float[][] together = encoder.Embed(windows, TestContext.Current.CancellationToken);
        for (int i = 0; i < windows.Length; i++)
        {
            Assert.Equal(
                together[i], Assert.Single(encoder.Embed([windows[i]], TestContext.Current.CancellationToken)));
            Assert.Equal(1.0, Math.Sqrt(together[i].Sum(v => (double)v * v)), 1e-6);
        }
    }

    [Fact]
    public async Task It_is_an_embedding_generator()
    {
        using SentenceEncoder encoder = SentenceEncoder.Load(
            Path.Combine(TestFiles.Root, "samples", "tiny", "encoder"));
        GeneratedEmbeddings<Embedding<float>> embeddings = await Embed(encoder, "A cough.", "A river.");
        float[] direct = encoder.Embed(
            [encoder.Tokenizer.EncodeWithSpecials("A river.", encoder.MaxLength)],
            TestContext.Current.CancellationToken)[0];
        Assert.Equal(direct, embeddings[1].Vector.ToArray());
        Assert.Equal(encoder.DEmbedding, encoder.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions);
    }

    private static Task<GeneratedEmbeddings<Embedding<float>>> Embed<T>(T generator, params string[] texts)
        where T : IEmbeddingGenerator<string, Embedding<float>> =>
        generator.GenerateAsync(texts, cancellationToken: TestContext.Current.CancellationToken);
}
