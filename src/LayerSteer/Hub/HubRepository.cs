using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>A model repository of a hub at a revision: <c>org/name</c>, or <c>name</c> for some old ones.</summary>
public sealed record HubRepository
{
    /// <summary>The revision where none is named.</summary>
    public const string MainRevision = "main";

    private const int LongestPart = 96;
    private const int LongestRevision = 200;
    private const int CommitLength = 40;

    private HubRepository(string name, string revision)
    {
        Name = name;
        Revision = revision;
    }

    /// <summary>Such as <c>google/gemma-2-2b</c>.</summary>
    public string Name { get; }

    /// <summary>A branch, a tag or a commit; <c>main</c> where none is named.</summary>
    public string Revision { get; }

    /// <summary>Whether the revision is a commit, which always means the same files.</summary>
    public bool IsCommit => IsCommitName(Revision);

    /// <summary>The name of its folder in a cache.</summary>
    internal string FolderName => "models--" + Name.Replace("/", "--", StringComparison.Ordinal);

    /// <summary>Checks a name and a revision.</summary>
    /// <param name="name">The name.</param>
    /// <param name="revision">The revision; main if null.</param>
    /// <exception cref="ArgumentException">One of them cannot be on a hub.</exception>
    public static HubRepository Parse(string name, string? revision = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!IsName(name))
        {
            throw new ArgumentException(
                $"'{Display.Name(name)}' is not a hub repository; expected org/name of letters, digits, '.', '_' and '-'");
        }

        if (revision is not null && !IsRevision(revision))
        {
            throw new ArgumentException(
                $"'{Display.Name(revision)}' is not a revision; expected a branch, a tag or a commit of 40 digits");
        }

        return new HubRepository(name, revision ?? MainRevision);
    }

    /// <summary>The same repository at another revision.</summary>
    /// <param name="revision">The revision; null for this one.</param>
    /// <exception cref="ArgumentException">It cannot be a revision.</exception>
    public HubRepository At(string? revision) => revision is null ? this : Parse(Name, revision);

    /// <summary><c>org/name</c>, and <c>@revision</c> where it is not main.</summary>
    public override string ToString() => Revision == MainRevision ? Name : $"{Name}@{Revision}";

    /// <summary>Whether a text can be the name of a repository.</summary>
    internal static bool IsName(string name)
    {
        string[] parts = name.Split('/');
        return parts.Length is 1 or 2 && parts.All(IsPart);
    }

    /// <summary>Whether a text can be a revision; it becomes a file name under <c>refs</c>.</summary>
    internal static bool IsRevision(string revision) => revision.Length is > 0 and <= LongestRevision
        && revision.Split('/').All(part => part.Length > 0 && part[0] != '.' && part[^1] != '.' && part.All(IsSafe));

    internal static bool IsCommitName(string revision) =>
        revision.Length == CommitLength && revision.All(char.IsAsciiHexDigitLower);

    /// <summary>As hubs have them, so that "--" in a folder's name always stands for the slash.</summary>
    private static bool IsPart(string part) => part.Length is > 0 and <= LongestPart
        && part.All(IsSafe)
        && part[0] is not ('-' or '.') && part[^1] is not ('-' or '.')
        && !part.Contains("--", StringComparison.Ordinal)
        && !part.Contains("..", StringComparison.Ordinal)
        && !part.EndsWith(".git", StringComparison.OrdinalIgnoreCase);

    private static bool IsSafe(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-';
}
