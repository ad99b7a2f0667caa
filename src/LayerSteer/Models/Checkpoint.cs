using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// The tensors of a checkpoint folder by name: <c>model.safetensors</c>, or the shards that
/// <c>model.safetensors.index.json</c> names, or <c>pytorch_model.bin</c> likewise. Data stays in the files until read.
/// </summary>
internal sealed class Checkpoint : IDisposable
{
    private readonly List<TensorFile> _open = [];
    private readonly Dictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    private Checkpoint(string directory) => Directory = directory;

    /// <summary>The folder.</summary>
    public string Directory { get; }

    /// <summary>The files that hold the weights, relative to the folder.</summary>
    public List<string> Files { get; } = [];

    /// <summary>The files that hold tensors, as they were before they were opened.</summary>
    public List<FileStamp> Stamps { get; } = [];

    /// <summary>The names of tensors that nothing has asked for.</summary>
    public IEnumerable<string> Unused =>
        _tensors.Keys.Where(name => !_used.Contains(name)).Order(StringComparer.Ordinal);

    /// <summary>
    /// Refuses tensors of a block that nothing has asked for: they would change what the model computes, as other heads
    /// would not.
    /// </summary>
    /// <param name="start">What the names of a block's tensors begin with.</param>
    /// <param name="isBuffer">Whether a name is of a buffer that is no weight.</param>
    /// <param name="family">The family, for the message.</param>
    /// <param name="question">What may be wrong, for the message.</param>
    /// <exception cref="InvalidDataException">There are some.</exception>
    public void RefuseUnused(string start, Func<string, bool> isBuffer, string family, string question)
    {
        string[] unknown =
            [.. Unused.Where(name => name.StartsWith(start, StringComparison.Ordinal) && !isBuffer(name))];
        if (unknown.Length > 0)
        {
            throw new InvalidDataException(
                $"'{Directory}': {unknown.Length} tensors that a {family} block does not have: "
                + $"{string.Join(", ", unknown.Take(4).Select(Display.Name))}; {question}");
        }
    }

    /// <summary>bfloat16 if every matrix is stored so, otherwise float32: a checkpoint has one type in memory.</summary>
    /// <param name="matrices">The names of the matrices.</param>
    public WeightType LosslessType(IEnumerable<string> matrices) =>
        matrices.All(name => TypeOf(name) == TensorType.BF16) ? WeightType.BF16 : WeightType.F32;

    /// <summary>Opens the folder's weight files.</summary>
    public static Checkpoint Open(string directory)
    {
        Checkpoint? opened = new(directory);
        try
        {
            opened.AddFiles();
            Checkpoint checkpoint = opened;
            opened = null;
            return checkpoint;
        }
        finally
        {
            opened?.Dispose();
        }
    }

    /// <summary>
    /// Removes a prefix from the names that have it, if <paramref name="probe"/> is not there without it.
    /// </summary>
    public void StripPrefix(string prefix, string probe)
    {
        if (_tensors.ContainsKey(probe) || !_tensors.ContainsKey(prefix + probe))
        {
            return;
        }

        foreach ((string name, StoredTensor tensor) in _tensors
            .Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal)).ToList())
        {
            _tensors.Remove(name);
            if (!_tensors.TryAdd(name[prefix.Length..], tensor))
            {
                throw new InvalidDataException(
                    $"'{Directory}': has both '{name}' and '{name[prefix.Length..]}'; expected one of them");
            }
        }
    }

    /// <summary>A tensor of the given shape; a refusal names every tensor of the list that is missing.</summary>
    public StoredTensor Tensor(string name, params ReadOnlySpan<long> shape)
    {
        StoredTensor tensor = Found(name);
        _used.Add(name);
        tensor.ExpectShape(shape);
        return tensor;
    }

    /// <summary>A reader of a matrix; a value that is not finite is refused as it is read.</summary>
    public ElementReader Matrix(string name, params ReadOnlySpan<long> shape) => FiniteReader.Of(Tensor(name, shape));

    /// <summary>A tensor read whole, row-major; a value that is not finite is refused.</summary>
    public float[] Vector(string name, params ReadOnlySpan<long> shape)
    {
        StoredTensor tensor = Tensor(name, shape);
        float[] values = new float[checked((int)tensor.Length)];
        FiniteReader.Of(tensor)(0, values);
        return values;
    }

    /// <summary>A norm's weight and bias, [d] each.</summary>
    public Norm Norm(string name, int d, float epsilon) =>
        new(Vector(name + ".weight", d), Vector(name + ".bias", d), epsilon);

    /// <summary>The stored type of a tensor that is there.</summary>
    public TensorType TypeOf(string name) => _tensors[name].Type;

    /// <summary>The shape of a tensor.</summary>
    public IReadOnlyList<long> ShapeOf(string name) => Found(name).Shape;

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Has(string name) => _tensors.ContainsKey(name);

    public void Dispose() => _open.ForEach(file => file.Dispose());

    private StoredTensor Found(string name) => _tensors.TryGetValue(name, out StoredTensor? tensor)
        ? tensor
        : throw new InvalidDataException(
            $"'{Directory}': no tensor '{name}'; {Display.NamesNear(name, _tensors.Keys)}");

    private void AddFiles()
    {
        foreach (string name in (string[])["model.safetensors", "pytorch_model.bin"])
        {
            if (File.Exists(Path.Combine(Directory, name)))
            {
                AddFile(name, expected: null);
                return;
            }

            if (File.Exists(Path.Combine(Directory, name + ".index.json")))
            {
                AddShards(name + ".index.json");
                return;
            }
        }

        throw new InvalidDataException(
            $"'{Directory}': no weights; looked for model.safetensors, model.safetensors.index.json, "
            + "pytorch_model.bin, pytorch_model.bin.index.json");
    }

    private void AddFile(string name, IReadOnlyCollection<string>? expected)
    {
        string path = Path.Combine(Directory, name);
        Stamps.Add(FileStamp.Of(path));
        TensorFile file = TensorFile.Open(path);
        _open.Add(file);
        Files.Add(name);
        foreach (string missing in (expected ?? []).Where(t => !file.Tensors.ContainsKey(t)).Take(1))
        {
            throw new InvalidDataException(
                $"'{file.Path}': no tensor '{Display.Name(missing)}', which the index says is in it");
        }

        foreach ((string tensor, StoredTensor stored) in file.Tensors)
        {
            if (!_tensors.TryAdd(tensor, stored))
            {
                throw new InvalidDataException(
                    $"'{file.Path}': tensor '{Display.Name(tensor)}' is in another shard too; expected it once");
            }
        }
    }

    private void AddShards(string indexName)
    {
        string path = Path.Combine(Directory, indexName);
        var shards = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        using ConfigFile index = ConfigFile.Read(path);
        foreach ((string tensor, string? shard) in index.Strings(
            "weight_map", "an object from tensor name to shard file"))
        {
            if (string.IsNullOrEmpty(shard)
                || shard.Contains("..", StringComparison.Ordinal)
                || shard.AsSpan().ContainsAny("/\\:"))
            {
                throw new InvalidDataException(
                    $"'{path}': weight_map['{Display.Name(tensor)}'] is '{Display.Name(shard ?? "?")}', "
                    + "expected the name of a file in the same folder");
            }

            if (!shards.TryGetValue(shard, out List<string>? names))
            {
                shards.Add(shard, names = []);
            }

            names.Add(tensor);
        }

        if (shards.Count == 0)
        {
            throw new InvalidDataException(
                $"'{path}': weight_map is empty; expected an object from tensor name to shard file");
        }

        Files.Add(indexName);
        foreach ((string shard, List<string> names) in shards)
        {
            if (!File.Exists(Path.Combine(Directory, shard)))
            {
                throw new InvalidDataException(
                    $"'{path}': names the shard '{Display.Name(shard)}', which is not in the folder");
            }

            AddFile(shard, names);
        }
    }
}
