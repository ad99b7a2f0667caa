namespace LayerSteer.Topics;

/// <summary>Reads the part folders of an index. Every value is checked: the files may come from anywhere.</summary>
internal static class IndexPartReader
{
    /// <summary>The most activations of one part that are believed.</summary>
    private const long LargestPart = 1L << 28;

    /// <summary>The parts of an index one after the other; no id is in two of them.</summary>
    /// <exception cref="InvalidDataException">
    /// A bad value, a doubled id, or prompts missing although none may be.
    /// </exception>
    public static IEnumerable<IndexPart> ReadAll(string index, IndexManifest manifest, bool allowUnfinished)
    {
        var ids = new HashSet<int>();
        foreach (string folder in IndexPart.Folders(index))
        {
            IndexPart part = Read(folder, manifest);
            AddIds(folder, part.Ids, ids);
            yield return part;
        }
        if (ids.Count < manifest.PromptCount && !allowUnfinished)
        {
            throw new InvalidDataException(
                $"'{index}': {ids.Count} of {manifest.PromptCount} prompts are in; "
                + "resume the build to finish this index");
        }
    }

    /// <summary>The ids that an index already holds; the files must be whole, but only the ids are read.</summary>
    public static HashSet<int> ReadIds(string index, IndexManifest manifest)
    {
        var ids = new HashSet<int>();
        foreach (string folder in IndexPart.Folders(index))
        {
            PartSums.Check(folder);
            using ParquetTable prompts = OpenPrompts(folder, manifest);
            AddIds(folder, ReadIds(folder, prompts, manifest), ids);
        }
        return ids;
    }

    private static IndexPart Read(string folder, IndexManifest manifest)
    {
        PartSums.Check(folder);
        using ParquetTable prompts = OpenPrompts(folder, manifest);
        int[] ids = ReadIds(folder, prompts, manifest);
        string[] digests = prompts.Strings("digest");
        int[] tokens = prompts.Column<int>("tokens");
        (float[] embeddings, int[] embeddingStarts) = prompts.Lists("embedding");

        string path = Path.Combine(folder, IndexPart.ActivationsFile);
        using ParquetTable activations = ParquetTable.Open(path);
        Believable(path, activations.RowCount, Math.Min((long)ids.Length * manifest.DSae, LargestPart));
        int[] rowStarts = RowStarts(path, ids, activations.Column<int>("prompt"));
        var part = new IndexPart
        {
            Ids = ids,
            Digests = digests,
            Tokens = tokens,
            Embeddings = embeddings,
            EmbeddingStarts = embeddingStarts,
            RowStarts = rowStarts,
            Latents = activations.Column<int>("latent"),
            Sums = activations.Column<double>("sum"),
            Maxima = activations.Column<float>("max"),
            Counts = activations.Column<int>("count"),
            Statistics = ReadStatistics(folder, manifest),
        };
        CheckPrompts(folder, part, manifest);
        CheckStatistics(Path.Combine(folder, IndexPart.LatentsFile), part, manifest.DSae);
        return part;
    }

    private static ParquetTable OpenPrompts(string folder, IndexManifest manifest)
    {
        string path = Path.Combine(folder, IndexPart.PromptsFile);
        ParquetTable prompts = ParquetTable.Open(path);
        try
        {
            Believable(path, prompts.RowCount, manifest.PromptCount);
            return prompts;
        }
        catch
        {
            prompts.Dispose();
            throw;
        }
    }

    private static int[] ReadIds(string folder, ParquetTable prompts, IndexManifest manifest)
    {
        int[] ids = prompts.Column<int>("id");
        int previous = -1;
        foreach (int id in ids)
        {
            if (id <= previous || !manifest.Ids.Any(range => range.Contains(id)))
            {
                throw new InvalidDataException(
                    $"'{folder}': prompt id {id} after {previous}, "
                    + $"expected ascending ids of {string.Join(", ", manifest.Ids)}");
            }
            previous = id;
        }
        if (ids.Length == 0 || Path.GetFileName(folder) != IndexPart.NameOf(ids[0], ids[^1]))
        {
            string found = ids.Length == 0 ? "no prompts" : $"prompts {ids[0]} to {ids[^1]}";
            throw new InvalidDataException($"'{folder}': {found}, which is not what the folder's name says");
        }
        return ids;
    }

    private static void AddIds(string folder, int[] ids, HashSet<int> all)
    {
        foreach (int id in ids)
        {
            if (!all.Add(id))
            {
                throw new InvalidDataException(
                    $"'{folder}': prompt {id} is in another part as well; delete one of the two");
            }
        }
    }

    private static int[] RowStarts(string path, int[] ids, int[] promptOfRow)
    {
        int[] starts = new int[ids.Length + 1];
        int row = 0;
        for (int p = 0; p < ids.Length; p++)
        {
            starts[p] = row;
            while (row < promptOfRow.Length && promptOfRow[row] == ids[p])
            {
                row++;
            }
        }
        if (row != promptOfRow.Length)
        {
            throw new InvalidDataException(
                $"'{path}' row {row}: prompt {promptOfRow[row]}, "
                + $"expected the prompts of {IndexPart.PromptsFile} in ascending order");
        }
        starts[^1] = row;
        return starts;
    }

    private static void CheckPrompts(string folder, IndexPart part, IndexManifest manifest)
    {
        for (int p = 0; p < part.Ids.Length; p++)
        {
            Range rows = part.RowStarts[p]..part.RowStarts[p + 1];
            string? broken = PromptRules.Broken(
                manifest,
                part.Tokens[p],
                part.Digests[p],
                part.Embeddings.AsSpan(part.EmbeddingStarts[p]..part.EmbeddingStarts[p + 1]),
                part.Latents.AsSpan(rows),
                part.Sums.AsSpan(rows),
                part.Maxima.AsSpan(rows),
                part.Counts.AsSpan(rows));
            if (broken is not null)
            {
                throw new InvalidDataException($"'{folder}' prompt {part.Ids[p]}: {broken}");
            }
        }
    }

    private static LatentStatistics[] ReadStatistics(string folder, IndexManifest manifest)
    {
        string path = Path.Combine(folder, IndexPart.LatentsFile);
        using ParquetTable table = ParquetTable.Open(path);
        Believable(path, table.RowCount, manifest.DSae);
        int[] latents = table.Column<int>("latent");
        long[] tokens = table.Column<long>("tokens_active");
        double[] sums = table.Column<double>("sum");
        double[] squares = table.Column<double>("sum_of_squares");
        float[] maxima = table.Column<float>("max");
        int[] prompts = table.Column<int>("prompts_active");
        return [.. latents.Select((latent, i) =>
            new LatentStatistics(latent, tokens[i], sums[i], squares[i], maxima[i], prompts[i]))];
    }

    // All but the sum of squares can be counted again from the activations, in the same order as when it was written.
    private static void CheckStatistics(string path, IndexPart part, int dSae)
    {
        var counted = new LatentStatistics[dSae];
        for (int row = 0; row < part.Latents.Length; row++)
        {
            int latent = part.Latents[row];
            counted[latent] = (counted[latent] with { Latent = latent }).Plus(
                new LatentStatistics(latent, part.Counts[row], part.Sums[row], 0, part.Maxima[row], 1));
        }
        LatentStatistics[] expected = [.. counted.Where(latent => latent.PromptsActive > 0)];
        if (expected.Length != part.Statistics.Length)
        {
            throw new InvalidDataException(
                $"'{path}': {part.Statistics.Length} latents, "
                + $"expected the {expected.Length} of {IndexPart.ActivationsFile}");
        }
        for (int i = 0; i < expected.Length; i++)
        {
            LatentStatistics found = part.Statistics[i];
            if (found != expected[i] with { SumOfSquares = found.SumOfSquares }
                || !(found.SumOfSquares > 0 && double.IsFinite(found.SumOfSquares)))
            {
                throw new InvalidDataException(
                    $"'{path}' row {i}: latent {found.Latent} differs "
                    + $"from what {IndexPart.ActivationsFile} adds up to");
            }
        }
    }

    private static void Believable(string path, long rows, long most)
    {
        if (rows < 0 || rows > most)
        {
            throw new InvalidDataException($"'{path}': {rows} rows, expected at most {most}");
        }
    }
}
