using System.Runtime.InteropServices;
using System.Security.Cryptography;
using LayerSteer.Text;

namespace LayerSteer.Training;

/// <summary>Documents of one kind.</summary>
/// <param name="Name">What it is called in messages and records, such as a file's name.</param>
/// <param name="Documents">The texts; enumerated once.</param>
/// <param name="Weight">
/// How often pairs come from here relative to other sources; null leaves it to
/// <see cref="ContrastiveOptions.Balance"/>.
/// </param>
public sealed record PassageSource(string Name, IEnumerable<string> Documents, double? Weight = null);

/// <summary>The documents that a sentence encoder is trained on, as token ids in memory. Immutable, thread-safe.</summary>
public sealed class PassageCorpus
{
    private const int DocumentsAtOnce = 256;

    private PassageCorpus(IReadOnlyList<Source> sources, int vocabulary, string tokenizerDigest, string digest)
    {
        Sources = sources;
        Vocabulary = vocabulary;
        TokenizerDigest = tokenizerDigest;
        Digest = digest;
    }

    /// <summary>The number of ids of the tokenizer.</summary>
    public int Vocabulary { get; }

    /// <summary>The digest of the tokenizer.</summary>
    public string TokenizerDigest { get; }

    /// <summary>SHA-256 over the token ids of all documents, in order, with their lengths.</summary>
    public string Digest { get; }

    /// <summary>The number of documents.</summary>
    public int DocumentCount => Sources.Sum(source => source.Documents.Count);

    /// <summary>The number of tokens.</summary>
    public long TokenCount => Sources.Sum(source => source.Tokens);

    internal IReadOnlyList<Source> Sources { get; }

    /// <summary>Tokenizes documents.</summary>
    /// <param name="tokenizer">The tokenizer of the encoder to be.</param>
    /// <param name="sources">The documents, at least one.</param>
    /// <param name="threads">How many threads tokenize; the result does not depend on it.</param>
    /// <param name="progress">Told the number of documents so far; null for nobody.</param>
    /// <param name="cancellation">Checked every 256 documents.</param>
    /// <exception cref="InvalidDataException">There is no document.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static PassageCorpus Read(
        TextTokenizer tokenizer,
        IEnumerable<PassageSource> sources,
        int threads,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(sources);
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads };
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var read = new List<Source>();
        int count = 0;
        foreach (PassageSource source in sources)
        {
            var documents = new List<int[]>();
            foreach (string[] texts in source.Documents.Chunk(DocumentsAtOnce))
            {
                cancellation.ThrowIfCancellationRequested();
                var tokens = new int[texts.Length][];
                Parallel.For(0, texts.Length, options, i => tokens[i] = tokenizer.Encode(texts[i]));
                foreach (int[] document in tokens)
                {
                    hash.AppendData(MemoryMarshal.AsBytes([document.Length]));
                    hash.AppendData(MemoryMarshal.AsBytes(document.AsSpan()));
                }

                documents.AddRange(tokens);
                count += texts.Length;
                progress?.Report(count);
            }

            read.Add(new Source(source.Name, documents, documents.Sum(d => (long)d.Length), source.Weight));
        }

        return count > 0
            ? new PassageCorpus(
                read,
                tokenizer.VocabularySize,
                tokenizer.Digest,
                Convert.ToHexStringLower(hash.GetHashAndReset()))
            : throw new InvalidDataException("the corpus has no documents; expected at least one to train on");
    }

    /// <summary>How often each id comes, [vocabulary], in all documents.</summary>
    internal long[] Counts()
    {
        long[] counts = new long[Vocabulary];
        foreach (int token in Sources.SelectMany(source => source.Documents).SelectMany(document => document))
        {
            counts[token]++;
        }

        return counts;
    }

    /// <summary>The documents of one source.</summary>
    internal sealed record Source(string Name, IReadOnlyList<int[]> Documents, long Tokens, double? Weight);
}
