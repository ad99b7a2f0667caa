namespace LayerSteer.Formats;

/// <summary>
/// What a file may ask for before it is refused. Each is far above what released checkpoints need and low enough that a
/// hostile file of a few kilobytes cannot take more than modest memory or time.
/// </summary>
internal static class FormatLimits
{
    /// <summary>Dimensions of one tensor (models use up to 5).</summary>
    public const int Rank = 16;

    /// <summary>Size of one dimension.</summary>
    public const long Dimension = 1L << 40;

    /// <summary>Tensors and values in one file; the largest shards released have about 10,000.</summary>
    public const int Names = 1 << 16;

    /// <summary>Characters of one tensor name.</summary>
    public const int NameLength = 4096;

    /// <summary>Characters of all names of one file together.</summary>
    public const long AllNameLengths = 1L << 24;

    /// <summary>Bytes of a safetensors header, as the reference reader limits it.</summary>
    public const long SafetensorsHeader = 100_000_000;

    /// <summary>Bytes of an npy header.</summary>
    public const int NpyHeader = 65536;

    /// <summary>Bytes of one pickle; 100,000 tensors take about 20 MB.</summary>
    public const int Pickle = 1 << 25;

    /// <summary>Opcodes of one pickle.</summary>
    public const int PickleOpcodes = 1 << 22;

    /// <summary>Dicts, lists, tuples and tensors that one pickle may make; a tensor takes six.</summary>
    public const int PickleContainers = 1 << 19;

    /// <summary>Nesting of the value that a pickle describes.</summary>
    public const int PickleDepth = 32;

    /// <summary>Deflated entries may inflate to this many bytes whatever the size of the file ...</summary>
    public const long InflatedFree = 64L << 20;

    /// <summary>... plus this many times the file. Trained weights reach 2, sparse latents about 100.</summary>
    public const long InflatedRatio = 200;
}
