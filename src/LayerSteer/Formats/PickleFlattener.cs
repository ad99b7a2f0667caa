using System.Globalization;

namespace LayerSteer.Formats;

/// <summary>
/// Turns the value that a pickle describes into named tensors and values: dict keys, and indices of lists and tuples,
/// are joined by dots. A tensor becomes part of the contents only after its view was checked against its storage.
/// </summary>
internal sealed class PickleFlattener
{
    private readonly string _file;
    private readonly IReadOnlyDictionary<string, ByteRange> _storages;
    private readonly FileContents _contents;
    private int _containers;

    private PickleFlattener(string file, IReadOnlyDictionary<string, ByteRange> storages)
    {
        _file = file;
        _storages = storages;
        _contents = new FileContents(file);
    }

    /// <summary>Walks the value.</summary>
    /// <param name="file">The file name for errors.</param>
    /// <param name="root">What <see cref="PickleReader"/> returned.</param>
    /// <param name="storages">The bytes of every storage that the pickle names.</param>
    public static FileContents Flatten(string file, object? root, IReadOnlyDictionary<string, ByteRange> storages)
    {
        var flattener = new PickleFlattener(file, storages);
        flattener.Walk(root, "", 0);
        return flattener._contents;
    }

    private void Walk(object? value, string name, int depth)
    {
        switch (value)
        {
            case null:
                break;
            case PickledTensor tensor:
                AddTensor(Named(name), tensor);
                break;
            case string or long or double or bool:
                AddValue(Named(name), value);
                break;
            case PickledGlobal { Kind: PickledGlobalKind.DType } dtype:
                AddValue(Named(name), dtype.Name);
                break;
            case PickledDict dict:
                Enter(name, depth);
                foreach ((object key, object? item) in dict.Items)
                {
                    Walk(item, Join(name, Convert.ToString(key, CultureInfo.InvariantCulture)!), depth + 1);
                }

                break;
            case object?[] or List<object?>:
                Enter(name, depth);
                int index = 0;
                foreach (object? item in (IEnumerable<object?>)value)
                {
                    Walk(item, Join(name, index.ToString(CultureInfo.InvariantCulture)), depth + 1);
                    index++;
                }

                break;
            default:
                throw Bad($"the pickle holds what is neither a tensor nor a plain value at '{Display.Name(name)}'");
        }
    }

    // A container may hold itself, or others many times over, so what counts is how often one is entered.
    private void Enter(string name, int depth)
    {
        if (depth >= FormatLimits.PickleDepth)
        {
            throw Bad($"the pickle nests more than {FormatLimits.PickleDepth} levels at '{Display.Name(name)}'");
        }

        if (++_containers > FormatLimits.Names)
        {
            throw Bad($"the pickle holds more than {FormatLimits.Names} dicts, lists and tuples, repeats counted");
        }
    }

    private void AddTensor(string name, PickledTensor tensor)
    {
        PickledStorage storage = tensor.Storage;
        string shown = $"tensor {Display.Name(name)} of shape {Display.Shape(tensor.Shape)}";
        if (tensor.Shape.Length != tensor.Strides.Length)
        {
            throw Bad($"{shown} has {tensor.Strides.Length} strides");
        }

        if (tensor.Shape.Any(size => size is < 0 or >= FormatLimits.Dimension)
            || !ElementLayout.TryCount(tensor.Shape, out long count))
        {
            throw Bad($"{shown} has an impossible size");
        }

        if (tensor.Offset < 0 || tensor.Strides.Any(stride => stride < 0))
        {
            throw Bad($"{shown} has a negative offset or stride");
        }

        Int128 last = tensor.Offset;
        for (int i = 0; i < tensor.Shape.Length; i++)
        {
            last += (Int128)(tensor.Shape[i] - 1) * tensor.Strides[i];
        }

        if (count > 0 ? last >= storage.Length : tensor.Offset > storage.Length)
        {
            throw Bad(
                $"{shown} with offset {tensor.Offset} and strides {Display.Shape(tensor.Strides)} reaches beyond " +
                $"storage {Display.Name(storage.Key)} of {storage.Length} elements");
        }

        if (count > storage.Length)
        {
            throw new NotSupportedException(
                $"'{_file}': {shown} repeats the {storage.Length} elements of its storage; " +
                "save a contiguous copy instead");
        }

        if (_contents.Values.ContainsKey(name))
        {
            throw Bad($"the name {Display.Name(name)} occurs twice");
        }

        int size = storage.Type.Size();
        ByteRange bytes = _storages[storage.Key].Slice(storage.Start * size, storage.Length * size);
        ElementLayout layout = count > 0
            ? ElementLayout.Create(tensor.Offset, tensor.Shape, tensor.Strides)
            : ElementLayout.RowMajor(tensor.Shape);
        _contents.Add(new StoredTensor(_file, name, storage.Type, tensor.Shape, bytes, layout));
    }

    private void AddValue(string name, object value)
    {
        if (_contents.Tensors.ContainsKey(name))
        {
            throw Bad($"the name {Display.Name(name)} occurs twice");
        }

        _contents.Add(name, value);
    }

    private string Join(string name, string key)
    {
        if (name.Length + key.Length >= FormatLimits.NameLength)
        {
            throw Bad($"the name {Display.Name(name + key)} is longer than {FormatLimits.NameLength} characters");
        }

        return name.Length == 0 ? key : $"{name}.{key}";
    }

    private static string Named(string name) => name.Length == 0 ? TensorFile.Unnamed : name;

    private InvalidDataException Bad(string what) => new($"'{_file}': {what}");
}
