using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>
/// File names that a hub gives, before they become paths on this machine: relative, of plain parts, the same file on
/// every system.
/// </summary>
internal static class HubFileName
{
    private const int Longest = 1024;
    private const int LongestPart = 255;
    private const int MostParts = 16;

    private static readonly string[] Reserved = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

    /// <summary>Whether a name, with '/' between folders, stays within the folder that it is joined to.</summary>
    public static bool IsSafe(string name)
    {
        string[] parts = name.Split('/');
        return name.Length <= Longest && parts.Length <= MostParts && parts.All(IsSafePart);
    }

    /// <summary>Refuses a name that is not safe.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public static string Require(string name, string source) => IsSafe(name)
        ? name
        : throw new InvalidDataException(
            $"{source} names a file '{Display.Name(name)}', which is not a safe name; nothing is written");

    private static bool IsSafePart(string part)
    {
        if (part.Length is 0 or > LongestPart || part is "." or ".."
            || part[^1] is '.' or ' ' || part[0] == ' '
            || part.Any(c => char.IsControl(c) || char.IsSurrogate(c) || c is '\\' or '<' or '>' or '"' or '|' or '?' or '*'))
        {
            return false;
        }

        // A colon is a drive or a stream on Windows; elsewhere some released folders have one: "name:v0".
        if (part.Contains(':') && (OperatingSystem.IsWindows() || part.IndexOf(':') < 2))
        {
            return false;
        }

        string stem = part.Split('.')[0].TrimEnd().ToUpperInvariant();
        bool isDevice = stem.Length == 4 && stem[..3] is "COM" or "LPT" && stem[^1] is >= '0' and <= '9';
        return !isDevice && !Reserved.Contains(stem);
    }
}
