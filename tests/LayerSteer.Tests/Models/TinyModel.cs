using System.Text.Json.Nodes;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>
/// A random GPT-2 with a byte-level tokenizer, for tests that need a model but no reference values. Its widths are no
/// multiples of 16, so that every kernel meets its tails. Change <see cref="Config"/> and <see cref="Tensors"/> first,
/// then load.
/// </summary>
internal sealed class TinyModel : IDisposable
{
    public const int Layers = 3;
    public const int DModel = 40;
    public const int DMlp = 72;
    public const int Context = 48;
    public const int Eos = 262;
    public const int Vocabulary = 263;

    private static readonly string[] Merges = ["Ġ t", "t h", "h e", "Ġt h", "Ġth e", "a n"];

    private readonly TempFolder _folder = new();
    private bool _written;

    public TinyModel(ulong seed = 1)
    {
        AddTensor("wte.weight", seed, 0.5f, Vocabulary, DModel);
        AddTensor("wpe.weight", seed + 1, 0.2f, Context, DModel);
        for (int layer = 0; layer < Layers; layer++)
        {
            ulong s = seed + ((ulong)(layer + 1) * 100);
            string block = $"h.{layer}.";
            AddNorm(block + "ln_1", s);
            AddLinear(block + "attn.c_attn", s + 10, DModel, 3 * DModel);
            AddLinear(block + "attn.c_proj", s + 20, DModel, DModel);
            AddNorm(block + "ln_2", s + 30);
            AddLinear(block + "mlp.c_fc", s + 40, DModel, DMlp);
            AddLinear(block + "mlp.c_proj", s + 50, DMlp, DModel);
        }

        AddNorm("ln_f", seed + 1000);
    }

    public string Path => _folder.Path;

    public JsonObject Config { get; } = new()
    {
        ["model_type"] = "gpt2",
        ["n_layer"] = Layers,
        ["n_embd"] = DModel,
        ["n_head"] = 2,
        ["n_inner"] = DMlp,
        ["n_positions"] = Context,
        ["vocab_size"] = Vocabulary,
        ["bos_token_id"] = Eos,
        ["eos_token_id"] = Eos,
    };

    public SortedDictionary<string, (long[] Shape, float[] Values)> Tensors { get; } = new(StringComparer.Ordinal);

    /// <summary>
    /// A model that ignores what it read: at position p the largest logit by far is that of token script[p]. Its
    /// embeddings are nearly orthogonal, its blocks add nothing, and a position points at the token that it predicts.
    /// </summary>
    public static TinyModel Scripted(params ReadOnlySpan<int> script)
    {
        var tiny = new TinyModel();
        foreach (string name in tiny.Tensors.Keys.Where(name => name.Contains("c_proj", StringComparison.Ordinal)))
        {
            Array.Clear(tiny.Tensors[name].Values);
        }

        Array.Fill(tiny.Tensors["ln_f.weight"].Values, 1f);
        Array.Clear(tiny.Tensors["ln_f.bias"].Values);
        float[] words = tiny.Tensors["wte.weight"].Values;
        float[] positions = tiny.Tensors["wpe.weight"].Values;
        for (int p = 0; p < Context; p++)
        {
            int token = p < script.Length ? script[p] : 0;
            for (int i = 0; i < DModel; i++)
            {
                positions[(p * DModel) + i] = 50f * words[(token * DModel) + i];
            }
        }

        return tiny;
    }

    /// <summary>A name in the folder.</summary>
    public string File(string name) => _folder.File(name);

    public Decoder Load(LoadOptions? options = null)
    {
        if (!_written)
        {
            _written = true;
            WriteConfig();
            WriteTensors("model.safetensors", Tensors.Keys);
        }

        return Decoder.Load(Path, options);
    }

    public TextTokenizer LoadTokenizer()
    {
        WriteTokenizer();
        return TextTokenizer.Load(Path);
    }

    /// <summary>The message with which loading is refused, the folder written as DIR.</summary>
    public string Refusal<TException>() where TException : Exception
    {
        string message = Assert.Throws<TException>(() => Load().Dispose()).Message;
        Assert.DoesNotContain('\n', message);
        return message.Replace(Path, "DIR", StringComparison.Ordinal);
    }

    public void WriteConfig() => System.IO.File.WriteAllText(File("config.json"), Config.ToJsonString());

    /// <summary>Writes some tensors as a file, and marks the folder as written.</summary>
    public void WriteTensors(
        string name, IEnumerable<string> tensors, TensorType type = TensorType.F32, string prefix = "")
    {
        _written = true;
        using var writer = new SafetensorsWriter(File(name));
        foreach (string tensor in tensors)
        {
            (long[] shape, float[] values) = Tensors[tensor];
            string stored = tensor == "lm_head.weight" ? tensor : prefix + tensor;
            switch (type)
            {
                case TensorType.F16:
                    writer.Add<Half>(stored, shape, [.. values.Select(v => (Half)v)]);
                    break;
                case TensorType.BF16:
                    ushort[] upper = [.. values.Select(v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16))];
                    writer.Add<ushort>(stored, shape, upper);
                    break;
                default:
                    writer.Add<float>(stored, shape, values);
                    break;
            }
        }

        writer.Complete();
    }

    /// <summary>Token ids from a seed.</summary>
    public static int[] Ids(ulong seed, int count)
    {
        var generator = new SplitMix64(seed);
        int[] ids = new int[count];
        foreach (ref int id in ids.AsSpan())
        {
            id = generator.NextInt(Vocabulary);
        }

        return ids;
    }

    public void Dispose() => _folder.Dispose();

    private void WriteTokenizer()
    {
        var vocabulary = new JsonObject();
        for (int b = 0; b < 256; b++)
        {
            vocabulary[ByteLevelAlphabet.ToChar((byte)b).ToString()] = b;
        }

        foreach (string merge in Merges)
        {
            vocabulary[merge.Replace(" ", "", StringComparison.Ordinal)] = vocabulary.Count;
        }

        vocabulary["<|endoftext|>"] = vocabulary.Count;
        System.IO.File.WriteAllText(File("vocab.json"), vocabulary.ToJsonString());
        System.IO.File.WriteAllText(File("merges.txt"), "#version: 0.2\n" + string.Join('\n', Merges) + "\n");
    }

    private void AddTensor(string name, ulong seed, float scale, params long[] shape)
    {
        float[] values = RandomFloats.Of(seed, (int)shape.Aggregate((a, b) => a * b), scale);
        Tensors.Add(name, (shape, values));
    }

    private void AddLinear(string name, ulong seed, int inputs, int outputs)
    {
        AddTensor(name + ".weight", seed, 0.3f, inputs, outputs);
        AddTensor(name + ".bias", seed + 1, 0.1f, outputs);
    }

    private void AddNorm(string name, ulong seed)
    {
        AddTensor(name + ".weight", seed, 0.2f, DModel);
        AddTensor(name + ".bias", seed + 1, 0.1f, DModel);
        foreach (ref float weight in Tensors[name + ".weight"].Values.AsSpan())
        {
            weight += 1f;
        }
    }
}
