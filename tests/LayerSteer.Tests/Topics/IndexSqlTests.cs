using System.Globalization;
using DuckDB.NET.Data;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

/// <summary>Any engine that reads Parquet can score an index: here DuckDB, over the part folders as they lie.</summary>
public sealed class IndexSqlTests
{
    [Fact]
    public void One_group_by_gives_the_mean_squared_distance_of_each_latent()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] prompts = SampleIndex.Prompts(30);
        SampleIndex.Build(folder["index"], SampleIndex.Manifest(prompts), prompts, 7);
        ReferenceIndex index = ReferenceIndex.Open(folder["index"]);
        var generator = new SplitMix64(4);
        float[][] topic =
        [
            .. Enumerable.Range(0, 3).Select(_ => SampleIndex.Unit(SampleIndex.DEmbedding, ref generator)),
        ];
        FeatureScoring expected = new FeatureScorer(index).Score([.. topic.SelectMany(vector => vector)]);
        string vectors = string.Join(
            ", ", topic.Select(vector => $"([{string.Join(", ", vector.Select(Exact))}]::DOUBLE[])"));
        string activations = $"read_parquet('{folder["index"]}/*/activations.parquet')";

        Dictionary<int, double> found = Query($"""
            WITH topic(vector) AS (VALUES {vectors}),
            windows AS (
                SELECT id, list_slice(embedding, start + 1, start + {SampleIndex.DEmbedding})::DOUBLE[] AS vector
                FROM (SELECT id, embedding, unnest(range(0, len(embedding), {SampleIndex.DEmbedding})) AS start
                      FROM read_parquet('{folder["index"]}/*/prompts.parquet'))),
            distance AS (
                SELECT id, min(list_distance(windows.vector, topic.vector)) ^ 2 AS squared
                FROM windows, topic GROUP BY id),
            total AS (
                SELECT prompt, sum("sum") AS total FROM {activations} GROUP BY prompt)
            SELECT latent, sum("sum" / total * squared) / sum("sum" / total)
            FROM {activations} AS a
            JOIN total ON total.prompt = a.prompt JOIN distance ON distance.id = a.prompt
            GROUP BY latent
            """);

        Assert.Equal(expected.Scores.ScoredCount, found.Count);
        foreach ((int latent, double mean) in found)
        {
            Assert.Equal(expected.MeanSquaredDistance[latent], mean, 1e-12);
        }
    }

    [Fact]
    public void The_statement_in_the_documents_gives_the_scores()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] prompts = SampleIndex.Prompts(30);
        SampleIndex.Build(folder["index"], SampleIndex.Manifest(prompts), prompts, 7);
        ReferenceIndex index = ReferenceIndex.Open(folder["index"]);
        var generator = new SplitMix64(4);
        FeatureScoring expected = new FeatureScorer(index).Score(
            SampleIndex.Unit(SampleIndex.DEmbedding, ref generator));
        string distances = string.Join(", ", expected.MinDistances.Select((distance, row) => string.Create(
            CultureInfo.InvariantCulture, $"({index.PromptIds[row]}, ({distance:E16}::DOUBLE) ^ 2)")));
        string document = File.ReadAllText(Path.Combine(TestFiles.Root, "docs", "index-format.md"));
        int start = document.IndexOf("```sql", StringComparison.Ordinal) + "```sql".Length;
        string statement = document[start..document.IndexOf("```", start, StringComparison.Ordinal)];

        Dictionary<int, double> found = Query(
            $"CREATE TABLE distances AS SELECT * FROM (VALUES {distances}) AS t(prompt, d2);"
            + statement.Replace("'index/", $"'{folder["index"]}/", StringComparison.Ordinal));

        Assert.Equal(expected.Scores.ScoredCount, found.Count);
        Assert.All(found, row => Assert.Equal(expected.Scores.Values[row.Key], row.Value, 1e-9));
    }

    [Fact]
    public void The_latents_files_add_up_to_the_statistics()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] prompts = SampleIndex.Prompts(30);
        SampleIndex.Build(folder["index"], SampleIndex.Manifest(prompts), prompts, 7);
        ReferenceIndex index = ReferenceIndex.Open(folder["index"]);

        Dictionary<int, double> squares = Query($"""
            SELECT latent, sum(sum_of_squares) FROM read_parquet('{folder["index"]}/*/latents.parquet') GROUP BY latent
            """);

        Assert.NotEmpty(squares);
        Assert.All(squares, row => Assert.Equal(index.LatentStatistics[row.Key].SumOfSquares, row.Value, 1e-12));
    }

    private static string Exact(float value) => ((double)value).ToString("E16", CultureInfo.InvariantCulture);

    private static Dictionary<int, double> Query(string sql)
    {
        using var connection = new DuckDBConnection("DataSource=:memory:");
        connection.Open();
        using DuckDBCommand command = connection.CreateCommand();
        command.CommandText = sql;
        using DuckDBDataReader reader = command.ExecuteReader();
        var rows = new Dictionary<int, double>();
        while (reader.Read())
        {
            rows.Add(reader.GetInt32(0), reader.GetDouble(1));
        }
        return rows;
    }
}
