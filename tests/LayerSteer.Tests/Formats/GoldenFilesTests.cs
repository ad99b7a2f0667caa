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
    public void OpenAI_checkpoints_give_the_values_that_the_reference_computed(
        string folder, bool normalize, TensorType type)
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
        // numpy wrote score.align_embed in Fortran order; score.min_dist was computed from it.
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("gpt2-topk/golden.npz"));
        golden["score.align_embed"].ExpectShape(5, 32);
        float[] references = golden["score.ref_embed"].ToFloats(); // [16, 32]
        float[] alignments = golden["score.align_embed"].ToFloats(); // [5, 32]
        float[] distances = golden["score.min_dist"].ToFloats(); // [16]
        for (int r = 0; r < distances.Length; r++)
        {
            double nearest = double.MaxValue;
            for (int a = 0; a < 5; a++)
            {
                double squares = 0;
                for (int i = 0; i < 32; i++)
                {
                    squares += Math.Pow(references[(r * 32) + i] - alignments[(a * 32) + i], 2);
                }

                nearest = Math.Min(nearest, Math.Sqrt(squares));
            }

            Assert.Equal(distances[r], nearest, 1e-5);
        }
    }

    [Theory]
    [InlineData("gpt2-topk", 64, 512, 4, 2)]
    [InlineData("gpt2-relu-sharded", 32, 96, 3, 0)]
    [InlineData("gpt2-fp16-lastlayer", 40, 256, 3, 2)]
    public void Autoencoders_of_the_models_reconstruct_the_residual_as_the_reference_did(
        string folder, int dIn, int dSae, int layers, int layer)
    {
        using TensorFile golden = TensorFile.Open(TestFiles.Golden($"{folder}/golden.npz"));
        using TensorFile sae = TensorFile.Open(TestFiles.Golden($"{folder}/sae/autoencoder.pt"));
        bool normalize = Equals(sae.Values.GetValueOrDefault("activation"), "TopK");
        sae["decoder.weight"].ExpectShape(dIn, dSae);
        int n = (int)golden["p00.recon"].Shape[0];
        golden["p00.resid"].ExpectShape(layers, n, dIn);
        float[] decoder = sae["decoder.weight"].ToFloats();
        float[] bias = sae["pre_bias"].ToFloats();
        float[] resid = golden["p00.resid"].ToFloats();
        float[] latents = golden["p00.latents"].ToFloats(); // [n, dSae]
        float[] recon = golden["p00.recon"].ToFloats(); // [n, dIn]
        for (int row = 0; row < n; row++)
        {
            float[] x = resid[(((layer * n) + row) * dIn)..(((layer * n) + row + 1) * dIn)];
            double mean = normalize ? x.Average() : 0;
            double std = normalize ? Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)) / (dIn - 1)) : 1;
            for (int i = 0; i < dIn; i++)
            {
                double sum = bias[i];
                for (int f = 0; f < dSae; f++)
                {
                    sum += latents[(row * dSae) + f] * decoder[(i * dSae) + f];
                }

                Assert.Equal(recon[(row * dIn) + i], (sum * std) + mean, Tolerance);
            }
        }
    }
}
