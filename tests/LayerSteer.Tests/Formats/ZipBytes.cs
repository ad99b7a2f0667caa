using System.IO.Compression;
using LayerSteer.Formats;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

/// <summary>One entry of an archive made by hand; every field can be falsified.</summary>
internal sealed record ZipPart(string Name, byte[] Data)
{
    public int Method { get; init; }

    public int Flags { get; init; }

    public byte[]? LocalData { get; init; }

    public string? LocalName { get; init; }

    public long? Length { get; init; }

    public long? Compressed { get; init; }

    public long? Offset { get; init; }

    public byte[] CentralExtra { get; init; } = [];

    public byte[] LocalExtra { get; init; } = [];

    public uint? Crc { get; init; }
}

/// <summary>Builds zip archives, valid and not.</summary>
internal static class ZipBytes
{
    public static byte[] Deflated(byte[] data)
    {
        using var memory = new MemoryStream();
        using (var deflate = new DeflateStream(memory, CompressionLevel.SmallestSize))
        {
            deflate.Write(data);
        }

        return memory.ToArray();
    }

    public static byte[] Build(params ZipPart[] parts)
    {
        var body = new List<byte>();
        var central = new List<byte>();
        foreach (ZipPart part in parts)
        {
            byte[] stored = part.LocalData ?? (part.Method == 8 ? Deflated(part.Data) : part.Data);
            var crc = new Crc32();
            crc.Append(part.Data);
            byte[] common = Concat(
                U16(20), U16(part.Flags), U16(part.Method), U16(0), U16(0x21), U32(part.Crc ?? crc.Value),
                U32(part.Compressed ?? stored.Length), U32(part.Length ?? part.Data.Length));
            byte[] name = Ascii(part.Name);
            byte[] localName = Ascii(part.LocalName ?? part.Name);
            long offset = part.Offset ?? body.Count;
            body.AddRange(Concat(
                U32(0x04034B50), common, U16(localName.Length), U16(part.LocalExtra.Length),
                localName, part.LocalExtra, stored));
            central.AddRange(Concat(
                U32(0x02014B50), U16(20), common, U16(name.Length), U16(part.CentralExtra.Length),
                U16(0), U16(0), U16(0), U32(0), U32(offset), name, part.CentralExtra));
        }

        return Concat([.. body], [.. central], End(parts.Length, central.Count, body.Count));
    }

    public static byte[] End(int count, long size, long offset, int comment = 0) => Concat(
        U32(0x06054B50), U16(0), U16(0), U16(count), U16(count), U32(size), U32(offset), U16(comment));

    public static byte[] Npy(string header, byte[] data, int major = 1, long? declared = null)
    {
        string padded = header.PadRight(((header.Length + 11 + 63) / 64 * 64) - 11) + "\n";
        long length = declared ?? padded.Length;
        return Concat(
            [0x93, .. "NUMPY"u8, (byte)major, 0], major == 1 ? U16((int)length) : U32(length), Ascii(padded), data);
    }

    public static byte[] NpyFloats(string shape, params float[] values) =>
        Npy($"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}", Floats(values));
}
