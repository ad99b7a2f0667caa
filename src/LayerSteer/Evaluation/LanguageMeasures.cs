using System.Text;
using LayerSteer.Text;

namespace LayerSteer.Evaluation;

/// <summary>How well a model predicts texts.</summary>
/// <param name="Documents">The number of texts.</param>
/// <param name="Bytes">Their length in UTF-8.</param>
/// <param name="Tokens">Their length in tokens, the one that ends each text included.</param>
/// <param name="Nats">The sum of −log p of all tokens.</param>
public readonly record struct PredictionFigures(int Documents, long Bytes, long Tokens, double Nats)
{
    /// <summary>Bits a byte of text: what compression by the model would need, whatever its vocabulary.</summary>
    public double BitsPerByte => Nats / Math.Log(2) / Bytes;

    /// <summary>e to the mean −log p of a token.</summary>
    public double Perplexity => Math.Exp(Nats / Tokens);

    /// <summary>Of two sets of texts together.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other.</param>
    public static PredictionFigures operator +(PredictionFigures a, PredictionFigures b) =>
        new(a.Documents + b.Documents, a.Bytes + b.Bytes, a.Tokens + b.Tokens, a.Nats + b.Nats);
}

/// <summary>Two sentences that differ in what makes one of them wrong.</summary>
/// <param name="Phenomenon">What it is about, such as subject_verb_agreement.</param>
/// <param name="Good">The acceptable one.</param>
/// <param name="Bad">The other.</param>
public sealed record MinimalPair(string Phenomenon, string Good, string Bad);

/// <summary>Measures of a language model that need no steering.</summary>
public static class LanguageMeasures
{
    /// <summary>How well a model predicts a text, beginning after the token that begins texts.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer, with a token that ends a text.</param>
    /// <param name="text">Not empty.</param>
    /// <exception cref="InvalidDataException">The tokenizer has no token that begins or ends a text.</exception>
    public static PredictionFigures Predict(LogLikelihood model, TextTokenizer tokenizer, string text)
    {
        ArgumentNullException.ThrowIfNull(model);
        int[] ids = [BoundaryOf(tokenizer), .. tokenizer.Encode(text), BoundaryOf(tokenizer)];
        return new PredictionFigures(1, Encoding.UTF8.GetByteCount(text), ids.Length - 1, -model.Of(ids).Sum());
    }

    /// <summary>Whether a model finds the good sentence the more probable one (Warstadt et al. 2020).</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="pair">The sentences.</param>
    public static bool Prefers(LogLikelihood model, TextTokenizer tokenizer, MinimalPair pair)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(pair);
        return Sum(pair.Good) > Sum(pair.Bad);

        double Sum(string text) => model.Of([BoundaryOf(tokenizer), .. tokenizer.Encode(text)]).Sum();
    }

    private static int BoundaryOf(TextTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.BosId ?? tokenizer.EosId
            ?? throw new InvalidDataException("the tokenizer names no token that begins a text (bos_token)");
    }
}
