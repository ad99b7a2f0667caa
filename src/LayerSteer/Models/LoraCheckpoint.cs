using System.Security.Cryptography;
using System.Text;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// A LoRA adapter in PEFT's layout (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>), added to a GPT-2
/// checkpoint's matrices as they are read (Hu et al. 2022, eq. 3):
/// <code>
/// W = W0 + (lora_alpha / r)·(B·A)ᵀ;  A [r, inputs], B [outputs, r], W [inputs, outputs] as Conv1D stores it
/// </code>
/// </summary>
internal sealed class LoraCheckpoint
{
    /// <summary>The name of the file with the weights.</summary>
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>The name of the file with the settings.</summary>
    public const string ConfigName = "adapter_config.json";

    private const string Prefix = "base_model.model.transformer.";
    private const string ASuffix = ".lora_A.weight";
    private const string BSuffix = ".lora_B.weight";

    private readonly string _path;
    private readonly int _rank;
    private readonly float _scale;
    private readonly Dictionary<string, (float[] A, float[] B)> _matrices = [];
    private readonly HashSet<string> _used = [];

    private LoraCheckpoint(string path, int rank, float scale)
    {
        _path = path;
        _rank = rank;
        _scale = scale;
    }

    /// <summary>The full name of a tensor in the file.</summary>
    public static string NameOf(string matrix, bool isA) => Prefix + matrix + (isA ? ASuffix : BSuffix);

    /// <summary>Reads an adapter.</summary>
    /// <param name="directory">Its folder.</param>
    /// <param name="baseDigest">The digest of the checkpoint that it is added to.</param>
    /// <exception cref="InvalidDataException">A file is missing or damaged, or it was made for another model.</exception>
    /// <exception cref="NotSupportedException">It does more than add a product to matrices.</exception>
    public static LoraCheckpoint Read(string directory, Lazy<string> baseDigest)
    {
        using ConfigFile config = ConfigFile.Read(Path.Combine(directory, ConfigName));
        string kind = config.OptionalString("peft_type") ?? "nothing";
        if (kind != "LORA")
        {
            throw new NotSupportedException(
                $"'{config.Path}': peft_type is '{Display.Name(kind)}'; supported: LORA");
        }

        foreach (string setting in (string[])["use_rslora", "use_dora"])
        {
            if (config.Flag(setting, false))
            {
                throw new NotSupportedException($"'{config.Path}': {setting} is true; supported: false");
            }
        }

        string bias = config.OptionalString("bias") ?? "none";
        if (bias != "none")
        {
            throw new NotSupportedException($"'{config.Path}': bias is '{Display.Name(bias)}'; supported: none");
        }

        int rank = config.Size("r");
        var adapter = new LoraCheckpoint(
            Path.Combine(directory, WeightsName), rank, (float)(config.Positive("lora_alpha") / rank));
        if (config.OptionalString("base_model_digest") is { } digest && digest != baseDigest.Value)
        {
            throw new InvalidDataException(
                $"'{config.Path}': base_model_digest is {Display.Name(digest)}, but the model's is {baseDigest.Value}; "
                + "the adapter was trained on another model");
        }

        adapter.ReadMatrices();
        return adapter;
    }

    /// <summary>The digest of a checkpoint with an adapter.</summary>
    public static string DigestOf(string baseDigest, string directory)
    {
        string adapter = FileDigest.OfFiles(directory, [ConfigName, WeightsName]);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{baseDigest}+{adapter}")));
    }

    /// <summary>A reader of a matrix [inputs, outputs] with what the adapter adds.</summary>
    public ElementReader Over(string name, int inputs, int outputs, ElementReader matrix)
    {
        if (!_matrices.TryGetValue(name, out (float[] A, float[] B) pair))
        {
            return matrix;
        }

        _used.Add(name);
        if (pair.A.Length != _rank * inputs || pair.B.Length != outputs * _rank)
        {
            throw new InvalidDataException(
                $"'{_path}': {NameOf(name, true)} and B have {pair.A.Length} and {pair.B.Length} elements, "
                + $"expected [{_rank}, {inputs}] and [{outputs}, {_rank}]");
        }

        return (start, destination) =>
        {
            matrix(start, destination);
            for (int i = 0; i < destination.Length; i++)
            {
                int input = (int)((start + i) / outputs);
                int output = (int)((start + i) % outputs);
                float sum = 0f;
                for (int r = 0; r < _rank; r++)
                {
                    sum = MathF.FusedMultiplyAdd(pair.A[(r * inputs) + input], pair.B[(output * _rank) + r], sum);
                }

                destination[i] = MathF.FusedMultiplyAdd(_scale, sum, destination[i]);
            }
        };
    }

    /// <summary>Refuses an adapter of matrices that the model does not have.</summary>
    public void RequireAllUsed()
    {
        if (_matrices.Keys.FirstOrDefault(name => !_used.Contains(name)) is { } unused)
        {
            throw new InvalidDataException(
                $"'{_path}': {Display.Name(NameOf(unused, true))} is for a matrix that the model does not have");
        }
    }

    private void ReadMatrices()
    {
        if (!File.Exists(_path))
        {
            throw new InvalidDataException($"'{_path}': no such file; expected the adapter's weights");
        }

        using TensorFile file = TensorFile.Open(_path);
        foreach (string name in file.Tensors.Keys)
        {
            bool isKnown = name.EndsWith(ASuffix, StringComparison.Ordinal)
                || name.EndsWith(BSuffix, StringComparison.Ordinal);
            if (!isKnown || !name.StartsWith(Prefix, StringComparison.Ordinal))
            {
                throw new InvalidDataException(
                    $"'{_path}': {Display.Name(name)}, expected {NameOf("h.0.attn.c_attn", true)} and the like");
            }

            string matrix = name[Prefix.Length..^ASuffix.Length];
            _matrices.TryAdd(matrix, (Read(file, NameOf(matrix, true)), Read(file, NameOf(matrix, false))));
        }
    }

    private static float[] Read(TensorFile file, string name)
    {
        StoredTensor tensor = file[name];
        float[] values = new float[checked((int)tensor.Length)];
        FiniteReader.Of(tensor)(0, values);
        return values;
    }
}
