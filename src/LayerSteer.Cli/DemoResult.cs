using LayerSteer.Generation;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>A topic as the demo uses it.</summary>
/// <param name="Name">Its name, or that of the texts.</param>
/// <param name="Profile">Its scores.</param>
/// <param name="Scoring">How long it took to read, embed and score the texts; null of a ready topic.</param>
internal sealed record DemoTopic(string Name, TopicProfile Profile, TimeSpan? Scoring);

/// <summary>A latent that steering moved.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="Moved">By how much, the mean over the edited positions, in the autoencoder's units.</param>
/// <param name="Tokens">What it writes most, best first.</param>
internal sealed record MovedLatent(int Latent, double Moved, string[] Tokens);

/// <summary>What the demo has to show of a prompt.</summary>
internal sealed record DemoResult(
    string Prompt,
    DemoTopic Topic,
    DemoSettings Settings,
    GenerationResult Original,
    GenerationResult? FineTuned,
    GenerationResult Steered,
    IReadOnlyList<MovedLatent> Latents)
{
    /// <summary>The time of a token: the mean of the steps after the first, which is part of reading the prompt.</summary>
    public static double MillisecondsPerToken(GenerationResult result) => result.Ids.Length > 1
        ? result.DecodeTime.TotalMilliseconds / (result.Ids.Length - 1)
        : result.PrefillTime.TotalMilliseconds;
}
