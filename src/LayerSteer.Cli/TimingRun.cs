using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>What `timing` measures, with all models loaded. Does not own them.</summary>
internal sealed class TimingRun(
    Steerer steerer,
    SteeringPlan plan,
    BosPolicy bos,
    ReferenceIndexer indexer,
    TextEmbedder embedder,
    ReferenceIndex index,
    float[] alignment)
{
    /// <summary>
    /// The seed's timings: embedding (word pieces of the encoder), latents (tokens to the layer and through the
    /// autoencoder),
    /// distance and score (reference prompts); then generation without and with steering, and the difference (generated
    /// tokens).
    /// </summary>
    public Timing[] Measure(
        Stopclock clock,
        IReadOnlyList<string> embedded,
        IReadOnlyList<string> references,
        IReadOnlyList<GenerationRequest> requests,
        CancellationToken cancellation)
    {
        using DecoderRun run = steerer.Decoder.CreateRun();
        using var generator = new Generator(steerer.Decoder, steerer.Tokenizer, bos);
        Dictionary<string, int> pieces =
            embedded.Distinct().ToDictionary(text => text, text => embedder.Windows(text).Sum(w => w.Length));
        Timing embedding = clock.Measure("embedding", "embedding", "word piece", embedded, text =>
        {
            embedder.Embed([text], cancellation);
            return pieces[text];
        });
        Timing latents = clock.Measure(
            "latents", "latents", "token", references, text => indexer.Summarise(run, text, cancellation).Tokens);

        var scorer = new FeatureScorer(index);
        double[] squared = scorer.SquaredDistances(alignment);
        int windows = alignment.Length / index.Manifest.DEmbedding;
        Timing distance = clock.Measure(
            "distance", "distance", "reference prompt", [0], _ => scorer.SquaredDistances(alignment).Length);
        Timing score = clock.Measure("score", "score", "reference prompt", [0], _ =>
        {
            // The constructor adds up what does not depend on the topic; the seed does that for each topic.
            new FeatureScorer(index).Score(squared, windows);
            return squared.Length;
        });

        string method = SteeringMethods.NameOf(plan.Options.Method);
        (double[] unsteered, double[] withSteering, long tokens) = clock.Compare(
            requests,
            request => generator.Generate(request with { Plan = null }, null, cancellation).Ids.Length,
            request => generator.Generate(request with { Plan = plan }, null, cancellation).Ids.Length);
        const string Unit = "generated token";
        double[] added = [.. withSteering.Zip(unsteered, (with, without) => with - without)];
        return
        [
            embedding,
            latents,
            distance,
            score,
            new Timing("generation", $"generation {method}", Unit, tokens, withSteering),
            new Timing("generation_orig", "generation orig", Unit, tokens, unsteered),
            new Timing("steering", $"{method} minus orig", Unit, tokens, added),
        ];
    }
}
