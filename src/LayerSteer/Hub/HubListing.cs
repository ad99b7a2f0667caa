using System.Text.Json;
using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>What a hub says of a repository at a revision.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Files">The names of all its files.</param>
/// <param name="Licence">The licence, as its owner calls it; null if there is none.</param>
/// <param name="IsGated">Whether its owner asks to agree to terms first.</param>
internal sealed record HubListing(string Commit, HashSet<string> Files, string? Licence, bool IsGated)
{
    private const string LicenceTag = "license:";

    public static HubListing Read(HubRepository repository, JsonElement root, int mostFiles)
    {
        string? commit = root.ValueKind == JsonValueKind.Object
            && root.TryGetProperty("sha", out JsonElement sha) && sha.ValueKind == JsonValueKind.String
                ? sha.GetString()
                : null;
        if (commit is null || !HubRepository.IsCommitName(commit) || (repository.IsCommit && commit != repository.Revision))
        {
            throw new InvalidDataException(
                $"the hub says that {repository} is at '{Display.Name(commit ?? "nothing")}', expected a commit of 40 digits"
                + (repository.IsCommit ? ", the one asked for" : string.Empty));
        }

        var files = new HashSet<string>(StringComparer.Ordinal);
        if (root.TryGetProperty("siblings", out JsonElement siblings) && siblings.ValueKind == JsonValueKind.Array)
        {
            if (siblings.GetArrayLength() > mostFiles)
            {
                throw new InvalidDataException(
                    $"{repository} lists {siblings.GetArrayLength()} files, expected at most {mostFiles}");
            }

            foreach (JsonElement sibling in siblings.EnumerateArray())
            {
                if (sibling.ValueKind == JsonValueKind.Object
                    && sibling.TryGetProperty("rfilename", out JsonElement name) && name.ValueKind == JsonValueKind.String)
                {
                    files.Add(name.GetString()!);
                }
            }
        }

        return new HubListing(commit, files, LicenceOf(root), Gated(root));
    }

    private static string? LicenceOf(JsonElement root) =>
        !root.TryGetProperty("tags", out JsonElement tags) || tags.ValueKind != JsonValueKind.Array ? null
        : tags.EnumerateArray()
            .Where(tag => tag.ValueKind == JsonValueKind.String)
            .Select(tag => tag.GetString()!)
            .Where(tag => tag.StartsWith(LicenceTag, StringComparison.Ordinal))
            .Select(tag => Display.Name(tag[LicenceTag.Length..]))
            .FirstOrDefault();

    private static bool Gated(JsonElement root) => root.TryGetProperty("gated", out JsonElement gated)
        && gated.ValueKind is JsonValueKind.True or JsonValueKind.String;
}
