using System.Text.Json.Nodes;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>
/// A random model of any family but GPT-2, without a tokenizer. Its widths are no multiples of 16, a head's width is not
/// width / heads where the family allows that, and windows are much shorter than the context. Change
/// <see cref="Config"/> and <see cref="Tensors"/> first, then load.
/// </summary>
internal sealed class TinyFamily : IDisposable
{
    public const int Layers = 3;
    public const int DModel = TinyModel.DModel; // so that the tiny autoencoders fit
    public const int DMlp = 72;
    public const int Heads = 4;
    public const int Vocabulary = 130;
    public const int Context = 48;
    public const int Window = 5;

    private readonly TempFolder _folder = new();
    private readonly ulong _seed = 7;
    private ulong _next;
    private bool _written;

    private TinyFamily(string family, JsonObject config)
    {
        Family = family;
        Config = config;
    }

    /// <summary>The cases by name: every family, with each of its settings somewhere.</summary>
    public static string[] Names =>
    [
        "llama2", "llama3", "llama-biases", "mistral", "qwen2", "qwen2-windows", "qwen3", "gemma2", "gemma3",
        "gemma3-parameters", "gemma3-multimodal", "gpt_neox", "gpt_neox-sequential",
    ];

    public static TheoryData<string> Cases => [.. Names];

    public string Family { get; }

    public JsonObject Config { get; }

    /// <summary>The part of the config that is the text model's.</summary>
    public JsonObject Text => Config["text_config"] as JsonObject ?? Config;

    /// <summary>By name without a prefix.</summary>
    public SortedDictionary<string, (long[] Shape, float[] Values)> Tensors { get; } = new(StringComparer.Ordinal);

    /// <summary>Put before names in the file, but for the output head's.</summary>
    public string Prefix { get; set; } = "model.";

    public string Path => _folder.Path;

    public static TinyFamily Create(string name)
    {
        TinyFamily tiny = name switch
        {
            "llama2" => Llama("llama", kvHeads: Heads, dHead: null, tied: false),
            "llama3" => Llama("llama", kvHeads: 2, dHead: 12),
            "llama-biases" => Llama("llama", kvHeads: 1, dHead: 12),
            "mistral" => Llama("mistral", kvHeads: 2, dHead: 12, tied: false),
            "qwen2" or "qwen2-windows" => Llama("qwen2", kvHeads: 2, dHead: null),
            "qwen3" => Llama("qwen3", kvHeads: 2, dHead: 12),
            "gemma2" => Llama("gemma2", kvHeads: 2, dHead: 12),
            "gemma3" or "gemma3-parameters" => Llama("gemma3_text", kvHeads: 1, dHead: 12),
            "gemma3-multimodal" => Llama("gemma3_text", kvHeads: 2, dHead: 12),
            _ => NeoX(),
        };
        switch (name)
        {
            case "llama3":
                tiny.Config["rope_theta"] = 500.0;
                tiny.Config["rope_scaling"] = JsonNode.Parse(
                    """
                    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 32}
                    """);
                break;
            case "llama-biases":
                tiny.Config["attention_bias"] = true;
                tiny.Config["mlp_bias"] = true;
                tiny.Config["rope_scaling"] = JsonNode.Parse("""{"type": "linear", "factor": 2.5}""");
                break;
            case "mistral":
                tiny.Config["sliding_window"] = Window;
                break;
            case "qwen2-windows":
                tiny.Config["use_sliding_window"] = true;
                tiny.Config["sliding_window"] = Window;
                tiny.Config["max_window_layers"] = 1;
                break;
            case "gemma2":
                tiny.Config["sliding_window"] = Window;
                tiny.Config["query_pre_attn_scalar"] = 9;
                tiny.Config["attn_logit_softcapping"] = 2.0;
                tiny.Config["final_logit_softcapping"] = 3.0;
                break;
            case "gemma3":
                tiny.Config["sliding_window"] = Window;
                tiny.Config["query_pre_attn_scalar"] = 12;
                tiny.Config["sliding_window_pattern"] = 3;
                tiny.Config["rope_theta"] = 1e5;
                tiny.Config["rope_local_base_freq"] = 100.0;
                tiny.Config["rope_scaling"] = JsonNode.Parse("""{"rope_type": "linear", "factor": 8.0}""");
                break;
            case "gemma3-parameters":
                tiny.Config["sliding_window"] = Window;
                tiny.Config["query_pre_attn_scalar"] = 12;
                tiny.Config["layer_types"] =
                    new JsonArray("sliding_attention", "full_attention", "sliding_attention");
                tiny.Config["rope_parameters"] = JsonNode.Parse(
                    """
                    {"full_attention": {"rope_theta": 5000.0, "rope_type": "linear", "factor": 2.0},
                     "sliding_attention": {"rope_theta": 50.0, "rope_type": "default"}}
                    """);
                break;
            case "gemma3-multimodal":
                tiny.Config["sliding_window"] = Window;
                tiny.Prefix = "language_model.model.";
                break;
            case "gpt_neox-sequential":
                tiny.Config["use_parallel_residual"] = false;
                tiny.Config["rotary_pct"] = 1.0;
                break;
        }

        tiny.AddTensors();
        return name == "gemma3-multimodal" ? tiny.Nested() : tiny;
    }

    /// <summary>A name in the folder.</summary>
    public string File(string name) => _folder.File(name);

    public Decoder Load(LoadOptions? options = null)
    {
        Write();
        return Decoder.Load(Path, options);
    }

    public void Write(TensorType type = TensorType.F32)
    {
        if (_written)
        {
            return;
        }

        _written = true;
        System.IO.File.WriteAllText(File("config.json"), Config.ToJsonString());
        using var writer = new SafetensorsWriter(File("model.safetensors"));
        foreach ((string name, (long[] shape, float[] values)) in Tensors)
        {
            writer.AddFloats(IsHead(name) ? name : Prefix + name, type, shape, values);
        }

        if (Text != Config)
        {
            writer.Add<float>("vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", [2, 2], new float[4]);
            writer.Add<float>("multi_modal_projector.mm_soft_emb_norm.weight", [4], new float[4]);
        }

        writer.Complete();
    }

    /// <summary>The message with which loading is refused, the folder written as DIR.</summary>
    public string Refusal<TException>() where TException : Exception
    {
        string message = Assert.Throws<TException>(() => Load().Dispose()).Message;
        Assert.DoesNotContain('\n', message);
        return message.Replace(Path, "DIR", StringComparison.Ordinal);
    }

    /// <summary>Token ids from a seed.</summary>
    public static int[] Ids(ulong seed, int count)
    {
        var generator = new SplitMix64(seed);
        return [.. Enumerable.Range(0, count).Select(_ => generator.NextInt(Vocabulary))];
    }

    public void Dispose() => _folder.Dispose();

    private static bool IsHead(string name) => name is "lm_head.weight" or "embed_out.weight";

    private static TinyFamily Llama(string family, int kvHeads, int? dHead, bool tied = true)
    {
        bool gemma = family.StartsWith("gemma", StringComparison.Ordinal);
        var config = new JsonObject
        {
            ["model_type"] = family,
            ["num_hidden_layers"] = Layers,
            ["hidden_size"] = DModel,
            ["intermediate_size"] = DMlp,
            ["num_attention_heads"] = Heads,
            ["num_key_value_heads"] = kvHeads,
            ["vocab_size"] = Vocabulary,
            ["max_position_embeddings"] = Context,
            ["rms_norm_eps"] = 1e-6,
            ["rope_theta"] = 10000.0,
            ["tie_word_embeddings"] = tied,
            ["bos_token_id"] = 2,
            ["eos_token_id"] = 1,
            [gemma ? "hidden_activation" : "hidden_act"] = gemma ? "gelu_pytorch_tanh" : "silu",
        };
        if (dHead is { } width)
        {
            config["head_dim"] = width;
        }

        return new TinyFamily(family, config);
    }

    private static TinyFamily NeoX() => new("gpt_neox", new JsonObject
    {
        ["model_type"] = "gpt_neox",
        ["num_hidden_layers"] = Layers,
        ["hidden_size"] = DModel,
        ["intermediate_size"] = DMlp,
        ["num_attention_heads"] = Heads,
        ["vocab_size"] = Vocabulary,
        ["max_position_embeddings"] = Context,
        ["layer_norm_eps"] = 1e-5,
        ["hidden_act"] = "gelu",
        ["rotary_pct"] = 0.4,
        ["rotary_emb_base"] = 10000,
        ["use_parallel_residual"] = true,
        ["tie_word_embeddings"] = false,
        ["bos_token_id"] = 0,
        ["eos_token_id"] = 0,
    })
    {
        Prefix = "gpt_neox.",
    };

    /// <summary>As the checkpoints that also see are laid out: fields that have their class's default are left out.</summary>
    private TinyFamily Nested()
    {
        var outer = new JsonObject { ["model_type"] = "gemma3", ["eos_token_id"] = new JsonArray(1, 106) };
        Config.Remove("eos_token_id");
        Config.Remove("bos_token_id");
        Config.Remove("hidden_activation");
        Config.Remove("tie_word_embeddings");
        Config.Remove("rope_theta");
        Config.Remove("rms_norm_eps");
        outer["text_config"] = Config;
        var nested = new TinyFamily(Family, outer) { Prefix = Prefix };
        foreach ((string name, (long[], float[]) tensor) in Tensors)
        {
            nested.Tensors.Add(name, tensor);
        }

        Dispose();
        return nested;
    }

    private void AddTensors()
    {
        bool neox = Family == "gpt_neox";
        bool gemma = Family.StartsWith("gemma", StringComparison.Ordinal);
        int dHead = Config["head_dim"]?.GetValue<int>() ?? DModel / Heads;
        int keys = (Config["num_key_value_heads"]?.GetValue<int>() ?? Heads) * dHead;
        int queries = Heads * dHead;
        bool biases = neox || Config["attention_bias"] is not null;
        Add((neox ? "embed_in" : "embed_tokens") + ".weight", 0.5f, Vocabulary, DModel);
        if (!Config["tie_word_embeddings"]!.GetValue<bool>())
        {
            Add((neox ? "embed_out" : "lm_head") + ".weight", 0.3f, Vocabulary, DModel);
        }

        AddNorm(neox ? "final_layer_norm" : "norm", DModel, neox);
        for (int layer = 0; layer < Layers; layer++)
        {
            string block = $"layers.{layer}.";
            AddNorm(block + "input_layernorm", DModel, neox);
            AddNorm(block + "post_attention_layernorm", DModel, neox);
            if (neox)
            {
                AddLinear(block + "attention.query_key_value", 3 * DModel, DModel, bias: true);
                AddLinear(block + "attention.dense", DModel, DModel, bias: true);
                AddLinear(block + "mlp.dense_h_to_4h", DMlp, DModel, bias: true);
                AddLinear(block + "mlp.dense_4h_to_h", DModel, DMlp, bias: true);
                continue;
            }

            if (gemma)
            {
                AddNorm(block + "pre_feedforward_layernorm", DModel, bias: false);
                AddNorm(block + "post_feedforward_layernorm", DModel, bias: false);
            }

            AddLinear(block + "self_attn.q_proj", queries, DModel, biases || Family == "qwen2");
            AddLinear(block + "self_attn.k_proj", keys, DModel, biases || Family == "qwen2");
            AddLinear(block + "self_attn.v_proj", keys, DModel, biases || Family == "qwen2");
            AddLinear(block + "self_attn.o_proj", DModel, queries, biases);
            if (Family is "qwen3" or "gemma3_text")
            {
                AddNorm(block + "self_attn.q_norm", dHead, bias: false);
                AddNorm(block + "self_attn.k_norm", dHead, bias: false);
            }

            AddLinear(block + "mlp.gate_proj", DMlp, DModel, Config["mlp_bias"] is not null);
            AddLinear(block + "mlp.up_proj", DMlp, DModel, Config["mlp_bias"] is not null);
            AddLinear(block + "mlp.down_proj", DModel, DMlp, Config["mlp_bias"] is not null);
        }
    }

    private void Add(string name, float scale, params long[] shape) => Tensors.Add(
        name, (shape, RandomFloats.Of(_seed + (100 * _next++), (int)shape.Aggregate((a, b) => a * b), scale)));

    private void AddLinear(string name, int outputs, int inputs, bool bias)
    {
        Add(name + ".weight", 0.25f, outputs, inputs);
        if (bias)
        {
            Add(name + ".bias", 0.2f, outputs);
        }
    }

    private void AddNorm(string name, int d, bool bias)
    {
        Add(name + ".weight", 0.3f, d);
        if (!Family.StartsWith("gemma", StringComparison.Ordinal))
        {
            foreach (ref float weight in Tensors[name + ".weight"].Values.AsSpan())
            {
                weight += 1f;
            }
        }

        if (bias)
        {
            Add(name + ".bias", 0.2f, d);
        }
    }
}
