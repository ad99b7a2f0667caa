using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Golden;
using LayerSteer.Text;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

/// <summary>Logits of the published methods, centred over the vocabulary; tolerances from golden/README.md.</summary>
public class MethodGoldenTests
{
    private static readonly string[] Methods = ["orig", "SAE", "clamp", "weight", "swap"];

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void Logits_of_the_five_methods_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using var steered = new SteeredCase(golden);
        LatentScores scores = LatentScores.ReadCsv(golden.Scores, steered.Sae.DSae);
        for (int prompt = 0; prompt < golden.Prompts.Length; prompt++)
        {
            foreach (string method in Methods)
            {
                string key = GoldenCase.Prefix(prompt) + "logits_" + method;
                steered.Compare(key, method, scores, [golden.Layer], golden.TokensWithBos(prompt));
            }
        }
    }

    [Fact]
    public void Zero_scores_select_nothing_as_in_the_reference()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var steered = new SteeredCase(golden);
        var zeros = new LatentScores(new double[steered.Sae.DSae], Enumerable.Repeat(true, steered.Sae.DSae).ToArray());
        foreach (string method in new[] { "weight", "swap" })
        {
            steered.Compare($"p00.logits_{method}_zero_scores", method, zeros, [golden.Layer], golden.TokensWithBos(0));
        }
    }

    [Fact]
    public void Edits_at_several_layers_are_those_of_the_reference()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var steered = new SteeredCase(golden);
        LatentScores scores = LatentScores.ReadCsv(golden.Scores, steered.Sae.DSae);
        int[] layers = GoldenCase.Ints(golden.Json.GetProperty("multi_layers"));
        foreach (string method in new[] { "SAE", "swap" })
        {
            steered.Compare($"multi.logits_{method}", method, scores, layers, golden.TokensWithBos(0));
        }
    }

    [Fact]
    public void Gaps_in_the_scores_read_as_zero_in_seed_mode()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var steered = new SteeredCase(golden);
        LatentScores scores = LatentScores.ReadCsv(
            Path.Combine(golden.Folder, "scores_with_gaps.csv"), steered.Sae.DSae);
        Assert.Equal(
            GoldenCase.Ints(golden.Json.GetProperty("gaps").GetProperty("gap_features")),
            Enumerable.Range(0, scores.Count).Where(i => !scores.Supported[i]));
        foreach (string method in new[] { "clamp", "weight", "swap" })
        {
            steered.Compare(
                $"gaps.logits_{method}_gaps_as_zero", method, scores, [golden.Layer], golden.TokensWithBos(0));
        }
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void Clamp_raises_the_latents_that_the_reference_raises(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using var steered = new SteeredCase(golden);
        LatentScores scores = LatentScores.ReadCsv(golden.Scores, steered.Sae.DSae);
        var options = new SteeringOptions { Method = SteeringMethod.Clamp, Mode = SteeringMode.Seed };
        var edit = new LayerEdit(HookPoint.ResidualPost(golden.Layer), steered.Sae, scores, options);
        Assert.Equal(GoldenCase.Ints(golden.Json.GetProperty("clamp_top5")).Order(), edit.TargetLatents.ToArray());
    }
}

/// <summary>The model and autoencoder of a reference case, with its seed-mode logits.</summary>
internal sealed class SteeredCase(GoldenCase golden) : IDisposable
{
    public Decoder Decoder { get; } = Decoder.Load(golden.Model);

    public SparseAutoencoder Sae { get; } = OpenAiAutoencoder.Load(golden.Sae);

    public TextTokenizer Tokenizer { get; } = TextTokenizer.Load(golden.Model);

    public SteeringPlan Plan(SteeringOptions options, LatentScores? scores, params int[] layers) => new(
        Decoder.Spec,
        options,
        options.IsIdentity
            ? []
            : [.. layers.Select(layer => new LayerEdit(HookPoint.ResidualPost(layer), Sae, scores, options))],
        BosPolicies.SpecialTokens(Decoder.Spec, Tokenizer));

    public void Compare(string key, string method, LatentScores scores, int[] layers, int[] tokens)
    {
        float[] expected = golden.Floats(key);
        var options = new SteeringOptions { Method = SteeringMethods.Parse(method), Mode = SteeringMode.Seed };
        float[] logits = Close.Centred(Logits(Plan(options, scores, layers), tokens), Decoder.Spec.Vocabulary);
        Close.To(expected, logits.AsSpan(logits.Length - expected.Length), 1e-4, key);
    }

    /// <summary>Logits of all positions, [tokens, vocabulary].</summary>
    public float[] Logits(SteeringPlan plan, int[] tokens)
    {
        using DecoderRun run = Decoder.CreateRun();
        using KvCache cache = Decoder.CreateCache(Decoder.Spec.ContextLength);
        HookSet? hooks = new SteeringPass().HooksFor([new SteeredSequence(tokens.Length, plan)]);
        run.Forward([new SequenceBlock(cache, tokens)], hooks, LogitRows.All);
        return [.. Enumerable.Range(0, tokens.Length).SelectMany(i => run.Logits(i).ToArray())];
    }

    public void Dispose()
    {
        Decoder.Dispose();
        Sae.Dispose();
    }
}
