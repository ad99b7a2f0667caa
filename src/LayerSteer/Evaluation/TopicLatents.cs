using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>A latent that a topic is steered by.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="Score">Its score for the topic.</param>
/// <param name="Writes">The tokens whose logits it raises most, the most first.</param>
public sealed record ScoredLatent(int Latent, double Score, IReadOnlyList<string> Writes);

/// <summary>The latents with the highest scores for a topic.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="Latents">The latents, the highest score first.</param>
public sealed record TopicLatents(string Topic, IReadOnlyList<ScoredLatent> Latents)
{
    private const int TokensOfLatent = 6;

    /// <summary>The best latents of each topic of a model, with what they write.</summary>
    /// <param name="model">The model with the topics' scores.</param>
    /// <param name="topics">The topics, by the order wanted.</param>
    /// <param name="count">How many latents of each at most.</param>
    /// <returns>One a topic; latents without a score above 0 are left out.</returns>
    public static IReadOnlyList<TopicLatents> Of(
        EvaluatedModel model, IReadOnlyList<string> topics, int count = 10)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(topics);
        bool readable = model.Site.Autoencoder.DIn == model.Decoder.Spec.DModel;
        return [.. topics.Select(topic => Best(model, topic, model.Scores[topic].Semantic, count, readable))];
    }

    private static TopicLatents Best(
        EvaluatedModel model, string topic, LatentScores scores, int count, bool readable) => new(
        topic,
        [
            .. scores.Top(count).Where(latent => scores.Values[latent] > 0).Select(latent => new ScoredLatent(
                latent,
                scores.Values[latent],
                !readable ? [] :
                [
                    .. LogitLens.Top(
                        model.Decoder, model.Site.Autoencoder, latent, TokensOfLatent, model.Tokenizer.VocabularySize)
                        .Select(token => model.Tokenizer.TokenText(token.Token)),
                ])),
        ]);
}
