using LayerSteer.Hub;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>Named topics: in the user's data folder, and beside the models that are shipped with the tool.</summary>
internal static class TopicFolder
{
    private const string Extension = ".json";

    /// <summary>
    /// All named topics with their files; the user's own come first and hide shipped ones of the same name.
    /// </summary>
    public static IReadOnlyDictionary<string, string> All()
    {
        var topics = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string folder in Folders().Where(Directory.Exists))
        {
            foreach (string file in Directory.EnumerateFiles(folder, "*" + Extension))
            {
                topics.TryAdd(Path.GetFileNameWithoutExtension(file), file);
            }
        }

        return topics;
    }

    /// <summary>Where a topic of the user's own is kept.</summary>
    public static string PathOf(string name)
    {
        if (name.Length == 0 || name != Path.GetFileName(name) || name.StartsWith('.')
            || name.AsSpan().ContainsAny('/', '\\', ':'))
        {
            throw new ArgumentException(
                $"'{name}' cannot name a topic; expected letters, digits, '-', '_', '.' or spaces");
        }

        Directory.CreateDirectory(UserFolders.Topics);
        return Path.Combine(UserFolders.Topics, name + Extension);
    }

    /// <summary>Reads a topic by its file or by its name.</summary>
    public static TopicProfile Read(string nameOrPath)
    {
        if (File.Exists(nameOrPath))
        {
            return TopicProfile.Read(nameOrPath);
        }

        IReadOnlyDictionary<string, string> topics = All();
        if (topics.TryGetValue(nameOrPath, out string? path))
        {
            return TopicProfile.Read(path);
        }

        string known = topics.Count == 0
            ? "there are no named topics"
            : $"named topics are {string.Join(", ", topics.Keys.Take(12))}";
        throw new InvalidDataException($"'{nameOrPath}': no such topic file; {known}");
    }

    private static IEnumerable<string> Folders()
    {
        yield return UserFolders.Topics;
        string shipped = Path.Combine(AppContext.BaseDirectory, "models");
        if (Directory.Exists(shipped))
        {
            foreach (string model in Directory.EnumerateDirectories(shipped).Order(StringComparer.Ordinal))
            {
                yield return Path.Combine(model, "topics");
            }
        }
    }
}
