using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using LayerSteer.Tests.Training;
using LayerSteer.Text;
using LayerSteer.Topics;
using Microsoft.Extensions.AI;
using Xunit;

namespace LayerSteer.Tests.Models;

public class StaticEncoderTests
{
    private const int D = 24;

    [Fact]
    public void What_was_written_is_loaded_and_embeds_a_text_as_the_unit_mean_of_its_vectors()
    {
        using var folder = new TempFolder();
        float[] vectors = Write(folder, "encoder");
        using SentenceEncoder encoder = SentenceEncoder.Load(folder.File("encoder"));
        Assert.Equal((D, 512, 1024), (encoder.DEmbedding, encoder.MaxLength, encoder.TokenizerMaxLength));
        string[] texts = ["the harbour was near", "flour and butter with honey", "sail sail sail"];
        int[][] windows = [.. texts.Select(encoder.Tokenizer.Encode)];
        float[][] embedded = encoder.Embed(windows, TestContext.Current.CancellationToken);
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.Equal(windows[i], Assert.Single(encoder.Windows(texts[i], encoder.MaxLength)));
            double[] mean = [.. Enumerable.Range(0, D).Select(j =>
                windows[i].Average(token => (double)vectors[(token * D) + j]))];
            double norm = Math.Sqrt(mean.Sum(m => m * m));
            Assert.Equal(mean.Select(m => (float)(m / norm)), embedded[i]);
            Bits.Same(
                embedded[i], encoder.Embed([windows[i]], TestContext.Current.CancellationToken)[0], "alone");
        }
    }

    [Fact]
    public void A_bf16_copy_embeds_as_its_rounded_vectors_and_takes_half_the_bytes()
    {
        using var folder = new TempFolder();
        float[] vectors = Write(folder, "encoder");
        StaticEncoderFolder.Convert(folder.File("encoder"), folder.File("small"), WeightType.BF16);
        Write(folder, "rounded", [.. vectors.Select(v => BFloat16.Widen(BFloat16.Nearest(v)))]);
        using SentenceEncoder small = SentenceEncoder.Load(folder.File("small"));
        using SentenceEncoder rounded = SentenceEncoder.Load(folder.File("rounded"));
        int[][] windows = [small.Tokenizer.Encode("the tide was very near the wharf")];
        Bits.Same(
            rounded.Embed(windows, TestContext.Current.CancellationToken)[0],
            small.Embed(windows, TestContext.Current.CancellationToken)[0],
            "bf16");
        long Bytes(string name) => new FileInfo(Path.Combine(folder.File(name), Module, "model.safetensors")).Length;
        Assert.InRange(Bytes("small"), Bytes("encoder") / 2, (Bytes("encoder") / 2) + 200);
        Assert.NotEqual(rounded.Digest, small.Digest);
    }

    [Fact]
    public async Task A_text_without_tokens_has_the_vector_zero_and_no_vector_is_NaN()
    {
        using var folder = new TempFolder();
        Write(folder, "encoder");
        using SentenceEncoder encoder = SentenceEncoder.Load(folder.File("encoder"));
        Assert.Empty(Assert.Single(encoder.Windows(string.Empty, 16)));
        GeneratedEmbeddings<Embedding<float>> embedded =
            await encoder.GenerateAsync(["", "a"], cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(new float[D], embedded[0].Vector.ToArray());
        Assert.Equal(1, embedded[1].Vector.ToArray().Sum(v => (double)v * v), 1e-6);

        Write(folder, "zeros", new float[encoder.Tokenizer.VocabularySize * D]);
        using SentenceEncoder zeros = SentenceEncoder.Load(folder.File("zeros"));
        Assert.Equal(
            new float[D],
            zeros.Embed([zeros.Tokenizer.Encode("sail")], TestContext.Current.CancellationToken)[0]);
    }

    [Fact]
    public async Task Long_texts_are_split_into_windows_for_topics_and_whole_for_a_generator()
    {
        using var folder = new TempFolder();
        Write(folder, "encoder");
        string text = string.Join(' ', PlantedTopics.Documents(40, 8));
        using (SentenceEncoder encoder = SentenceEncoder.Load(folder.File("encoder")))
        {
            int[] tokens = encoder.Tokenizer.Encode(text);
            IReadOnlyList<int[]> windows = encoder.Windows(text, encoder.MaxLength);
            Assert.True(windows.Count > 2);
            Assert.Equal(tokens, windows.SelectMany(window => window));
            Assert.Equal(encoder.MaxLength, windows.Max(window => window.Length));
            GeneratedEmbeddings<Embedding<float>> whole =
                await encoder.GenerateAsync([text], cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(
                encoder.Embed([tokens], TestContext.Current.CancellationToken)[0], whole[0].Vector.ToArray());
            float[] embedded = Assert.Single(new TextEmbedder(encoder, SteeringMode.Corrected).Embed(
                [text], TestContext.Current.CancellationToken));
            Assert.Equal(windows.Count * D, embedded.Length);
        }

        File.WriteAllText(
            Path.Combine(folder.File("encoder"), "sentence_bert_config.json"), """{"max_seq_length": 100}""");
        using SentenceEncoder limited = SentenceEncoder.Load(folder.File("encoder"));
        Assert.Equal(100, limited.MaxLength);
    }

    [Fact]
    public void The_layouts_of_other_tools_are_read()
    {
        using var folder = new TempFolder();
        float[] vectors = Write(folder, "encoder");

        // model2vec puts the files beside modules.json and calls the matrix "embeddings".
        string flat = folder.File("flat");
        Directory.CreateDirectory(flat);
        TokenizerFiles.Copy(folder.File("tokenizer"), flat);
        using (var writer = new SafetensorsWriter(Path.Combine(flat, "model.safetensors")))
        {
            writer.Add<float>("embeddings", [vectors.Length / D, D], vectors);
            writer.Complete();
        }

        File.WriteAllText(
            Path.Combine(flat, "modules.json"),
            """[{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]""");
        using SentenceEncoder nested = SentenceEncoder.Load(folder.File("encoder"));
        using SentenceEncoder other = SentenceEncoder.Load(flat);
        int[][] windows = [nested.Tokenizer.Encode("rope and keel")];
        Bits.Same(
            nested.Embed(windows, TestContext.Current.CancellationToken)[0],
            other.Embed(windows, TestContext.Current.CancellationToken)[0],
            "model2vec's layout");
    }

    [Fact]
    public void What_cannot_be_right_is_refused_by_name()
    {
        using var folder = new TempFolder();
        float[] vectors = Write(folder, "encoder");
        int vocabulary = vectors.Length / D;
        string module = Path.Combine(folder.File("encoder"), Module);
        string weights = Path.Combine(module, "model.safetensors");

        vectors[(5 * D) + 3] = float.NaN;
        Write(folder, "encoder", vectors);
        Assert.Equal(
            $"'{weights}': tensor embedding.weight holds NaN at element {(5 * D) + 3}, expected finite numbers",
            Refusal<InvalidDataException>(folder));

        Write(folder, "encoder", new float[(vocabulary - 1) * D]);
        Assert.Equal(
            $"'{module}': embedding.weight is [{vocabulary - 1}, {D}], expected [{vocabulary}, d], "
            + "a row for each id of the tokenizer",
            Refusal<InvalidDataException>(folder));

        using (var writer = new SafetensorsWriter(weights))
        {
            writer.Add<float>("weight", [1], [1f]);
            writer.Complete();
        }

        Assert.Equal(
            $"'{module}': no tensor 'embedding.weight'; the file has weight", Refusal<InvalidDataException>(folder));

        File.Delete(weights);
        Assert.Equal(
            $"'{module}': no weights; looked for model.safetensors, model.safetensors.index.json, "
            + "pytorch_model.bin, pytorch_model.bin.index.json",
            Refusal<InvalidDataException>(folder));

        foreach (string file in Directory.GetFiles(module))
        {
            File.Delete(file);
        }

        Assert.StartsWith(
            $"'{module}': no tokenizer found; looked for tokenizer.json", Refusal<InvalidDataException>(folder),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(
        """
        [{"path": "", "type": "sentence_transformers.models.Transformer"},
         {"path": "1", "type": "sentence_transformers.models.Pooling"},
         {"path": "2", "type": "sentence_transformers.models.Dense"}]
        """,
        "no module 'sentence_transformers.models.Dense' is known; SUPPORTED")]
    [InlineData(
        """
        [{"path": "", "type": "sentence_transformers.models.Normalize"},
         {"path": "1", "type": "sentence_transformers.models.StaticEmbedding"}]
        """,
        "the modules are Normalize, StaticEmbedding; SUPPORTED")]
    [InlineData("[]", "the modules are none; SUPPORTED")]
    public void An_unknown_module_or_order_is_refused(string modules, string expected)
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.File("encoder"));
        string path = Path.Combine(folder.File("encoder"), "modules.json");
        File.WriteAllText(path, modules);
        expected = expected.Replace(
            "SUPPORTED",
            "supported: Transformer and Pooling, or StaticEmbedding, each with or without Normalize after it",
            StringComparison.Ordinal);
        Assert.Equal($"'{path}': {expected}", Refusal<NotSupportedException>(folder));
    }

    [Theory]
    [InlineData("""{"0": 1}""", "expected a JSON array, found Object")]
    [InlineData("""[{"type": 3, "path": ""}]""", "entry 0 has no string 'type', expected one")]
    [InlineData("[7]", "entry 0 has no string 'type', expected one")]
    [InlineData(
        """[{"type": "StaticEmbedding", "path": "../elsewhere"}]""",
        "path is '../elsewhere', expected the name of a folder within this one")]
    [InlineData(
        """[{"type": "StaticEmbedding", "path": "/etc"}]""",
        "path is '/etc', expected the name of a folder within this one")]
    public void A_damaged_modules_json_is_refused(string modules, string expected)
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.File("encoder"));
        string path = Path.Combine(folder.File("encoder"), "modules.json");
        File.WriteAllText(path, modules);
        Assert.Equal($"'{path}': {expected}", Refusal<InvalidDataException>(folder));
    }

    [Fact]
    public void Only_a_static_encoder_is_converted_and_not_onto_itself()
    {
        string bert = Path.Combine(TestFiles.Root, "samples", "tiny", "encoder");
        using var folder = new TempFolder();
        Assert.Equal(
            $"'{bert}': is no static encoder; expected a modules.json that names a StaticEmbedding",
            Assert.Throws<InvalidDataException>(
                () => StaticEncoderFolder.Convert(bert, folder.File("out"), WeightType.BF16)).Message);
        Write(folder, "encoder");
        Assert.Equal(
            $"'{folder.File("encoder")}' is the folder of the encoder itself; give another",
            Assert.Throws<ArgumentException>(() => StaticEncoderFolder.Convert(
                folder.File("encoder"), folder.File("encoder"), WeightType.BF16)).Message);
        Assert.Equal(
            "a static encoder is not stored as int8; supported: f32, bf16",
            Assert.Throws<NotSupportedException>(() => StaticEncoderFolder.Convert(
                folder.File("encoder"), folder.File("out"), WeightType.I8)).Message);
    }

    private const string Module = "0_StaticEmbedding";

    private static float[] Write(TempFolder folder, string name, float[]? vectors = null)
    {
        string tokenizer = folder.File("tokenizer");
        int vocabulary = Directory.Exists(tokenizer)
            ? TextTokenizer.Load(tokenizer).VocabularySize
            : PlantedTopics.Tokenizer(Directory.CreateDirectory(tokenizer).FullName).VocabularySize;
        var random = new SplitMix64(9);
        vectors ??= [.. Enumerable.Range(0, vocabulary * D).Select(_ => (float)(random.NextDouble() - 0.5))];
        StaticEncoderFolder.Write(folder.File(name), tokenizer, vectors, D);
        return vectors;
    }

    private static string Refusal<TException>(TempFolder folder) where TException : Exception =>
        Assert.Throws<TException>(() => SentenceEncoder.Load(folder.File("encoder")).Dispose()).Message;
}
