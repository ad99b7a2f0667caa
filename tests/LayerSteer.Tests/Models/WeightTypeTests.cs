using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>Which type weights take, and how far the narrow ones are from float32.</summary>
public class WeightTypeTests
{
    private const int Length = 24;

    [Theory]
    [InlineData(TensorType.F32, WeightType.F32)]
    [InlineData(TensorType.F16, WeightType.F32)]
    [InlineData(TensorType.BF16, WeightType.BF16)]
    public void A_checkpoint_is_loaded_without_loss_by_default(TensorType stored, WeightType expected)
    {
        using var tiny = new TinyModel();
        tiny.WriteConfig();
        tiny.WriteTensors("model.safetensors", tiny.Tensors.Keys, stored);
        using Decoder decoder = tiny.Load();
        Assert.Equal(expected, decoder.Type);
        using Decoder wide = tiny.Load(new LoadOptions { Type = WeightType.F32 });
        int[] ids = TinyModel.Ids(1, Length);
        Bits.Same(Passes.Logits(wide, ids), Passes.Logits(decoder, ids), "against float32");
    }

    [Fact]
    public void One_matrix_of_another_type_makes_all_float32()
    {
        using var tiny = new TinyModel();
        tiny.WriteConfig();
        string[] names = [.. tiny.Tensors.Keys];
        tiny.WriteTensors("model-00001.safetensors", names.Where(n => n != "h.1.mlp.c_fc.weight"), TensorType.BF16);
        tiny.WriteTensors("model-00002.safetensors", ["h.1.mlp.c_fc.weight"]);
        string map = string.Join(", ", names.Select(
            n => $"\"{n}\": \"model-0000{(n == "h.1.mlp.c_fc.weight" ? 2 : 1)}.safetensors\""));
        File.WriteAllText(tiny.File("model.safetensors.index.json"), $"{{\"weight_map\": {{{map}}}}}");
        using Decoder decoder = tiny.Load();
        Assert.Equal(WeightType.F32, decoder.Type);
    }

    [Fact]
    public void Bytes_of_a_token_are_those_of_the_type()
    {
        using var tiny = new TinyModel();
        using Decoder f32 = tiny.Load(new LoadOptions { Type = WeightType.F32 });
        using Decoder bf16 = tiny.Load(new LoadOptions { Type = WeightType.BF16 });
        using Decoder int8 = tiny.Load(new LoadOptions { Type = WeightType.I8 });
        long matrices = 2 * (f32.BytesPerToken - bf16.BytesPerToken) / sizeof(float);
        long outputs = f32.Weights.Unembedding.Outputs + f32.Weights.Blocks.Sum(b => (long)b.QueryKeyValue.Weights.Outputs
            + b.AttentionOut.Weights.Outputs + b.MlpIn.Weights.Outputs + b.MlpOut.Weights.Outputs);
        Assert.Equal(f32.BytesPerToken - (3 * matrices) + (4 * outputs), int8.BytesPerToken);
    }

    /// <summary>
    /// Tolerances: bfloat16 keeps 8 bits, int8 7 and a sign beside the largest of its row; a tiny random model averages
    /// over few inputs, so its logits are off by more than those of a real one. In units of the logits' deviation.
    /// </summary>
    [Theory]
    [InlineData(WeightType.BF16, 0.02)]
    [InlineData(WeightType.I8, 0.03)]
    public void Narrow_weights_stay_near_the_reference(WeightType type, double tolerance)
    {
        foreach (string name in GoldenCase.Names.Select(row => row.Data))
        {
            using GoldenCase golden = GoldenCase.Open(name);
            using Decoder decoder = Decoder.Load(golden.Model, new LoadOptions { Type = type });
            double squares = 0;
            double norm = 0;
            for (int prompt = 0; prompt < golden.Prompts.Length; prompt++)
            {
                float[] expected = golden.Floats(GoldenCase.Prefix(prompt) + "logits_hf");
                float[] logits = Passes.Logits(decoder, golden.TokensWithBos(prompt));
                double mean = expected.Average();
                for (int i = 0; i < expected.Length; i++)
                {
                    squares += Math.Pow(logits[i] - expected[i], 2);
                    norm += Math.Pow(expected[i] - mean, 2);
                }
            }

            double error = Math.Sqrt(squares / norm);
            TestContext.Current.TestOutputHelper?.WriteLine($"{name} {type}: {error:E2}");
            Assert.InRange(error, 1e-6, tolerance);
        }
    }
}
