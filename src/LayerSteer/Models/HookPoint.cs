using System.Globalization;

namespace LayerSteer.Models;

/// <summary>A place in the decoder whose values can be read and edited.</summary>
public enum HookKind
{
    /// <summary><c>hook_embed</c>: the token embedding, [dModel].</summary>
    Embed,

    /// <summary><c>hook_pos_embed</c>: the position embedding, [dModel].</summary>
    PositionEmbed,

    /// <summary><c>blocks.L.hook_resid_pre</c>: the residual stream entering the block, [dModel].</summary>
    ResidualPre,

    /// <summary>
    /// <c>blocks.L.ln1.hook_normalized</c>: the input of attention, after weight and bias of a layer norm, before the
    /// weight of a root-mean-square norm, [dModel].
    /// </summary>
    Norm1,

    /// <summary>
    /// <c>blocks.L.attn.hook_q</c>: queries with bias, before their norm and their turn, [nHeads·dHead].
    /// </summary>
    Query,

    /// <summary>
    /// <c>blocks.L.attn.hook_k</c>: keys with bias, before their norm and their turn, [nKeyValueHeads·dHead].
    /// </summary>
    Key,

    /// <summary><c>blocks.L.attn.hook_v</c>: values with bias, [nKeyValueHeads·dHead].</summary>
    Value,

    /// <summary>
    /// <c>blocks.L.attn.hook_z</c>: pattern times values, the input of the output projection, [nHeads·dHead].
    /// </summary>
    Z,

    /// <summary><c>blocks.L.hook_attn_out</c>: what attention adds to the residual stream, [dModel].</summary>
    AttentionOut,

    /// <summary><c>blocks.L.hook_resid_mid</c>: the residual stream after attention, [dModel].</summary>
    ResidualMid,

    /// <summary>
    /// <c>blocks.L.ln2.hook_normalized</c>: the input of the feed-forward layer, likewise, [dModel].
    /// </summary>
    Norm2,

    /// <summary>
    /// <c>blocks.L.mlp.hook_pre</c>: the feed-forward layer, or its gate, before the activation, [dMlp].
    /// </summary>
    MlpPre,

    /// <summary>
    /// <c>blocks.L.mlp.hook_post</c>: the feed-forward layer after its activation and gate, [dMlp].
    /// </summary>
    MlpPost,

    /// <summary>
    /// <c>blocks.L.hook_mlp_out</c>: what the feed-forward layer adds to the residual stream, [dModel].
    /// </summary>
    MlpOut,

    /// <summary><c>blocks.L.hook_resid_post</c>: the residual stream leaving the block, [dModel].</summary>
    ResidualPost,

    /// <summary>
    /// <c>ln_final.hook_normalized</c>: the input of the unembedding, likewise, [dModel].
    /// </summary>
    FinalNorm,

    /// <summary>
    /// <c>blocks.L.attn.hook_rot_q</c>: queries as they meet the keys, with rotary positions, [nHeads·dHead].
    /// </summary>
    RotatedQuery,

    /// <summary><c>blocks.L.attn.hook_rot_k</c>: keys with rotary positions, [nKeyValueHeads·dHead].</summary>
    RotatedKey,

    /// <summary><c>blocks.L.mlp.hook_pre_linear</c>: what the gate multiplies, with a gated layer, [dMlp].</summary>
    MlpPreLinear,
}

/// <summary>
/// A hook point by kind and layer, written as TransformerLens writes it: <c>blocks.9.hook_resid_post</c>. Values are
/// those of an unprocessed model (no folding, no centring), so <c>hook_normalized</c> is after a layer norm's weight and
/// bias. A family has those hook points that its blocks have: no <c>hook_resid_mid</c> where attention and feed-forward
/// layer run side by side, <c>hook_pos_embed</c> with learned positions only.
/// </summary>
/// <param name="Kind">What is read.</param>
/// <param name="Layer">The block, from 0; −1 where the kind has no layer.</param>
public readonly record struct HookPoint(HookKind Kind, int Layer)
{
    private static readonly (HookKind Kind, string Name)[] OfBlock =
    [
        (HookKind.ResidualPre, "hook_resid_pre"),
        (HookKind.Norm1, "ln1.hook_normalized"),
        (HookKind.Query, "attn.hook_q"),
        (HookKind.Key, "attn.hook_k"),
        (HookKind.Value, "attn.hook_v"),
        (HookKind.RotatedQuery, "attn.hook_rot_q"),
        (HookKind.RotatedKey, "attn.hook_rot_k"),
        (HookKind.Z, "attn.hook_z"),
        (HookKind.AttentionOut, "hook_attn_out"),
        (HookKind.ResidualMid, "hook_resid_mid"),
        (HookKind.Norm2, "ln2.hook_normalized"),
        (HookKind.MlpPre, "mlp.hook_pre"),
        (HookKind.MlpPreLinear, "mlp.hook_pre_linear"),
        (HookKind.MlpPost, "mlp.hook_post"),
        (HookKind.MlpOut, "hook_mlp_out"),
        (HookKind.ResidualPost, "hook_resid_post"),
    ];

    private static readonly (HookKind Kind, string Name)[] OfModel =
    [
        (HookKind.Embed, "hook_embed"),
        (HookKind.PositionEmbed, "hook_pos_embed"),
        (HookKind.FinalNorm, "ln_final.hook_normalized"),
    ];

    private static string BlockNames => string.Join(", ", OfBlock.Select(h => h.Name));

    /// <summary>Whether the kind is of a block; the others have layer −1.</summary>
    internal bool HasLayer => Kind is not (HookKind.Embed or HookKind.PositionEmbed or HookKind.FinalNorm);

    /// <summary>The residual stream leaving a block.</summary>
    public static HookPoint ResidualPost(int layer) => new(HookKind.ResidualPost, layer);

    /// <summary>Reads a name such as <c>blocks.9.hook_resid_post</c> or <c>hook_embed</c>.</summary>
    /// <exception cref="ArgumentException">There is no such hook point; the message lists those there are.</exception>
    public static HookPoint Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach ((HookKind kind, string known) in OfModel)
        {
            if (name == known)
            {
                return new HookPoint(kind, -1);
            }
        }

        string[] parts = name.Split('.', 3);
        if (parts.Length == 3 && parts[0] == "blocks"
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int layer))
        {
            if (OfBlockNamed(parts[2], layer) is { } point)
            {
                return point;
            }
        }

        throw new ArgumentException(
            $"no hook point '{name}'; there are {string.Join(", ", OfModel.Select(h => h.Name))}, "
            + $"and in each block (blocks.L.…) {BlockNames}");
    }

    /// <summary>The hook point of a block by its name within the block, such as <c>hook_resid_post</c>.</summary>
    /// <param name="name">The name within the block.</param>
    /// <param name="layer">The block, from 0.</param>
    /// <exception cref="ArgumentException">There is no such hook point; the message lists those there are.</exception>
    public static HookPoint InBlock(string name, int layer) => OfBlockNamed(name, layer)
        ?? throw new ArgumentException($"no hook point '{name}' in a block; there are {BlockNames}");

    /// <summary>Whether blocks of a model have such a hook point; layers are not looked at.</summary>
    /// <param name="spec">The model.</param>
    public bool ExistsIn(ArchitectureSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return Exists(Kind, spec);
    }

    /// <summary>The number of values a position has at this hook point.</summary>
    /// <param name="spec">The model.</param>
    /// <exception cref="ArgumentException">The model has no such hook point; the message lists those it has.</exception>
    public int WidthIn(ArchitectureSpec spec)
    {
        RequireExists(spec);
        return Kind switch
        {
            HookKind.Query or HookKind.RotatedQuery or HookKind.Z => spec.NHeads * spec.DHead,
            HookKind.Key or HookKind.RotatedKey or HookKind.Value => spec.NKeyValueHeads * spec.DHead,
            HookKind.MlpPre or HookKind.MlpPreLinear or HookKind.MlpPost => spec.DMlp,
            _ => spec.DModel,
        };
    }

    /// <summary>Refuses a hook point that a model's family does not have.</summary>
    internal void RequireExists(ArchitectureSpec spec)
    {
        if (!ExistsIn(spec))
        {
            throw new ArgumentException($"no hook point '{this}' in a {spec.Family} model; there are {NamesIn(spec)}");
        }
    }

    /// <summary>The name, as <see cref="Parse"/> reads it.</summary>
    public override string ToString()
    {
        foreach ((HookKind kind, string name) in OfModel)
        {
            if (kind == Kind)
            {
                return name;
            }
        }

        foreach ((HookKind kind, string name) in OfBlock)
        {
            if (kind == Kind)
            {
                return string.Create(CultureInfo.InvariantCulture, $"blocks.{Layer}.{name}");
            }
        }

        return $"({Kind})";
    }

    private static bool Exists(HookKind kind, ArchitectureSpec spec) => kind switch
    {
        HookKind.PositionEmbed => spec.Rotary is null,
        HookKind.RotatedQuery or HookKind.RotatedKey => spec.Rotary is not null,
        HookKind.ResidualMid => !spec.ParallelResidual,
        HookKind.MlpPreLinear => spec.GatedMlp,
        _ => true,
    };

    private static string NamesIn(ArchitectureSpec spec)
    {
        string model = string.Join(", ", OfModel.Where(hook => Exists(hook.Kind, spec)).Select(hook => hook.Name));
        string block = string.Join(", ", OfBlock.Where(hook => Exists(hook.Kind, spec)).Select(hook => hook.Name));
        return $"{model}, and in each block (blocks.L.…) {block}";
    }

    private static HookPoint? OfBlockNamed(string name, int layer)
    {
        foreach ((HookKind kind, string known) in OfBlock)
        {
            if (name == known)
            {
                return new HookPoint(kind, layer);
            }
        }

        return null;
    }
}
