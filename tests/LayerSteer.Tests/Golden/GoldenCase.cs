using System.Text.Json;
using LayerSteer.Formats;
using Xunit;

namespace LayerSteer.Tests.Golden;

/// <summary>One GPT-2 reference case: its files, golden.json and golden.npz.</summary>
internal sealed class GoldenCase : IDisposable
{
    private readonly JsonDocument _json;
    private readonly TensorFile _arrays;

    private GoldenCase(string folder)
    {
        Folder = folder;
        _json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "golden.json")));
        _arrays = TensorFile.Open(Path.Combine(folder, "golden.npz"));
        Prompts = JsonSerializer.Deserialize<string[]>(File.ReadAllText(Path.Combine(folder, "prompts.json")))!;
    }

    public static TheoryData<string> Names => ["gpt2-topk", "gpt2-relu-sharded", "gpt2-fp16-lastlayer"];

    public string Folder { get; }

    public string Model => Path.Combine(Folder, "model");

    public string Sae => Path.Combine(Folder, "sae", "autoencoder.pt");

    public string Encoder => Path.Combine(Folder, "encoder");

    public string Scores => Path.Combine(Folder, "scores.csv");

    public string[] Prompts { get; }

    public JsonElement Json => _json.RootElement;

    public int Layer => Json.GetProperty("case").GetProperty("layer").GetInt32();

    public int LayerCount => Json.GetProperty("case").GetProperty("n_layers").GetInt32();

    public int Context => Json.GetProperty("case").GetProperty("n_ctx").GetInt32();

    public static GoldenCase Open(string name) => new(TestFiles.Golden(name));

    public static string Prefix(int prompt) => $"p{prompt:D2}.";

    public bool Has(string array) => _arrays.Tensors.ContainsKey(array);

    public float[] Floats(string array) => _arrays[array].ToFloats();

    public int[] TokensWithBos(int prompt) => Ints(Json.GetProperty("prompts")[prompt].GetProperty("tokens_bos"));

    public static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetInt32())];

    public void Dispose()
    {
        _json.Dispose();
        _arrays.Dispose();
    }
}

/// <summary>Comparisons with a stated tolerance.</summary>
internal static class Close
{
    public static void To(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            // Not-a-number in the reference must be not-a-number here; a plain comparison would let it pass.
            bool close = float.IsNaN(expected[i])
                ? float.IsNaN(actual[i])
                : Math.Abs((double)expected[i] - actual[i]) <= tolerance;
            Assert.True(close, $"{what}[{i}]: expected {expected[i]}, found {actual[i]}, tolerance {tolerance}");
        }
    }

    /// <summary>Subtracts each row's mean: the reference's logits are centred over the vocabulary.</summary>
    public static float[] Centred(ReadOnlySpan<float> rows, int width)
    {
        float[] centred = rows.ToArray();
        for (int row = 0; row < centred.Length / width; row++)
        {
            double mean = 0;
            for (int i = 0; i < width; i++)
            {
                mean += centred[(row * width) + i];
            }

            for (int i = 0; i < width; i++)
            {
                centred[(row * width) + i] -= (float)(mean / width);
            }
        }

        return centred;
    }
}
