using CsCheck;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class HostileIndexTests
{
    private const string PartName = "part-000000-000005";

    private readonly PromptSummary[] _prompts = SampleIndex.Prompts(6);

    [Fact]
    public void Every_bad_value_in_a_part_is_refused_with_its_place()
    {
        IndexPart good = IndexPart.From(_prompts);
        int first = good.Latents[0];
        LatentStatistics statistics = good.Statistics[0];
        string differs =
            $"/latents.parquet' row 0: latent {statistics.Latent} differs from what activations.parquet adds up to";
        (IndexPart Part, string Message)[] bad =
        [
            (good with { Ids = [0, 1, 2, 3, 3, 5] }, ": prompt id 3 after 3, expected ascending ids of 0..5"),
            (good with { Tokens = Changed(good.Tokens, 0, -4) }, " prompt 0: -4 tokens, expected 0 or more"),
            (good with { Digests = Changed(good.Digests, 2, "ABC") },
                " prompt 2: digest is not 64 lower-case hexadecimal digits"),
            (good with { Embeddings = Changed(good.Embeddings, 1, float.NaN) },
                " prompt 0: embedding 0 has length NaN, expected 1 (L2-normalised, finite)"),
            (good with { Latents = Changed(good.Latents, 0, 40) },
                " prompt 0: latent 40 after -1, expected ascending latents from 0 to 39"),
            (good with { Latents = Changed(good.Latents, 0, -7) },
                " prompt 0: latent -7 after -1, expected ascending latents from 0 to 39"),
            (good with { Sums = Changed(good.Sums, 0, double.PositiveInfinity) },
                FormattableString.Invariant($" prompt 0: latent {first} has sum Infinity and max {good.Maxima[0]}, ")
                + "expected finite positive numbers"),
            (good with { Maxima = Changed(good.Maxima, 0, -1f) },
                FormattableString.Invariant(
                    $" prompt 0: latent {first} has sum {good.Sums[0]} and max -1, expected finite positive numbers")),
            (good with { Counts = Changed(good.Counts, 0, 0) },
                $" prompt 0: latent {first} has count 0, expected 1 to the prompt's 30 tokens"),
            (good with { Statistics = good.Statistics[1..] },
                $"/latents.parquet': {good.Statistics.Length - 1} latents, "
                + $"expected the {good.Statistics.Length} of activations.parquet"),
            (good with { Statistics = Changed(good.Statistics, 0, statistics with { PromptsActive = 99 }) },
                differs),
            (good with { Statistics = Changed(good.Statistics, 0, statistics with { SumOfSquares = double.NaN }) },
                differs),
        ];
        foreach ((IndexPart part, string message) in bad)
        {
            using var folder = new TemporaryFolder();
            SampleIndex.Manifest(_prompts).Write(folder.Root);
            part.Write(folder.Root);

            var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));

            string quote = message.StartsWith('/') ? string.Empty : "'";
            Assert.Equal($"'{folder[PartName]}{quote}{message}", error.Message);
        }
    }

    [Fact]
    public void A_prompt_in_two_parts_is_refused()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder.Root, SampleIndex.Manifest(_prompts), _prompts);
        IndexPart.From(_prompts[2..4]).Write(folder.Root);

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));

        Assert.Equal(
            $"'{folder["part-000002-000003"]}': prompt 2 is in another part as well; delete one of the two",
            error.Message);
    }

    [Fact]
    public void A_part_under_another_name_is_refused()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder.Root, SampleIndex.Manifest(_prompts), _prompts, 6);
        Directory.Move(folder[PartName], folder["part-000000-000009"]);

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));

        Assert.Equal(
            $"'{folder["part-000000-000009"]}': prompts 0 to 5, which is not what the folder's name says",
            error.Message);
    }

    [Fact]
    public void Activations_of_an_unknown_prompt_are_refused()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder["a"], SampleIndex.Manifest(_prompts), _prompts, 6);
        IndexPart.From([_prompts[0] with { Id = 9 }]).Write(folder.Root);
        string path = folder[$"a/{PartName}/activations.parquet"];
        File.Copy(folder["part-000009-000009/activations.parquet"], path, overwrite: true);
        PartSums.Write(folder[$"a/{PartName}"]);

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder["a"]));

        Assert.Equal(
            $"'{path}' row 0: prompt 9, expected the prompts of prompts.parquet in ascending order",
            error.Message);
    }

    [Fact]
    public void A_file_with_other_columns_is_refused_by_column()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder.Root, SampleIndex.Manifest(_prompts), _prompts, 6);
        File.Copy(folder[$"{PartName}/latents.parquet"], folder[$"{PartName}/activations.parquet"], overwrite: true);
        PartSums.Write(folder[PartName]);

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));

        Assert.Equal(
            $"'{folder[$"{PartName}/activations.parquet"]}': no column 'prompt' of type required int32", error.Message);
    }

    [Fact]
    public void A_changed_byte_or_a_lost_end_is_refused_wherever_it_is()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder.Root, SampleIndex.Manifest(_prompts), _prompts, 6);
        string[] files = Directory.GetFiles(folder[PartName]);
        byte[][] whole = [.. files.Select(File.ReadAllBytes)];

        Gen.Select(Gen.Int[0, files.Length - 1], Gen.Int, Gen.Byte[1, 255], Gen.Bool).Sample(
            (file, where, flip, cut) =>
            {
                byte[] bytes = [.. whole[file]];
                int at = (int)((uint)where % (uint)bytes.Length);
                bytes[at] ^= flip;
                File.WriteAllBytes(files[file], cut ? bytes[..at] : bytes);
                try
                {
                    Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));
                    Assert.Throws<InvalidDataException>(
                        () => ReferenceIndexWriter.Open(folder.Root, SampleIndex.Manifest(_prompts)));
                }
                finally
                {
                    File.WriteAllBytes(files[file], whole[file]);
                }
            },
            iter: 100,
            threads: 1);

        Assert.Equal(6, ReferenceIndex.Open(folder.Root).PromptCount);
    }

    [Fact]
    public void A_damaged_part_says_what_to_do()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder.Root, SampleIndex.Manifest(_prompts), _prompts, 6);
        string path = folder[$"{PartName}/prompts.parquet"];
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^1]);

        var damaged = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));
        File.Delete(path);
        var missing = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));

        Assert.Equal(
            $"'{path}': damaged, its SHA-256 is not in SHA256SUMS; delete this part and resume the build",
            damaged.Message);
        Assert.Equal(
            $"'{folder[PartName]}': no prompts.parquet; delete this part and resume the build",
            missing.Message);
    }

    [Fact]
    public void A_file_that_is_not_parquet_is_refused_even_with_its_sum()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder.Root, SampleIndex.Manifest(_prompts), _prompts, 6);
        folder.Write($"{PartName}/activations.parquet", "not parquet at all");
        PartSums.Write(folder[PartName]);

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));

        Assert.StartsWith(
            $"'{folder[$"{PartName}/activations.parquet"]}': not a whole Parquet file (",
            error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static T[] Changed<T>(T[] values, int at, T value)
    {
        T[] copy = [.. values];
        copy[at] = value;
        return copy;
    }
}
