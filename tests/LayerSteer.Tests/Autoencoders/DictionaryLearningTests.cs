using LayerSteer.Autoencoders;
using LayerSteer.Models;
using Xunit;
using static LayerSteer.Tests.Autoencoders.SaeFolder;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>Every class of saprmarks/dictionary_learning, as its own from_pretrained makes it.</summary>
public sealed class DictionaryLearningTests : IDisposable
{
    private readonly SaeFolder _sae = new();

    public void Dispose() => _sae.Dispose();

    [Fact]
    public void The_standard_one_has_a_decoder_of_norm_1()
    {
        Linear("bias").Of("AutoEncoder");
        using SparseAutoencoder sae = Load();
        Math(PlainSae.Relu, "bias", takesOff: true, Norm).AssertSame(sae, 1e-3);
        Assert.Equal((SaeFormat.DictionaryLearning, "ReLU"), (sae.Format, sae.Activation.ToString()));
        Assert.Equal(HookPoint.ResidualPost(3), sae.HookPoint);
        Assert.Equal(("pythia-70m", 128), (sae.Config!.ModelName, sae.Config.ContextSize));
    }

    [Fact]
    public void The_new_one_takes_no_bias_off()
    {
        Linear("decoder.bias").Of("AutoEncoderNew");
        using SparseAutoencoder sae = Load();
        Math(PlainSae.Relu, "decoder.bias", takesOff: false).AssertSame(sae);
    }

    [Fact]
    public void Topk_ignores_its_threshold_and_batch_topk_is_one()
    {
        Linear("b_dec").Of("AutoEncoderTopK", ", \"k\": 4");
        _sae.Tensors["threshold"] = ([], [0.7f]);
        _sae.Wholes["k"] = 4;
        using SparseAutoencoder topK = Load();
        Math(PlainSae.TopK(4), "b_dec", takesOff: true).AssertSame(topK);

        this.Of("BatchTopKSAE", ", \"k\": 4");
        using SparseAutoencoder batch = Load();
        Math(PlainSae.Jump(_ => 0.7f), "b_dec", takesOff: true).AssertSame(batch);
    }

    [Theory]
    [InlineData("MatryoshkaBatchTopKSAE", true)]
    [InlineData("JumpReluAutoEncoder", false)]
    public void Matryoshka_and_jump_relu_hold_their_matrices_the_other_way(string kind, bool takesOff)
    {
        _sae.With("W_enc", 0.5f, DIn, DSae).With("b_enc", 0.3f, DSae).With("W_dec", 0.4f, DSae, DIn)
            .With("b_dec", 0.3f, DIn);
        _sae.Tensors["threshold"] = takesOff ? ([], [0.6f]) : ([DSae], [.. Enumerable.Repeat(0.6f, DSae)]);
        if (takesOff)
        {
            _sae.Wholes["k"] = 4;
            _sae.Wholes["group_sizes"] = DSae;
        }

        this.Of(kind);
        using SparseAutoencoder sae = Load();
        new PlainSae
        {
            TakesOff = takesOff,
            Encoder = (j, i) => _sae["W_enc"][(i * DSae) + j],
            Decoder = (j, i) => _sae["W_dec"][(j * DIn) + i],
            EncoderBias = _sae["b_enc"],
            DecoderBias = _sae["b_dec"],
            Activation = PlainSae.Jump(_ => 0.6f),
        }.AssertSame(sae);
    }

    [Fact]
    public void A_gated_one_is_the_jump_relu_that_it_equals()
    {
        _sae.With("encoder.weight", 0.5f, DSae, DIn).With("decoder.weight", 0.4f, DIn, DSae)
            .With("decoder_bias", 0.3f, DIn).With("gate_bias", 0.5f, DSae).With("mag_bias", 0.5f, DSae)
            .With("r_mag", 0.7f, DSae);
        this.Of("GatedAutoEncoder");
        using SparseAutoencoder sae = Load();
        double Scale(int j) => System.Math.Exp(_sae["r_mag"][j]);
        new PlainSae
        {
            Encoder = (j, i) => _sae["encoder.weight"][(j * DIn) + i] * Scale(j),
            Decoder = (j, i) => _sae["decoder.weight"][(i * DSae) + j],
            EncoderBias = _sae["mag_bias"],
            DecoderBias = _sae["decoder_bias"],
            Activation = a => [.. a.Select((m, j) =>
                ((m - _sae["mag_bias"][j]) / Scale(j)) + _sae["gate_bias"][j] > 0 ? System.Math.Max(0, m) : 0)],
        }.AssertSame(sae);
    }

    [Fact]
    public void What_it_is_not_is_refused()
    {
        Linear("b_dec").Of("CrossCoder");
        _sae.Write("ae.pt");
        Assert.Equal(
            "'DIR/config.json': trainer.dict_class is 'CrossCoder'; supported: AutoEncoder, AutoEncoderNew, "
            + "GatedAutoEncoder, AutoEncoderTopK, BatchTopKSAE, MatryoshkaBatchTopKSAE, JumpReluAutoEncoder",
            _sae.Refusal<NotSupportedException>());
        this.Of("BatchTopKSAE");
        _sae.Tensors["threshold"] = ([], [-1f]);
        _sae.Write("ae.pt");
        Assert.Equal(
            "'DIR/ae.pt': threshold is -1, expected a number from 0 on: training ended before it had one",
            _sae.Refusal<InvalidDataException>());
        this.Of("AutoEncoderTopK", ", \"k\": 5");
        _sae.Wholes["k"] = 4;
        _sae.Write("ae.pt");
        Assert.Equal(
            "'DIR/config.json': trainer.k is 5, but k of ae.pt is 4, expected the same",
            _sae.Refusal<InvalidDataException>());
        _sae.Saying("config.json", "{}").Write("ae.pt");
        Assert.Equal(
            "'DIR/config.json': trainer is nothing, expected an object with dict_class",
            _sae.Refusal<InvalidDataException>());
    }

    [Fact]
    public void A_checkpoint_within_training_is_refused()
    {
        Linear("bias").Of("AutoEncoder");
        foreach (string name in _sae.Tensors.Keys.ToArray())
        {
            _sae.Tensors["ae." + name] = _sae.Tensors[name];
        }

        _sae.Write("ae.pt");
        Assert.Equal(
            "'DIR/ae.pt': it is a checkpoint within training, whose biases are not scaled yet; supported: the ae.pt of the end "
            + "of training",
            _sae.Refusal<NotSupportedException>());
    }

    private DictionaryLearningTests Linear(string bias)
    {
        _sae.With("encoder.weight", 0.5f, DSae, DIn).With("encoder.bias", 0.3f, DSae)
            .With("decoder.weight", 0.4f, DIn, DSae).With(bias, 0.3f, DIn);
        return this;
    }

    private void Of(string kind, string more = "") => _sae.Saying(
        "config.json",
        $"{{\"trainer\": {{\"dict_class\": \"{kind}\", \"layer\": 3, \"lm_name\": \"pythia-70m\", "
        + $"\"submodule_name\": \"resid_post_layer_3\", \"lr\": 0.001{more}}}, \"buffer\": {{\"ctx_len\": 128}}}}");

    private SparseAutoencoder Load() => _sae.Write("ae.pt").Load();

    private double Norm(int j) => System.Math.Sqrt(
        Enumerable.Range(0, DIn).Sum(i => System.Math.Pow(_sae["decoder.weight"][(i * DSae) + j], 2)));

    private PlainSae Math(
        Func<double[], double[]> activation, string bias, bool takesOff, Func<int, double>? norm = null) => new()
        {
            TakesOff = takesOff,
            Encoder = (j, i) => _sae["encoder.weight"][(j * DIn) + i] * (norm?.Invoke(j) ?? 1),
            Decoder = (j, i) => _sae["decoder.weight"][(i * DSae) + j] / (norm?.Invoke(j) ?? 1),
            EncoderBias = [.. _sae["encoder.bias"].Select((b, j) => (float)(b * (norm?.Invoke(j) ?? 1)))],
            DecoderBias = _sae[bias],
            Activation = activation,
        };
}
