using LayerSteer.Numerics;
using LayerSteer.Topics;

namespace LayerSteer.Tests.Topics;

/// <summary>Made-up prompts and manifests.</summary>
internal static class SampleIndex
{
    public const int DSae = 40;
    public const int DEmbedding = 20;

    public static PromptSummary[] Prompts(
        int count, ulong seed = 1, int dSae = DSae, int active = 9, int dEmbedding = DEmbedding)
    {
        var generator = new SplitMix64(seed);
        var prompts = new PromptSummary[count];
        for (int id = 0; id < count; id++)
        {
            int[] all = [.. Enumerable.Range(0, dSae - 1)];
            generator.Shuffle<int>(all);
            int[] latents = id % 7 == 6 ? [] : [.. all.Take(1 + generator.NextInt(active)).Order()];
            int windows = 1 + generator.NextInt(2);
            prompts[id] = new PromptSummary
            {
                Id = id,
                Digest = ReferenceSource.DigestOfText($"text {id} of {seed}"),
                Tokens = latents.Length == 0 ? 0 : 30,
                Embeddings = [.. Enumerable.Range(0, windows).SelectMany(_ => Unit(dEmbedding, ref generator))],
                Latents = latents,
                Sum = Positive(latents.Length, ref generator),
                SumOfSquares = Positive(latents.Length, ref generator),
                Max = [.. Positive(latents.Length, ref generator).Select(value => (float)value)],
                Count = Counts(latents.Length, ref generator),
            };
        }
        return prompts;
    }

    public static IndexManifest Manifest(
        IReadOnlyList<PromptSummary> list, int dSae = DSae, int dEmbedding = DEmbedding)
    {
        return new IndexManifest
        {
            Created = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
            Mode = SteeringMode.Corrected,
            Model = new Artefact("models/gpt2", "model-digest"),
            Sae = new Artefact("saes/gpt2", "sae-digest"),
            Encoder = new Artefact("encoders/minilm", "encoder-digest"),
            TokenizerDigest = "tokenizer-digest",
            Layer = 2,
            HookPoint = "blocks.2.hook_resid_post",
            BosPolicy = "prepended and left out",
            DModel = 64,
            DSae = dSae,
            DEmbedding = dEmbedding,
            EncoderMaxLength = 512,
            Reference = new ReferenceSource(
                "refs.csv", ReferenceSource.DigestOf(list.Select(p => p.Digest)), list.Count),
            Ids = [new IdRange(0, list.Count)],
        };
    }

    /// <summary>Builds an index of some of the prompts, in parts of a size.</summary>
    public static string Build(
        string folder, IndexManifest manifest, IEnumerable<PromptSummary> prompts, int partSize = 4)
    {
        using ReferenceIndexWriter writer = ReferenceIndexWriter.Open(folder, manifest);
        foreach (PromptSummary[] part in prompts.Chunk(partSize))
        {
            writer.Append(part);
        }
        return folder;
    }

    public static float[] Unit(int length, ref SplitMix64 generator)
    {
        double[] values = new double[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = generator.NextDouble() - 0.5;
        }
        double norm = Math.Sqrt(values.Sum(value => value * value));
        return [.. values.Select(value => (float)(value / norm))];
    }

    private static double[] Positive(int count, ref SplitMix64 generator)
    {
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = generator.NextDouble() + 0.01;
        }
        return values;
    }

    private static int[] Counts(int count, ref SplitMix64 generator)
    {
        int[] values = new int[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = 1 + generator.NextInt(20);
        }
        return values;
    }
}
