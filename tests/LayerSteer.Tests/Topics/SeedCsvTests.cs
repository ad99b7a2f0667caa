using System.Text.Json;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

/// <summary>golden/gpt2-topk/csv holds what pandas wrote from the arrays of golden.npz.</summary>
public sealed class SeedCsvTests
{
    [Theory]
    [InlineData(SeedCsv.ReferenceEmbeddings, "score.ref_embed")]
    [InlineData(SeedCsv.AlignmentEmbeddings, "score.align_embed")]
    [InlineData("dref_latents_2.csv", "score.latents_avg")]
    public void The_reference_arrays_give_the_reference_files_byte_for_byte(string name, string array)
    {
        string expected = File.ReadAllText(TestFiles.Golden($"gpt2-topk/csv/{name}"));
        using var golden = new GoldenArrays("gpt2-topk");
        using var folder = new TemporaryFolder();

        SeedCsv.Write(folder[name], golden.Floats(array), golden.Read(array).Shape[1]);

        Assert.Equal(expected, File.ReadAllText(folder[name]));
    }

    [Fact]
    public void Token_texts_name_the_rows_as_pandas_quotes_them()
    {
        string[] expected = File.ReadAllLines(TestFiles.Golden("gpt2-topk/csv/swap_latents_at_layer_2.csv"));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Golden("gpt2-topk/golden.json")));
        int prompt = document.RootElement.GetProperty("csv_prompt").GetInt32();
        string[] tokens =
        [
            "<|endoftext|>",
            .. document.RootElement.GetProperty("prompts")[prompt].GetProperty("str_tokens").EnumerateArray()
                .Select(token => token.GetString()!).SkipWhile(token => token == "<|endoftext|>"),
        ];
        using var folder = new TemporaryFolder();

        SeedCsv.Write(folder["x.csv"], new float[tokens.Length], 1, tokens);

        static string Name(string line) =>
            line.StartsWith("\",\"", StringComparison.Ordinal) ? "\",\"" : line.Split(',')[0];
        Assert.Equal(expected.Select(Name), File.ReadAllLines(folder["x.csv"]).Select(Name));
    }

    [Fact]
    public void Summaries_of_an_index_are_written_as_the_seed_writes_them()
    {
        using var golden = new GoldenArrays("gpt2-topk");
        using var folder = new TemporaryFolder();
        ReferenceIndex index = GoldenScoringTests.Index(golden, folder["index"]);

        SeedCsv.Write(folder["x.csv"], index.Summaries(SummaryKind.Average));

        string[][] expected = Cells(TestFiles.Golden("gpt2-topk/csv/dref_latents_2.csv"));
        string[][] found = Cells(folder["x.csv"]);
        Assert.Equal(expected[0], found[0]);
        for (int row = 1; row < expected.Length; row++)
        {
            Assert.Equal(expected[row][0], found[row][0]);
            Assert.Equal(
                expected[row].Select(float.Parse), found[row].Select(float.Parse), (a, b) => Math.Abs(a - b) < 1e-7);
        }
    }

    [Fact]
    public void A_prompt_on_which_nothing_fired_is_a_row_of_empty_cells()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] prompts = SampleIndex.Prompts(7, dSae: 3, active: 2);
        SampleIndex.Build(folder["index"], SampleIndex.Manifest(prompts, dSae: 3), prompts);

        SeedCsv.Write(folder["x.csv"], ReferenceIndex.Open(folder["index"]).Summaries(SummaryKind.Counts));

        Assert.Equal("6,,,", File.ReadAllLines(folder["x.csv"])[^1]);
    }

    [Theory]
    [InlineData(0f, "0.0")]
    [InlineData(-0f, "-0.0")]
    [InlineData(2f, "2.0")]
    [InlineData(0.1f, "0.1")]
    [InlineData(1e-4f, "0.0001")]
    [InlineData(1e-5f, "1e-05")]
    [InlineData(-1.25e-7f, "-1.25e-07")]
    [InlineData(16777216f, "16777216.0")]
    [InlineData(1e15f, "1000000000000000.0")]
    [InlineData(1e16f, "1e+16")]
    [InlineData(3.4028235e38f, "3.4028235e+38")]
    [InlineData(1.1754944e-38f, "1.1754944e-38")]
    [InlineData(float.NaN, "nan")]
    [InlineData(float.NegativeInfinity, "-inf")]
    public void A_float_is_written_as_numpy_writes_it(float value, string expected) =>
        Assert.Equal(expected, PythonNumber.Format(value));

    [Theory]
    [InlineData(6.024014949798584e-05, "6.024014949798584e-05")]
    [InlineData(0.23969530807775496, "0.23969530807775496")]
    [InlineData(1e22, "1e+22")]
    [InlineData(1e100, "1e+100")]
    [InlineData(123456789012345680.0, "1.2345678901234568e+17")]
    [InlineData(1234567890123456.0, "1234567890123456.0")]
    [InlineData(5e-324, "5e-324")]
    [InlineData(2.9802322387695312e-08, "2.9802322387695312e-08")]
    public void A_double_is_written_as_python_writes_it(double value, string expected) =>
        Assert.Equal(expected, PythonNumber.Format(value));

    [Fact]
    public void The_seed_s_file_names_are_kept()
    {
        Assert.Equal("dref_latents_9.csv", SeedCsv.ReferenceLatents(9));
        Assert.Equal("swap_latents_at_layer_9.csv", SeedCsv.MethodLatents("swap", 9));
        var error = Assert.Throws<ArgumentException>(() => SeedCsv.MethodLatents("steer", 9));
        Assert.Equal("no method 'steer'; there are sae, clamp, weight, swap (Parameter 'method')", error.Message);
    }

    private static string[][] Cells(string path) => [.. File.ReadAllLines(path).Select(line => line.Split(','))];
}
