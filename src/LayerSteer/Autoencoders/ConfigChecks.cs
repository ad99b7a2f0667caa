using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>Refusals that the configurations of several formats share: file, field, found, expected.</summary>
internal static class ConfigChecks
{
    /// <summary>Why transcoders and their like are refused; follows a comma.</summary>
    public const string ReadsAndWrites =
        "which reads one place and writes another; an autoencoder is needed to steer one layer";

    /// <summary>Refuses a field that stands there twice, or whose name is no text.</summary>
    /// <exception cref="InvalidDataException">One does.</exception>
    public static void RefuseRepeated(this ConfigFile config)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string field in Names(config))
        {
            if (!seen.Add(field))
            {
                throw new InvalidDataException(
                    $"'{config.Path}': {Display.Name(field)} is there twice, expected once");
            }
        }
    }

    private static IReadOnlyList<string> Names(ConfigFile config)
    {
        try
        {
            return config.Fields;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"'{config.Path}': the name of a field holds half a surrogate pair", e);
        }
    }

    /// <summary>Refuses a field that is not known, for it might change what is computed.</summary>
    /// <exception cref="NotSupportedException">One is not.</exception>
    public static void RefuseUnknown(this ConfigFile config, params ReadOnlySpan<string[]> known)
    {
        foreach (string field in config.Fields)
        {
            bool isKnown = false;
            foreach (string[] fields in known)
            {
                isKnown |= fields.Contains(field);
            }

            if (!isKnown)
            {
                throw new NotSupportedException(
                    $"'{config.Path}': {Display.Name(field)} is {config.Raw(field)}; this field is not supported");
            }
        }
    }

    /// <summary>A string that must be one of some.</summary>
    /// <exception cref="NotSupportedException">It is another.</exception>
    public static string OneOf(this ConfigFile config, string field, string[] supported, string fallback)
    {
        string value = config.Has(field) ? config.String(field) : fallback;
        return supported.Contains(value)
            ? value
            : throw new NotSupportedException(
                $"'{config.Path}': {field} is '{Display.Name(value)}'; supported: {string.Join(", ", supported)}");
    }

    /// <summary>Refuses true.</summary>
    /// <exception cref="NotSupportedException">It is true.</exception>
    public static void RefuseFlag(this ConfigFile config, string field, string why = "")
    {
        if (config.Flag(field, false))
        {
            throw new NotSupportedException($"'{config.Path}': {field} is true{why}; supported: false");
        }
    }

    /// <summary>Refuses anything but null.</summary>
    /// <exception cref="NotSupportedException">There is something.</exception>
    public static void RefuseValue(this ConfigFile config, string field)
    {
        if (config.Has(field))
        {
            throw config.Unsupported(field, "null");
        }
    }

    /// <summary>A finite number; null if there is none.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static double? OptionalNumber(this ConfigFile config, string field)
    {
        if (!config.Has(field))
        {
            return null;
        }

        return double.TryParse(
                config.Raw(field), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && double.IsFinite((float)number)
            ? number
            : throw config.Wrong(field, "a finite number");
    }

    /// <summary>A hook point; null if there is none.</summary>
    /// <exception cref="NotSupportedException">It is none that this version knows.</exception>
    public static HookPoint? Hook(this ConfigFile config, string field)
    {
        if (config.OptionalString(field) is not { } name)
        {
            return null;
        }

        try
        {
            return HookPoint.Parse(name);
        }
        catch (ArgumentException e)
        {
            throw new NotSupportedException($"'{config.Path}': {field}: {Display.Line(e.Message)}", e);
        }
    }

    /// <summary>A k that fits the number of latents.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="dSae">The number of latents.</param>
    /// <param name="field">The field.</param>
    /// <param name="shown">The field as messages name it; null for its name.</param>
    /// <exception cref="InvalidDataException">It is missing or out of range.</exception>
    public static int K(this ConfigFile config, int dSae, string field = "k", string? shown = null) =>
        RequireK(config.Path, shown ?? field, config.Size(field), dSae);

    /// <summary>Refuses a k that does not fit the number of latents.</summary>
    /// <exception cref="InvalidDataException">It does not.</exception>
    public static int RequireK(string path, string name, long k, int dSae) => k >= 1 && k <= dSae
        ? (int)k
        : throw new InvalidDataException($"'{path}': {name} is {k}, expected 1 to {dSae}, the number of latents");
}
