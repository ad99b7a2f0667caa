namespace LayerSteer.Topics;

/// <summary>
/// A reference index in memory: the reference prompts by ascending id, with their sentence vectors and, sparse, what
/// each latent did on them. The same prompts give the same object, whether they were built at once, in parts, resumed
/// or merged from shards. Immutable and thread-safe.
/// </summary>
public sealed class ReferenceIndex
{
    private readonly float[] _embeddings;
    private readonly int[] _embeddingStarts;
    private readonly LatentStatistics[] _statistics;

    private ReferenceIndex(string folder, IndexManifest manifest, List<IndexPart> parts)
    {
        Folder = folder;
        Manifest = manifest;
        (IndexPart Part, int Row)[] prompts =
        [
            .. parts.SelectMany(part => part.Ids.Select((_, row) => (part, row)))
                .OrderBy(prompt => prompt.part.Ids[prompt.row]),
        ];
        int count = prompts.Length;
        PromptIds = [.. prompts.Select(p => p.Part.Ids[p.Row])];
        Digests = [.. prompts.Select(p => p.Part.Digests[p.Row])];
        Tokens = [.. prompts.Select(p => p.Part.Tokens[p.Row])];
        _embeddingStarts = new int[count + 1];
        RowStarts = new int[count + 1];
        for (int p = 0; p < count; p++)
        {
            (IndexPart part, int row) = prompts[p];
            int embeddings = part.EmbeddingStarts[row + 1] - part.EmbeddingStarts[row];
            int activations = part.RowStarts[row + 1] - part.RowStarts[row];
            _embeddingStarts[p + 1] = checked(_embeddingStarts[p] + embeddings);
            RowStarts[p + 1] = checked(RowStarts[p] + activations);
        }
        _embeddings = new float[_embeddingStarts[count]];
        Latents = new int[RowStarts[count]];
        Sums = new double[RowStarts[count]];
        Maxima = new float[RowStarts[count]];
        Counts = new int[RowStarts[count]];
        for (int p = 0; p < count; p++)
        {
            (IndexPart part, int row) = prompts[p];
            Range from = part.RowStarts[row]..part.RowStarts[row + 1];
            part.Embeddings.AsSpan(part.EmbeddingStarts[row]..part.EmbeddingStarts[row + 1])
                .CopyTo(_embeddings.AsSpan(_embeddingStarts[p]));
            part.Latents.AsSpan(from).CopyTo(Latents.AsSpan(RowStarts[p]));
            part.Sums.AsSpan(from).CopyTo(Sums.AsSpan(RowStarts[p]));
            part.Maxima.AsSpan(from).CopyTo(Maxima.AsSpan(RowStarts[p]));
            part.Counts.AsSpan(from).CopyTo(Counts.AsSpan(RowStarts[p]));
        }

        _statistics =
        [
            .. Enumerable.Range(0, manifest.DSae).Select(latent => new LatentStatistics(latent, 0, 0, 0, 0, 0)),
        ];
        foreach (LatentStatistics statistics in parts.SelectMany(part => part.Statistics))
        {
            _statistics[statistics.Latent] = _statistics[statistics.Latent].Plus(statistics);
        }
    }

    /// <summary>The folder that it was read from.</summary>
    public string Folder { get; }

    /// <summary>What it was made with.</summary>
    public IndexManifest Manifest { get; }

    /// <summary>How many prompts are in.</summary>
    public int PromptCount => PromptIds.Count;

    /// <summary>[prompts]: the ids, ascending.</summary>
    public IReadOnlyList<int> PromptIds { get; }

    /// <summary>[prompts]: the SHA-256 of each text.</summary>
    public IReadOnlyList<string> Digests { get; }

    /// <summary>[prompts]: the number of kept tokens.</summary>
    public IReadOnlyList<int> Tokens { get; }

    /// <summary>[dSae]: each latent over all prompts in the index.</summary>
    public IReadOnlyList<LatentStatistics> LatentStatistics => _statistics;

    /// <summary>[prompts + 1]: where the activations of each prompt begin in the arrays below.</summary>
    internal int[] RowStarts { get; }

    /// <summary>[activations], ascending within a prompt.</summary>
    internal int[] Latents { get; }

    /// <summary>[activations]</summary>
    internal double[] Sums { get; }

    /// <summary>[activations]</summary>
    internal float[] Maxima { get; }

    /// <summary>[activations]</summary>
    internal int[] Counts { get; }

    /// <summary>Reads an index and checks every value in it.</summary>
    /// <param name="folder">The folder of the index.</param>
    /// <param name="allowUnfinished">Whether an index that is still being built will do.</param>
    /// <returns>The index; the files are closed again.</returns>
    /// <exception cref="InvalidDataException">
    /// Not an index, unfinished, or a bad value; the message says where.
    /// </exception>
    /// <exception cref="NotSupportedException">Another format version.</exception>
    public static ReferenceIndex Open(string folder, bool allowUnfinished = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        IndexManifest manifest = IndexManifest.Read(folder);
        List<IndexPart> parts = [.. IndexPartReader.ReadAll(folder, manifest, allowUnfinished)];
        var index = new ReferenceIndex(folder, manifest, parts);
        if (manifest.IsWholeList && index.PromptCount == manifest.PromptCount)
        {
            CheckListDigest(folder, manifest, index.Digests);
        }
        return index;
    }

    /// <summary>
    /// Joins two finished indexes into a third: two shards of one list, or two whole lists, of which the second then
    /// comes behind the first. Scores from the result are those of an index built whole, to the bit.
    /// </summary>
    /// <param name="first">The folder of an index.</param>
    /// <param name="second">The folder of another.</param>
    /// <param name="output">
    /// The folder to write; it must not be there. Written beside its place and renamed when whole.
    /// </param>
    /// <exception cref="InvalidDataException">
    /// They do not fit together; the message names the field or the first doubled id.
    /// </exception>
    /// <exception cref="IOException"><paramref name="output"/> exists or cannot be written.</exception>
    public static void Merge(string first, string second, string output) => IndexMerge.Run(first, second, output);

    /// <summary>The sentence vectors of one prompt.</summary>
    /// <param name="row">The row of the prompt in <see cref="PromptIds"/>.</param>
    /// <returns>[windows, dEmbedding], row-major, each row of length 1.</returns>
    public ReadOnlySpan<float> Embeddings(int row) =>
        _embeddings.AsSpan(_embeddingStarts[row].._embeddingStarts[row + 1]);

    /// <summary>The sentence vectors of all prompts, in the order of <see cref="PromptIds"/>.</summary>
    /// <returns>[windows, dEmbedding], row-major.</returns>
    public float[] AllEmbeddings() => [.. _embeddings];

    /// <summary>The prompts' summaries, each row normalised to sum 1.</summary>
    /// <param name="kind">Which of the three summaries.</param>
    /// <returns>Sparse rows in the order of <see cref="PromptIds"/>.</returns>
    public SummaryRows Summaries(SummaryKind kind) => new(this, kind);

    internal static void CheckListDigest(string folder, IndexManifest manifest, IEnumerable<string> digests)
    {
        string found = ReferenceSource.DigestOf(digests);
        if (found != manifest.Reference.Digest)
        {
            throw new InvalidDataException(
                $"'{folder}': the prompts' digests add up to {found}, "
                + $"expected reference.digest {manifest.Reference.Digest}");
        }
    }
}
