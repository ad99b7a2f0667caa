using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

/// <summary>Builds torch files opcode by opcode, valid and not.</summary>
internal static class PickleBytes
{
    public static byte[] Unicode(string text) => Concat([(byte)'X'], U32(text.Length), Ascii(text));

    public static byte[] Int(long value) => value is >= 0 and < 256
        ? [(byte)'K', (byte)value]
        : Concat([0x8A, 8], U64(value));

    public static byte[] Global(string module, string name) => Ascii($"c{module}\n{name}\n");

    public static byte[] Tuple(params byte[][] items) => Concat([(byte)'('], Concat(items), [(byte)'t']);

    public static byte[] Storage(string key, string type, long length, string location = "cpu") => Concat(
        Tuple(Unicode("storage"), Global("torch", type), Unicode(key), Unicode(location), Int(length)), [(byte)'Q']);

    public static byte[] Sizes(params long[] sizes) => Tuple([.. sizes.Select(Int)]);

    public static byte[] Hooks => Concat(Global("collections", "OrderedDict"), Ascii(")R"));

    public static byte[] Tensor(byte[] storage, long offset, long[] shape, long[] strides) => Concat(
        Global("torch._utils", "_rebuild_tensor_v2"),
        Tuple(storage, Int(offset), Sizes(shape), Sizes(strides), [0x89], Hooks),
        Ascii("R"));

    /// <summary>A dict of the items, in the form torch writes it.</summary>
    public static byte[] Dict(params (string Key, byte[] Value)[] items) => Concat(
        Hooks, [(byte)'('], Concat([.. items.Select(item => Concat(Unicode(item.Key), item.Value))]), [(byte)'u']);

    public static byte[] Pickle(params byte[][] parts) => Concat([0x80, 2], Concat(parts), [(byte)'.']);

    /// <summary>A zip archive as torch.save writes it.</summary>
    public static byte[] Archive(byte[] pickle, params (string Key, byte[] Data)[] storages) => ZipBytes.Build(
    [
        new ZipPart("archive/data.pkl", pickle),
        .. storages.Select(storage => new ZipPart($"archive/data/{storage.Key}", storage.Data)),
        new ZipPart("archive/version", Ascii("3\n")),
    ]);

    /// <summary>The older form: consecutive pickles, then the storages.</summary>
    public static byte[] Legacy(byte[] root, params (string Key, long Length, byte[] Data)[] storages) => Concat(
        [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.'],
        Pickle(Int(1001)),
        Pickle(Concat([(byte)'}'], Unicode("little_endian"), [0x88, (byte)'s'])),
        root,
        Pickle(Concat([(byte)']', (byte)'('], Concat([.. storages.Select(s => Unicode(s.Key))]), [(byte)'e'])),
        Concat([.. storages.Select(s => Concat(U64(s.Length), s.Data))]));
}
