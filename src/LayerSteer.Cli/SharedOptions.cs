using System.CommandLine;
using System.Globalization;
using LayerSteer.Models;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>Options that several commands have; each call makes one, since an option belongs to its command.</summary>
internal static class SharedOptions
{
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON value instead of text." };

    public static Option<int> Threads() => new("--threads")
    {
        Description = "Threads to compute with; results do not depend on it. Default: all the machine allows.",
        DefaultValueFactory = _ => Environment.ProcessorCount,
        Validators =
        {
            result =>
            {
                if (result.Tokens.Count == 1 && result.GetValueOrDefault<int>() < 1)
                {
                    result.AddError("--threads must be at least 1");
                }
            },
        },
    };

    public static Option<string> Model() => new("--model")
    {
        Description = "Folder of the checkpoint: config.json, weights, tokenizer.",
        Required = true,
    };

    public static Option<string[]> Sae(bool required) => new("--sae")
    {
        Description = "Autoencoder file, or the folder that holds it; several separated by commas, one a layer or one for all.",
        Required = required,
        CustomParser = result => result.Tokens[0].Value.Split(',', StringSplitOptions.RemoveEmptyEntries),
    };

    public static Option<int[]> Layers(bool required) => new("--layer", "-l")
    {
        Description = "Layer to steer, from 0; several separated by commas.",
        Required = required,
        CustomParser = result =>
        {
            var layers = new List<int>();
            foreach (string part in result.Tokens[0].Value.Split(','))
            {
                if (int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int layer))
                {
                    layers.Add(layer);
                }
                else
                {
                    result.AddError($"--layer is '{result.Tokens[0].Value}', expected layers from 0, such as 9 or 1,3");
                    break;
                }
            }

            return [.. layers];
        },
    };

    public static Option<string> Hook() => new("--hook")
    {
        Description = "Hook point within the layer, as TransformerLens names it.",
        DefaultValueFactory = _ => "hook_resid_post",
    };

    public static Option<SteeringMode> Mode() => new("--mode")
    {
        Description = "corrected (default), or seed: the published formulas. It governs scoring and the edit.",
        DefaultValueFactory = _ => SteeringMode.Corrected,
    };

    public static Option<BosPolicy?> Bos() => new("--bos")
    {
        Description = "one: a BOS token in front of each text; none: no BOS. Default: one, but none for an index in seed mode.",
    };

    public static Option<string> Encoder(bool required) => new("--encoder")
    {
        Description = "Folder of the sentence encoder, in sentence-transformers layout.",
        Required = required,
    };

    /// <summary>The hook points with their autoencoders, one for each layer.</summary>
    public static IReadOnlyList<(HookPoint Point, string Sae)> Sites(int[] layers, string[] saes, string hook)
    {
        if (saes.Length != 1 && saes.Length != layers.Length)
        {
            throw new ArgumentException($"{saes.Length} autoencoders for {layers.Length} layers; expected one for all or one each");
        }

        return [.. layers.Select((layer, i) => (HookPoint.InBlock(hook, layer), saes.Length == 1 ? saes[0] : saes[i]))];
    }

}
