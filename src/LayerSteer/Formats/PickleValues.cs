namespace LayerSteer.Formats;

/// <summary>A storage that a pickle refers to by key, or a part of it; its bytes lie elsewhere in the file.</summary>
/// <param name="Key">The storage's name in the file.</param>
/// <param name="Type">Its element type.</param>
/// <param name="Start">The first element that is meant: 0, except for views in files older than torch 0.4.</param>
/// <param name="Length">The number of elements that is meant.</param>
internal sealed record PickledStorage(string Key, TensorType Type, long Start, long Length);

/// <summary>A strided view of a storage. Offset, shape and strides are in elements, unchecked.</summary>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, long[] Shape, long[] Strides);

/// <summary>A dict; <paramref name="ordered"/> if it was made as a collections.OrderedDict.</summary>
internal sealed class PickledDict(bool ordered)
{
    public bool Ordered => ordered;

    /// <summary>Keys are strings and 64-bit integers.</summary>
    public OrderedDictionary<object, object?> Items { get; } = [];
}

/// <summary>One of the few global names that a pickle may mention.</summary>
/// <param name="Name">Module and name, joined by a dot.</param>
/// <param name="Kind">What it makes when called.</param>
/// <param name="Type">The element type, for storages.</param>
internal sealed record PickledGlobal(string Name, PickledGlobalKind Kind, TensorType Type = default)
{
    /// <summary>Looks a name up in the list of those allowed; null if it is not there.</summary>
    public static PickledGlobal? Find(string module, string name)
    {
        string full = $"{module}.{name}";
        PickledGlobalKind? kind = full switch
        {
            "collections.OrderedDict" => PickledGlobalKind.OrderedDict,
            "torch._utils._rebuild_tensor" => PickledGlobalKind.RebuildTensor,
            "torch._utils._rebuild_tensor_v2" => PickledGlobalKind.RebuildTensorV2,
            "torch._utils._rebuild_parameter" => PickledGlobalKind.Parameter,
            "torch.nn.parameter.Parameter" => PickledGlobalKind.Parameter,
            "torch.Size" => PickledGlobalKind.Size,
            "_codecs.encode" => PickledGlobalKind.Bytes,
            "torch.float16" or "torch.bfloat16" or "torch.float32" or "torch.float64" or "torch.int8" or "torch.int16"
                or "torch.int32" or "torch.int64" or "torch.uint8" or "torch.bool" => PickledGlobalKind.DType,
            _ => null,
        };
        if (kind is not null)
        {
            return new PickledGlobal(full, kind.Value);
        }

        TensorType? type = full switch
        {
            "torch.FloatStorage" => TensorType.F32,
            "torch.DoubleStorage" => TensorType.F64,
            "torch.HalfStorage" => TensorType.F16,
            "torch.BFloat16Storage" => TensorType.BF16,
            "torch.LongStorage" => TensorType.I64,
            "torch.IntStorage" => TensorType.I32,
            "torch.ShortStorage" => TensorType.I16,
            "torch.CharStorage" => TensorType.I8,
            "torch.ByteStorage" => TensorType.U8,
            "torch.BoolStorage" => TensorType.Bool,
            "torch.storage.UntypedStorage" => TensorType.U8,
            _ => null,
        };
        return type is null ? null : new PickledGlobal(full, PickledGlobalKind.Storage, type.Value);
    }
}

/// <summary>What a <see cref="PickledGlobal"/> stands for.</summary>
internal enum PickledGlobalKind
{
    /// <summary>An ordered dict, from nothing or from a list of pairs.</summary>
    OrderedDict,

    /// <summary>A tensor, from (storage, offset, shape, strides).</summary>
    RebuildTensor,

    /// <summary>The same, followed by requires_grad, hooks and perhaps metadata, which are ignored.</summary>
    RebuildTensorV2,

    /// <summary>The tensor that is its first argument.</summary>
    Parameter,

    /// <summary>A tuple of sizes.</summary>
    Size,

    /// <summary>Python 3 bytes in a protocol 2 pickle: a Latin-1 string.</summary>
    Bytes,

    /// <summary>A dtype; a value, never called.</summary>
    DType,

    /// <summary>A storage type; used in persistent ids, never called.</summary>
    Storage,
}
