using System.Text.Json.Nodes;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Models;

public sealed class CheckpointTests : IDisposable
{
    private const string Families = "gpt2, gpt_neox, llama, mistral, qwen2, qwen3, gemma2, gemma3_text, gemma3";

    private static readonly int[] Ids = TinyModel.Ids(1, 9);

    private readonly TinyModel _tiny = new();

    public void Dispose() => _tiny.Dispose();

    [Fact]
    public void The_config_is_read_as_it_stands()
    {
        _tiny.Config["activation_function"] = "relu";
        _tiny.Config["layer_norm_epsilon"] = 1e-6;
        _tiny.Config["scale_attn_by_inverse_layer_idx"] = true;
        using Decoder decoder = _tiny.Load();
        ArchitectureSpec spec = decoder.Spec;
        Assert.Equal(
            ("gpt2", 3, 40, 2, 2, 20, 72, 263, 48),
            (spec.Family, spec.NLayers, spec.DModel, spec.NHeads, spec.NKeyValueHeads, spec.DHead, spec.DMlp,
                spec.Vocabulary, spec.ContextLength));
        Assert.Equal((Activation.Relu, 1e-6f, true), (spec.Activation, spec.NormEpsilon, spec.TiedUnembedding));
        Assert.Equal(1f / MathF.Sqrt(20) / 3, spec.AttentionScaleOf(2));
        Assert.Equal((TinyModel.Eos, TinyModel.Eos), (spec.BosId, spec.EosId));
    }

    [Fact]
    public void Defaults_are_those_of_gpt2()
    {
        _tiny.Config.Remove("n_positions");
        _tiny.Config["n_ctx"] = TinyModel.Context;
        _tiny.Config.Remove("bos_token_id");
        _tiny.Config["eos_token_id"] = null;
        using Decoder decoder = _tiny.Load();
        Assert.Equal(
            (TinyModel.Context, null, null), (decoder.Spec.ContextLength, decoder.Spec.BosId, decoder.Spec.EosId));
        Assert.Equal((Activation.GeluTanh, 1e-5f), (decoder.Spec.Activation, decoder.Spec.NormEpsilon));
    }

    [Theory]
    [InlineData("n_layer", "0", "'DIR/config.json': n_layer is 0, expected a whole number from 1 to 16777216")]
    [InlineData("n_layer", "-3", "'DIR/config.json': n_layer is -3, expected a whole number from 1 to 16777216")]
    [InlineData("n_layer", "2.5", "'DIR/config.json': n_layer is 2.5, expected a whole number from 1 to 16777216")]
    [InlineData(
        "n_layer", "99999999999",
        "'DIR/config.json': n_layer is 99999999999, expected a whole number from 1 to 16777216")]
    [InlineData("n_embd", "\"40\"", "'DIR/config.json': n_embd is \"40\", expected a whole number from 1 to 16777216")]
    [InlineData("n_embd", "[\n1]", "'DIR/config.json': n_embd is [?1], expected a whole number from 1 to 16777216")]
    [InlineData("n_embd", "null", "'DIR/config.json': n_embd is nothing, expected a whole number")]
    [InlineData("n_head", "3", "'DIR/config.json': n_embd is 40, expected a multiple of n_head = 3")]
    [InlineData("model_type", "7", "'DIR/config.json': model_type is 7, expected a string")]
    [InlineData("model_type", "\"\\ud800\"", "'DIR/config.json': model_type is \"\\ud800\", expected a string")]
    [InlineData("layer_norm_epsilon", "2", "'DIR/config.json': layer_norm_epsilon is 2, expected a number from 0 to 1")]
    [InlineData(
        "layer_norm_epsilon", "1e999",
        "'DIR/config.json': layer_norm_epsilon is 1e999, expected a number from 0 to 1")]
    [InlineData("tie_word_embeddings", "1", "'DIR/config.json': tie_word_embeddings is 1, expected true or false")]
    [InlineData("eos_token_id", "-1", "'DIR/config.json': eos_token_id is -1, expected a token id")]
    public void A_field_that_is_wrong_is_refused_by_name(string field, string json, string message)
    {
        WriteConfigWith(field, json);
        Assert.Equal(message, RefusalOfConfig<InvalidDataException>());
    }

    [Theory]
    [InlineData("model_type", "\"mixtral\"", "'DIR/config.json': model_type is 'mixtral'; supported: " + Families)]
    [InlineData("model_type", "\"a\\nb\"", "'DIR/config.json': model_type is 'a?b'; supported: " + Families)]
    [InlineData(
        "quantization_config", "{\"quant_method\": \"gptq\"}",
        "'DIR/config.json': quantization_config is {\"quant_method\": \"gptq\"}; supported: null")]
    [InlineData(
        "activation_function", "\"gelu_fast\"",
        "'DIR/config.json': activation_function is 'gelu_fast'; supported: gelu_new, "
        + "gelu_pytorch_tanh, gelu, relu, silu, swish")]
    public void A_setting_that_is_not_supported_is_refused_with_those_that_are(
        string field, string json, string message)
    {
        WriteConfigWith(field, json);
        Assert.Equal(message, RefusalOfConfig<NotSupportedException>());
    }

    [Fact]
    public void A_config_that_is_missing_or_no_object_is_refused()
    {
        Assert.Equal(
            "'DIR/config.json': no such file; a checkpoint folder has a config.json",
            RefusalOfConfig<InvalidDataException>());
        File.WriteAllText(_tiny.File("config.json"), "[1]");
        Assert.Equal("'DIR/config.json': expected a JSON object, found Array", RefusalOfConfig<InvalidDataException>());
        File.WriteAllText(_tiny.File("config.json"), "{");
        Assert.StartsWith("'DIR/config.json': not valid JSON: ", RefusalOfConfig<InvalidDataException>());
    }

    [Fact]
    public void A_folder_without_weights_is_refused_with_the_names_looked_for()
    {
        _tiny.WriteConfig();
        Assert.Equal(
            "'DIR': no weights; looked for model.safetensors, model.safetensors.index.json, "
            + "pytorch_model.bin, pytorch_model.bin.index.json",
            RefusalOfConfig<InvalidDataException>());
    }

    [Fact]
    public void A_missing_tensor_is_refused_with_its_nearest_names()
    {
        _tiny.Tensors.Remove("h.1.mlp.c_fc.weight");
        string message = _tiny.Refusal<InvalidDataException>();
        Assert.StartsWith("'DIR': no tensor 'h.1.mlp.c_fc.weight'; of its 39 tensors the nearest are ", message);
        Assert.Contains("h.0.mlp.c_fc.weight", message);
    }

    [Fact]
    public void A_tensor_of_another_shape_is_refused()
    {
        _tiny.Tensors["h.2.attn.c_proj.weight"] = ([40, 39], new float[40 * 39]);
        Assert.Equal(
            "'DIR/model.safetensors': tensor h.2.attn.c_proj.weight is [40, 39], expected [40, 40]",
            _tiny.Refusal<InvalidDataException>());
    }

    [Fact]
    public void A_tensor_that_a_block_does_not_have_is_refused()
    {
        _tiny.Tensors["h.0.attn.c_gate.weight"] = ([1], [1f]);
        Assert.Equal(
            "'DIR': 1 tensors that a gpt2 block does not have: h.0.attn.c_gate.weight; is n_layer in "
            + "config.json too small?",
            _tiny.Refusal<InvalidDataException>());
    }

    [Fact]
    public void A_config_with_too_few_layers_is_refused()
    {
        _tiny.Config["n_layer"] = 2;
        Assert.Equal(
            "'DIR': 12 tensors that a gpt2 block does not have: h.2.attn.c_attn.bias, "
            + "h.2.attn.c_attn.weight, h.2.attn.c_proj.bias, "
            + "h.2.attn.c_proj.weight; is n_layer in config.json too small?",
            _tiny.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData("h.1.attn.c_attn.weight", float.NaN, "NaN")]
    [InlineData("wte.weight", float.PositiveInfinity, "Infinity")]
    [InlineData("ln_f.bias", float.NegativeInfinity, "-Infinity")]
    public void A_weight_that_is_not_finite_is_refused_with_its_place(string name, float value, string shown)
    {
        _tiny.Tensors[name].Values[17] = value;
        Assert.Equal(
            $"'DIR/model.safetensors': tensor {name} holds {shown} at element 17, expected finite numbers",
            _tiny.Refusal<InvalidDataException>());
    }

    [Fact]
    public void Mask_buffers_and_other_heads_change_nothing()
    {
        float[] plain = LogitsOf(_tiny);
        using var more = new TinyModel();
        more.Tensors["h.0.attn.bias"] = ([1], [1f]);
        more.Tensors["h.1.attn.masked_bias"] = ([1], [-1e4f]);
        more.Tensors["score.weight"] = ([1], [1f]);
        Bits.Same(plain, LogitsOf(more), "with buffers");
    }

    [Fact]
    public void Names_may_have_the_prefix_of_the_whole_model()
    {
        float[] plain = LogitsOf(_tiny);
        using var prefixed = new TinyModel();
        prefixed.WriteConfig();
        prefixed.WriteTensors("model.safetensors", prefixed.Tensors.Keys, prefix: "transformer.");
        Bits.Same(plain, LogitsOf(prefixed), "with prefix");
    }

    [Fact]
    public void A_name_with_and_without_prefix_is_refused()
    {
        foreach (string name in _tiny.Tensors.Keys.ToArray())
        {
            _tiny.Tensors["transformer." + name] = _tiny.Tensors[name];
        }

        _tiny.Tensors.Remove("wte.weight");
        Assert.Matches(
            "^'DIR': has both 'transformer\\.(.+)' and '\\1'; expected one of them$",
            _tiny.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.BF16)]
    public void Half_width_shards_load_as_the_same_values_in_float32(TensorType type)
    {
        foreach ((long[] _, float[] values) in _tiny.Tensors.Values)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = type == TensorType.F16
                    ? (float)(Half)values[i]
                    : BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(values[i]) & 0xFFFF0000);
            }
        }

        float[] plain = LogitsOf(_tiny);
        using var sharded = new TinyModel();
        sharded.WriteConfig();
        WriteShards(sharded, type);
        Bits.Same(plain, LogitsOf(sharded), type.ToString());
    }

    [Fact]
    public void An_untied_head_is_used_and_a_tied_one_is_not()
    {
        float[] tied = LogitsOf(_tiny);
        float[] head = RandomFloats.Of(77, TinyModel.Vocabulary * TinyModel.DModel);
        foreach (bool tie in new[] { true, false })
        {
            using var untied = new TinyModel();
            untied.Config["tie_word_embeddings"] = tie;
            untied.Tensors["lm_head.weight"] = ([TinyModel.Vocabulary, TinyModel.DModel], head);
            if (tie)
            {
                Bits.Same(tied, LogitsOf(untied), "tied");
                continue;
            }

            using Decoder decoder = untied.Load();
            float[] normed = Passes.Values(decoder, Ids, new HookPoint(HookKind.FinalNorm, -1));
            float[] logits = Passes.Logits(decoder, Ids);
            for (int token = 0; token < TinyModel.Vocabulary; token++)
            {
                float sum = 0;
                for (int i = 0; i < TinyModel.DModel; i++)
                {
                    sum = MathF.FusedMultiplyAdd(normed[i], head[(token * TinyModel.DModel) + i], sum);
                }

                Assert.Equal(sum, logits[token]);
            }
        }
    }

    [Fact]
    public void A_head_that_is_not_in_the_files_is_the_token_embedding()
    {
        float[] tied = LogitsOf(_tiny);
        _tiny.Config["tie_word_embeddings"] = false;
        Bits.Same(tied, LogitsOf(_tiny), "no head");
    }

    [Theory]
    [InlineData(
        "{}",
        "'DIR/model.safetensors.index.json': weight_map is nothing, expected an object from tensor name to shard file")]
    [InlineData(
        """{"weight_map": 3}""",
        "'DIR/model.safetensors.index.json': weight_map is 3, expected an object from tensor name to shard file")]
    [InlineData(
        """{"weight_map": {}}""",
        "'DIR/model.safetensors.index.json': weight_map is empty; expected an object from tensor name to shard file")]
    [InlineData(
        """{"weight_map": {"a": "../x"}}""",
        "'DIR/model.safetensors.index.json': weight_map['a'] is '../x', expected the name of a "
        + "file in the same folder")]
    [InlineData(
        """{"weight_map": {"a": "/etc/passwd"}}""",
        "'DIR/model.safetensors.index.json': weight_map['a'] is '/etc/passwd', expected the name "
        + "of a file in the same folder")]
    [InlineData(
        """{"weight_map": {"a": "b\\c"}}""",
        "'DIR/model.safetensors.index.json': weight_map['a'] is 'b\\c', expected the name of a "
        + "file in the same folder")]
    [InlineData(
        """{"weight_map": {"a": 4}}""",
        "'DIR/model.safetensors.index.json': weight_map['a'] is '?', expected the name of a file in the same folder")]
    [InlineData(
        """{"weight_map": {"\ud800": "x"}}""",
        "'DIR/model.safetensors.index.json': weight_map is {\"\\ud800\": \"x\"}, expected an "
        + "object from tensor name to shard file")]
    [InlineData(
        """{"weight_map": {"a": "gone.safetensors"}}""",
        "'DIR/model.safetensors.index.json': names the shard 'gone.safetensors', which is not in the folder")]
    public void An_index_that_is_wrong_is_refused(string json, string message)
    {
        _tiny.WriteConfig();
        File.WriteAllText(_tiny.File("model.safetensors.index.json"), json);
        Assert.Equal(message, RefusalOfConfig<InvalidDataException>());
    }

    [Fact]
    public void A_shard_that_lacks_what_the_index_says_is_refused()
    {
        _tiny.WriteConfig();
        WriteShards(_tiny, TensorType.F32);
        _tiny.WriteTensors(
            "part-1.safetensors", _tiny.Tensors.Keys.Where((name, i) => i % 2 == 1 && name != "wte.weight"));
        Assert.Equal(
            "'DIR/part-1.safetensors': no tensor 'wte.weight', which the index says is in it",
            _tiny.Refusal<InvalidDataException>());
    }

    [Fact]
    public void A_tensor_in_two_shards_is_refused()
    {
        _tiny.WriteConfig();
        WriteShards(_tiny, TensorType.F32);
        _tiny.WriteTensors(
            "part-1.safetensors", _tiny.Tensors.Keys.Where((name, i) => i % 2 == 1 || name == "h.0.attn.c_attn.bias"));
        Assert.Equal(
            "'DIR/part-1.safetensors': tensor 'h.0.attn.c_attn.bias' is in another shard too; expected it once",
            _tiny.Refusal<InvalidDataException>());
    }

    [Fact]
    public void The_digest_changes_with_any_file()
    {
        string DigestOf(TinyModel tiny)
        {
            using Decoder decoder = tiny.Load();
            return decoder.Digest;
        }

        string digest = DigestOf(_tiny);
        using var same = new TinyModel();
        Assert.Equal(digest, DigestOf(same));
        using var weight = new TinyModel();
        weight.Tensors["ln_f.bias"].Values[0] += 1;
        Assert.NotEqual(digest, DigestOf(weight));
        using var config = new TinyModel();
        config.Config["n_head"] = 4;
        Assert.NotEqual(digest, DigestOf(config));
    }

    private static float[] LogitsOf(TinyModel tiny)
    {
        using Decoder decoder = tiny.Load();
        return Passes.Logits(decoder, Ids);
    }

    /// <summary>Every other tensor in a second file, and the index.</summary>
    private static void WriteShards(TinyModel tiny, TensorType type)
    {
        var map = new JsonObject();
        string[] names = [.. tiny.Tensors.Keys];
        for (int part = 0; part < 2; part++)
        {
            string file = $"part-{part}.safetensors";
            string[] own = [.. names.Where((_, i) => i % 2 == part)];
            tiny.WriteTensors(file, own, type);
            Array.ForEach(own, name => map[name] = file);
        }

        File.WriteAllText(
            tiny.File("model.safetensors.index.json"), new JsonObject { ["weight_map"] = map }.ToJsonString());
    }

    private void WriteConfigWith(string field, string json)
    {
        _tiny.Config[field] = "FIELD";
        string text = _tiny.Config.ToJsonString().Replace("\"FIELD\"", json, StringComparison.Ordinal);
        File.WriteAllText(_tiny.File("config.json"), text);
    }

    /// <summary>The message with which what lies in the folder is refused.</summary>
    private string RefusalOfConfig<TException>() where TException : Exception
    {
        string message = Assert.Throws<TException>(() => Decoder.Load(_tiny.Path).Dispose()).Message;
        Assert.DoesNotContain('\n', message);
        return message.Replace(_tiny.Path, "DIR", StringComparison.Ordinal);
    }
}
