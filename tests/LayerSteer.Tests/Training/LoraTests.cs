using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

public sealed class LoraTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly TempFolder _folder = new();
    private readonly ParameterSet _start;
    private readonly ArchitectureSpec _spec;

    public LoraTests()
    {
        _tiny.Load().Dispose();
        _start = TrainableCheckpoint.Read(_tiny.Path, out _spec);
    }

    public void Dispose()
    {
        _start.Dispose();
        _tiny.Dispose();
        _folder.Dispose();
    }

    private LoraAdapters Random(int rank = 3)
    {
        var adapters = new LoraAdapters(_spec, rank, 8, WorkerPool.Shared, 2);
        foreach (Parameter parameter in adapters.Values.Layout)
        {
            RandomFloats.Of((ulong)parameter.Start, parameter.Length, 0.2f).CopyTo(adapters.Values.Of(parameter));
        }

        return adapters;
    }

    [Fact]
    public void New_adapters_leave_every_bit_of_the_model()
    {
        using var adapters = new LoraAdapters(_spec, 4, 16, WorkerPool.Shared, 1);
        using var merged = new ParameterSet(_start.Layout);
        merged.CopyFrom(_start);
        adapters.Merge(_start, merged);

        Assert.All(_start.Layout, p => Assert.True(_start.Of(p).SequenceEqual(merged.Of(p))));
    }

    [Fact]
    public void A_merged_matrix_is_the_matrix_plus_the_scaled_product()
    {
        using LoraAdapters adapters = Random();
        using var merged = new ParameterSet(_start.Layout);
        merged.CopyFrom(_start);
        adapters.Merge(_start, merged);
        const string Name = "h.1.mlp.c_fc";
        ReadOnlySpan<float> a = adapters.Values[Name + ".lora_A.weight"];
        ReadOnlySpan<float> b = adapters.Values[Name + ".lora_B.weight"];
        for (int i = 0; i < TinyModel.DModel; i++)
        {
            for (int o = 0; o < TinyModel.DMlp; o++)
            {
                double product = 0;
                for (int r = 0; r < 3; r++)
                {
                    product += (double)a[(r * TinyModel.DModel) + i] * b[(r * TinyModel.DMlp) + o];
                }

                int at = (i * TinyModel.DMlp) + o;
                Assert.Equal(_start[Name + ".weight"][at] + (8.0 / 3 * product), merged[Name + ".weight"][at], 1e-6);
            }
        }
    }

    [Fact]
    public void Gradients_of_the_adapters_are_the_finite_differences_of_the_loss()
    {
        using LoraAdapters adapters = Random();
        using var merged = new ParameterSet(_start.Layout);
        using var gradients = new ParameterSet(_start.Layout);
        using var projected = new ParameterSet(adapters.Values.Layout);
        merged.CopyFrom(_start);
        int[] ids = TinyModel.Ids(9, 2 * 25);
        using var gradient = new DecoderGradient(_spec, WorkerPool.Shared, 2, 24);
        Loss();
        gradient.Accumulate(merged, gradients, ids, 1f / 48);
        adapters.Project(gradients, projected);
        foreach (Parameter parameter in adapters.Values.Layout)
        {
            // The direction of the gradient itself, in which the loss changes by the gradient's norm.
            float[] direction = projected.Of(parameter).ToArray();
            double norm = Math.Sqrt(direction.Sum(g => (double)g * g));
            const double Step = 0.01;
            double up = Moved(Step);
            double down = Moved(-Step);

            Assert.Equal(1, (up - down) / (2 * Step * norm), 0.02);

            double Moved(double by)
            {
                Span<float> values = adapters.Values.Of(parameter);
                float[] before = values.ToArray();
                for (int i = 0; i < before.Length; i++)
                {
                    values[i] += (float)(by * direction[i] / norm);
                }

                double loss = Loss();
                before.CopyTo(adapters.Values.Of(parameter));
                return loss;
            }
        }

        double Loss()
        {
            adapters.Merge(_start, merged);
            gradient.ParametersChanged();
            return gradient.Loss(merged, ids);
        }
    }

    [Fact]
    public void A_written_adapter_loads_on_top_of_its_model_and_gives_the_merged_model()
    {
        using LoraAdapters adapters = Random();
        string digest = TrainableCheckpoint.DigestOf(_tiny.Path);
        adapters.Write(_folder.Path, "tiny", digest, TensorType.F32);
        using var merged = new ParameterSet(_start.Layout);
        merged.CopyFrom(_start);
        adapters.Merge(_start, merged);
        using Decoder loaded = Decoder.Load(_tiny.Path, new LoadOptions { Adapter = _folder.Path });
        float[] row = new float[TinyModel.DModel];
        for (int layer = 0; layer < TinyModel.Layers; layer++)
        {
            loaded.Weights.Blocks[layer].MlpIn.Weights.CopyRow(7, row);
            for (int i = 0; i < row.Length; i++)
            {
                Assert.Equal(merged[$"h.{layer}.mlp.c_fc.weight"][(i * TinyModel.DMlp) + 7], row[i], 1e-6);
            }
        }

        Assert.NotEqual(digest, loaded.Digest);
    }

    [Fact]
    public void An_adapter_of_another_model_or_kind_is_refused()
    {
        using LoraAdapters adapters = Random();
        adapters.Write(_folder.Path, "tiny", "0123", TensorType.BF16);
        string config = _folder.File("adapter_config.json");
        string text = File.ReadAllText(config);
        Assert.Equal(
            $"'{config}': base_model_digest is 0123, but the model's is {TrainableCheckpoint.DigestOf(_tiny.Path)}; "
            + "the adapter was trained on another model",
            Refusal<InvalidDataException>());

        File.WriteAllText(config, text.Replace("\"0123\"", "null", StringComparison.Ordinal));
        Decoder.Load(_tiny.Path, new LoadOptions { Adapter = _folder.Path }).Dispose();

        File.WriteAllText(config, text.Replace("LORA", "IA3", StringComparison.Ordinal));
        Assert.Equal($"'{config}': peft_type is 'IA3'; supported: LORA", Refusal<NotSupportedException>());

        text = text.Replace("\"0123\"", "null", StringComparison.Ordinal);
        File.WriteAllText(config, text.Replace("\"r\": 3", "\"r\": 2", StringComparison.Ordinal));
        string weights = _folder.File("adapter_model.safetensors");
        Assert.Equal(
            $"'{weights}': base_model.model.transformer.h.0.attn.c_attn.lora_A.weight and B have 120 and 360 elements, "
            + "expected [2, 40] and [120, 2]",
            Refusal<InvalidDataException>());

        File.Delete(weights);
        Assert.Equal($"'{weights}': no such file; expected the adapter's weights", Refusal<InvalidDataException>());

        string Refusal<T>() where T : Exception => Assert.Throws<T>(
            () => Decoder.Load(_tiny.Path, new LoadOptions { Adapter = _folder.Path }).Dispose()).Message;
    }
}
