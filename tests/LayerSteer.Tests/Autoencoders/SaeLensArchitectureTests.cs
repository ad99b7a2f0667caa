using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Numerics;
using Xunit;
using static LayerSteer.Tests.Autoencoders.SaeFolder;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>Architectures and settings of SAELens that golden/sae-formats does not have, against the plain formulas.</summary>
public sealed class SaeLensArchitectureTests : IDisposable
{
    private readonly SaeFolder _sae = new SaeFolder()
        .With("W_enc", 0.5f, DIn, DSae).With("W_dec", 0.4f, DSae, DIn).With("b_dec", 0.3f, DIn);

    public void Dispose() => _sae.Dispose();

    [Fact]
    public void A_gated_one_is_the_jump_relu_that_it_equals()
    {
        _sae.With("b_gate", 0.5f, DSae).With("b_mag", 0.5f, DSae).With("r_mag", 0.7f, DSae);
        Write("gated");
        using SparseAutoencoder sae = _sae.Load();
        double Scale(int j) => Math.Exp(_sae["r_mag"][j]);
        new PlainSae
        {
            Encoder = (j, i) => _sae["W_enc"][(i * DSae) + j] * Scale(j),
            Decoder = (j, i) => _sae["W_dec"][(j * DIn) + i],
            EncoderBias = _sae["b_mag"],
            DecoderBias = _sae["b_dec"],
            Activation = a => [.. a.Select((magnitude, j) =>
                ((magnitude - _sae["b_mag"][j]) / Scale(j)) + _sae["b_gate"][j] > 0 ? Math.Max(0, magnitude) : 0)],
        }.AssertSame(sae);
        Assert.Equal((SaeActivationKind.JumpRelu, true), (sae.Activation.Kind, sae.Config!.IsGated));
    }

    /// <summary>gpt2-small-res-jb and its like were trained on a residual stream whose tokens have mean 0.</summary>
    [Theory]
    [InlineData("blocks.1.hook_resid_pre", true)]
    [InlineData("blocks.1.hook_mlp_out", true)]
    [InlineData("blocks.1.mlp.hook_post", false)]
    public void Inputs_of_one_trained_on_centred_weights_are_centred_and_their_mean_is_put_back(string hook, bool centres)
    {
        _sae.With("b_enc", 0.3f, DSae);
        string config = "{\"architecture\": \"standard\", \"d_in\": " + DIn + ", \"d_sae\": " + DSae
            + ", \"metadata\": {\"hook_name\": \"" + hook + "\"OPTIONS}}";
        float[] x = [.. RandomFloats.Of(31, DIn, 2f).Select(value => value + 3f)];
        float mean = x.Average();
        (float[] Latents, float[] Reconstruction) plain = Run(string.Empty, [.. x.Select(value => value - mean)]);
        (float[] Latents, float[] Reconstruction) centred =
            Run(", \"model_from_pretrained_kwargs\": {\"center_writing_weights\": true}", x);
        if (!centres)
        {
            plain = Run(string.Empty, x);
            mean = 0f;
        }

        Close.To(plain.Latents, centred.Latents, 1e-5, "latents");
        Close.To([.. plain.Reconstruction.Select(v => v + mean)], centred.Reconstruction, 1e-5, "reconstruction");

        (float[], float[]) Run(string options, float[] input)
        {
            _sae.Saying("cfg.json", config.Replace("OPTIONS", options, StringComparison.Ordinal))
                .Write("sae_weights.safetensors");
            using SparseAutoencoder sae = _sae.Load();
            Assert.Equal(
                options.Length > 0 && centres ? InputNormalisation.Centred : InputNormalisation.None, sae.Normalisation);
            EncodedRows rows = sae.CreateRows(1);
            sae.Encode(input, 1, rows);
            var latents = new SparseLatents();
            rows.Activate(0, latents);
            float[] dense = new float[DSae];
            latents.CopyTo(dense);
            float[] reconstruction = new float[DIn];
            sae.Decode(latents, rows.Scales[0], reconstruction);
            return (dense, reconstruction);
        }
    }

    [Theory]
    [InlineData("batchtopk", "threshold")]
    [InlineData("batchtopk", "topk_threshold")]
    [InlineData("matryoshka_batchtopk", "topk_threshold")]
    [InlineData("matryoshka_jumprelu", "threshold")]
    [InlineData("jumprelu", "log_threshold")]
    public void Thresholds_are_read_in_every_form(string architecture, string name)
    {
        _sae.With("b_enc", 0.3f, DSae);
        _sae.Tensors[name] = name == "topk_threshold"
            ? ([], [0.9f])
            : ([DSae], [.. Enumerable.Range(0, DSae).Select(j => 0.1f + (0.05f * j))]);
        Write(architecture, ", \"k\": 4.5, \"matryoshka_widths\": [8, 30]");
        using SparseAutoencoder sae = _sae.Load();
        Plain(PlainSae.Jump(j => name switch
        {
            "threshold" => _sae[name][j],
            "log_threshold" => Math.Exp(_sae[name][j]),
            _ => 0.9,
        })).AssertSame(sae);
    }

    [Fact]
    public void Matryoshka_standard_and_topk_encode_as_their_base()
    {
        _sae.With("b_enc", 0.3f, DSae);
        Write("matryoshka_standard");
        using SparseAutoencoder relu = _sae.Load();
        Plain(PlainSae.Relu).AssertSame(relu);
        Write("matryoshka_topk", ", \"k\": 4");
        using SparseAutoencoder topK = _sae.Load();
        Plain(PlainSae.TopK(4)).AssertSame(topK);
    }

    [Theory]
    [InlineData("expected_average_only_in", "norm_scaling_factor", 0.35)]
    [InlineData("constant_scalar_rescale", "activation_normalization_factor", 2.5)]
    public void One_factor_for_all_inputs_is_folded_in(string mode, string field, double s)
    {
        _sae.With("b_enc", 0.3f, DSae);
        Write("standard", FormattableString.Invariant($", \"normalize_activations\": \"{mode}\", \"{field}\": {s}"));
        using SparseAutoencoder sae = _sae.Load();
        new PlainSae
        {
            // u = x·s − b_dec; x̂ = (z·W_dec + b_dec)/s, with s moved into the weights
            Encoder = (j, i) => s * _sae["W_enc"][(i * DSae) + j],
            Decoder = (j, i) => _sae["W_dec"][(j * DIn) + i] / s,
            EncoderBias = _sae["b_enc"],
            DecoderBias = [.. _sae["b_dec"].Select(b => (float)(b / s))],
            Activation = PlainSae.Relu,
        }.AssertSame(sae);
        Assert.Equal(InputNormalisation.None, sae.Normalisation);
    }

    [Fact]
    public void A_factor_for_each_latent_is_decoded()
    {
        _sae.With("b_enc", 0.3f, DSae).With("scaling_factor", 2f, DSae);
        Write("standard", ", \"finetuning_scaling_factor\": true");
        using SparseAutoencoder sae = _sae.Load();
        new PlainSae
        {
            Encoder = (j, i) => _sae["W_enc"][(i * DSae) + j],
            Decoder = (j, i) => _sae["W_dec"][(j * DIn) + i] * _sae["scaling_factor"][j],
            EncoderBias = _sae["b_enc"],
            DecoderBias = _sae["b_dec"],
            Activation = PlainSae.Relu,
        }.AssertSame(sae);

        Write("standard");
        Assert.Equal(
            "'DIR/sae_weights.safetensors': tensor scaling_factor is not all 1, but finetuning_scaling_factor is false; "
            + "expected true, or no such tensor",
            _sae.Refusal<InvalidDataException>());
        Array.Fill(_sae["scaling_factor"], 1f);
        Write("standard");
        using SparseAutoencoder ones = _sae.Load();
        Plain(PlainSae.Relu).AssertSame(ones);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Topk_ranks_by_what_is_rescaled_by_the_decoder_s_norms(bool takesOff)
    {
        _sae.With("b_enc", 0.3f, DSae);
        for (int i = 0; i < DSae * DIn; i++)
        {
            _sae["W_dec"][i] *= 1 + (i / DIn % 5);
        }

        Write(
            "topk",
            $", \"k\": 5, \"rescale_acts_by_decoder_norm\": true, \"apply_b_dec_to_input\": {(takesOff ? "true" : "false")}");
        using SparseAutoencoder sae = _sae.Load();
        double Norm(int j) => Math.Sqrt(Enumerable.Range(0, DIn).Sum(i => Math.Pow(_sae["W_dec"][(j * DIn) + i], 2)));
        Func<double[], double[]> topK = PlainSae.TopK(5);
        new PlainSae
        {
            TakesOff = takesOff,
            Encoder = (j, i) => _sae["W_enc"][(i * DSae) + j],
            Decoder = (j, i) => _sae["W_dec"][(j * DIn) + i] / Norm(j),
            EncoderBias = _sae["b_enc"],
            DecoderBias = _sae["b_dec"],
            Activation = a => topK([.. a.Select((value, j) => value * Norm(j))]),
        }.AssertSame(sae, 1e-3);

        Array.Clear(_sae["W_dec"], 3 * DIn, DIn);
        _sae.Write("sae_weights.safetensors");
        Assert.Equal(
            "'DIR/sae_weights.safetensors': row 3 of the decoder has norm 0, expected a norm above 0, for pre-activations are "
            + "rescaled by it",
            _sae.Refusal<InvalidDataException>());
    }

    [Fact]
    public void Heads_side_by_side_are_read_as_they_are()
    {
        _sae.With("b_enc", 0.3f, DSae);
        Write(
            "standard",
            ", \"reshape_activations\": \"hook_z\", \"metadata\": {\"hook_name\": \"blocks.3.attn.hook_z\"}");
        using SparseAutoencoder sae = _sae.Load();
        Plain(PlainSae.Relu).AssertSame(sae);
        Assert.Equal(new HookPoint(HookKind.Z, 3), sae.HookPoint);
    }

    [Theory]
    [InlineData(
        "standard", ", \"k\": 5",
        "'DIR/cfg.json': k is 5, but architecture is 'standard' with relu; for TopK, architecture is 'topk' or "
        + "activation_fn_str is 'topk'")]
    [InlineData(
        "standard", ", \"activation_fn\": \"relu\", \"activation_fn_kwargs\": {\"k\": 32}",
        "'DIR/cfg.json': k is 32, but architecture is 'standard' with relu; for TopK, architecture is 'topk' or "
        + "activation_fn is 'topk'")]
    [InlineData(
        "standard", ", \"activation_fn_str\": \"topk\"",
        "'DIR/cfg.json': k is nothing, expected a whole number")]
    [InlineData("topk", "", "'DIR/cfg.json': k is nothing, expected a whole number")]
    [InlineData(
        "jumprelu", "", "'DIR/sae_weights.safetensors': no tensor threshold; the file has W_dec, W_enc, b_dec, b_enc")]
    [InlineData(
        "batchtopk", "", "'DIR/sae_weights.safetensors': no tensor threshold; the file has W_dec, W_enc, b_dec, b_enc")]
    [InlineData("standard", ", \"d_in\": 12", "'DIR/cfg.json': d_in is there twice, expected once")]
    [InlineData(
        "standard", ", \"normalize_activations\": \"expected_average_only_in\", \"norm_scaling_factor\": 0",
        "'DIR/cfg.json': norm_scaling_factor is 0, expected a number above 0")]
    public void What_would_be_run_as_something_else_is_refused(string architecture, string more, string message)
    {
        _sae.With("b_enc", 0.3f, DSae);
        Write(architecture, more);
        Assert.Equal(message, _sae.Refusal<InvalidDataException>());
    }

    [Fact]
    public void A_gated_one_without_its_parts_is_refused()
    {
        _sae.With("b_enc", 0.3f, DSae);
        Write("gated");
        Assert.Equal(
            "'DIR/sae_weights.safetensors': tensor b_enc is not supported; architecture 'gated' has W_enc, W_dec, b_dec, "
            + "b_gate, b_mag, r_mag, scaling_factor",
            _sae.Refusal<NotSupportedException>());
    }

    [Fact]
    public void A_skip_transcoder_is_refused_by_its_tensor()
    {
        _sae.With("b_enc", 0.3f, DSae).With("W_skip", 0.1f, DIn, DIn);
        Write("standard");
        Assert.Equal(
            "'DIR/sae_weights.safetensors': tensor W_skip is that of a skip transcoder, which reads one place and writes "
            + "another; an autoencoder is needed to steer one layer",
            _sae.Refusal<NotSupportedException>());
    }

    /// <summary>Shapes cannot tell the orientations apart, so the format's own must be taken.</summary>
    [Fact]
    public void A_square_one_is_read_in_the_format_s_orientation()
    {
        using SaeFolder square = new SaeFolder().With("W_enc", 0.5f, DIn, DIn).With("W_dec", 0.4f, DIn, DIn)
            .With("b_dec", 0.3f, DIn).With("b_enc", 0.3f, DIn)
            .Saying("cfg.json", $"{{\"architecture\": \"standard\", \"d_in\": {DIn}, \"d_sae\": {DIn}}}")
            .Write("sae_weights.safetensors");
        using SparseAutoencoder sae = square.Load();
        new PlainSae
        {
            Encoder = (j, i) => square["W_enc"][(i * DIn) + j],
            Decoder = (j, i) => square["W_dec"][(j * DIn) + i],
            EncoderBias = square["b_enc"],
            DecoderBias = square["b_dec"],
            Activation = PlainSae.Relu,
        }.AssertSame(sae);
    }

    [Fact]
    public void The_wrong_orientation_is_refused_with_both_shapes()
    {
        _sae.With("b_enc", 0.3f, DSae);
        (long[] _, float[] values) = _sae.Tensors["W_enc"];
        _sae.Tensors["W_enc"] = ([DSae, DIn], values);
        Write("standard");
        Assert.Equal(
            "'DIR/sae_weights.safetensors': tensor W_enc is [30, 12], expected [12, 30]",
            _sae.Refusal<InvalidDataException>());
    }

    [Fact]
    public void An_input_of_zeros_has_no_norm_to_rescale()
    {
        _sae.With("b_enc", 0.3f, DSae);
        Write("standard", ", \"normalize_activations\": \"constant_norm_rescale\"");
        using SparseAutoencoder sae = _sae.Load();
        Assert.Throws<InvalidDataException>(() =>
            sae.PreActivations(new float[DIn], 1, new float[DSae], new InputScale[1]));
    }

    private void Write(string architecture, string more = "") => _sae
        .Saying("cfg.json", $"{{\"architecture\": \"{architecture}\", \"d_in\": {DIn}, \"d_sae\": {DSae}{more}}}")
        .Write("sae_weights.safetensors");

    private PlainSae Plain(Func<double[], double[]> activation) => new()
    {
        Encoder = (j, i) => _sae["W_enc"][(i * DSae) + j],
        Decoder = (j, i) => _sae["W_dec"][(j * DIn) + i],
        EncoderBias = _sae["b_enc"],
        DecoderBias = _sae["b_dec"],
        Activation = activation,
    };
}
