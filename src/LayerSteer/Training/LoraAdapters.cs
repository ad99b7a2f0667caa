using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>
/// Low-rank adapters on every matrix of the blocks (Hu et al. 2022, "LoRA", eq. 3):
/// <code>
/// W = W0 + (alpha / rank)·Aᵀ·B;  A [rank, inputs], B [rank, outputs], W [inputs, outputs]
/// dA = (alpha / rank)·B·dWᵀ,  dB = (alpha / rank)·A·dW
/// </code>
/// The model runs with the merged weights, so that training knows one forward pass, and an adapter costs nothing when
/// it is used. A starts normal, B at 0: the first step starts from the model as it is. The caller disposes it.
/// </summary>
public sealed class LoraAdapters : IDisposable
{
    private readonly WorkerPool _pool;
    private readonly Target[] _targets;
    private readonly TileBuffer _tiles = new();
    private readonly PanelBuffer _panels = new();

    /// <summary>New adapters.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="rank">At least 1.</param>
    /// <param name="alpha">The factor times the rank, above 0.</param>
    /// <param name="pool">The threads.</param>
    /// <param name="seed">Chooses A.</param>
    public LoraAdapters(ArchitectureSpec spec, int rank, double alpha, WorkerPool pool, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(alpha);
        Rank = rank;
        Alpha = alpha;
        _pool = pool;
        var layout = new List<Parameter>();
        var targets = new List<Target>();
        foreach (Parameter matrix in ParameterSet.Gpt2Layout(spec))
        {
            if (!matrix.Decays || !matrix.Name.StartsWith("h.", StringComparison.Ordinal))
            {
                continue;
            }

            string name = matrix.Name[..^".weight".Length];
            Parameter a = ParameterSet.Add(layout, name + ".lora_A.weight", false, rank, matrix.Shape[0]);
            Parameter b = ParameterSet.Add(layout, name + ".lora_B.weight", false, rank, matrix.Shape[1]);
            targets.Add(new Target(matrix, a, b));
        }

        _targets = [.. targets];
        Values = new ParameterSet(layout);
        var random = new SplitMix64(seed);
        foreach (Target target in _targets)
        {
            TrainableCheckpoint.Normal(ref random, Values.Of(target.A), 1 / Math.Sqrt(target.A.Shape[1]));
        }
    }

    /// <summary>The rank.</summary>
    public int Rank { get; }

    /// <summary>The factor of the adapters times the rank.</summary>
    public double Alpha { get; }

    /// <summary>A and B of each matrix.</summary>
    public ParameterSet Values { get; }

    private float Scale => (float)(Alpha / Rank);

    /// <summary>Sets the matrices of a model to W0 plus the adapters.</summary>
    /// <param name="start">The model that the adapters were made for.</param>
    /// <param name="merged">Of the same layout; its other tensors are left alone.</param>
    public void Merge(ParameterSet start, ParameterSet merged)
    {
        ArgumentNullException.ThrowIfNull(start);
        ArgumentNullException.ThrowIfNull(merged);
        foreach (Target target in _targets)
        {
            Span<float> weights = merged.Of(target.Matrix);
            start.Of(target.Matrix).CopyTo(weights);
            int inputs = (int)target.A.Shape[1];
            int outputs = (int)target.B.Shape[1];
            float[] scaled = Scaled(Values.Of(target.A));
            _tiles.Pack(_pool, scaled, Rank, inputs, inputs);
            _panels.PackColumns(_pool, Values.Of(target.B), outputs, Rank, outputs);
            OuterProductKernel.Run(_pool, _tiles, _panels, weights);
        }
    }

    /// <summary>The gradient of the adapters from that of the merged matrices.</summary>
    /// <param name="model">The gradient of all weights.</param>
    /// <param name="adapters">Receives that of the adapters; every element is written.</param>
    public void Project(ParameterSet model, ParameterSet adapters)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(adapters);
        foreach (Target target in _targets)
        {
            int inputs = (int)target.A.Shape[1];
            int outputs = (int)target.B.Shape[1];
            ReadOnlySpan<float> gradient = model.Of(target.Matrix);
            _panels.PackRows(_pool, gradient, inputs, outputs);
            _panels.Multiply(_pool, [], Scaled(Values.Of(target.B)), adapters.Of(target.A), Rank);
            _panels.PackColumns(_pool, gradient, outputs, inputs, outputs);
            _panels.Multiply(_pool, [], Scaled(Values.Of(target.A)), adapters.Of(target.B), Rank);
        }
    }

    /// <summary>Writes the adapter in PEFT's layout, as bfloat16 or float32.</summary>
    /// <param name="directory">The folder; it must exist.</param>
    /// <param name="baseModel">The name of the model that it belongs to.</param>
    /// <param name="baseDigest">The digest of its checkpoint; loading on another is refused.</param>
    /// <param name="type">F32 or BF16.</param>
    /// <exception cref="IOException">A file cannot be written; one of that name stays as it was.</exception>
    public void Write(string directory, string baseModel, string baseDigest, TensorType type)
    {
        ArgumentNullException.ThrowIfNull(directory);
        using (var writer = new SafetensorsWriter(Path.Combine(directory, LoraCheckpoint.WeightsName)))
        {
            foreach (Target target in _targets)
            {
                string name = target.Matrix.Name[..^".weight".Length];
                int outputs = (int)target.B.Shape[1];
                writer.AddFloats(
                    LoraCheckpoint.NameOf(name, true), type, [.. target.A.Shape], Values.Of(target.A));
                ReadOnlySpan<float> b = Values.Of(target.B);
                float[] transposed = new float[b.Length]; // [outputs, rank]
                for (int i = 0; i < b.Length; i++)
                {
                    transposed[(i % outputs * Rank) + (i / outputs)] = b[i];
                }

                writer.AddFloats(LoraCheckpoint.NameOf(name, false), type, [outputs, Rank], transposed);
            }

            writer.Complete();
        }

        AtomicFile.WriteAllText(Path.Combine(directory, LoraCheckpoint.ConfigName), new JsonObject
        {
            ["peft_type"] = "LORA",
            ["task_type"] = "CAUSAL_LM",
            ["base_model_name_or_path"] = baseModel,
            ["base_model_digest"] = baseDigest,
            ["r"] = Rank,
            ["lora_alpha"] = Alpha,
            ["lora_dropout"] = 0.0,
            ["bias"] = "none",
            ["fan_in_fan_out"] = true,
            ["inference_mode"] = true,
            ["target_modules"] = new JsonArray("c_attn", "c_proj", "c_fc"),
        }.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Values.Dispose();
        _tiles.Dispose();
        _panels.Dispose();
    }

    private float[] Scaled(ReadOnlySpan<float> values)
    {
        float[] scaled = values.ToArray();
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] *= Scale;
        }

        return scaled;
    }

    private sealed record Target(Parameter Matrix, Parameter A, Parameter B);
}
