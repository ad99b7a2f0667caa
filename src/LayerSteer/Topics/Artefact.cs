namespace LayerSteer.Topics;

/// <summary>A model, autoencoder or encoder that something was made with: where it was, and what it was.</summary>
/// <param name="Path">Where it was found; information only, since folders move.</param>
/// <param name="Digest">What decides whether two are the same; not empty.</param>
public sealed record Artefact(string Path, string Digest);
