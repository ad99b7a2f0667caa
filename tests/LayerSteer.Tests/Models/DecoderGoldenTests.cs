using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>Values of the reference software; tolerances from golden/README.md.</summary>
public class DecoderGoldenTests
{
    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void Residuals_and_logits_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using Decoder decoder = Decoder.Load(golden.Model);
        using DecoderRun run = decoder.CreateRun();
        for (int prompt = 0; prompt < golden.Prompts.Length; prompt++)
        {
            int[] tokens = golden.TokensWithBos(prompt);
            var residuals = new float[decoder.Spec.NLayers][];
            float[] first = [];
            var hooks = new HookSet().Add(
                new HookPoint(HookKind.ResidualPre, 0), rows => first = rows.Values.ToArray());
            for (int layer = 0; layer < residuals.Length; layer++)
            {
                int at = layer;
                hooks.Add(HookPoint.ResidualPost(layer), rows => residuals[at] = rows.Values.ToArray());
            }

            using KvCache cache = decoder.CreateCache(decoder.Spec.ContextLength);
            run.Forward([new SequenceBlock(cache, tokens)], hooks, LogitRows.All);

            string p = GoldenCase.Prefix(prompt);
            Close.To(golden.Floats(p + "resid_pre0"), first, 5e-5, p + "resid_pre0");
            Close.To(golden.Floats(p + "resid"), residuals.SelectMany(r => r).ToArray(), 5e-5, p + "resid");
            float[] logits = [.. Enumerable.Range(0, tokens.Length).SelectMany(i => run.Logits(i).ToArray())];
            Close.To(golden.Floats(p + "logits_hf"), logits, 1e-4, p + "logits_hf");
        }
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void Latents_and_reconstructions_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using SparseAutoencoder sae = OpenAiAutoencoder.Load(golden.Sae);
        for (int prompt = 0; prompt < golden.Prompts.Length; prompt++)
        {
            string p = GoldenCase.Prefix(prompt);
            int rows = golden.TokensWithBos(prompt).Length;
            float[] resid = golden.Floats(p + "resid").AsSpan(golden.Layer * rows * sae.DIn, rows * sae.DIn).ToArray();
            var preActivations = new float[rows * sae.DSae];
            var scales = new InputScale[rows];
            sae.PreActivations(resid, rows, preActivations, scales);
            Close.To(golden.Floats(p + "pre_act"), preActivations, 5e-5, p + "pre_act");

            var dense = new float[rows * sae.DSae];
            var reconstruction = new float[rows * sae.DIn];
            var latents = new SparseLatents();
            for (int row = 0; row < rows; row++)
            {
                sae.Activate(preActivations.AsSpan(row * sae.DSae, sae.DSae), latents);
                latents.CopyTo(dense.AsSpan(row * sae.DSae, sae.DSae));
                sae.Decode(latents, scales[row], reconstruction.AsSpan(row * sae.DIn, sae.DIn));
            }

            Close.To(golden.Floats(p + "latents"), dense, 5e-5, p + "latents");
            Close.To(golden.Floats(p + "recon"), reconstruction, 5e-5, p + "recon");
        }
    }
}
