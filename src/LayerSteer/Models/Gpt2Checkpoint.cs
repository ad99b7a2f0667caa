using System.Text.RegularExpressions;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// The weight names of GPT-2. Its linear layers are <c>Conv1D</c>, stored [inputs, outputs]; queries, keys and values
/// are one matrix already; the buffers <c>attn.bias</c> (the causal mask) and <c>attn.masked_bias</c> are not weights.
/// </summary>
internal static partial class Gpt2Checkpoint
{
    /// <summary>
    /// Checks the names and shapes of all that <see cref="Load"/> reads, before the first large matrix is packed.
    /// </summary>
    /// <returns>The type to pack in: the one wanted, otherwise the lossless one.</returns>
    public static WeightType Check(Checkpoint checkpoint, ArchitectureSpec spec, WeightType? wanted)
    {
        checkpoint.StripPrefix("transformer.", "wte.weight");
        checkpoint.Tensor("wte.weight", spec.Vocabulary, spec.DModel);
        checkpoint.Tensor("wpe.weight", spec.ContextLength, spec.DModel);
        checkpoint.Tensor("ln_f.weight", spec.DModel);
        checkpoint.Tensor("ln_f.bias", spec.DModel);
        if (!IsTied(checkpoint, spec))
        {
            checkpoint.Tensor("lm_head.weight", spec.Vocabulary, spec.DModel);
        }

        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            foreach ((string name, int inputs, int outputs) in Linears(spec))
            {
                checkpoint.Tensor($"h.{layer}.{name}.weight", inputs, outputs);
                checkpoint.Tensor($"h.{layer}.{name}.bias", outputs);
            }

            foreach (string norm in (string[])["ln_1", "ln_2"])
            {
                checkpoint.Tensor($"h.{layer}.{norm}.weight", spec.DModel);
                checkpoint.Tensor($"h.{layer}.{norm}.bias", spec.DModel);
            }
        }

        checkpoint.RefuseUnused("h.", name => MaskBuffer().IsMatch(name), "gpt2", "is n_layer in config.json too small?");
        return wanted ?? checkpoint.LosslessType(Matrices(checkpoint, spec));
    }

    /// <summary>Packs a checkpoint that was checked, with an adapter if there is one.</summary>
    public static DecoderWeights Load(
        Checkpoint checkpoint, ArchitectureSpec spec, WeightType type, WeightStore store, LoraCheckpoint? adapter)
    {
        int d = spec.DModel;
        float[] positions = checkpoint.Vector("wpe.weight", spec.ContextLength, d);
        Norm finalNorm = checkpoint.Norm("ln_f", d, spec.NormEpsilon);
        var blocks = new BlockWeights[spec.NLayers];
        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            Norm norm1 = checkpoint.Norm($"h.{layer}.ln_1", d, spec.NormEpsilon);
            Norm norm2 = checkpoint.Norm($"h.{layer}.ln_2", d, spec.NormEpsilon);
            Linear[] linears =
                [
                    .. Linears(spec)
                        .Select(l => ReadLinear(
                            checkpoint, $"h.{layer}.{l.Name}", l.Inputs, l.Outputs, type, store, adapter)),
                ];
            blocks[layer] = new BlockWeights(norm1, linears[0], linears[1], norm2, linears[2], linears[3]);
        }

        adapter?.RequireAllUsed();
        WeightMatrix embedding = WeightMatrix.FromRows(
            store, "wte.weight", type, spec.Vocabulary, d, checkpoint.Matrix("wte.weight", spec.Vocabulary, d));
        WeightMatrix unembedding = IsTied(checkpoint, spec)
            ? embedding
            : WeightMatrix.FromRows(
                store,
                "lm_head.weight",
                type,
                spec.Vocabulary,
                d,
                checkpoint.Matrix("lm_head.weight", spec.Vocabulary, d));
        return new DecoderWeights(embedding, positions, blocks, finalNorm, unembedding);
    }

    private static bool IsTied(Checkpoint checkpoint, ArchitectureSpec spec) =>
        spec.TiedUnembedding || !checkpoint.Has("lm_head.weight");

    private static (string Name, int Inputs, int Outputs)[] Linears(ArchitectureSpec spec) =>
    [
        ("attn.c_attn", spec.DModel, 3 * spec.DModel),
        ("attn.c_proj", spec.DModel, spec.DModel),
        ("mlp.c_fc", spec.DModel, spec.DMlp),
        ("mlp.c_proj", spec.DMlp, spec.DModel),
    ];

    private static IEnumerable<string> Matrices(Checkpoint checkpoint, ArchitectureSpec spec) => Enumerable.Range(0, spec.NLayers)
        .SelectMany(layer => Linears(spec).Select(l => $"h.{layer}.{l.Name}.weight"))
        .Append("wte.weight")
        .Concat(IsTied(checkpoint, spec) ? [] : ["lm_head.weight"]);

    private static Linear ReadLinear(
        Checkpoint checkpoint,
        string name,
        int inputs,
        int outputs,
        WeightType type,
        WeightStore store,
        LoraCheckpoint? adapter)
    {
        float[] bias = checkpoint.Vector(name + ".bias", outputs);
        ElementReader weights = checkpoint.Matrix(name + ".weight", inputs, outputs);
        weights = adapter?.Over(name, inputs, outputs, weights) ?? weights;
        return new Linear(WeightMatrix.FromColumns(store, name, type, outputs, inputs, weights), bias);
    }

    [GeneratedRegex(@"^h\.\d+\.attn\.(bias|masked_bias)$", RegexOptions.CultureInvariant)]
    private static partial Regex MaskBuffer();
}
