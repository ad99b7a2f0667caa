using System.Text.Json.Nodes;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>What configs say becomes the spec; what would change the numbers unseen is refused by name.</summary>
public sealed class FamilyConfigTests
{
    [Fact]
    public void Gemma_2_is_read_as_it_is_published()
    {
        ArchitectureSpec spec = Read(
            """
            {"model_type": "gemma2", "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
             "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 256000,
             "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "hidden_act": "gelu", "query_pre_attn_scalar": 256,
             "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window": 4096,
             "max_position_embeddings": 8192, "attention_bias": false, "bos_token_id": 2, "eos_token_id": 1,
             "torch_dtype": "bfloat16"}
            """);
        Assert.Equal(
            ("gemma2", 26, 2304, 8, 4, 256, 9216, 256000, 8192),
            (spec.Family, spec.NLayers, spec.DModel, spec.NHeads, spec.NKeyValueHeads, spec.DHead, spec.DMlp,
                spec.Vocabulary, spec.ContextLength));
        Assert.Equal((50f, 30f, 4096, 1f / 16), (spec.AttentionSoftCap, spec.LogitSoftCap, spec.SlidingWindow, spec.AttentionScale));
        Assert.Equal((Activation.GeluTanh, 48f), (spec.Activation, spec.EmbeddingScale)); // not hidden_act; √2304
        Assert.Equal(Enumerable.Range(0, 13).Select(i => 2 * i), spec.SlidingLayers.Numbers);
        Assert.Equal((true, true, true, NormKind.Rms), (spec.UnitOffsetNorms, spec.PostNorms, spec.TiedUnembedding, spec.Norm));
        Assert.Equal((0, 905), (spec.FirstVisible(0, 4095), spec.FirstVisible(0, 5000)));
        Assert.Equal(0, spec.FirstVisible(1, 5000));
    }

    [Fact]
    public void The_embedding_scale_is_of_float32_activations_whatever_the_file_holds()
    {
        ArchitectureSpec spec = Read(TinyFamily.Create("gemma3"));
        Assert.Equal((float)Math.Sqrt(40), spec.EmbeddingScale);
    }

    [Fact]
    public void Gemma_3_that_also_sees_leaves_out_what_is_its_default()
    {
        ArchitectureSpec spec = Read(
            """
            {"model_type": "gemma3", "eos_token_id": [1, 106], "text_config": {
              "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
              "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024},
             "vision_config": {"hidden_size": 1152}}
            """);
        Assert.Equal(
            ("gemma3_text", 34, 2560, 8, 4, 256, 262208, 131072),
            (spec.Family, spec.NLayers, spec.DModel, spec.NHeads, spec.NKeyValueHeads, spec.DHead, spec.Vocabulary,
                spec.ContextLength));
        Assert.Equal(new RotarySpec { Dimensions = 256, Theta = 1e6, Scaling = RotaryScaling.Linear, Factor = 8 }, spec.Rotary);
        Assert.Equal(new RotarySpec { Dimensions = 256, Theta = 1e4 }, spec.SlidingRotary);
        Assert.Equal([5, 11, 17, 23, 29], Enumerable.Range(0, 34).Where(i => !spec.SlidingLayers.Contains(i)));
        Assert.Equal((2, 1, true), (spec.BosId, spec.EosId, spec.OtherEosIds.Contains(106)));
        Assert.Equal((null, null, true), (spec.AttentionSoftCap, spec.LogitSoftCap, spec.QueryKeyNorms));
    }

    [Fact]
    public void Frequencies_of_llama_3_keep_the_high_and_stretch_the_low()
    {
        ArchitectureSpec spec = Read(
            """
            {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
             "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
             "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "hidden_act": "silu",
             "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
               "original_max_position_embeddings": 8192, "rope_type": "llama3"},
             "tie_word_embeddings": true, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009]}
            """);
        float[] plain = (spec.Rotary! with { Scaling = RotaryScaling.None }).Frequencies();
        float[] scaled = spec.Rotary.Frequencies();
        Assert.Equal((32, 1f, 1f), (scaled.Length, scaled[0], plain[0]));
        Assert.Equal(plain[..14], scaled[..14]); // λ < 8192 / 4
        Assert.Equal(plain[18..].Select(w => w / 32), scaled[18..]); // λ > 8192
        Assert.All(Enumerable.Range(15, 2), i => Assert.InRange(scaled[i], plain[i] / 32, plain[i]));
        Assert.Equal(128001, spec.EosId);
        Assert.Equal([128008, 128009], spec.OtherEosIds.Numbers);
    }

    [Fact]
    public void Specs_that_were_read_twice_are_equal()
    {
        foreach (string name in TinyFamily.Names)
        {
            Assert.Equal(SpecOf(name), SpecOf(name));
        }

        Assert.NotEqual(SpecOf("mistral").SlidingLayers, SpecOf("gemma2").SlidingLayers);

        static ArchitectureSpec SpecOf(string name) => Read(TinyFamily.Create(name));
    }

    [Theory]
    [InlineData("llama3", "rope_scaling", """{"rope_type": "yarn", "factor": 4.0}""",
        "rope_scaling.rope_type is \"yarn\"; supported: default, linear, llama3")]
    [InlineData("llama3", "rope_scaling", """{"type": "dynamic", "factor": 4.0}""",
        "rope_scaling.type is \"dynamic\"; supported: default, linear, llama3")]
    [InlineData("qwen3", "rope_parameters", """{"rope_type": "longrope"}""",
        "rope_parameters.rope_type is \"longrope\"; supported: default, linear, llama3")]
    [InlineData("llama3", "hidden_act", "\"gelu_fast\"",
        "hidden_act is 'gelu_fast'; supported: gelu_new, gelu_pytorch_tanh, gelu, relu, silu, swish")]
    [InlineData("llama3", "sliding_window", "4096", "sliding_window is 4096; supported: null")]
    [InlineData("llama3", "quantization_config", """{"bits": 4}""", "quantization_config is {\"bits\":4}; supported: null")]
    [InlineData("qwen3", "num_experts", "8", "num_experts is 8; supported: null, 0")]
    [InlineData("mistral", "num_local_experts", "8", "num_local_experts is 8; supported: null, 0")]
    [InlineData("llama3", "final_logit_softcapping", "30.0", "final_logit_softcapping is 30.0; supported: null")]
    [InlineData("qwen2", "logit_scale", "0.5", "logit_scale is 0.5; supported: null, 1, 1.0")]
    [InlineData("llama3", "partial_rotary_factor", "0.5", "partial_rotary_factor is 0.5; supported: null, 1, 1.0")]
    [InlineData("gemma3", "use_bidirectional_attention", "true",
        "use_bidirectional_attention is true; supported: null, false")]
    [InlineData("gemma3", "layer_types", """["full_attention", "chunked_attention", "full_attention"]""",
        "layer_types holds 'chunked_attention'; supported: full_attention, sliding_attention")]
    public void What_would_change_the_numbers_is_refused_by_name(
        string name, string field, string json, string message)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        tiny.Text[field] = JsonNode.Parse(json);
        Assert.Equal("'DIR/config.json': " + message, tiny.Refusal<NotSupportedException>());
    }

    [Theory]
    [InlineData("gemma2", "num_key_value_heads", "3",
        "num_key_value_heads is 3, expected a divisor of num_attention_heads = 4")]
    [InlineData("llama2", "hidden_size", "42",
        "hidden_size is 42, expected a multiple of num_attention_heads = 4, or head_dim")]
    [InlineData("llama3", "head_dim", "11", "11 dimensions of a head turn, expected an even number from 2 on")]
    [InlineData("gpt_neox", "rotary_pct", "1.5", "rotary_pct is 1.5, expected a number above 0 and at most 1")]
    [InlineData("gemma2", "layer_types", """["full_attention"]""",
        "layer_types has 1 entries, expected num_hidden_layers = 3")]
    [InlineData("qwen2", "layer_types", """["full_attention", "full_attention", "sliding_attention"]""",
        "layer_types has sliding_attention, but sliding_window names no window")]
    [InlineData("gemma2", "layer_types", "[1]", "layer_types is [1], expected a list of strings")]
    [InlineData("llama3", "eos_token_id", """[1, "2"]""",
        "eos_token_id is [1,\"2\"], expected a token id or a list of them")]
    [InlineData("llama3", "rope_scaling", """{"rope_type": "linear"}""",
        "rope_scaling.factor is nothing, expected a number above 0")]
    [InlineData("gemma2", "attn_logit_softcapping", "0", "attn_logit_softcapping is 0, expected a number above 0")]
    [InlineData("gemma3-multimodal", "hidden_size", "0",
        "text_config.hidden_size is 0, expected a whole number from 1 to 16777216")]
    public void What_cannot_be_is_refused_by_name(string name, string field, string json, string message)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        tiny.Text[field] = JsonNode.Parse(json);
        Assert.Equal("'DIR/config.json': " + message, tiny.Refusal<InvalidDataException>());
    }

    [Fact]
    public void Tensors_that_do_not_fit_the_family_are_refused()
    {
        using TinyFamily missing = TinyFamily.Create("gemma2");
        missing.Tensors.Remove("layers.1.pre_feedforward_layernorm.weight");
        Assert.StartsWith(
            "'DIR': no tensor 'layers.1.pre_feedforward_layernorm.weight'; ",
            missing.Refusal<InvalidDataException>(),
            StringComparison.Ordinal);

        using TinyFamily normed = TinyFamily.Create("llama3");
        normed.Tensors["layers.0.self_attn.q_norm.weight"] = ([12], new float[12]);
        Assert.Equal(
            "'DIR': 1 tensors that a llama block does not have: layers.0.self_attn.q_norm.weight"
            + "; is num_hidden_layers in config.json too small, or a bias or norm not named there?",
            normed.Refusal<InvalidDataException>());

        using TinyFamily biased = TinyFamily.Create("qwen3");
        biased.Tensors["layers.0.self_attn.q_proj.bias"] = ([48], new float[48]);
        Assert.StartsWith(
            "'DIR': 1 tensors that a qwen3 block does not have: layers.0.self_attn.q_proj.bias",
            biased.Refusal<InvalidDataException>(),
            StringComparison.Ordinal);

        using TinyFamily shaped = TinyFamily.Create("llama3");
        shaped.Tensors["layers.2.self_attn.k_proj.weight"] = ([48, 40], new float[48 * 40]);
        Assert.Equal(
            "'DIR/model.safetensors': tensor model.layers.2.self_attn.k_proj.weight is [48, 40], expected [24, 40]",
            shaped.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData("llama3", "layers.0.self_attn.rotary_emb.inv_freq")]
    [InlineData("gpt_neox", "layers.1.attention.masked_bias")]
    public void Buffers_and_a_tied_head_that_is_stored_too_are_passed_over(string name, string buffer)
    {
        int[] ids = TinyFamily.Ids(1, 9);
        using TinyFamily plain = TinyFamily.Create(name);
        using TinyFamily buffered = TinyFamily.Create(name);
        buffered.Tensors[buffer] = ([6], new float[6]);
        if (name == "llama3")
        {
            buffered.Tensors["lm_head.weight"] =
                ([TinyFamily.Vocabulary, TinyFamily.DModel], new float[TinyFamily.Vocabulary * TinyFamily.DModel]);
        }

        using Decoder expected = plain.Load();
        using Decoder decoder = buffered.Load();
        Assert.Equal(Passes.Logits(expected, ids), Passes.Logits(decoder, ids));
    }

    [Theory]
    [InlineData("gemma3-multimodal", "model.language_model.")]
    [InlineData("gemma3-multimodal", "model.")]
    [InlineData("llama3", "")]
    public void Names_may_have_the_prefixes_that_files_have(string name, string prefix)
    {
        int[] ids = TinyFamily.Ids(1, 9);
        using TinyFamily plain = TinyFamily.Create(name);
        using TinyFamily prefixed = TinyFamily.Create(name);
        prefixed.Prefix = prefix;
        using Decoder expected = plain.Load();
        using Decoder decoder = prefixed.Load();
        Assert.Equal(Passes.Logits(expected, ids), Passes.Logits(decoder, ids));
    }

    [Fact]
    public void Training_and_adapters_refuse_other_families_by_name()
    {
        using TinyFamily tiny = TinyFamily.Create("llama3");
        tiny.Write();
        Assert.Equal(
            $"'{tiny.Path}': training knows gpt2, not 'llama'",
            Assert.Throws<NotSupportedException>(() => TrainableCheckpoint.Read(tiny.Path, out _)).Message);
        Assert.Equal(
            "training knows gpt2, not 'llama'",
            Assert.Throws<NotSupportedException>(
                () => new DecoderGradient(ArchitectureSpec.Read(tiny.File("config.json")), WorkerPool.Shared, 1, 4)).Message);
        Assert.Equal(
            $"'{tiny.File("config.json")}': adapters are known for gpt2, not for 'llama'",
            Assert.Throws<NotSupportedException>(
                () => Decoder.Load(tiny.Path, new LoadOptions { Adapter = tiny.Path })).Message);
    }

    private static ArchitectureSpec Read(TinyFamily tiny)
    {
        using (tiny)
        {
            tiny.Write();
            return ArchitectureSpec.Read(tiny.File("config.json"));
        }
    }

    private static ArchitectureSpec Read(string json)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, json);
            return ArchitectureSpec.Read(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
