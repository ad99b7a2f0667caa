using System.Globalization;

namespace LayerSteer.Hub;

/// <summary>
/// Where the hub is and where its cache lies, by the variables that other tools of the hub read too. Immutable. The
/// token is neither public nor printed.
/// </summary>
public sealed record HubSettings
{
    private const string PublicEndpoint = "https://huggingface.co";

    /// <summary>The cache: <c>models--org--name</c> folders lie in it.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>The hub: an http or https address without user, query or fragment.</summary>
    public Uri Endpoint { get; init; } = new(PublicEndpoint);

    /// <summary>Whether the network must not be used at all.</summary>
    public bool Offline { get; init; }

    /// <summary>How long an answer about a file may take.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a download may stand still before it is tried again.</summary>
    public TimeSpan DownloadTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether progress is shown.</summary>
    public bool ShowProgress { get; init; } = true;

    /// <summary>How many files are fetched at once, from 1 to 32.</summary>
    public int Parallel { get; init; } = 4;

    /// <summary>How long to wait after a first failure; doubled after each further one, up to half a minute.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often in a row a request may fail, or a download fail without a byte gained.</summary>
    public int MostFailures { get; init; } = 6;

    /// <summary>Sent to <see cref="Endpoint"/>'s host and no other; null without one.</summary>
    internal string? Token { get; init; }

    /// <summary>Whether snapshots may be links to blobs; where links fail they are copies all the same.</summary>
    internal bool UseLinks { get; init; } = true;

    /// <summary>
    /// The settings of this process: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME or XDG_CACHE_HOME for the cache;
    /// HF_TOKEN, HF_TOKEN_PATH or the token file in HF_HOME; HF_ENDPOINT; HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE;
    /// HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT; HF_HUB_DISABLE_PROGRESS_BARS.
    /// </summary>
    /// <exception cref="ArgumentException">A variable has a value that means nothing.</exception>
    /// <exception cref="IOException">The file of the token cannot be read.</exception>
    public static HubSettings FromEnvironment() => From(Environment.GetEnvironmentVariable);

    /// <summary>The settings by other variables than the process's; null means not set.</summary>
    internal static HubSettings From(Func<string, string?> variable)
    {
        return new HubSettings
        {
            CacheFolder = CacheFrom(variable),
            Endpoint = EndpointOf(Set(variable, "HF_ENDPOINT") ?? PublicEndpoint),
            Offline = IsOn("HF_HUB_OFFLINE") || IsOn("TRANSFORMERS_OFFLINE"),
            AnswerTimeout = Seconds("HF_HUB_ETAG_TIMEOUT"),
            DownloadTimeout = Seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
            ShowProgress = !IsOn("HF_HUB_DISABLE_PROGRESS_BARS"),
            Token = Set(variable, "HF_TOKEN") is { } token
                ? Checked(token, "HF_TOKEN")
                : Stored(Expanded(variable, Set(variable, "HF_TOKEN_PATH") ?? Path.Combine(HomeFrom(variable), "token"))),
        };

        bool IsOn(string name) => Set(variable, name)?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

        TimeSpan Seconds(string name) => Set(variable, name) is not { } text ? TimeSpan.FromSeconds(10)
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds)
                && seconds is > 0 and <= 86400 ? TimeSpan.FromSeconds(seconds)
            : throw new ArgumentException($"{name} is '{text}', expected seconds from above 0 to 86400");
    }

    /// <summary>The cache alone, which needs no token and no address.</summary>
    internal static string CacheFrom(Func<string, string?> variable) => Path.GetFullPath(Expanded(
        variable,
        Set(variable, "HF_HUB_CACHE") ?? Set(variable, "HUGGINGFACE_HUB_CACHE")
            ?? Path.Combine(HomeFrom(variable), "hub")));

    private static string HomeFrom(Func<string, string?> variable) => Expanded(
        variable,
        Set(variable, "HF_HOME") ?? Path.Combine(Set(variable, "XDG_CACHE_HOME") ?? "~/.cache", "huggingface"));

    private static string? Set(Func<string, string?> variable, string name) =>
        variable(name)?.Trim() is { Length: > 0 } value ? value : null;

    /// <summary>A leading ~ is the user's folder, as shells and other tools of the hub have it.</summary>
    private static string Expanded(Func<string, string?> variable, string path)
    {
        if (path != "~" && !path.StartsWith("~/", StringComparison.Ordinal))
        {
            return path;
        }

        string user = Set(variable, "HOME") ?? Environment.GetFolderPath(
            Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(user, path.Length > 2 ? path[2..] : string.Empty);
    }

    private static Uri EndpointOf(string text) =>
        Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out Uri? uri)
        && uri.Scheme is "http" or "https"
        && uri is { UserInfo.Length: 0, Query.Length: 0, Fragment.Length: 0 }
            ? uri
            : throw new ArgumentException(
                $"HF_ENDPOINT is '{text}', expected an http or https address, such as {PublicEndpoint}");

    private static string? Stored(string path)
    {
        try
        {
            string token = File.ReadAllText(path).Trim();
            return token.Length == 0 ? null : Checked(token, $"the token in '{path}'");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>A token goes into a header; what is wrong with it is said without showing it.</summary>
    private static string Checked(string token, string what) =>
        token.Length <= 4096 && token.All(c => c is > ' ' and <= '~')
            ? token
            : throw new ArgumentException($"{what} is not a token: expected letters, digits and signs without spaces");
}
