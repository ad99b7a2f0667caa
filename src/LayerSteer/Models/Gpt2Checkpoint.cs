using System.Text.RegularExpressions;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// The weight names of GPT-2. Its linear layers are <c>Conv1D</c>, stored [inputs, outputs]; queries, keys and values
/// are one matrix already; the buffers <c>attn.bias</c> (the causal mask) and <c>attn.masked_bias</c> are not weights.
/// </summary>
internal static partial class Gpt2Checkpoint
{
    public static DecoderWeights Load(
        Checkpoint checkpoint, ArchitectureSpec spec, WeightType? wanted, WeightStore store)
    {
        checkpoint.StripPrefix("transformer.", "wte.weight");
        int d = spec.DModel;
        ElementReader embedding = checkpoint.Matrix("wte.weight", spec.Vocabulary, d);
        float[] positions = checkpoint.Vector("wpe.weight", spec.ContextLength, d);
        Norm finalNorm = checkpoint.Norm("ln_f", spec.DModel, spec.NormEpsilon);
        bool tied = spec.TiedUnembedding || !checkpoint.Has("lm_head.weight");
        ElementReader? head = tied ? null : checkpoint.Matrix("lm_head.weight", spec.Vocabulary, d);

        // The shapes of all blocks are checked before the first large matrix is packed.
        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            foreach ((string name, int inputs, int outputs) in Linears(spec))
            {
                checkpoint.Tensor($"h.{layer}.{name}.weight", inputs, outputs);
                checkpoint.Tensor($"h.{layer}.{name}.bias", outputs);
            }
        }

        WeightType type = wanted ?? LosslessType(checkpoint, spec, tied);
        var blocks = new BlockWeights[spec.NLayers];
        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            Norm norm1 = checkpoint.Norm($"h.{layer}.ln_1", spec.DModel, spec.NormEpsilon);
            Norm norm2 = checkpoint.Norm($"h.{layer}.ln_2", spec.DModel, spec.NormEpsilon);
            Linear[] linears =
                [
                    .. Linears(spec)
                        .Select(l => ReadLinear(checkpoint, $"h.{layer}.{l.Name}", l.Inputs, l.Outputs, type, store)),
                ];
            blocks[layer] = new BlockWeights(norm1, linears[0], linears[1], norm2, linears[2], linears[3]);
        }

        RefuseUnknown(checkpoint);
        WeightMatrix packed = WeightMatrix.FromRows(store, "wte.weight", type, spec.Vocabulary, d, embedding);
        WeightMatrix unembedding = head is null
            ? packed
            : WeightMatrix.FromRows(store, "lm_head.weight", type, spec.Vocabulary, d, head);
        return new DecoderWeights(packed, positions, blocks, finalNorm, unembedding);
    }

    private static (string Name, int Inputs, int Outputs)[] Linears(ArchitectureSpec spec) =>
    [
        ("attn.c_attn", spec.DModel, 3 * spec.DModel),
        ("attn.c_proj", spec.DModel, spec.DModel),
        ("mlp.c_fc", spec.DModel, spec.DMlp),
        ("mlp.c_proj", spec.DMlp, spec.DModel),
    ];

    /// <summary>bfloat16 if every matrix is stored so: a checkpoint has one type in memory.</summary>
    private static WeightType LosslessType(Checkpoint checkpoint, ArchitectureSpec spec, bool tied)
    {
        IEnumerable<string> names = Enumerable.Range(0, spec.NLayers)
            .SelectMany(layer => Linears(spec).Select(l => $"h.{layer}.{l.Name}.weight"))
            .Append("wte.weight")
            .Concat(tied ? [] : ["lm_head.weight"]);
        return names.All(name => checkpoint.TypeOf(name) == TensorType.BF16)
            ? WeightType.BF16
            : WeightType.F32;
    }

    private static Linear ReadLinear(
        Checkpoint checkpoint, string name, int inputs, int outputs, WeightType type, WeightStore store)
    {
        float[] bias = checkpoint.Vector(name + ".bias", outputs);
        ElementReader weights = checkpoint.Matrix(name + ".weight", inputs, outputs);
        return new Linear(WeightMatrix.FromColumns(store, name, type, outputs, inputs, weights), bias);
    }

    /// <summary>
    /// A tensor in a block that we do not use would change what the model computes; other heads would not.
    /// </summary>
    private static void RefuseUnknown(Checkpoint checkpoint)
    {
        string[] unknown = [.. checkpoint.Unused
            .Where(name => name.StartsWith("h.", StringComparison.Ordinal) && !MaskBuffer().IsMatch(name))];
        if (unknown.Length > 0)
        {
            throw new InvalidDataException(
                $"'{checkpoint.Directory}': {unknown.Length} tensors that a gpt2 block does not have: "
                + $"{string.Join(", ", unknown.Take(4).Select(Display.Name))}"
                + "; is n_layer in config.json too small?");
        }
    }

    [GeneratedRegex(@"^h\.\d+\.attn\.(bias|masked_bias)$", RegexOptions.CultureInvariant)]
    private static partial Regex MaskBuffer();
}
