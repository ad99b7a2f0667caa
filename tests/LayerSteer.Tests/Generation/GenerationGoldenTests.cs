using System.Text.Json;
using LayerSteer.Generation;
using LayerSteer.Steering;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Steering;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Generation;

public class GenerationGoldenTests
{
    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void Greedy_ids_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using var steered = new SteeredCase(golden);
        LatentScores scores = LatentScores.ReadCsv(golden.Scores, steered.Sae.DSae);
        JsonElement greedy = golden.Json.GetProperty("greedy");
        string prompt = golden.Prompts[greedy.GetProperty("prompt_index").GetInt32()];
        foreach (JsonProperty method in greedy.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Array))
        {
            int[] expected = GoldenCase.Ints(method.Value);
            var options = new SteeringOptions { Method = SteeringMethods.Parse(method.Name), Mode = SteeringMode.Seed };
            using var generator = new Generator(steered.Decoder, steered.Tokenizer);
            var request = new GenerationRequest
            {
                Prompt = prompt,
                Plan = steered.Plan(options, scores, golden.Layer),
                MaxNewTokens = expected.Length,
                StopAtEos = false,
            };
            Assert.Equal(expected, generator.Generate(request, null, TestContext.Current.CancellationToken).Ids);
        }
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void The_published_loop_repeats_the_reference_step_by_step(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        JsonElement generation = golden.Json.GetProperty("generation");
        int[] picks = GoldenCase.Ints(generation.GetProperty("picks"));
        string prompt = golden.Prompts[generation.GetProperty("prompt_index").GetInt32()];
        foreach (JsonProperty method in generation.EnumerateObject()
            .Where(p => p.Value.ValueKind == JsonValueKind.Object))
        {
            Compare(golden, method.Name, golden.Layer, PublishedLoopKind.Generate, prompt, picks, method.Value);
        }
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void The_published_demo_repeats_the_reference_step_by_step(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        JsonElement demo = golden.Json.GetProperty("swap_demo");
        string prompt = golden.Prompts[demo.GetProperty("prompt_index").GetInt32()];
        foreach (JsonElement run in demo.GetProperty("runs").EnumerateArray())
        {
            int[] picks = [.. run.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("pick").GetInt32())];
            string method = run.GetProperty("method").GetString()!;
            Compare(golden, method, demo.GetProperty("layer").GetInt32(), PublishedLoopKind.Demo, prompt, picks, run);
        }
    }

    private static void Compare(
        GoldenCase golden,
        string method,
        int layer,
        PublishedLoopKind kind,
        string prompt,
        int[] picks,
        JsonElement expected)
    {
        using var steered = new SteeredCase(golden);
        LatentScores scores = LatentScores.ReadCsv(golden.Scores, steered.Sae.DSae);
        var options = new SteeringOptions { Method = SteeringMethods.Parse(method), Mode = SteeringMode.Seed };
        var request = new GenerationRequest
        {
            Prompt = prompt,
            Plan = steered.Plan(options, scores, layer),
            MaxNewTokens = picks.Length,
            Sampling = new SamplerOptions { Kind = SamplingKind.Picks, Picks = picks },
        };
        (string text, IReadOnlyList<PublishedStep> steps) = PublishedLoop.Run(
            steered.Decoder,
            steered.Tokenizer,
            kind,
            request,
            TestContext.Current.CancellationToken);
        Assert.Equal(expected.GetProperty("text").GetString(), text);
        JsonElement[] wanted = [.. expected.GetProperty("steps").EnumerateArray()];
        Assert.Equal(wanted.Length, steps.Count);
        for (int i = 0; i < wanted.Length; i++)
        {
            Assert.Equal(GoldenCase.Ints(wanted[i].GetProperty("top5")), steps[i].Top);
            if (wanted[i].TryGetProperty("model_input", out JsonElement input))
            {
                Assert.Equal(GoldenCase.Ints(input), steps[i].ModelInput);
            }
        }
    }
}
