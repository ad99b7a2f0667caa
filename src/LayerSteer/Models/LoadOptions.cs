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
}
