using Xunit;

namespace LayerSteer.Tests;

internal static class TestFiles
{
    public static string Root { get; } = FindRoot();

    /// <summary>Root/../shared, or null where it is not there.</summary>
    public static string? Shared { get; } = FindShared();

    /// <summary>A path under shared/golden; skips the test where it is not there.</summary>
    public static string Golden(string relative)
    {
        string? path = Shared is null ? null : Path.Combine(Shared, "golden", relative);
        if (!Path.Exists(path))
        {
            Assert.Skip($"../shared/golden/{relative} is not there.");
        }
        return path;
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "global.json")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        return folder ?? throw new DirectoryNotFoundException("No global.json above the tests.");
    }

    private static string? FindShared()
    {
        string folder = Path.GetFullPath(Path.Combine(Root, "..", "shared"));
        return Directory.Exists(folder) ? folder : null;
    }
}
