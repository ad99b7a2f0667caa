using System.Text.Json.Nodes;

namespace LayerSteer.Tests.Models;

/// <summary>
/// The forward pass of every family but GPT-2 as its formulas are published, in double, one number at a time, from the
/// config and tensors themselves: it shares nothing with the decoder.
/// </summary>
internal sealed class ScalarModel(TinyFamily tiny)
{
    private readonly JsonObject _config = tiny.Text;
    private readonly string _family = tiny.Family;

    private bool IsNeoX => _family == "gpt_neox";

    private bool IsGemma => _family is "gemma2" or "gemma3_text";

    private int DHead => (int)Number("head_dim", TinyFamily.DModel / TinyFamily.Heads);

    private int KeyValueHeads => (int)Number("num_key_value_heads", TinyFamily.Heads);

    /// <summary>The residual stream after each block and the logits, by position.</summary>
    public (double[][][] Residuals, double[][] Logits) Run(int[] ids)
    {
        double scale = IsGemma ? Math.Sqrt(TinyFamily.DModel) : 1;
        string embedding = (IsNeoX ? "embed_in" : "embed_tokens") + ".weight";
        double[][] r = [.. ids.Select(id => Row(embedding, id).Select(v => v * scale).ToArray())];
        var residuals = new List<double[][]>();
        for (int layer = 0; layer < TinyFamily.Layers; layer++)
        {
            r = Block(layer, r);
            residuals.Add(r);
        }

        string head = tiny.Tensors.Keys.FirstOrDefault(k => k is "lm_head.weight" or "embed_out.weight") ?? embedding;
        double[][] logits =
        [
            .. r.Select(x => Multiply(head, Norm(IsNeoX ? "final_layer_norm" : "norm", x))
                .Select(l => Cap(l, "final_logit_softcapping")).ToArray()),
        ];
        return ([.. residuals], logits);
    }

    private double[][] Block(int layer, double[][] r)
    {
        string block = $"layers.{layer}.";
        double[][] attention = Attention(layer, [.. r.Select(x => Norm(block + "input_layernorm", x))]);
        if (IsGemma)
        {
            attention = [.. attention.Select(a => Norm(block + "post_attention_layernorm", a))];
        }

        double[][] middle = [.. r.Zip(attention, Add)];
        bool parallel = IsNeoX && _config["use_parallel_residual"]!.GetValue<bool>();
        string norm = block + (IsGemma ? "pre_feedforward_layernorm" : "post_attention_layernorm");
        double[][] mlp = [.. (parallel ? r : middle).Select(x => FeedForward(block, Norm(norm, x)))];
        if (IsGemma)
        {
            mlp = [.. mlp.Select(m => Norm(block + "post_feedforward_layernorm", m))];
        }

        return [.. middle.Zip(mlp, Add)];
    }

    private double[] FeedForward(string block, double[] x)
    {
        if (IsNeoX)
        {
            double[] hidden = Linear(block + "mlp.dense_h_to_4h", x);
            return Linear(block + "mlp.dense_4h_to_h", [.. hidden.Select(GeluErf)]);
        }

        double[] gate = Linear(block + "mlp.gate_proj", x);
        double[] up = Linear(block + "mlp.up_proj", x);
        return Linear(
            block + "mlp.down_proj",
            [.. gate.Zip(up, (g, u) => (IsGemma ? GeluTanh(g) : g / (1 + Math.Exp(-g))) * u)]);
    }

    private double[][] Attention(int layer, double[][] x)
    {
        string block = $"layers.{layer}.";
        int h = DHead;
        int group = TinyFamily.Heads / KeyValueHeads;
        (double[][] q, double[][] k, double[][] v)[] heads =
            [.. Enumerable.Range(0, TinyFamily.Heads).Select(head => HeadOf(layer, head, head / group, x))];
        double divisor = Math.Sqrt(IsGemma ? Number("query_pre_attn_scalar", 256) : h);
        bool sliding = IsSliding(layer);
        var outputs = new double[x.Length][];
        for (int i = 0; i < x.Length; i++)
        {
            var z = new List<double>();
            int first = sliding ? Math.Max(0, i - TinyFamily.Window + 1) : 0;
            foreach ((double[][] q, double[][] k, double[][] v) in heads)
            {
                double[] weights =
                [
                    .. Enumerable.Range(first, i - first + 1)
                        .Select(j => Cap(Dot(q[i], k[j]) / divisor, "attn_logit_softcapping")),
                ];
                double most = weights.Max();
                weights = [.. weights.Select(s => Math.Exp(s - most))];
                double sum = weights.Sum();
                for (int dim = 0; dim < h; dim++)
                {
                    z.Add(weights.Select((p, j) => p / sum * v[first + j][dim]).Sum());
                }
            }

            outputs[i] = Linear(block + (IsNeoX ? "attention.dense" : "self_attn.o_proj"), [.. z]);
        }

        return outputs;
    }

    /// <summary>Queries, keys and values of one head at every position, with their positions in.</summary>
    private (double[][] Q, double[][] K, double[][] V) HeadOf(int layer, int head, int keyValueHead, double[][] x)
    {
        int h = DHead;
        string block = $"layers.{layer}.";
        if (IsNeoX)
        {
            double[][] all = [.. x.Select(row => Linear(block + "attention.query_key_value", row))];
            double[][] Part(int role) => [.. all.Select(row => row.Skip((((head * 3) + role) * h)).Take(h).ToArray())];
            return (Turn(layer, Part(0)), Turn(layer, Part(1)), Part(2));
        }

        double[][] Of(string name, int at) =>
            [.. x.Select(row => Linear(block + $"self_attn.{name}_proj", row).Skip(at * h).Take(h).ToArray())];
        double[][] queries = Of("q", head);
        double[][] keys = Of("k", keyValueHead);
        if (_family is "qwen3" or "gemma3_text")
        {
            queries = [.. queries.Select(q => Norm(block + "self_attn.q_norm", q))];
            keys = [.. keys.Select(k => Norm(block + "self_attn.k_norm", k))];
        }

        return (Turn(layer, queries), Turn(layer, keys), Of("v", keyValueHead));
    }

    private double[][] Turn(int layer, double[][] rows)
    {
        int dims = IsNeoX ? (int)(DHead * Number("rotary_pct", 0.25)) : DHead;
        int half = dims / 2;
        return
        [
            .. rows.Select((row, position) =>
            {
                double[] y = [.. row];
                for (int i = 0; i < half; i++)
                {
                    double angle = position * Frequency(layer, i, dims);
                    y[i] = (row[i] * Math.Cos(angle)) - (row[half + i] * Math.Sin(angle));
                    y[half + i] = (row[half + i] * Math.Cos(angle)) + (row[i] * Math.Sin(angle));
                }

                return y;
            }),
        ];
    }

    private double Frequency(int layer, int i, int dims)
    {
        JsonObject? scaling = _config["rope_scaling"] as JsonObject;
        double theta = Number(IsNeoX ? "rotary_emb_base" : "rope_theta", _family == "gemma3_text" ? 1e6 : 10000);
        if (_family == "gemma3_text")
        {
            if (_config["rope_parameters"] is JsonObject byType)
            {
                scaling = byType[IsSliding(layer) ? "sliding_attention" : "full_attention"]!.AsObject();
                theta = scaling["rope_theta"]!.GetValue<double>();
            }
            else if (IsSliding(layer))
            {
                scaling = null;
                theta = Number("rope_local_base_freq", 10000);
            }
        }

        double w = Math.Pow(theta, -2.0 * i / dims);
        string type = (scaling?["rope_type"] ?? scaling?["type"])?.GetValue<string>() ?? "default";
        if (type == "linear")
        {
            return w / scaling!["factor"]!.GetValue<double>();
        }

        if (type == "llama3")
        {
            double factor = scaling!["factor"]!.GetValue<double>();
            double low = scaling["low_freq_factor"]!.GetValue<double>();
            double high = scaling["high_freq_factor"]!.GetValue<double>();
            double length = scaling["original_max_position_embeddings"]!.GetValue<int>();
            double wavelength = 2 * Math.PI / w;
            double s = ((length / wavelength) - low) / (high - low);
            return wavelength < length / high ? w
                : wavelength > length / low ? w / factor
                : ((1 - s) * w / factor) + (s * w);
        }

        return w;
    }

    private bool IsSliding(int layer) => _family switch
    {
        "mistral" => true,
        "qwen2" => _config["use_sliding_window"] is not null && layer >= 1,
        "gemma2" => layer % 2 == 0,
        "gemma3_text" => _config["layer_types"] is JsonArray types
            ? types[layer]!.GetValue<string>() == "sliding_attention"
            : (layer + 1) % (int)Number("sliding_window_pattern", 6) != 0,
        _ => false,
    };

    private double[] Norm(string name, double[] x)
    {
        float[] weight = tiny.Tensors[name + ".weight"].Values;
        if (IsNeoX)
        {
            float[] bias = tiny.Tensors[name + ".bias"].Values;
            double mean = x.Average();
            double deviation = Math.Sqrt(x.Average(v => (v - mean) * (v - mean)) + 1e-5);
            return [.. x.Select((v, i) => ((v - mean) / deviation * weight[i]) + bias[i])];
        }

        double size = Math.Sqrt(x.Average(v => v * v) + 1e-6);
        return [.. x.Select((v, i) => v / size * (IsGemma ? 1.0 + weight[i] : weight[i]))];
    }

    private double Cap(double value, string field) => _config[field] is { } node
        ? node.GetValue<double>() * Math.Tanh(value / node.GetValue<double>())
        : value;

    private double Number(string field, double fallback) =>
        _config[field] is { } node ? double.Parse(node.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture) : fallback;

    private double[] Row(string name, int row)
    {
        (long[] shape, float[] values) = tiny.Tensors[name];
        return [.. values.Skip((int)(row * shape[1])).Take((int)shape[1]).Select(v => (double)v)];
    }

    private double[] Linear(string name, double[] x)
    {
        double[] y = Multiply(name + ".weight", x);
        return tiny.Tensors.TryGetValue(name + ".bias", out (long[] Shape, float[] Values) bias)
            ? [.. y.Zip(bias.Values, (v, b) => v + b)]
            : y;
    }

    private double[] Multiply(string name, double[] x)
    {
        (long[] shape, float[] values) = tiny.Tensors[name];
        double[] y = new double[shape[0]];
        for (int o = 0; o < y.Length; o++)
        {
            for (int k = 0; k < x.Length; k++)
            {
                y[o] += (double)values[(o * x.Length) + k] * x[k];
            }
        }

        return y;
    }

    private static double[] Add(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double GeluTanh(double x) =>
        0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

    /// <summary>x·Φ(x) by Taylor's series of erf, which is exact enough for the arguments of a tiny model.</summary>
    private static double GeluErf(double x)
    {
        double z = x / Math.Sqrt(2);
        double term = z;
        double sum = z;
        for (int n = 1; n < 200; n++)
        {
            term *= -z * z / n;
            sum += term / ((2 * n) + 1);
        }

        return x * 0.5 * (1 + (2 / Math.Sqrt(Math.PI) * sum));
    }
}
