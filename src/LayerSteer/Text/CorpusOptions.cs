namespace LayerSteer.Text;

/// <summary>How the documents of a <see cref="TextCorpus"/> are told apart, and what a file may ask for.</summary>
public sealed record CorpusOptions
{
    /// <summary>The line that ends a document of a .txt file; default GPT-2's end of text.</summary>
    public string Separator { get; init; } = VocabularyFiles.EndOfText;

    /// <summary>
    /// Most UTF-8 bytes of one document (in a .jsonl file: of its line); default 64 MiB, at most 1 GiB.
    /// </summary>
    public long MaxDocumentBytes { get; init; } = 64L << 20;

    /// <summary>Most bytes that one compressed file may inflate to; default 64 GiB.</summary>
    public long MaxInflatedBytes { get; init; } = 64L << 30;
}
