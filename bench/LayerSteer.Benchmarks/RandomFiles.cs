using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Benchmarks;

/// <summary>The sizes of a random model, autoencoder and sentence encoder.</summary>
internal sealed record RandomShape(
    int Layers,
    int DModel,
    int Heads,
    int Vocabulary,
    int Context,
    int Latents,
    int K,
    int EncoderLayers,
    int DEncoder,
    int EncoderVocabulary)
{
    /// <summary>GPT-2 small, OpenAI's v5_32k autoencoders and all-MiniLM-L6-v2.</summary>
    public static RandomShape Gpt2Small { get; } = new(12, 768, 12, 50257, 1024, 32768, 32, 6, 384, 30522);

    /// <summary>The model in <c>samples/tiny</c>.</summary>
    public static RandomShape Tiny { get; } = new(4, 48, 3, 474, 128, 192, 8, 2, 32, 346);
}

/// <summary>
/// Writes a model, an autoencoder and a sentence encoder with random weights, so that the whole path can be run and
/// timed where no checkpoint is at hand. What such a model writes is noise.
/// </summary>
internal static class RandomFiles
{
    /// <summary>Writes <c>model/</c>, <c>sae/</c> and <c>encoder/</c> into a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="vocabularies">
    /// A folder with <c>vocab.json</c>, <c>merges.txt</c> (the model's) and <c>vocab.txt</c> (the encoder's).
    /// </param>
    /// <param name="shape">The sizes; the vocabulary's last id is BOS and EOS.</param>
    public static void Write(string folder, string vocabularies, RandomShape shape)
    {
        string model = Directory.CreateDirectory(Path.Combine(folder, "model")).FullName;
        foreach (string name in (string[])["vocab.json", "merges.txt"])
        {
            File.Copy(Path.Combine(vocabularies, name), Path.Combine(model, name), overwrite: true);
        }

        AtomicFile.WriteAllText(Path.Combine(model, "config.json"), string.Create(CultureInfo.InvariantCulture, $$"""
            {"model_type": "gpt2", "n_layer": {{shape.Layers}}, "n_embd": {{shape.DModel}}, "n_head": {{shape.Heads}},
             "n_positions": {{shape.Context}}, "vocab_size": {{shape.Vocabulary}},
             "bos_token_id": {{shape.Vocabulary - 1}}, "eos_token_id": {{shape.Vocabulary - 1}}}

            """));
        WriteModel(Path.Combine(model, "model.safetensors"), shape);
        string sae = Directory.CreateDirectory(Path.Combine(folder, "sae")).FullName;
        WriteSae(Path.Combine(sae, "autoencoder.safetensors"), shape);
        WriteEncoder(Directory.CreateDirectory(Path.Combine(folder, "encoder")).FullName, vocabularies, shape);
    }

    private static void WriteModel(string path, RandomShape shape)
    {
        var random = new Normal(1);
        int d = shape.DModel;
        using var writer = new SafetensorsWriter(path);
        Matrix(writer, random, "wte.weight", shape.Vocabulary, d, 0.02f);
        Matrix(writer, random, "wpe.weight", shape.Context, d, 0.01f);
        for (int i = 0; i < shape.Layers; i++)
        {
            Norm(writer, $"h.{i}.ln_1", d);
            Linear(writer, random, $"h.{i}.attn.c_attn", d, 3 * d);
            Linear(writer, random, $"h.{i}.attn.c_proj", d, d);
            Norm(writer, $"h.{i}.ln_2", d);
            Linear(writer, random, $"h.{i}.mlp.c_fc", d, 4 * d);
            Linear(writer, random, $"h.{i}.mlp.c_proj", 4 * d, d);
        }

        Norm(writer, "ln_f", d);
        writer.Complete();
    }

    private static void WriteSae(string path, RandomShape shape)
    {
        // The decoder is the encoder transposed, as it is when training begins, so that reconstructions are not noise.
        var random = new Normal(2);
        int d = shape.DModel;
        float[] encoder = new float[shape.Latents * d];
        float[] decoder = new float[shape.Latents * d];
        for (int f = 0; f < shape.Latents; f++)
        {
            for (int i = 0; i < d; i++)
            {
                float weight = random.Next() / MathF.Sqrt(d);
                encoder[(f * d) + i] = weight;
                decoder[(i * shape.Latents) + f] = weight;
            }
        }

        var metadata = new Dictionary<string, string>
        {
            ["activation"] = "TopK",
            ["activation_state_dict.k"] = shape.K.ToString(CultureInfo.InvariantCulture),
            ["activation_state_dict.postact_fn"] = "ReLU",
        };
        using var writer = new SafetensorsWriter(path, metadata);
        writer.Add<float>("encoder.weight", [shape.Latents, d], encoder);
        writer.Add<float>("decoder.weight", [d, shape.Latents], decoder);
        writer.Add<float>("latent_bias", [shape.Latents], new float[shape.Latents]);
        writer.Add<float>("pre_bias", [d], new float[d]);
        writer.Complete();
    }

    private static void WriteEncoder(string folder, string vocabularies, RandomShape shape)
    {
        int d = shape.DEncoder;
        File.Copy(Path.Combine(vocabularies, "vocab.txt"), Path.Combine(folder, "vocab.txt"), overwrite: true);
        AtomicFile.WriteAllText(
            Path.Combine(folder, "tokenizer_config.json"), "{\"do_lower_case\": true, \"model_max_length\": 512}\n");
        AtomicFile.WriteAllText(Path.Combine(folder, "sentence_bert_config.json"), "{\"max_seq_length\": 256}\n");
        AtomicFile.WriteAllText(Path.Combine(folder, "config.json"), string.Create(CultureInfo.InvariantCulture, $$"""
            {"model_type": "bert", "num_hidden_layers": {{shape.EncoderLayers}}, "hidden_size": {{d}},
             "num_attention_heads": {{d / 32}}, "intermediate_size": {{4 * d}}, "vocab_size": {{shape.EncoderVocabulary}},
             "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}

            """));
        var random = new Normal(3);
        using var writer = new SafetensorsWriter(Path.Combine(folder, "model.safetensors"));
        Matrix(writer, random, "embeddings.word_embeddings.weight", shape.EncoderVocabulary, d, 0.02f);
        Matrix(writer, random, "embeddings.position_embeddings.weight", 512, d, 0.002f);
        Matrix(writer, random, "embeddings.token_type_embeddings.weight", 2, d, 0.002f);
        Norm(writer, "embeddings.LayerNorm", d);
        for (int i = 0; i < shape.EncoderLayers; i++)
        {
            string layer = $"encoder.layer.{i}.";
            string[] square =
                ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"];
            foreach (string name in square)
            {
                Linear(writer, random, layer + name, d, d);
            }

            Norm(writer, layer + "attention.output.LayerNorm", d);
            Linear(writer, random, layer + "intermediate.dense", 4 * d, d, biasFirst: true);
            Linear(writer, random, layer + "output.dense", d, 4 * d, biasFirst: true);
            Norm(writer, layer + "output.LayerNorm", d);
        }

        writer.Complete();
    }

    /// <summary>
    /// A matrix [a, b] with its bias: of length b for GPT-2's [inputs, outputs], of length a for BERT's [outputs,
    /// inputs].
    /// </summary>
    private static void Linear(
        SafetensorsWriter writer, Normal random, string name, int a, int b, bool biasFirst = false)
    {
        Matrix(writer, random, name + ".weight", a, b, 0.02f);
        int bias = biasFirst ? a : b;
        writer.Add<float>(name + ".bias", [bias], new float[bias]);
    }

    private static void Matrix(
        SafetensorsWriter writer, Normal random, string name, int rows, int columns, float deviation)
    {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = deviation * random.Next();
        }

        writer.Add<float>(name, [rows, columns], values);
    }

    private static void Norm(SafetensorsWriter writer, string name, int d)
    {
        writer.Add<float>(name + ".weight", [d], Enumerable.Repeat(1f, d).ToArray());
        writer.Add<float>(name + ".bias", [d], new float[d]);
    }
}
