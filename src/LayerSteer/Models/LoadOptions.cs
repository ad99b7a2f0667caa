using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>How models, autoencoders and sentence encoders are loaded.</summary>
public sealed record LoadOptions
{
    /// <summary>The threads that passes use; the process's pool if null. Not disposed with what is loaded.</summary>
    public WorkerPool? Pool { get; init; }

    /// <summary>
    /// The type of a decoder's weight matrices. Null is lossless: bfloat16 if all of them are stored so, float32
    /// otherwise. Autoencoders and sentence encoders are always float32.
    /// </summary>
    public WeightType? Type { get; init; }

    /// <summary>
    /// Where packed weights and the digests of large files are kept, so that the next load maps them and reads little
    /// else; null to keep nothing. Files are told apart by path, length and time. May be deleted at any time.
    /// </summary>
    public string? CacheFolder { get; init; }

    /// <summary>
    /// Told, in a sentence, of what does not keep anything from loading, such as a cache folder that cannot be written.
    /// </summary>
    public Action<string>? Note { get; init; }

    /// <summary>
    /// The folder of a LoRA adapter (PEFT's layout) that is added to a decoder's matrices; null for none. The weights are
    /// float32 then unless <see cref="Type"/> says otherwise, and are not kept in the cache.
    /// </summary>
    public string? Adapter { get; init; }

    /// <summary>The least bytes of weight files that are worth keeping; smaller ones load at once.</summary>
    internal long CachedFrom { get; init; } = 32 << 20;
}
