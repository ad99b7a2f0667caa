using LayerSteer.Hub;
using LayerSteer.Models;

namespace LayerSteer.Cli;

/// <summary>
/// What --model, --sae and --encoder mean: a path that exists, or else a name of something in the hub cache. The one
/// place where names become paths; it never uses the network.
/// </summary>
internal static class NamedFiles
{
    /// <summary>The folder of a model.</summary>
    /// <param name="given">A path or a name.</param>
    /// <param name="needsWeights">Whether the tokenizer alone will not do.</param>
    /// <exception cref="ArgumentException">
    /// No such path and no such name; the message says the nearest names.
    /// </exception>
    /// <exception cref="FileNotFoundException">It is not in the cache; the message says how to fetch it.</exception>
    public static string Model(string given, bool needsWeights = true) =>
        Locate(given, HubKind.Model, needsWeights).Path;

    /// <summary>The folder of a sentence encoder; refusals as for <see cref="Model"/>.</summary>
    public static string Encoder(string given) => Locate(given, HubKind.Encoder, needsWeights: true).Path;

    /// <summary>
    /// The file or folder of an autoencoder, and the hook point that its name says; refusals as for
    /// <see cref="Model"/>.
    /// </summary>
    public static (string Path, HookPoint? Point) Autoencoder(string given)
    {
        (string path, HubTarget? target) = Locate(given, HubKind.Autoencoder, needsWeights: true);
        return (path, target?.HookPoint);
    }

    private static (string Path, HubTarget? Target) Locate(string given, HubKind kind, bool needsWeights)
    {
        // What is written as a path is one: whoever opens it says best what it lacks.
        if (Path.Exists(given) || HubNames.IsPath(given))
        {
            return (given, null);
        }

        HubTarget target = HubNames.Resolve(given, kind);
        return (HubCache.FromEnvironment().Locate(target, needsWeights), target);
    }
}
