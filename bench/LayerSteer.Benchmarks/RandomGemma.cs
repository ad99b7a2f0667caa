using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>
/// Writes a checkpoint at the shape of Gemma 2 2B with random weights in bfloat16, to measure what such a model takes to
/// load and to run. What it writes is noise.
/// </summary>
internal static class RandomGemma
{
    private const int Layers = 26;
    private const int DModel = 2304;
    private const int DMlp = 9216;
    private const int Heads = 8;
    private const int KeyValueHeads = 4;
    private const int DHead = 256;
    private const int Vocabulary = 256000;

    /// <summary>Random numbers are made once, so many, and written again and again.</summary>
    private const int PoolLength = (1 << 22) + 77;

    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.WriteAllText(Path.Combine(folder, "config.json"), string.Create(CultureInfo.InvariantCulture, $$"""
            {"model_type": "gemma2", "num_hidden_layers": {{Layers}}, "hidden_size": {{DModel}},
             "intermediate_size": {{DMlp}}, "num_attention_heads": {{Heads}}, "num_key_value_heads": {{KeyValueHeads}},
             "head_dim": {{DHead}}, "vocab_size": {{Vocabulary}}, "max_position_embeddings": 8192,
             "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "hidden_activation": "gelu_pytorch_tanh",
             "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
             "sliding_window": 4096, "bos_token_id": 2, "eos_token_id": 1}

            """));
        var random = new SplitMix64(1);
        ushort[] pool = new ushort[PoolLength];
        for (int i = 0; i < pool.Length; i++)
        {
            pool[i] = BFloat16.Nearest((float)((random.NextDouble() - 0.5) * 0.06));
        }

        using var writer = new SafetensorsWriter(Path.Combine(folder, "model.safetensors"));
        Add("embed_tokens", Vocabulary, DModel);
        AddNorm("norm");
        for (int layer = 0; layer < Layers; layer++)
        {
            string block = $"layers.{layer}.";
            foreach (string norm in (string[])["input", "post_attention", "pre_feedforward", "post_feedforward"])
            {
                AddNorm($"{block}{norm}_layernorm");
            }

            Add(block + "self_attn.q_proj", Heads * DHead, DModel);
            Add(block + "self_attn.k_proj", KeyValueHeads * DHead, DModel);
            Add(block + "self_attn.v_proj", KeyValueHeads * DHead, DModel);
            Add(block + "self_attn.o_proj", DModel, Heads * DHead);
            Add(block + "mlp.gate_proj", DMlp, DModel);
            Add(block + "mlp.up_proj", DMlp, DModel);
            Add(block + "mlp.down_proj", DModel, DMlp);
        }

        writer.Complete();

        void Add(string name, int outputs, int inputs)
        {
            writer.Begin($"model.{name}.weight", TensorType.BF16, [outputs, inputs]);
            for (long left = (long)outputs * inputs; left > 0; left -= pool.Length)
            {
                writer.Append<ushort>(pool.AsSpan(0, (int)Math.Min(left, pool.Length)));
            }
        }

        void AddNorm(string name) => writer.Add<ushort>($"model.{name}.weight", [DModel], new ushort[DModel]);
    }
}
