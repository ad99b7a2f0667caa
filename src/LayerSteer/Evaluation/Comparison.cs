namespace LayerSteer.Evaluation;

/// <summary>A latent that an edit moved, with what it writes.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="Moved">z' − z, in the autoencoder's units.</param>
/// <param name="HookPoint">Where.</param>
/// <param name="Writes">The tokens whose logits it raises most, the most first; empty where that is not known.</param>
public sealed record ComparedLatent(int Latent, double Moved, string HookPoint, IReadOnlyList<string> Writes);

/// <summary>A token of an arm's text.</summary>
/// <param name="Text">The token.</param>
/// <param name="Divergence">KL(p_arm ‖ p_unsteered) of the distribution that it was drawn from, in nats.</param>
/// <param name="Probability">Its probability in this arm.</param>
/// <param name="Unsteered">Its probability by the unsteered model, given the same tokens before it.</param>
/// <param name="Latents">The latents that the edit moved most there, the farthest first.</param>
public sealed record ComparedToken(
    string Text, double Divergence, double Probability, double Unsteered, IReadOnlyList<ComparedLatent> Latents);

/// <summary>What an arm wrote.</summary>
/// <param name="Name">The arm's name.</param>
/// <param name="Description">What it is.</param>
/// <param name="Text">The continuation, without EOS.</param>
/// <param name="Tokens">Its tokens, an EOS included.</param>
public sealed record ComparedArm(
    string Name, string Description, string Text, IReadOnlyList<ComparedToken> Tokens)
{
    /// <summary>The mean divergence, nats a token; null without tokens.</summary>
    public double? Divergence => Tokens.Count == 0 ? null : Tokens.Average(token => token.Divergence);

    /// <summary>exp(−mean log p) of the tokens under the unsteered model; null without tokens.</summary>
    public double? Perplexity =>
        Tokens.Count == 0 ? null : Math.Exp(-Tokens.Average(token => Math.Log(token.Unsteered)));
}

/// <summary>One prompt continued by several arms with the same draws.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Topic">The topic; empty where scores have no name.</param>
/// <param name="Arms">The arms, the unsteered model first.</param>
/// <param name="Run">What it was made with, by name.</param>
/// <param name="NotRun">Arms that were not run, and why.</param>
public sealed record Comparison(
    string Prompt,
    string Topic,
    IReadOnlyList<ComparedArm> Arms,
    IReadOnlyDictionary<string, string> Run,
    IReadOnlyDictionary<string, string> NotRun);
