using System.Globalization;
using LayerSteer.Formats;
using Parquet.Schema;

namespace LayerSteer.Topics;

/// <summary>
/// One part folder of an index, "part-000000-000063": the prompts that were appended together, as three Parquet files.
/// prompts(id, digest, tokens, embedding), activations(prompt, latent, sum, max, count) sorted by prompt and latent,
/// and latents(latent, tokens_active, sum, sum_of_squares, max, prompts_active) over the prompts of the part; and their
/// sums.
/// </summary>
internal sealed record IndexPart
{
    public const string Prefix = "part-";
    public const string PromptsFile = "prompts.parquet";
    public const string ActivationsFile = "activations.parquet";
    public const string LatentsFile = "latents.parquet";

    private static readonly ParquetSchema PromptsSchema = new(
        new DataField<int>("id", false),
        new DataField<string>("digest", false),
        new DataField<int>("tokens", false),
        new ListField("embedding", new DataField<float>("element", false)));

    private static readonly ParquetSchema ActivationsSchema = new(
        new DataField<int>("prompt", false),
        new DataField<int>("latent", false),
        new DataField<double>("sum", false),
        new DataField<float>("max", false),
        new DataField<int>("count", false));

    private static readonly ParquetSchema LatentsSchema = new(
        new DataField<int>("latent", false),
        new DataField<long>("tokens_active", false),
        new DataField<double>("sum", false),
        new DataField<double>("sum_of_squares", false),
        new DataField<float>("max", false),
        new DataField<int>("prompts_active", false));

    /// <summary>[prompts], ascending.</summary>
    public required int[] Ids { get; init; }

    /// <summary>[prompts]</summary>
    public required string[] Digests { get; init; }

    /// <summary>[prompts]</summary>
    public required int[] Tokens { get; init; }

    /// <summary>
    /// The sentence vectors of all prompts; those of prompt p begin at <see cref="EmbeddingStarts"/>[p].
    /// </summary>
    public required float[] Embeddings { get; init; }

    /// <summary>[prompts + 1]</summary>
    public required int[] EmbeddingStarts { get; init; }

    /// <summary>[prompts + 1]: where the activations of each prompt begin.</summary>
    public required int[] RowStarts { get; init; }

    /// <summary>[activations], ascending within a prompt.</summary>
    public required int[] Latents { get; init; }

    /// <summary>[activations]</summary>
    public required double[] Sums { get; init; }

    /// <summary>[activations]</summary>
    public required float[] Maxima { get; init; }

    /// <summary>[activations]</summary>
    public required int[] Counts { get; init; }

    /// <summary>One for each latent that is active in the part, ascending.</summary>
    public required LatentStatistics[] Statistics { get; init; }

    public string Name => NameOf(Ids[0], Ids[^1]);

    public static string NameOf(int firstId, int lastId) =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}{firstId:D6}-{lastId:D6}");

    /// <summary>The part folders of an index, in a fixed order.</summary>
    public static string[] Folders(string index)
    {
        string[] folders = Directory.GetDirectories(index, Prefix + "*");
        Array.Sort(folders, StringComparer.Ordinal);
        return folders;
    }

    /// <summary>A part of checked prompts: at least one, ids ascending.</summary>
    public static IndexPart From(IReadOnlyList<PromptSummary> prompts)
    {
        var latents = new SortedDictionary<int, LatentStatistics>();
        foreach (PromptSummary prompt in prompts)
        {
            for (int i = 0; i < prompt.Latents.Length; i++)
            {
                int latent = prompt.Latents[i];
                var here = new LatentStatistics(
                    latent, prompt.Count[i], prompt.Sum[i], prompt.SumOfSquares[i], prompt.Max[i], 1);
                latents[latent] = latents.TryGetValue(latent, out LatentStatistics before) ? before.Plus(here) : here;
            }
        }
        return new IndexPart
        {
            Ids = [.. prompts.Select(p => p.Id)],
            Digests = [.. prompts.Select(p => p.Digest)],
            Tokens = [.. prompts.Select(p => p.Tokens)],
            Embeddings = [.. prompts.SelectMany(p => p.Embeddings)],
            EmbeddingStarts = Starts(prompts.Select(p => p.Embeddings.Length)),
            RowStarts = Starts(prompts.Select(p => p.Latents.Length)),
            Latents = [.. prompts.SelectMany(p => p.Latents)],
            Sums = [.. prompts.SelectMany(p => p.Sum)],
            Maxima = [.. prompts.SelectMany(p => p.Max)],
            Counts = [.. prompts.SelectMany(p => p.Count)],
            Statistics = [.. latents.Values],
        };
    }

    /// <summary>The same prompts at later ids, for a list that is put behind another.</summary>
    public IndexPart Shifted(int offset) => this with { Ids = [.. Ids.Select(id => id + offset)] };

    /// <summary>Writes the folder whole or not at all: beside its place, to the disk, then renamed.</summary>
    public void Write(string index)
    {
        string temporary = Path.Combine(index, AtomicFile.TemporaryPrefix + Name);
        Directory.CreateDirectory(temporary);
        ParquetTable.Write(Path.Combine(temporary, PromptsFile), PromptsSchema, (rows, fields) =>
        {
            ParquetTable.WriteColumn(rows, fields[0], Ids);
            ParquetTable.WriteStrings(rows, fields[1], Digests);
            ParquetTable.WriteColumn(rows, fields[2], Tokens);
            ParquetTable.WriteLists(rows, fields[3], Embeddings, EmbeddingStarts);
        });
        ParquetTable.Write(Path.Combine(temporary, ActivationsFile), ActivationsSchema, (rows, fields) =>
        {
            ParquetTable.WriteColumn(rows, fields[0], PromptOfEachActivation());
            ParquetTable.WriteColumn(rows, fields[1], Latents);
            ParquetTable.WriteColumn(rows, fields[2], Sums);
            ParquetTable.WriteColumn(rows, fields[3], Maxima);
            ParquetTable.WriteColumn(rows, fields[4], Counts);
        });
        ParquetTable.Write(Path.Combine(temporary, LatentsFile), LatentsSchema, (rows, fields) =>
        {
            ParquetTable.WriteColumn<int>(rows, fields[0], [.. Statistics.Select(l => l.Latent)]);
            ParquetTable.WriteColumn<long>(rows, fields[1], [.. Statistics.Select(l => l.TokensActive)]);
            ParquetTable.WriteColumn<double>(rows, fields[2], [.. Statistics.Select(l => l.Sum)]);
            ParquetTable.WriteColumn<double>(rows, fields[3], [.. Statistics.Select(l => l.SumOfSquares)]);
            ParquetTable.WriteColumn<float>(rows, fields[4], [.. Statistics.Select(l => l.Max)]);
            ParquetTable.WriteColumn<int>(rows, fields[5], [.. Statistics.Select(l => l.PromptsActive)]);
        });
        PartSums.Write(temporary);
        Directory.Move(temporary, Path.Combine(index, Name));
    }

    private int[] PromptOfEachActivation()
    {
        int[] prompts = new int[Latents.Length];
        for (int p = 0; p < Ids.Length; p++)
        {
            prompts.AsSpan(RowStarts[p]..RowStarts[p + 1]).Fill(Ids[p]);
        }
        return prompts;
    }

    private static int[] Starts(IEnumerable<int> lengths)
    {
        var starts = new List<int> { 0 };
        foreach (int length in lengths)
        {
            starts.Add(checked(starts[^1] + length));
        }
        return [.. starts];
    }
}
