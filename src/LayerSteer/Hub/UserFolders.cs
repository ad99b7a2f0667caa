namespace LayerSteer.Hub;

/// <summary>
/// Where the user's own files live: <c>LAYERSTEER_HOME</c> if it is set, otherwise where the system keeps them:
/// XDG_DATA_HOME or ~/.local/share on Linux, ~/Library/Application Support on macOS, %LOCALAPPDATA% on Windows. What
/// can be made again lies apart from them, in <see cref="Cache"/>.
/// </summary>
public static class UserFolders
{
    /// <summary>The user's data of LayerSteer.</summary>
    public static string Data
    {
        get
        {
            string? home = Environment.GetEnvironmentVariable("LAYERSTEER_HOME");
            if (!string.IsNullOrEmpty(home))
            {
                return home;
            }

            if (OperatingSystem.IsMacOS())
            {
                return Path.Combine(
                    Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
                    "Library",
                    "Application Support",
                    "LayerSteer");
            }

            string data = Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
            return Path.Combine(data, OperatingSystem.IsWindows() ? "LayerSteer" : "layersteer");
        }
    }

    /// <summary>
    /// Packed weights and digests, which may be deleted at any time: <c>LAYERSTEER_CACHE</c> if it is set, otherwise
    /// XDG_CACHE_HOME/layersteer or ~/.cache/layersteer on Linux, ~/Library/Caches/LayerSteer on macOS,
    /// %LOCALAPPDATA%\LayerSteer\Cache on Windows.
    /// </summary>
    public static string Cache
    {
        get
        {
            string? cache = Environment.GetEnvironmentVariable("LAYERSTEER_CACHE");
            if (!string.IsNullOrEmpty(cache))
            {
                return cache;
            }

            if (OperatingSystem.IsWindows())
            {
                string local = Environment.GetFolderPath(
                    Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
                return Path.Combine(local, "LayerSteer", "Cache");
            }

            string home = Environment.GetFolderPath(
                Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);
            if (OperatingSystem.IsMacOS())
            {
                return Path.Combine(home, "Library", "Caches", "LayerSteer");
            }

            // The XDG specification: a relative path is to be ignored.
            string? xdg = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            return Path.Combine(Path.IsPathRooted(xdg) ? xdg : Path.Combine(home, ".cache"), "layersteer");
        }
    }

    /// <summary>Where named topics are kept: <c>topics/NAME.json</c>.</summary>
    public static string Topics => Path.Combine(Data, "topics");
}
