using Xunit;

namespace LayerSteer.Tests;

/// <summary>Where the tests find the repository and the reference cases beside it.</summary>
internal static class TestFiles
{
    /// <summary>The folder that holds global.json.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The folder ../shared, or null where it is absent.</summary>
    public static string? Shared { get; } = FindShared();

    /// <summary>The full path of a reference case; skips the test when it is absent.</summary>
    public static string Golden(string relative) => InShared(Path.Combine("golden", relative));

    /// <summary>The full path of a file or folder of ../shared; skips the test when it is absent.</summary>
    public static string InShared(string relative)
    {
        string? path = Shared is null ? null : Path.Combine(Shared, relative);
        if (path is null || (!File.Exists(path) && !Directory.Exists(path)))
        {
            Assert.Skip($"../shared/{relative} is not here");
        }

        return path!;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "global.json")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("no folder above the tests holds global.json");
    }

    private static string? FindShared()
    {
        string path = Path.GetFullPath(Path.Combine(Root, "..", "shared"));
        return Directory.Exists(path) ? path : null;
    }
}
