using LayerSteer.Text;
using Microsoft.Extensions.AI;

namespace LayerSteer.Evaluation;

/// <summary>What texts mean by a sentence encoder.</summary>
/// <param name="Topic">The direction of their mean, of length 1.</param>
/// <param name="Neutral">That of neutral text.</param>
/// <param name="Cohesion">The mean cosine of the texts to their direction.</param>
internal sealed record TextMeaning(double[] Topic, double[] Neutral, double Cohesion);

/// <summary>
/// What tokens mean by a sentence encoder, each spelled as a text of its own and embedded once. Not thread-safe; does not
/// own the encoder.
/// </summary>
/// <param name="encoder">The encoder.</param>
/// <param name="tokenizer">The tokenizer of the tokens.</param>
internal sealed class TokenMeaning(IEmbeddingGenerator<string, Embedding<float>> encoder, TextTokenizer tokenizer)
{
    private const int LiftedTokens = 256;

    private readonly Dictionary<int, float[]> _tokenVectors = [];

    /// <summary>What texts mean, beside neutral text.</summary>
    public async Task<TextMeaning> OfAsync(IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        (double[] topic, double cohesion) = await CentroidAsync(texts, cancellation).ConfigureAwait(false);
        (double[] neutral, _) = await CentroidAsync(NeutralText.Paragraphs, cancellation).ConfigureAwait(false);
        return new TextMeaning(topic, neutral, cohesion);
    }

    /// <summary>The direction of the mean unit vector, and the mean cosine to it.</summary>
    private async Task<(double[] Centroid, double Cohesion)> CentroidAsync(
        IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        GeneratedEmbeddings<Embedding<float>> vectors =
            await encoder.GenerateAsync(texts, cancellationToken: cancellation).ConfigureAwait(false);
        double[] sum = new double[vectors[0].Vector.Length];
        foreach (Embedding<float> vector in vectors)
        {
            double norm = DoubleVectors.Norm([.. vector.Vector.ToArray().Select(value => (double)value)]);
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += norm > 0 ? vector.Vector.Span[i] / norm : 0;
            }
        }

        double length = DoubleVectors.Norm(sum);
        return length > 0 ? ([.. sum.Select(value => value / length)], length / texts.Count) : (sum, 0);
    }

    /// <summary>
    /// Σ change(v) (cos(e(v), topic) − cos(e(v), neutral)) over the tokens that are moved most; those that spell nothing
    /// count for nothing.
    /// </summary>
    /// <param name="change">p' − p of each token.</param>
    /// <param name="meaning">The topic.</param>
    /// <param name="cancellation">Passed to the encoder.</param>
    public async Task<double> LiftAsync(double[] change, TextMeaning meaning, CancellationToken cancellation)
    {
        int[] moved =
        [
            .. Enumerable.Range(0, Math.Min(change.Length, tokenizer.VocabularySize))
                .OrderByDescending(v => Math.Abs(change[v])).ThenBy(v => v).Take(LiftedTokens),
        ];
        int[] unknown = [.. moved.Where(v => !_tokenVectors.ContainsKey(v))];
        string[] spelled = [.. unknown.Select(v => tokenizer.TokenText(v))];
        int[] worded = [.. Enumerable.Range(0, unknown.Length).Where(i => !string.IsNullOrWhiteSpace(spelled[i]))];
        if (worded.Length > 0)
        {
            GeneratedEmbeddings<Embedding<float>> vectors = await encoder.GenerateAsync(
                worded.Select(i => spelled[i]), cancellationToken: cancellation).ConfigureAwait(false);
            for (int i = 0; i < worded.Length; i++)
            {
                _tokenVectors[unknown[worded[i]]] = vectors[i].Vector.ToArray();
            }
        }

        double lift = 0;
        foreach (int v in moved)
        {
            if (_tokenVectors.TryGetValue(v, out float[]? vector))
            {
                double[] own = [.. vector.Select(value => (double)value)];
                double norm = DoubleVectors.Norm(own);
                lift += norm > 0 ? change[v] * (DoubleVectors.Dot(own, meaning.Topic) - DoubleVectors.Dot(own, meaning.Neutral)) / norm : 0;
            }
            else
            {
                _tokenVectors[v] = [];
            }
        }

        return lift;
    }
}
