using LayerSteer.Formats;
using Xunit;

namespace LayerSteer.Tests.Formats;

public class GoldenFilesTests
{
    private const float Tolerance = 5e-5f; // another order of summation in float32: golden/README.md, Tolerances

    [Theory]
    [InlineData("openai-topk", true, TensorType.F32)]
    [InlineData("openai-topk-strided-cuda", true, TensorType.F32)]
    [InlineData("openai-topk-legacy", true, TensorType.F32)]
    [InlineData("openai-topk-half", true, TensorType.F16)]
    [InlineData("openai-topk-identity", true, TensorType.F32)]
    [InlineData("openai-relu", false, TensorType.F32)]
    [InlineData("openai-relu-noname", false, TensorType.F32)]
    public void OpenAI_checkpoints_give_the_values_that_the_reference_computed(string folder, bool normalize, TensorType type)
    {
        using TensorFile file = TensorFile.Open(TestFiles.Golden($"sae-formats/{folder}/autoencoder.pt"));
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("sae-formats/golden.npz"));
        file["pre_bias"].ExpectShape(32);
        file["latent_bias"].ExpectShape(96);
        file["encoder.weight"].ExpectShape(96, 32);
        file["decoder.weight"].ExpectShape(32, 96);
        file["stats_last_nonzero"].ExpectShape(96);
        Assert.Equal(TensorType.I64, file["stats_last_nonzero"].Type);
        Assert.Equal(type, file["encoder.weight"].Type);
        float[] x = golden["x"].ToFloats();
        float[] preActs = golden[$"{folder}.pre_act"].ToFloats();
        float[] latents = golden[$"{folder}.latents"].ToFloats();
        float[] recon = golden[$"{folder}.recon"].ToFloats();
        float[] preBias = file["pre_bias"].ToFloats();
        float[] latentBias = file["latent_bias"].ToFloats();
        float[] encoder = file["encoder.weight"].ToFloats();
        float[] decoder = file["decoder.weight"].ToFloats();
        for (int row = 0; row < 12; row++)
        {
            float[] input = x[(row * 32)..((row + 1) * 32)];
            double mean = normalize ? input.Average() : 0;
            double std = normalize ? Math.Sqrt(input.Sum(v => (v - mean) * (v - mean)) / 31) : 1;
            for (int f = 0; f < 96; f++)
            {
                double sum = latentBias[f];
                for (int i = 0; i < 32; i++)
                {
                    double normal = normalize ? (input[i] - mean) / (std + 1e-5) : input[i];
                    sum += (normal - preBias[i]) * encoder[(f * 32) + i];
                }

                Assert.Equal(preActs[(row * 96) + f], sum, Tolerance);
            }

            for (int i = 0; i < 32; i++)
            {
                double sum = preBias[i];
                for (int f = 0; f < 96; f++)
                {
                    sum += latents[(row * 96) + f] * decoder[(i * 96) + f];
                }

                Assert.Equal(recon[(row * 32) + i], (sum * std) + mean, Tolerance);
            }
        }
    }

    [Theory]
    [InlineData("gemma-scope/params.npz", "gemma-scope")]
    [InlineData("saelens5-standard/sae_weights.safetensors", "saelens5-standard")]
    [InlineData("saelens6-jumprelu/sae_weights.safetensors", "saelens6-jumprelu")]
    [InlineData("saelens6-topk/sae_weights.safetensors", "saelens6-topk")]
    public void Decoders_of_other_formats_give_the_reconstructions_of_the_reference(string path, string name)
    {
        using TensorFile file = TensorFile.Open(TestFiles.Golden($"sae-formats/{path}"));
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("sae-formats/golden.npz"));
        file["W_enc"].ExpectShape(32, 96);
        file["W_dec"].ExpectShape(96, 32);
        file["b_enc"].ExpectShape(96);
        file["b_dec"].ExpectShape(32);
        float[] latents = golden[$"{name}.latents"].ToFloats();
        float[] recon = golden[$"{name}.recon"].ToFloats();
        float[] decoder = file["W_dec"].ToFloats();
        float[] bias = file["b_dec"].ToFloats();
        for (int row = 0; row < 12; row++)
        {
            for (int i = 0; i < 32; i++)
            {
                double sum = bias[i];
                for (int f = 0; f < 96; f++)
                {
                    sum += latents[(row * 96) + f] * decoder[(f * 32) + i];
                }

                Assert.Equal(recon[(row * 32) + i], sum, Tolerance);
            }
        }
    }

    [Fact]
    public void Plain_values_of_a_checkpoint_are_read_beside_its_tensors()
    {
        using TensorFile file = TensorFile.Open(TestFiles.Golden("sae-formats/openai-topk/autoencoder.pt"));
        using TensorFile legacy = TensorFile.Open(TestFiles.Golden("sae-formats/openai-topk-legacy/autoencoder.pt"));
        using TensorFile noName = TensorFile.Open(TestFiles.Golden("sae-formats/openai-relu-noname/autoencoder.pt"));

        Assert.Equal(
            ["activation", "activation_state_dict.k", "activation_state_dict.postact_fn"], file.Values.Keys.Order());
        Assert.Equal("TopK", file.Values["activation"]);
        Assert.Equal("ReLU", file.Values["activation_state_dict.postact_fn"]);
        Assert.IsType<long>(file.Values["activation_state_dict.k"]);
        Assert.Equal(7L, legacy.Values["activation_state_dict.k"]);
        Assert.Empty(noName.Values);
    }

    [Fact]
    public void A_half_precision_model_reads_as_its_exact_float32_values()
    {
        string path = TestFiles.Golden("gpt2-fp16-lastlayer/model/model.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        using TensorFile file = TensorFile.Open(path);
        StoredTensor wte = file["transformer.wte.weight"];
        wte.ExpectShape(757, 40);
        Assert.Equal(TensorType.F16, wte.Type);
        Assert.Equal("pt", file.Values["format"]);
        int header = (int)BitConverter.ToInt64(bytes);
        int begin = System.Text.Json.JsonDocument.Parse(bytes.AsMemory(8, header)).RootElement
            .GetProperty("transformer.wte.weight").GetProperty("data_offsets")[0].GetInt32();
        float[] values = wte.ToFloats();
        for (int i = 0; i < values.Length; i++)
        {
            Assert.Equal((float)BitConverter.ToHalf(bytes, 8 + header + begin + (2 * i)), values[i]);
        }
    }

    [Fact]
    public void Every_reference_file_opens_and_holds_only_values_that_are_meant_to_be_there()
    {
        string root = TestFiles.Golden("");
        string[] paths = [.. Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".pt" or ".npz" or ".safetensors")];
        Assert.NotEmpty(paths);
        foreach (string path in paths)
        {
            using TensorFile file = TensorFile.Open(path);
            Assert.NotEmpty(file.Tensors);
            foreach ((string name, StoredTensor tensor) in file.Tensors)
            {
                float[] values = tensor.ToFloats();
                Assert.Equal(tensor.Length, values.Length);
                Assert.Equal(tensor.Length, tensor.Shape.Aggregate(1L, (a, b) => a * b));
                bool mayHoldNaN = name.StartsWith("score.", StringComparison.Ordinal)
                    || name.Contains("as_run", StringComparison.Ordinal);
                Assert.True(mayHoldNaN || values.All(float.IsFinite), $"{path}: {name}");
            }
        }
    }

    [Fact]
    public void Fortran_ordered_arrays_come_out_row_major()
    {
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("gpt2-topk/golden.npz"));
        using TensorFile sae = TensorFile.Open(TestFiles.Golden("gpt2-topk/sae/autoencoder.pt"));
        sae["decoder.weight"].ExpectShape(64, 512);
        float[] decoder = sae["decoder.weight"].ToFloats();
        float[] bias = sae["pre_bias"].ToFloats();
        float[] resid = golden["p00.resid"].ToFloats(); // [layers, n, 64]
        float[] latents = golden["p00.latents"].ToFloats(); // [n, 512]
        float[] recon = golden["p00.recon"].ToFloats(); // [n, 64]
        int n = (int)golden["p00.recon"].Shape[0];
        for (int row = 0; row < n; row++)
        {
            float[] x = resid[(((2 * n) + row) * 64)..(((2 * n) + row + 1) * 64)];
            double mean = x.Average();
            double std = Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)) / 63);
            for (int i = 0; i < 64; i++)
            {
                double sum = bias[i];
                for (int f = 0; f < 512; f++)
                {
                    sum += latents[(row * 512) + f] * decoder[(i * 512) + f];
                }

                Assert.Equal(recon[(row * 64) + i], (sum * std) + mean, 5e-5);
            }
        }
    }
}
