using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Tests.Models;
using Xunit;
using static LayerSteer.Tests.Autoencoders.SaeFolder;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>Gemma Scope, sparsify, Llama Scope and dictionary_learning, against the plain formulas.</summary>
public sealed class OtherFormatsTests : IDisposable
{
    private const string Elsewhere =
        ", which reads one place and writes another; an autoencoder is needed to steer one layer";

    private readonly SaeFolder _sae = new();

    public void Dispose() => _sae.Dispose();

    [Theory]
    [InlineData("params.npz", false, SaeFormat.GemmaScope)]
    [InlineData("params.npz", true, SaeFormat.GemmaScope)]
    [InlineData("anything.npz", false, SaeFormat.GemmaScope)]
    [InlineData("params.safetensors", true, SaeFormat.GemmaScope2)]
    [InlineData("anything.safetensors", true, SaeFormat.GemmaScope2)]
    public void Gemma_scope_is_known_by_its_tensors(string file, bool isLower, SaeFormat format)
    {
        Gemma(isLower).Write(file);
        using SparseAutoencoder sae = _sae.Load();
        Assert.Equal((format, null), (sae.Format, sae.HookPoint));
        GemmaMath(isLower).AssertSame(sae);
        using SparseAutoencoder byFile = SparseAutoencoder.Load(Path.Combine(_sae.Path, file));
        Assert.Equal(format, byFile.Format);
    }

    [Theory]
    [InlineData("model.layers.9.output", "blocks.9.hook_resid_post")]
    [InlineData("model.layers.9.self_attn.o_proj.input", "blocks.9.attn.hook_z")]
    [InlineData("model.layers.9.post_feedforward_layernorm.output", "blocks.9.hook_mlp_out")]
    public void Gemma_scope_2_sits_where_its_module_says(string module, string hook)
    {
        Gemma(isLower: true).Saying("config.json", GemmaConfig(module, module, "resid_post", DSae))
            .Write("params.safetensors");
        using SparseAutoencoder sae = _sae.Load();
        Assert.Equal(HookPoint.Parse(hook), sae.HookPoint);
        Assert.Equal(("gemma-3-1b", true, 1024), (sae.Config!.ModelName, sae.Config.PrependBos, sae.Config.ContextSize));
    }

    [Fact]
    public void Gemma_scope_2_refuses_what_it_is_not()
    {
        Gemma(isLower: true).Saying(
            "config.json",
            GemmaConfig(
                "model.layers.9.pre_feedforward_layernorm.output",
                "model.layers.9.post_feedforward_layernorm.output",
                "transcoder",
                DSae)).Write("params.safetensors");
        Assert.Equal(
            "'DIR/config.json': type is 'transcoder' from 'model.layers.9.pre_feedforward_layernorm.output' to "
            + $"'model.layers.9.post_feedforward_layernorm.output', a transcoder{Elsewhere}",
            _sae.Refusal<NotSupportedException>());
        _sae.Saying("config.json", GemmaConfig("model.layers.9.input", null, "x", DSae)).Write("params.safetensors");
        Assert.Equal(
            "'DIR/config.json': hf_hook_point_in is 'model.layers.9.input'; supported: model.layers.L.output, "
            + "model.layers.L.self_attn.o_proj.input, model.layers.L.post_feedforward_layernorm.output",
            _sae.Refusal<NotSupportedException>());
        _sae.Saying("config.json", GemmaConfig("model.layers.9.output", null, "x", 31)).Write("params.safetensors");
        Assert.Equal(
            "'DIR/config.json': width is 31, but the weights have 30 latents, expected the same",
            _sae.Refusal<InvalidDataException>());
        _sae.With("affine_skip_connection", 1f, DIn, DIn).Write("params.safetensors");
        Assert.Equal(
            $"'DIR/params.safetensors': tensor affine_skip_connection is that of a skip transcoder{Elsewhere}",
            _sae.Refusal<NotSupportedException>());
    }

    [Fact]
    public void Gemma_scope_needs_thresholds_and_no_factors()
    {
        Gemma(isLower: false).Tensors.Remove("threshold");
        _sae.Write("params.npz");
        Assert.Equal(
            "'DIR/params.npz': no tensor threshold; the file has W_enc, b_enc, W_dec, b_dec",
            _sae.Refusal<InvalidDataException>());
        _sae.With("threshold", 1f, DSae).With("scaling_factor", 1f, DSae).Write("params.npz");
        Assert.Equal(
            "'DIR/params.npz': tensor scaling_factor is not all 1; supported: 1, or no such tensor",
            _sae.Refusal<NotSupportedException>());
    }

    /// <summary>Those of embeddings need another scale, which their files do not say.</summary>
    [Fact]
    public void Gemma_scope_at_embeddings_is_refused()
    {
        Gemma(isLower: false).Write("params.npz");
        using SparseAutoencoder sae = _sae.Load();
        using var model = new TinyModel();
        using Decoder decoder = model.Load();
        Assert.StartsWith(
            "no hook point 'hook_embed'; this model has layers 0 to ",
            Assert.Throws<ArgumentException>(() =>
                sae.RequireFits(decoder.Spec, new HookPoint(HookKind.Embed, -1))).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("layers.10", "blocks.10.hook_resid_post")]
    [InlineData("h.3.mlp", "blocks.3.hook_mlp_out")]
    [InlineData("mine", null)]
    public void Sparsify_keeps_the_k_largest_and_is_called_as_its_module(string folder, string? hook)
    {
        Sparsify("\"k\": 4, \"num_latents\": 0, \"expansion_factor\": 3").Called(folder);
        Shrink(DIn * 3);
        _sae.Write("sae.safetensors");
        using SparseAutoencoder sae = _sae.Load();
        Assert.Equal((SaeFormat.Sparsify, "TopK(4)"), (sae.Format, sae.Activation.ToString()));
        Assert.Equal(hook, sae.HookPoint?.ToString());
        SparsifyMath(PlainSae.TopK(4)).AssertSame(sae);
    }

    [Fact]
    public void Sparsify_may_keep_the_largest_of_each_group()
    {
        Sparsify($"\"k\": 5, \"num_latents\": {DSae}, \"activation\": \"groupmax\", \"multi_topk\": true")
            .Write("sae.safetensors");
        using SparseAutoencoder sae = _sae.Load();
        Assert.Equal("GroupMax(5)", sae.Activation.ToString());
        SparsifyMath(a => [.. a.Select((value, j) =>
            value > 0 && value == a.AsSpan(j / 6 * 6, 6).ToArray().Max() ? value : 0)]).AssertSame(sae);
    }

    [Theory]
    [InlineData("\"transcode\": true, \"k\": 4", $"transcode is true{Elsewhere}; supported: false")]
    [InlineData("\"skip_connection\": true, \"k\": 4", $"skip_connection is true{Elsewhere}; supported: false")]
    [InlineData("\"signed\": true, \"k\": 4", "signed is true; supported: false")]
    [InlineData("\"activation\": \"relu\", \"k\": 4", "activation is 'relu'; supported: topk, groupmax")]
    [InlineData("\"finetune\": 3, \"k\": 4", "finetune is 3; this field is not supported")]
    public void Sparsify_refuses_what_it_is_not(string fields, string message)
    {
        Sparsify($"{fields}, \"num_latents\": {DSae}").Write("sae.safetensors");
        Assert.Equal($"'DIR/cfg.json': {message}", _sae.Refusal<NotSupportedException>());
    }

    [Theory]
    [InlineData("\"num_latents\": 30", "k is nothing, expected a whole number")]
    [InlineData("\"num_latents\": 30, \"k\": 31", "k is 31, expected 1 to 30, the number of latents")]
    [InlineData(
        "\"num_latents\": 30, \"k\": 4, \"activation\": \"groupmax\"",
        "k is 4, expected a divisor of 30, the number of latents, for groupmax")]
    [InlineData("\"k\": 4", "expansion_factor is nothing, expected a whole number")]
    public void Sparsify_needs_sizes_that_fit(string fields, string message)
    {
        Sparsify(fields).Write("sae.safetensors");
        Assert.Equal($"'DIR/cfg.json': {message}", _sae.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData(true, "\"jumprelu\"", "")]
    [InlineData(false, "\"jumprelu\"", "")]
    [InlineData(true, "\"topk\"", ", \"top_k\": 4")]
    public void Llama_scope_runs_on_raw_inputs(bool includesNorm, string function, string more)
    {
        Llama($"\"act_fn\": {function}, \"jump_relu_threshold\": 0.6, \"norm_activation\": \"dataset-wise\", "
            + "\"dataset_average_activation_norm\": {\"in\": 7.5, \"out\": 7.5}, "
            + $"\"sparsity_include_decoder_norm\": {(includesNorm ? "true" : "false")}{more}")
            .Write("checkpoints/final.safetensors");
        using SparseAutoencoder sae = _sae.Load();
        Assert.Equal(new HookPoint(HookKind.ResidualPost, 15), sae.HookPoint);
        LlamaMath(7.5, includesNorm, takesOff: false, _ => 0.6).AssertSame(sae);
        using SparseAutoencoder byFile =
            SparseAutoencoder.Load(Path.Combine(_sae.Path, "checkpoints", "final.safetensors"));
        Assert.Equal(SaeFormat.LlamaScope, byFile.Format);
    }

    [Fact]
    public void Llama_scope_may_take_the_decoder_s_bias_off()
    {
        Llama("\"act_fn\": \"relu\", \"norm_activation\": \"inference\", \"sparsity_include_decoder_norm\": false, "
            + "\"apply_decoder_bias_to_pre_encoder\": true").Write("checkpoints/final.safetensors");
        using SparseAutoencoder sae = _sae.Load();
        LlamaMath(Math.Sqrt(DIn), includesNorm: false, takesOff: true, _ => 0).AssertSame(sae);
    }

    [Fact]
    public void Llama_scope_of_a_later_release_has_a_threshold_for_each_latent()
    {
        Llama("\"x\": 0").With("log_jumprelu_threshold", 1f, DSae).Texts.Clear();
        _sae.Saying(
            "config.json",
            "{\"sae_type\": \"sae\", \"act_fn\": \"jumprelu\", \"d_model\": 12, \"expansion_factor\": 2.5, "
            + "\"norm_activation\": \"dataset-wise\", \"dataset_average_activation_norm\": {\"in\": 7.5}, "
            + "\"apply_decoder_bias_to_pre_encoder\": false, \"hook_point_in\": \"blocks.15.hook_resid_post\"}")
            .Write("sae_weights.safetensors");
        using SparseAutoencoder sae = _sae.Load();
        LlamaMath(7.5, includesNorm: true, takesOff: false, j => Math.Exp(_sae["log_jumprelu_threshold"][j]))
            .AssertSame(sae);
    }

    [Theory]
    [InlineData("\"use_glu_encoder\": true", "use_glu_encoder is true; supported: false")]
    [InlineData("\"sae_type\": \"clt\"", "sae_type is 'clt'; supported: sae")]
    [InlineData("\"norm_activation\": \"token-wise\"",
        "norm_activation is 'token-wise'; supported: dataset-wise, inference, none")]
    [InlineData("\"act_fn\": \"batchtopk\", \"norm_activation\": \"none\"",
        "act_fn is 'batchtopk'; supported: relu, jumprelu, topk")]
    [InlineData("\"hook_point_out\": \"blocks.15.hook_mlp_out\"",
        "from hook_point_in 'blocks.15.hook_resid_post' to hook_point_out 'blocks.15.hook_mlp_out', a transcoder"
        + Elsewhere)]
    [InlineData("\"dataset_average_activation_norm\": {\"in\": 7.5, \"out\": 8}",
        "dataset_average_activation_norm is 7.5 in and 8 out; supported: the same, for one place is read and written")]
    public void Llama_scope_refuses_what_it_is_not(string fields, string message)
    {
        Llama(fields).Write("checkpoints/final.safetensors");
        Assert.Equal($"'DIR/hyperparams.json': {message}", _sae.Refusal<NotSupportedException>());
    }

    [Fact]
    public void Llama_scope_without_its_norm_or_threshold_is_refused()
    {
        Llama("\"act_fn\": \"relu\"").Write("checkpoints/final.safetensors");
        Assert.Equal(
            "'DIR/hyperparams.json': norm_activation is 'dataset-wise', but dataset_average_activation_norm is nothing; "
            + "expected {\"in\": the mean norm of inputs}",
            _sae.Refusal<InvalidDataException>());
        _sae.Texts.Clear();
        Llama("\"act_fn\": \"jumprelu\", \"norm_activation\": \"none\"").Write("checkpoints/final.safetensors");
        Assert.Equal(
            "'DIR/hyperparams.json': act_fn is 'jumprelu', but jump_relu_threshold is nothing and there is no tensor "
            + "log_jumprelu_threshold; expected a threshold from 0 on",
            _sae.Refusal<InvalidDataException>());
    }

    [Fact]
    public void Two_formats_in_one_folder_are_refused_until_one_is_named()
    {
        Gemma(isLower: false).Write("params.npz");
        _sae.Tensors.Clear();
        Sparsify($"\"k\": 4, \"num_latents\": {DSae}").Write("sae.safetensors");
        Assert.Equal(
            "'DIR': sae.safetensors (sparsify) and params.npz (Gemma Scope), expected one of them; name the file",
            _sae.Refusal<InvalidDataException>());
        using SparseAutoencoder named = SparseAutoencoder.Load(Path.Combine(_sae.Path, "params.npz"));
        Assert.Equal(SaeFormat.GemmaScope, named.Format);
    }

    [Theory]
    [InlineData(
        "W_enc,W_dec,b_dec",
        "has W_enc and W_dec, but nothing that says its activation and what is normalised; expected SAELens' cfg.json beside "
        + "sae_weights.safetensors, or dictionary_learning's config.json beside ae.pt")]
    [InlineData(
        "encoder.weight,W_dec",
        "has encoder.weight and W_dec, but nothing that says k; expected sparsify's cfg.json beside sae.safetensors")]
    [InlineData(
        "encoder.weight,decoder.weight",
        "has encoder.weight and decoder.weight, but nothing that says its activation; expected dictionary_learning's "
        + "config.json beside ae.pt, or Llama Scope's hyperparams.json beside checkpoints/final.safetensors")]
    [InlineData(
        "wte.weight",
        "it is no autoencoder of a known format; the file has wte.weight; known are openai/sparse_autoencoder (pre_bias, "
        + "latent_bias, encoder.weight, decoder.weight), SAELens (cfg.json with sae_weights.safetensors), Gemma Scope "
        + "(params.npz, params.safetensors), sparsify (cfg.json with sae.safetensors), Llama Scope (hyperparams.json with "
        + "checkpoints/final.safetensors), dictionary_learning (config.json with ae.pt)")]
    public void A_file_that_does_not_say_all_is_refused_with_what_it_lacks(string names, string message)
    {
        foreach (string name in names.Split(','))
        {
            _sae.With(name, 1f, 4, 4);
        }

        _sae.Write("weights.safetensors");
        Assert.Equal($"'DIR/weights.safetensors': {message}", _sae.Refusal<InvalidDataException>());
    }

    [Fact]
    public void A_configuration_without_weights_says_which_are_missing()
    {
        Directory.CreateDirectory(_sae.Path);
        File.WriteAllText(Path.Combine(_sae.Path, "cfg.json"), "{}");
        Assert.Equal(
            "'DIR': cfg.json is there, but no weights, expected sae_weights.safetensors (SAELens) or sae.safetensors "
            + "(sparsify)",
            _sae.Refusal<InvalidDataException>());
    }

    private SaeFolder Gemma(bool isLower)
    {
        foreach ((string name, float scale, long[] shape) in new (string, float, long[])[]
        {
            ("W_enc", 0.5f, [DIn, DSae]), ("b_enc", 0.3f, [DSae]), ("W_dec", 0.4f, [DSae, DIn]), ("b_dec", 0.3f, [DIn]),
            ("threshold", 0.8f, [DSae]),
        })
        {
            _sae.With(isLower ? name.ToLowerInvariant() : name, scale, shape);
        }

        return _sae;
    }

    private PlainSae GemmaMath(bool isLower)
    {
        (string encoder, string decoder) = isLower ? ("w_enc", "w_dec") : ("W_enc", "W_dec");
        return new PlainSae
        {
            TakesOff = false,
            Encoder = (j, i) => _sae[encoder][(i * DSae) + j],
            Decoder = (j, i) => _sae[decoder][(j * DIn) + i],
            EncoderBias = _sae["b_enc"],
            DecoderBias = _sae["b_dec"],
            Activation = PlainSae.Jump(j => _sae["threshold"][j]),
        };
    }

    private static string GemmaConfig(string from, string? to, string type, int width) =>
        $"{{\"hf_hook_point_in\": \"{from}\", \"hf_hook_point_out\": \"{to ?? from}\", \"width\": {width}, \"l0\": 50, "
        + "\"model_name\": \"gemma-3-1b\", \"architecture\": \"jump_relu\", \"affine_connection\": false, "
        + $"\"type\": \"{type}\"}}";

    private SaeFolder Sparsify(string fields) => _sae
        .With("encoder.weight", 0.5f, DSae, DIn).With("encoder.bias", 0.3f, DSae).With("W_dec", 0.4f, DSae, DIn)
        .With("b_dec", 0.3f, DIn).Saying("cfg.json", $"{{\"d_in\": {DIn}, \"normalize_decoder\": true, {fields}}}");

    /// <summary>Another number of latents.</summary>
    private void Shrink(int latents) => _sae
        .With("encoder.weight", 0.5f, latents, DIn).With("encoder.bias", 0.3f, latents).With("W_dec", 0.4f, latents, DIn);

    private PlainSae SparsifyMath(Func<double[], double[]> activation) => new()
    {
        Encoder = (j, i) => _sae["encoder.weight"][(j * DIn) + i],
        Decoder = (j, i) => _sae["W_dec"][(j * DIn) + i],
        EncoderBias = _sae["encoder.bias"],
        DecoderBias = _sae["b_dec"],
        Activation = activation,
    };

    private SaeFolder Llama(string fields)
    {
        string taken = fields.Contains("apply_decoder_bias", StringComparison.Ordinal)
            ? string.Empty
            : ", \"apply_decoder_bias_to_pre_encoder\": false";
        return _sae.With("encoder.weight", 0.5f, DSae, DIn).With("encoder.bias", 0.8f, DSae)
            .With("decoder.weight", 0.6f, DIn, DSae).With("decoder.bias", 0.5f, DIn)
            .Saying(
                "hyperparams.json",
                $"{{\"d_model\": {DIn}, \"d_sae\": {DSae}, \"hook_point_in\": \"blocks.15.hook_resid_post\"{taken}, "
                + $"{fields}}}");
    }

    /// <summary>The steps of the release's code, on inputs as the model has them.</summary>
    private PlainSae LlamaMath(double norm, bool includesNorm, bool takesOff, Func<int, double> threshold)
    {
        double s = Math.Sqrt(DIn) / norm;
        double Norm(int j) => includesNorm
            ? Math.Sqrt(Enumerable.Range(0, DIn).Sum(i => Math.Pow(_sae["decoder.weight"][(i * DSae) + j], 2)))
            : 1;
        return new PlainSae
        {
            TakesOff = takesOff,
            Encoder = (j, i) => _sae["encoder.weight"][(j * DIn) + i] * Norm(j),
            Decoder = (j, i) => _sae["decoder.weight"][(i * DSae) + j] / Norm(j),
            EncoderBias = [.. _sae["encoder.bias"].Select((b, j) => (float)(b / s * Norm(j)))],
            DecoderBias = [.. _sae["decoder.bias"].Select(b => (float)(b / s))],
            Activation = PlainSae.Jump(threshold),
        };
    }
}
