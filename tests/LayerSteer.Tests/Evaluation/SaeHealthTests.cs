using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

/// <summary>
/// The model in the box and its autoencoder are healthy; each way to use them wrongly is named. The autoencoder is written
/// again without the hook point in its file, which would refuse some of them at once.
/// </summary>
public sealed class SaeHealthTests : IDisposable
{
    private static readonly HookPoint Own = HookPoint.ResidualPost(3);

    private readonly TempFolder _folder = new();
    private readonly PocketModel _pocket = PocketModel.Open(Path.Combine(TestFiles.Root, "models", "pocket"));
    private readonly Decoder _decoder;
    private readonly int[] _tokens;

    public SaeHealthTests()
    {
        _decoder = Decoder.Load(_pocket.Model);
        TextTokenizer tokenizer = TextTokenizer.Load(_pocket.Model);
        _tokens = [.. NeutralText.Paragraphs.SelectMany(text => tokenizer.Encode(text.ReplaceLineEndings(" ")))];
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void The_pocket_model_and_its_autoencoders_are_healthy()
    {
        foreach (PocketSae sae in _pocket.Saes)
        {
            using SparseAutoencoder autoencoder = SparseAutoencoder.Load(sae.Path);
            SaeHealthCard card = Card(_decoder, autoencoder, sae.Point, _tokens);
            Assert.True(
                card.Verdict == SaeVerdict.Healthy,
                $"{sae.Point}: {string.Join("; ", card.Findings.Select(finding => finding.Evidence))}");
            Assert.InRange(card.Quality.L0, 1, autoencoder.Activation.K);
            Assert.Equal(autoencoder.Activation.K, card.PromisedL0);
        }
    }

    [Fact]
    public void A_wrong_layer_is_found_and_the_right_one_named() =>
        Expect(Measure(Write(), HookPoint.ResidualPost(0)), SaeFault.HookPoint, $"use it at {Own}");

    [Fact]
    public void A_wrong_hook_point_is_found_and_the_right_one_named() =>
        Expect(Measure(Write(), new HookPoint(HookKind.MlpOut, 3)), SaeFault.HookPoint, $"use it at {Own}");

    [Fact]
    public void ReLU_in_place_of_TopK_is_found() => Expect(
        Measure(Write(config => config with { Kind = SaeActivationKind.Relu, K = 0 }), Own),
        SaeFault.Activation,
        "it was probably trained as TopK");

    [Fact]
    public void A_missing_normalisation_is_found() => Expect(
        Measure(Write(config => config with { Normalisation = InputNormalisation.None }), Own),
        SaeFault.Normalisation,
        "it was probably trained with layer_norm");

    [Fact]
    public void Transposed_weights_are_found()
    {
        SaeHealthCard card = Measure(
            Write(change: (weights, rows, columns) =>
            {
                float[] turned = new float[weights.Length];
                for (int i = 0; i < weights.Length; i++)
                {
                    turned[i] = weights[(i % rows * columns) + (i / rows)];
                }

                return turned;
            }),
            Own);
        Expect(card, SaeFault.Orientation, "one of the two is probably transposed");
        Assert.InRange(card.Alignment, -0.1, 0.1);
    }

    [Fact]
    public void Another_model_of_the_same_width_is_found()
    {
        string folder = _folder.File("model");
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(_pocket.Model, "config.json"), Path.Combine(folder, "config.json"));
        using (TensorFile file = TensorFile.Open(Path.Combine(_pocket.Model, "model.safetensors")))
        using (var writer = new SafetensorsWriter(Path.Combine(folder, "model.safetensors")))
        {
            ulong seed = 1;
            foreach ((string name, StoredTensor tensor) in file.Tensors)
            {
                bool isNorm = name.Contains("ln_", StringComparison.Ordinal);
                float[] values = isNorm
                    ? tensor.ToFloats()
                    : RandomFloats.Of(seed++, checked((int)tensor.Length), 0.1f);
                writer.Add<float>(name, [.. tensor.Shape], values);
            }

            writer.Complete();
        }

        using Decoder other = Decoder.Load(folder);
        using SparseAutoencoder autoencoder = SparseAutoencoder.Load(Write());
        SaeHealthCard card = Card(other, autoencoder, Own, _tokens);
        Expect(card, SaeFault.OtherModel, "made for another model of this width");
    }

    [Fact]
    public void A_second_BOS_is_found()
    {
        int bos = _decoder.Spec.BosId!.Value;
        using SparseAutoencoder autoencoder = SparseAutoencoder.Load(Write());
        SaeHealthCard card = Card(_decoder, autoencoder, Own, [bos, .. _tokens]);
        Expect(card, SaeFault.DoubleBos, "leave it out of the texts, or use --bos none");
    }

    [Fact]
    public void The_same_card_comes_of_any_number_of_threads()
    {
        SaeHealthCard[] cards = [.. new[] { 1, 3 }.Select(threads =>
        {
            using var pool = new WorkerPool(threads);
            var options = new LoadOptions { Pool = pool };
            using Decoder decoder = Decoder.Load(_pocket.Model, options);
            using SparseAutoencoder autoencoder = SparseAutoencoder.Load(_pocket.DefaultSae.Path, options);
            return Card(decoder, autoencoder, Own, _tokens);
        })];
        Assert.Equal(cards[0].Quality, cards[1].Quality);
        Assert.Equal(cards[0].Splice, cards[1].Splice);
        Assert.Equal(cards[0].HookPoints, cards[1].HookPoints);
    }

    [Fact]
    public void Too_short_a_text_is_refused()
    {
        using SparseAutoencoder autoencoder = SparseAutoencoder.Load(_pocket.DefaultSae.Path);
        Assert.Equal(
            "the text has 200 tokens; expected at least 256, two windows of 128",
            Assert.Throws<ArgumentException>(() => Card(_decoder, autoencoder, Own, _tokens[..200])).Message);
    }

    private static void Expect(SaeHealthCard card, SaeFault fault, string advice)
    {
        string found = string.Join("; ", card.Findings.Select(one => $"{one.Fault}: {one.Evidence}: {one.Advice}"));
        Assert.True(card.Verdict == SaeVerdict.Wrong, $"{card.Verdict}: {found}");
        Assert.Contains(advice, found, StringComparison.Ordinal);
        Assert.True(card.Findings[0].Fault == fault, found);
    }

    private static SaeHealthCard Card(Decoder decoder, SparseAutoencoder sae, HookPoint point, int[] tokens) =>
        SaeHealth.Measure(
            decoder,
            sae,
            point,
            tokens,
            decoder.Spec.BosId,
            bosInFront: true,
            cancellation: TestContext.Current.CancellationToken);

    private SaeHealthCard Measure(string sae, HookPoint point)
    {
        using SparseAutoencoder autoencoder = SparseAutoencoder.Load(sae);
        return Card(_decoder, autoencoder, point, _tokens);
    }

    /// <summary>The default autoencoder again, without its hook point.</summary>
    private string Write(
        Func<AutoencoderConfig, AutoencoderConfig>? alter = null,
        Func<float[], int, int, float[]>? change = null)
    {
        string path = _folder.File("sae.safetensors");
        using SparseAutoencoder shipped = SparseAutoencoder.Load(_pocket.DefaultSae.Path);
        using TensorFile file = TensorFile.Open(_pocket.DefaultSae.Path);
        AutoencoderConfig config = shipped.Config! with { HookPoint = null };
        float[] stored = file["W_enc"].ToFloats();
        float[] encoder = new float[stored.Length];
        for (int latent = 0; latent < config.DSae; latent++)
        {
            for (int i = 0; i < config.DIn; i++)
            {
                encoder[(latent * config.DIn) + i] = stored[(i * config.DSae) + latent];
            }
        }

        AutoencoderWriter.WriteFile(
            path,
            alter?.Invoke(config) ?? config,
            new AutoencoderTensors
            {
                Encoder = change?.Invoke(encoder, config.DSae, config.DIn) ?? encoder,
                EncoderBias = file["b_enc"].ToFloats(),
                Decoder = file["W_dec"].ToFloats(),
                DecoderBias = file["b_dec"].ToFloats(),
            });
        return path;
    }
}
