namespace LayerSteer.Text;

/// <summary>One document of a <see cref="TextCorpus"/>.</summary>
/// <param name="Text">The text, without the line break before the separator; never empty or only white space.</param>
/// <param name="File">The file it was read from, as <see cref="TextCorpus.Files"/> spells it.</param>
/// <param name="Index">Its number among the documents of its file, from 0.</param>
public sealed record CorpusDocument(string Text, string File, int Index);
