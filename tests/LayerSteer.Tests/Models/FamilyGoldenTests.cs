using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>Gemma 2 by the reference software, and a real trained Llama-style model by an independent one.</summary>
public class FamilyGoldenTests
{
    /// <summary>Tolerances from golden/README.md.</summary>
    [Fact]
    public void Gemma_2_has_the_residuals_and_logits_of_the_reference()
    {
        string folder = TestFiles.Golden("gemma2-tiny");
        using TensorFile golden = TensorFile.Open(Path.Combine(folder, "golden.npz"));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "golden.json")));
        using Decoder decoder = Decoder.Load(Path.Combine(folder, "model"));
        int index = 0;
        foreach (JsonElement sequence in json.RootElement.GetProperty("sequences").EnumerateArray())
        {
            string s = $"s{index++:D2}.";
            int[] tokens = GoldenCase.Ints(sequence.GetProperty("tokens"));
            float[] first = Passes.Values(decoder, tokens, new HookPoint(HookKind.ResidualPre, 0));
            Close.To(golden[s + "resid_pre0"].ToFloats(), first, 5e-5, s + "resid_pre0");
            float[] residuals =
            [
                .. Enumerable.Range(0, decoder.Spec.NLayers)
                    .SelectMany(layer => Passes.Values(decoder, tokens, HookPoint.ResidualPost(layer))),
            ];
            Close.To(golden[s + "resid"].ToFloats(), residuals, 5e-5, s + "resid");
            float[] logits = Passes.Logits(decoder, tokens);
            Close.To(golden[s + "logits"].ToFloats(), logits, 1e-4, s + "logits");
            float[] last = logits[^decoder.Spec.Vocabulary..];
            int[] top = new int[5];
            TopK.SelectSorted(last, top);
            Assert.Equal(GoldenCase.Ints(sequence.GetProperty("last_top5")), top);
        }

        Assert.Equal(4, index);
    }

    /// <summary>expected.json states 1e-3 for float32 and gives five decimals.</summary>
    [Fact]
    public void A_real_llama_has_the_residuals_logits_and_text_that_are_expected()
    {
        string folder = TestFiles.InShared("weights/stories260K");
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        JsonElement expected = json.RootElement;
        using Decoder decoder = Decoder.Load(Path.Combine(folder, "hf"));
        int[] prompt = GoldenCase.Ints(expected.GetProperty("prompt_ids"));
        float[] logits = Passes.Logits(decoder, prompt);
        Close.To(Floats(expected.GetProperty("last_logits")), logits.AsSpan(^512..), 1e-4, "logits");
        int layer = 0;
        foreach (JsonElement residual in expected.GetProperty("residual_after_layer_last_position").EnumerateArray())
        {
            float[] actual = Passes.Values(decoder, prompt, HookPoint.ResidualPost(layer));
            Close.To(Floats(residual), actual.AsSpan(^64..), 1e-4, $"residual after layer {layer++}");
        }

        Assert.Equal(5, layer);
        int[] greedy = GoldenCase.Ints(expected.GetProperty("greedy_ids"));
        Assert.Equal(greedy, Greedy(decoder, prompt, greedy.Length));
        int[] story = GoldenCase.Ints(expected.GetProperty("greedy_from_bos").GetProperty("ids"));
        Assert.Equal(story, Greedy(decoder, story[..1], story.Length));
    }

    /// <summary>The prompt and what the model writes after it, so many ids together.</summary>
    private static int[] Greedy(Decoder decoder, int[] prompt, int count)
    {
        List<int> ids = [.. prompt];
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(count);
        int[] next = prompt;
        while (ids.Count < count)
        {
            run.Forward([new SequenceBlock(cache, next)]);
            int[] best = new int[1];
            TopK.SelectSorted(run.Logits(0), best);
            ids.Add(best[0]);
            next = best;
        }

        return [.. ids];
    }

    private static float[] Floats(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetSingle())];
}
