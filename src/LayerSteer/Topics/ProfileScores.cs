namespace LayerSteer.Topics;

/// <summary>The scored latents of a profile; a latent that is not listed is unsupported.</summary>
/// <param name="Latents">[scored]: the latents, ascending.</param>
/// <param name="Scores">[scored]: their scores, 0 to 1.</param>
/// <param name="Support">[scored]: on how many reference prompts each is active.</param>
/// <param name="Maxima">
/// [scored]: the largest activation of each on the reference prompts; null in profiles of before 0.2, and where scores are
/// as published.
/// </param>
public sealed record ProfileScores(int[] Latents, double[] Scores, int[] Support, float[]? Maxima = null);
