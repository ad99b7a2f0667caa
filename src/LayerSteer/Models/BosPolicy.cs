using LayerSteer.Text;

namespace LayerSteer.Models;

/// <summary>Whether a text begins with the model's BOS token.</summary>
public enum BosPolicy
{
    /// <summary><c>one</c>: exactly one BOS in front.</summary>
    One,

    /// <summary><c>none</c>: no BOS.</summary>
    None,
}

/// <summary>Token ids of texts for a model, under a BOS policy.</summary>
public static class BosPolicies
{
    /// <summary>The name of a policy on the command line and in files.</summary>
    public static string NameOf(BosPolicy policy) => policy == BosPolicy.One ? "one" : "none";

    /// <summary>The ids in front of every text: BOS, or nothing.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="spec">The model, whose config names BOS; null if there are tokenizer files only.</param>
    /// <param name="tokenizer">Its tokenizer, asked if the config does not.</param>
    /// <exception cref="ArgumentException">BOS is wanted, but neither names one.</exception>
    public static int[] Prefix(this BosPolicy policy, ArchitectureSpec? spec, TextTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (policy == BosPolicy.None)
        {
            return [];
        }

        int? bos = spec?.BosId ?? tokenizer.BosId;
        return bos is { } id && (spec is null || id < spec.Vocabulary)
            ? [id]
            : throw new ArgumentException(
                "no BOS token: config.json has no usable bos_token_id and the tokenizer names none; use --bos none");
    }

    /// <summary>
    /// The ids of special tokens of a model: BOS, EOS and padding, as its config and tokenizer name them.
    /// </summary>
    /// <param name="spec">The model.</param>
    /// <param name="tokenizer">Its tokenizer; null if it has none.</param>
    public static IReadOnlySet<int> SpecialTokens(ArchitectureSpec spec, TextTokenizer? tokenizer)
    {
        ArgumentNullException.ThrowIfNull(spec);
        int?[] ids = [spec.BosId, spec.EosId, tokenizer?.BosId, tokenizer?.EosId, tokenizer?.PadId];
        return ids.OfType<int>().Concat(spec.OtherEosIds.Numbers).ToHashSet();
    }
}
