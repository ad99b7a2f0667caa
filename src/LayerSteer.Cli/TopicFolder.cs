using LayerSteer.Hub;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>Named topics: in the user's data folder, and those that come with the pocket model.</summary>
internal static class TopicFolder
{
    private const string Extension = ".json";

    /// <summary>
    /// All named topics with their files; the user's own come first and hide the pocket model's of the same name.
    /// </summary>
    public static IReadOnlyDictionary<string, string> All(PocketModel? pocket)
    {
        var topics = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (Directory.Exists(UserFolders.Topics))
        {
            foreach (string file in Directory.EnumerateFiles(UserFolders.Topics, "*" + Extension))
            {
                topics.TryAdd(Path.GetFileNameWithoutExtension(file), file);
            }
        }

        foreach (PocketTopic topic in pocket?.Topics ?? [])
        {
            topics.TryAdd(topic.Name, topic.Profile);
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
    /// <param name="nameOrPath">Either.</param>
    /// <param name="pocket">Whose topics count too; null where the model is another.</param>
    public static TopicProfile Read(string nameOrPath, PocketModel? pocket)
    {
        if (File.Exists(nameOrPath))
        {
            return TopicProfile.Read(nameOrPath);
        }

        IReadOnlyDictionary<string, string> topics = All(pocket);
        if (topics.TryGetValue(nameOrPath, out string? path))
        {
            return TopicProfile.Read(path);
        }

        string known = topics.Count == 0
            ? "there are no named topics"
            : $"named topics are {string.Join(", ", topics.Keys.Take(12))}";
        throw new InvalidDataException($"'{nameOrPath}': no such topic file; {known}");
    }
}
