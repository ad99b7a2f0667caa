using LayerSteer.Formats;

namespace LayerSteer.Models;

/// <summary>
/// What <c>modules.json</c> of a sentence-transformers folder says: the kind of encoder and where its files are.
/// Without that file a folder is a BERT encoder.
/// </summary>
/// <param name="IsStatic">Whether the first module is a StaticEmbedding.</param>
/// <param name="Path">The folder of the first module, relative; empty for the folder itself.</param>
internal sealed record SentenceModules(bool IsStatic, string Path)
{
    public const string FileName = "modules.json";

    private const string Supported =
        "supported: Transformer and Pooling, or StaticEmbedding, each with or without Normalize after it";

    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="NotSupportedException">A module is not supported, or the order is another.</exception>
    public static SentenceModules Read(string directory)
    {
        string file = System.IO.Path.Combine(directory, FileName);
        if (!File.Exists(file))
        {
            return new SentenceModules(false, string.Empty);
        }

        using ConfigFile config = ConfigFile.ReadList(file);
        var modules = config.Entries("type", "path").Select(m => (Type: m[0], Path: m[1])).ToList();
        string kinds = string.Join(',', modules.Select(module => KindOf(file, module.Type)));
        bool isStatic = kinds is "StaticEmbedding" or "StaticEmbedding,Normalize";
        if (!isStatic && kinds is not ("Transformer,Pooling" or "Transformer,Pooling,Normalize"))
        {
            string found = modules.Count == 0 ? "none" : kinds.Replace(",", ", ", StringComparison.Ordinal);
            throw new NotSupportedException($"'{file}': the modules are {found}; {Supported}");
        }

        string path = modules[0].Path is "." ? string.Empty : modules[0].Path;
        if (System.IO.Path.IsPathRooted(path)
            || path.Contains("..", StringComparison.Ordinal)
            || path.AsSpan().ContainsAny("\\:"))
        {
            throw new InvalidDataException(
                $"'{file}': path is '{Display.Name(path)}', expected the name of a folder within this one");
        }

        return new SentenceModules(isStatic, path);
    }

    /// <summary>The class at the end of a Python name, whose packages differ between versions.</summary>
    private static string KindOf(string file, string type)
    {
        string kind = type[(type.LastIndexOf('.') + 1)..];
        return kind is "Transformer" or "Pooling" or "Normalize" or "StaticEmbedding"
            ? kind
            : throw new NotSupportedException($"'{file}': no module '{Display.Name(type)}' is known; {Supported}");
    }
}
