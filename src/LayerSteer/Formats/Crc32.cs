using System.Buffers.Binary;

namespace LayerSteer.Formats;

/// <summary>The checksum of zip entries: CRC-32, polynomial 0xEDB88320 reflected, eight bytes at a time.</summary>
internal struct Crc32
{
    private static readonly uint[][] Tables = MakeTables();

    private uint _complement;

    /// <summary>The checksum of all bytes appended so far.</summary>
    public readonly uint Value => _complement;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~_complement;
        uint[][] tables = Tables;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            uint low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ crc;
            uint high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            crc = tables[7][low & 0xFF] ^ tables[6][(low >> 8) & 0xFF]
                ^ tables[5][(low >> 16) & 0xFF] ^ tables[4][low >> 24]
                ^ tables[3][high & 0xFF] ^ tables[2][(high >> 8) & 0xFF]
                ^ tables[1][(high >> 16) & 0xFF] ^ tables[0][high >> 24];
        }

        foreach (byte b in bytes)
        {
            crc = tables[0][(crc ^ b) & 0xFF] ^ (crc >> 8);
        }

        _complement = ~crc;
    }

    private static uint[][] MakeTables()
    {
        var tables = new uint[8][];
        for (int t = 0; t < 8; t++)
        {
            tables[t] = new uint[256];
            for (uint i = 0; i < 256; i++)
            {
                uint crc = t == 0 ? i : tables[t - 1][i];
                if (t > 0)
                {
                    tables[t][i] = tables[0][crc & 0xFF] ^ (crc >> 8);
                    continue;
                }

                for (int bit = 0; bit < 8; bit++)
                {
                    crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
                }

                tables[0][i] = crc;
            }
        }

        return tables;
    }
}
