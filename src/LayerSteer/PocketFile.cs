using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Steering;

namespace LayerSteer;

/// <summary>Reads a <c>pocket.json</c>, strictly: every field known, present and of its kind, every path there.</summary>
internal sealed class PocketFile
{
    private const int FormatVersion = 1;
    private const long LargestFile = 1 << 20;

    private readonly string _folder;
    private readonly string _path;

    private PocketFile(string folder)
    {
        _folder = Path.GetFullPath(folder);
        _path = Path.Combine(folder, PocketModel.FileName);
    }

    public static PocketModel Read(string folder)
    {
        var file = new PocketFile(folder);
        var info = new FileInfo(file._path);
        if (!info.Exists)
        {
            throw new InvalidDataException($"'{folder}': no {PocketModel.FileName}, so this is not a pocket model");
        }

        if (info.Length > LargestFile)
        {
            throw new InvalidDataException($"'{file._path}': {info.Length} bytes, expected at most {LargestFile}");
        }

        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file._path), options);
            return file.Model(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second of a name or a text with half a surrogate pair.
            throw new InvalidDataException($"'{file._path}': not valid JSON: {e.Message}", e);
        }
    }

    private PocketModel Model(JsonElement root)
    {
        if (root.ValueKind == JsonValueKind.Object
            && root.TryGetProperty("format_version", out JsonElement version)
            && !(version.ValueKind == JsonValueKind.Number && version.TryGetInt32(out int n) && n == FormatVersion))
        {
            throw new NotSupportedException(
                $"'{_path}': format_version is {Shown(version)}; this version of LayerSteer reads {FormatVersion}");
        }

        Known(
            root, string.Empty, "format_version", "model", "encoder", "index", "saes", "default_sae", "topics", "demo");
        Number(root, "format_version", FormatVersion, FormatVersion);
        PocketSae[] saes = [.. Each(root, "saes", Sae)];
        PocketTopic[] topics = [.. Each(root, "topics", Topic)];
        Once("saes", "hook", saes.Select(sae => sae.Point.ToString()));
        Once("topics", "name", topics.Select(topic => topic.Name));
        string wanted = Text(root, "default_sae");
        PocketSae chosen = saes.FirstOrDefault(sae => sae.Point.ToString() == wanted)
            ?? throw Wrong("default_sae", $"'{Display.Name(wanted)}'", OneOf(saes.Select(sae => $"{sae.Point}")));
        return new PocketModel(
            _folder,
            Within(root, "model"),
            Within(root, "encoder"),
            Within(root, "index"),
            saes,
            chosen,
            topics,
            Demo(Field(root, "demo"), topics));
    }

    private PocketSae Sae(JsonElement sae, string at)
    {
        Known(sae, at, "path", "hook");
        string hook = Text(sae, at + ".hook");
        try
        {
            return new PocketSae(HookPoint.Parse(hook), Within(sae, at + ".path"));
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"'{_path}': {at}.hook: {e.Message}", e);
        }
    }

    private PocketTopic Topic(JsonElement topic, string at)
    {
        Known(topic, at, "name", "profile", "adapter");
        return new PocketTopic(
            Text(topic, at + ".name"),
            Within(topic, at + ".profile", isFile: true),
            topic.TryGetProperty("adapter", out _) ? Within(topic, at + ".adapter") : null);
    }

    private PocketDemo Demo(JsonElement demo, PocketTopic[] topics)
    {
        Known(demo, "demo", "topic", "method", "strength", "temperature", "top_p", "tokens");
        string topic = Text(demo, "demo.topic");
        if (!topics.Any(known => known.Name == topic))
        {
            throw Wrong("demo.topic", $"'{Display.Name(topic)}'", OneOf(topics.Select(known => known.Name)));
        }

        string method = Text(demo, "demo.method");
        if (!SteeringMethods.Names.Contains(method))
        {
            throw Wrong("demo.method", $"'{Display.Name(method)}'", OneOf(SteeringMethods.Names));
        }

        double topP = Number(demo, "demo.top_p", 0, 1);
        double tokens = Number(demo, "demo.tokens", 1, 1 << 20);
        if (topP == 0)
        {
            throw Wrong("demo.top_p", "0", "a number above 0");
        }

        return tokens == Math.Floor(tokens)
            ? new PocketDemo(
                topic,
                SteeringMethods.Parse(method),
                (float)Number(demo, "demo.strength", 0, 1e6),
                Number(demo, "demo.temperature", 0, 1e6),
                topP,
                (int)tokens)
            : throw Wrong("demo.tokens", Shown(Field(demo, "demo.tokens")), "a whole number");
    }

    /// <summary>Refuses what is no object, and fields that nothing here reads.</summary>
    private void Known(JsonElement value, string at, params string[] names)
    {
        string what = at.Length == 0 ? "the file" : at;
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(what, Shown(value), "an object");
        }

        foreach (JsonProperty field in value.EnumerateObject().Where(field => !names.Contains(field.Name)))
        {
            throw new InvalidDataException(
                $"'{_path}': {what} has a field '{Display.Name(field.Name)}'; expected {string.Join(", ", names)}");
        }
    }

    private IEnumerable<T> Each<T>(JsonElement root, string field, Func<JsonElement, string, T> read)
    {
        JsonElement list = Field(root, field);
        return list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0
            ? list.EnumerateArray().Select((item, i) => read(item, $"{field}[{i}]"))
            : throw Wrong(field, Shown(list), "an array of at least one object");
    }

    private void Once(string list, string field, IEnumerable<string> values)
    {
        string[] all = [.. values];
        for (int i = 0; i < all.Length; i++)
        {
            if (Array.IndexOf(all, all[i]) < i)
            {
                throw Wrong($"{list}[{i}].{field}", $"'{Display.Name(all[i])}'", "each once");
            }
        }
    }

    /// <summary>A path below the folder that leads to something.</summary>
    private string Within(JsonElement parent, string at, bool isFile = false)
    {
        string path = Text(parent, at);
        if (Path.IsPathRooted(path) || path.Contains('\\') || path.Contains(':')
            || path.Split('/').Any(part => part is "" or "." or ".."))
        {
            throw Wrong(at, $"'{Display.Name(path)}'", "a path within the folder, such as model or sae/name");
        }

        string full = Path.Combine([_folder, .. path.Split('/')]);
        return (isFile ? File.Exists(full) : Path.Exists(full))
            ? full
            : throw new InvalidDataException(
                $"'{_path}': {at} is '{Display.Name(path)}', but there is no such {(isFile ? "file" : "file or folder")} "
                + "in the folder");
    }

    private string Text(JsonElement parent, string at)
    {
        JsonElement value = Field(parent, at);
        return value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            && !text.Any(char.IsControl)
            ? text
            : throw Wrong(at, Shown(value), "a string that is not empty");
    }

    private double Number(JsonElement parent, string at, double least, double most)
    {
        JsonElement value = Field(parent, at);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number)
            && number >= least && number <= most
            ? number
            : throw Wrong(at, Shown(value), FormattableString.Invariant($"a number from {least} to {most}"));
    }

    /// <summary>The last name of <paramref name="at"/> in its object.</summary>
    private JsonElement Field(JsonElement parent, string at)
    {
        string name = at[(at.LastIndexOf('.') + 1)..];
        return parent.TryGetProperty(name, out JsonElement value)
            ? value
            : throw new InvalidDataException($"'{_path}': no field {at}");
    }

    private InvalidDataException Wrong(string at, string found, string expected) =>
        new($"'{_path}': {at} is {found}, expected {expected}");

    private static string OneOf(IEnumerable<string> names) => $"one of {string.Join(", ", names)}";

    private static string Shown(JsonElement value) => Display.Name(value.GetRawText());
}
