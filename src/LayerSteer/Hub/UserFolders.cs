namespace LayerSteer.Hub;

/// <summary>
/// Where the user's own files live: <c>LAYERSTEER_HOME</c> if it is set, otherwise where the system keeps them:
/// XDG_DATA_HOME or ~/.local/share on Linux, ~/Library/Application Support on macOS, %LOCALAPPDATA% on Windows.
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

    /// <summary>Where named topics are kept: <c>topics/NAME.json</c>.</summary>
    public static string Topics => Path.Combine(Data, "topics");
}
