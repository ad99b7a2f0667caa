namespace LayerSteer.Topics;

/// <summary>The texts that stand for a topic.</summary>
/// <param name="Path">Where they were read from; information only.</param>
/// <param name="Digest">The digest of the list, see <see cref="ReferenceSource.DigestOf"/>.</param>
/// <param name="Texts">How many texts there are.</param>
/// <param name="Windows">
/// How many sentence vectors they gave; a text longer than the encoder's input gives several.
/// </param>
public sealed record AlignmentSource(string Path, string Digest, int Texts, int Windows);
