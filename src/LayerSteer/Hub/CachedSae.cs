using LayerSteer.Models;

namespace LayerSteer.Hub;

/// <summary>An autoencoder in the cache, and the models there that it fits.</summary>
public sealed record CachedSae
{
    /// <summary>The name that means it: <c>release/id</c> if it is known, otherwise its address.</summary>
    public required string Name { get; init; }

    /// <summary>The repository.</summary>
    public required string Repository { get; init; }

    /// <summary>The folder or file.</summary>
    public required string Path { get; init; }

    /// <summary>Its commit.</summary>
    public required string Commit { get; init; }

    /// <summary>The bytes of its files.</summary>
    public required long Bytes { get; init; }

    /// <summary>The width of its input; 0 if its files do not say.</summary>
    public int DIn { get; init; }

    /// <summary>The number of latents; 0 if its files do not say.</summary>
    public int DSae { get; init; }

    /// <summary>The hook point that it was trained at; null if nothing says it.</summary>
    public HookPoint? HookPoint { get; init; }

    /// <summary>The model that it was trained on, as its release calls it; null if nothing says it.</summary>
    public string? ModelName { get; init; }

    /// <summary>The models of the cache that it fits, by their names.</summary>
    public IReadOnlyList<string> Fits { get; init; } = [];

    /// <summary>Why it fits none; null if it fits one.</summary>
    public string? WhyNot { get; init; }

    /// <summary>
    /// Whether an autoencoder fits a model: by the model's name, the width at its hook point, and the layers.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <returns>Null if it does; otherwise why not.</returns>
    public string? Misfit(CachedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (ModelName is not null && !KnownModels.AreSame(ModelName, model.Repository))
        {
            return $"it is for {ModelName}";
        }

        int width = HookPoint?.Kind switch
        {
            HookKind.Z or HookKind.Query => model.DHeads,
            HookKind.MlpPre or HookKind.MlpPost => model.DMlp,
            _ => model.DModel,
        };
        return DIn == 0 || width == 0 ? "its width is not known"
            : DIn != width ? $"its input has width {DIn}, but {model.Name} has {width} there"
            : HookPoint is { } point && point.Layer >= model.Layers
                ? $"it is for layer {point.Layer}, but {model.Name} has layers 0 to {model.Layers - 1}"
            : null;
    }
}
