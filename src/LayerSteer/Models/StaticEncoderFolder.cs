using LayerSteer.Formats;
using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Models;

/// <summary>
/// Writes a static sentence encoder in the layout of sentence-transformers, which loads it too: modules.json names a
/// StaticEmbedding in <c>0_StaticEmbedding</c>, with model.safetensors and the tokenizer's files, and a Normalize.
/// </summary>
public static class StaticEncoderFolder
{
    private const string Module = "0_StaticEmbedding";

    /// <summary>
    /// Writes an encoder. modules.json comes last: a folder without it is not taken for a static encoder.
    /// </summary>
    /// <param name="directory">The folder; made if it is not there, and the encoder in it replaced.</param>
    /// <param name="tokenizer">
    /// A folder with the tokenizer's files, which are copied. sentence-transformers needs a tokenizer.json among them.
    /// </param>
    /// <param name="vectors">The vector of each id, [vocabulary, d], row-major.</param>
    /// <param name="d">The length of a vector.</param>
    /// <param name="type">F32, or BF16: rounded to the nearest, half the bytes.</param>
    /// <exception cref="NotSupportedException">The type is another.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static void Write(
        string directory, string tokenizer, ReadOnlySpan<float> vectors, int d, WeightType type = WeightType.F32)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentOutOfRangeException.ThrowIfLessThan(d, 1);
        Shape.Require(vectors.Length % d == 0);
        if (type is not (WeightType.F32 or WeightType.BF16))
        {
            throw new NotSupportedException(
                $"a static encoder is not stored as {WeightTypes.NameOf(type)}; supported: f32, bf16");
        }

        string module = Path.Combine(directory, Module);
        Directory.CreateDirectory(module);
        string modules = Path.Combine(directory, SentenceModules.FileName);
        Directory.CreateDirectory(Path.Combine(directory, "1_Normalize")); // empty, as sentence-transformers leaves it
        File.Delete(modules);
        TokenizerFiles.Copy(tokenizer, module);
        WriteVectors(Path.Combine(module, "model.safetensors"), vectors, d, type);
        AtomicFile.WriteAllText(
            Path.Combine(directory, "config_sentence_transformers.json"),
            """
            {
              "prompts": {},
              "default_prompt_name": null,
              "similarity_fn_name": "cosine"
            }

            """);
        AtomicFile.WriteAllText(
            modules,
            $$"""
            [
              {
                "idx": 0,
                "name": "0",
                "path": "{{Module}}",
                "type": "sentence_transformers.models.StaticEmbedding"
              },
              {
                "idx": 1,
                "name": "1",
                "path": "1_Normalize",
                "type": "sentence_transformers.models.Normalize"
              }
            ]

            """);
    }

    /// <summary>Writes an encoder again, in another type.</summary>
    /// <param name="source">The folder of a static encoder.</param>
    /// <param name="directory">The folder to write; not the same.</param>
    /// <param name="type">F32, or BF16: rounded to the nearest, half the bytes.</param>
    /// <exception cref="InvalidDataException">The source is no static encoder, or damaged.</exception>
    /// <exception cref="NotSupportedException">The type is another, or the source has another module.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static void Convert(string source, string directory, WeightType type)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(directory);
        if (Path.GetFullPath(source) == Path.GetFullPath(directory))
        {
            throw new ArgumentException($"'{directory}' is the folder of the encoder itself; give another");
        }

        SentenceModules modules = SentenceModules.Read(source);
        if (!modules.IsStatic)
        {
            throw new InvalidDataException(
                $"'{source}': is no static encoder; expected a {SentenceModules.FileName} "
                + "that names a StaticEmbedding");
        }

        string module = Path.Combine(source, modules.Path);
        using Checkpoint checkpoint = Checkpoint.Open(module);
        (string name, int vocabulary, int d) =
            StaticNetwork.Matrix(checkpoint, TextTokenizer.Load(module).VocabularySize);
        Write(directory, module, checkpoint.Vector(name, vocabulary, d), d, type);
    }

    private static void WriteVectors(string path, ReadOnlySpan<float> vectors, int d, WeightType type)
    {
        using var writer = new SafetensorsWriter(path, new Dictionary<string, string> { ["format"] = "pt" });
        TensorType stored = type == WeightType.BF16 ? TensorType.BF16 : TensorType.F32;
        writer.AddFloats(StaticNetwork.Trained, stored, [vectors.Length / d, d], vectors);
        writer.Complete();
    }
}
