namespace LayerSteer.Formats;

/// <summary>
/// Makes the values that a pickle asks for, and counts them. This is the whole list of what can be made: everything a
/// pickle "calls" ends in <see cref="Construct"/>, which only fills data types of this folder.
/// </summary>
/// <param name="file">The file name for errors.</param>
/// <param name="storages">Receives the storages that the pickle names, lengths in elements.</param>
internal sealed class PickleBuilder(string file, Dictionary<string, (TensorType Type, long Length)> storages)
{
    private int _containers;

    /// <summary>An allowed global name.</summary>
    public PickledGlobal Global(string module, string name) => PickledGlobal.Find(module, name)
        ?? throw Bad($"names the function '{Display.Name($"{module}.{name}")}'; only tensors can be loaded");

    /// <summary>What a call of a global name with a tuple of arguments makes (REDUCE).</summary>
    public object? Construct(object? callee, object? arguments)
    {
        if (callee is not PickledGlobal global || arguments is not object?[] args)
        {
            throw Bad("calls something that is not a known name with a tuple");
        }

        switch (global.Kind)
        {
            case PickledGlobalKind.OrderedDict when args.Length == 0:
                return NewDict(ordered: true);
            case PickledGlobalKind.OrderedDict when args is [List<object?> pairs]:
                return DictOf(pairs);
            case PickledGlobalKind.RebuildTensor when args.Length == 4:
            case PickledGlobalKind.RebuildTensorV2 when args.Length is 6 or 7:
                if (args is [PickledStorage storage, long offset, object?[] shape, object?[] strides, ..])
                {
                    CountContainer();
                    return new PickledTensor(storage, offset, Sizes(shape), Sizes(strides));
                }

                break;
            case PickledGlobalKind.Parameter when args is [PickledTensor tensor, ..] && args.Length <= 3:
                return tensor;
            case PickledGlobalKind.Size when args is [object?[] sizes]:
                return sizes;
            case PickledGlobalKind.Size when args is [List<object?> sizes]:
                return Tuple([.. sizes]);
            case PickledGlobalKind.Bytes when args is [string text, "latin1"]:
                return text;
            default:
                break;
        }

        throw Bad($"calls {global.Name} with arguments that do not fit it");
    }

    /// <summary>Accepts the only state that torch attaches, the version table of a state dict, and drops it.</summary>
    public void Build(object? target, object? state)
    {
        if (target is not PickledDict { Ordered: true } || state is not PickledDict { Items: { Count: <= 1 } items }
            || (items.Count == 1 && !items.ContainsKey("_metadata")))
        {
            throw Bad("sets the state of an object (BUILD); only the _metadata of an OrderedDict is accepted");
        }
    }

    /// <summary>The storage that a persistent id describes; its bytes are found later.</summary>
    public PickledStorage Storage(object? id)
    {
        if (id is not object?[] parts || parts.Length is not (5 or 6)
            || parts is not ["storage", PickledGlobal type, string key, string, long length, ..]
            || type.Kind != PickledGlobalKind.Storage || length is < 0 or > FormatLimits.Dimension)
        {
            throw Bad("has a persistent id that is not a storage");
        }

        (long viewStart, long viewLength) = parts.Length == 5 || parts[5] is null
            ? (0, length)
            : parts[5] is object?[] and [string, long start, long count] ? (start, count) : (-1, 0);
        if (viewStart < 0 || viewLength < 0 || viewStart > length || viewLength > length - viewStart)
        {
            throw Bad($"views a part of storage {Display.Name(key)} that it does not have");
        }

        if (!storages.TryAdd(key, (type.Type, length)) && storages[key] != (type.Type, length))
        {
            throw Bad($"names the storage {Display.Name(key)} with two types or lengths");
        }

        return new PickledStorage(key, type.Type, viewStart, viewLength);
    }

    public PickledDict NewDict(bool ordered)
    {
        CountContainer();
        return new PickledDict(ordered);
    }

    public List<object?> NewList()
    {
        CountContainer();
        return [];
    }

    public object?[] Tuple(object?[] items)
    {
        CountContainer();
        return items;
    }

    public void AddItem(PickledDict dict, object? key, object? value)
    {
        if (key is not (string or long))
        {
            throw Bad("has a dict key that is neither a string nor an integer");
        }

        if (!dict.Items.TryAdd(key, value))
        {
            throw Bad($"has a dict with two keys {Display.Name(key.ToString()!)}");
        }
    }

    private PickledDict DictOf(List<object?> pairs)
    {
        PickledDict dict = NewDict(ordered: true);
        foreach (object? pair in pairs)
        {
            (object? key, object? value) = pair switch
            {
                object?[] and [var k, var v] => (k, v),
                List<object?> and [var k, var v] => (k, v),
                _ => throw Bad("calls collections.OrderedDict with arguments that do not fit it"),
            };
            AddItem(dict, key, value);
        }

        return dict;
    }

    private long[] Sizes(object?[] items)
    {
        if (items.Length > FormatLimits.Rank)
        {
            throw Bad($"has a tensor of {items.Length} dimensions, at most {FormatLimits.Rank} are read");
        }

        var sizes = new long[items.Length];
        for (int i = 0; i < items.Length; i++)
        {
            sizes[i] = items[i] is long size ? size : throw Bad("has a tensor size that is not an integer");
        }

        return sizes;
    }

    private void CountContainer()
    {
        if (++_containers > FormatLimits.PickleContainers)
        {
            throw Bad($"makes more than {FormatLimits.PickleContainers} dicts, lists, tuples and tensors");
        }
    }

    private InvalidDataException Bad(string what) => new($"'{file}': the pickle {what}");
}
