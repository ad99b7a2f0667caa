namespace LayerSteer.Formats;

/// <summary>Names of the opcodes that are refused, for errors.</summary>
internal static class PickleOpcodes
{
    /// <summary>The name as Python's pickletools gives it; hexadecimal for opcodes that do not exist.</summary>
    public static string Name(byte opcode) => opcode switch
    {
        (byte)'i' => "INST",
        (byte)'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        (byte)'P' => "PERSID",
        (byte)'g' => "GET",
        (byte)'p' => "PUT",
        (byte)'S' => "STRING",
        (byte)'I' => "INT",
        (byte)'L' => "LONG",
        (byte)'F' => "FLOAT",
        (byte)'V' => "UNICODE",
        (byte)'d' => "DICT",
        (byte)'l' => "LIST",
        (byte)'0' => "POP",
        (byte)'1' => "POP_MARK",
        (byte)'2' => "DUP",
        (byte)'T' => "BINSTRING",
        0x8B => "LONG4",
        0x8D => "BINUNICODE8",
        0x8E => "BINBYTES8",
        0x8F => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x96 => "BYTEARRAY8",
        _ => $"0x{opcode:X2}",
    };
}
