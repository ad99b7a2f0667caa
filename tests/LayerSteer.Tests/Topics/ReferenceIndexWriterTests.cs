using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class ReferenceIndexWriterTests
{
    private readonly PromptSummary[] _prompts = SampleIndex.Prompts(6);

    [Fact]
    public void A_second_writer_is_kept_out_until_the_first_is_disposed()
    {
        using var folder = new TemporaryFolder();
        IndexManifest manifest = SampleIndex.Manifest(_prompts);
        using (ReferenceIndexWriter.Open(folder["index"], manifest))
        {
            var error = Assert.Throws<IOException>(() => ReferenceIndexWriter.Open(folder["index"], manifest));

            Assert.Equal($"'{folder["index"]}': another writer has this index open (writer.lock)", error.Message);
        }

        ReferenceIndexWriter.Open(folder["index"], manifest).Dispose();
    }

    [Fact]
    public void A_folder_begun_with_something_else_is_refused_by_field()
    {
        using var folder = new TemporaryFolder();
        IndexManifest manifest = SampleIndex.Manifest(_prompts);
        SampleIndex.Build(folder["index"], manifest, _prompts[..2]);
        (IndexManifest Manifest, string Message)[] others =
        [
            (manifest with { Mode = SteeringMode.Seed }, "mode corrected, expected seed"),
            (manifest with { Model = new Artefact("m", "x") }, "model.digest model-digest, expected x"),
            (manifest with { Sae = new Artefact("m", "x") }, "sae.digest sae-digest, expected x"),
            (manifest with { Encoder = new Artefact("m", "x") }, "encoder.digest encoder-digest, expected x"),
            (manifest with { TokenizerDigest = "x" }, "tokenizer_digest tokenizer-digest, expected x"),
            (manifest with { Layer = 3 }, "layer 2, expected 3"),
            (manifest with { HookPoint = "x" }, "hook_point blocks.2.hook_resid_post, expected x"),
            (manifest with { BosPolicy = "none" }, "bos_policy prepended and left out, expected none"),
            (manifest with { DModel = 65 }, "d_model 64, expected 65"),
            (manifest with { DSae = 41 }, "d_sae 40, expected 41"),
            (manifest with { DEmbedding = 21 }, "d_embedding 20, expected 21"),
            (manifest with { EncoderMaxLength = 20 }, "encoder_max_length 512, expected 20"),
            (manifest with { Ids = [new IdRange(0, 3)] }, "ids 0..5, expected 0..2"),
            (manifest with { Reference = manifest.Reference with { Digest = new string('a', 64) } },
                $"reference.digest {manifest.Reference.Digest}, expected {new string('a', 64)}"),
        ];

        foreach ((IndexManifest other, string message) in others)
        {
            var error = Assert.Throws<InvalidDataException>(() => ReferenceIndexWriter.Open(folder["index"], other));
            Assert.Equal($"'{folder["index"]}' was begun with {message}; build into another folder", error.Message);
        }
    }

    [Fact]
    public void A_folder_of_something_else_is_refused_and_left_alone()
    {
        using var folder = new TemporaryFolder();
        folder.Write("notes.txt", "mine");
        folder.Write(".tmp-mine", "mine too");

        var error = Assert.Throws<InvalidDataException>(
            () => ReferenceIndexWriter.Open(folder.Root, SampleIndex.Manifest(_prompts)));

        Assert.Equal(
            $"'{folder.Root}' is not empty and has no manifest.json; build into another folder",
            error.Message);
        Assert.Equal(
            [".tmp-mine", "notes.txt"],
            Directory.GetFileSystemEntries(folder.Root).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_prompt_that_breaks_a_rule_is_refused_and_nothing_is_added()
    {
        using var folder = new TemporaryFolder();
        PromptSummary good = _prompts[0];
        int latent = good.Latents[0];
        (PromptSummary Prompt, string Message)[] bad =
        [
            (good with { Id = 6 }, "prompt 6: this index is to hold the ids 0..5"),
            (good with { Id = 1 }, "prompt 1: ids must be ascending and not in the index yet"),
            (good with { Tokens = -1 }, "prompt 0: -1 tokens, expected 0 or more"),
            (good with { Digest = "abc" }, "prompt 0: digest is not 64 lower-case hexadecimal digits"),
            (good with { Embeddings = [1, 2, 3] }, "prompt 0: 3 embedding values, expected a positive multiple of 20"),
            (good with { Embeddings = new float[20] },
                "prompt 0: embedding 0 has length 0, expected 1 (L2-normalised, finite)"),
            (good with { Latents = [] },
                "prompt 0: Sum, SumOfSquares, Max and Count must have one element for each of Latents"),
            (One(good, 40, 1, 1, 1), "prompt 0: latent 40 after -1, expected ascending latents from 0 to 39"),
            (One(good, latent, double.NaN, 1, 1),
                $"prompt 0: latent {latent} has sum NaN and max 1, expected finite positive numbers"),
            (One(good, latent, 1, float.PositiveInfinity, 1),
                $"prompt 0: latent {latent} has sum 1 and max Infinity, expected finite positive numbers"),
            (One(good, latent, 0, 1, 1),
                $"prompt 0: latent {latent} has sum 0 and max 1, expected finite positive numbers"),
            (One(good, latent, 1, 1, 31),
                $"prompt 0: latent {latent} has count 31, expected 1 to the prompt's 30 tokens"),
            (One(good, latent, 1, 1, 1) with { SumOfSquares = [-1] },
                "prompt 0: SumOfSquares must hold finite positive numbers"),
        ];
        using ReferenceIndexWriter writer = ReferenceIndexWriter.Open(folder["index"], SampleIndex.Manifest(_prompts));
        writer.Append([_prompts[1]]);

        foreach ((PromptSummary prompt, string message) in bad)
        {
            var error = Assert.Throws<ArgumentException>(() => writer.Append([prompt]));
            Assert.Equal($"{message} (Parameter 'prompts')", error.Message);
        }

        Assert.Equal([1], writer.CompletedPrompts);
        Assert.Equal(["part-000001-000001"], Directory.GetDirectories(folder["index"]).Select(Path.GetFileName));
    }

    [Fact]
    public void Appending_nothing_does_nothing()
    {
        using var folder = new TemporaryFolder();
        using ReferenceIndexWriter writer = ReferenceIndexWriter.Open(folder["index"], SampleIndex.Manifest(_prompts));

        writer.Append([]);

        Assert.Empty(Directory.GetDirectories(folder["index"]));
    }

    private static PromptSummary One(PromptSummary prompt, int latent, double sum, float max, int count) => prompt with
    {
        Latents = [latent],
        Sum = [sum],
        SumOfSquares = [1],
        Max = [max],
        Count = [count],
    };
}
