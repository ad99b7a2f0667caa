namespace LayerSteer.Hub;

/// <summary>The files of a repository at one commit, as far as they were fetched.</summary>
/// <param name="Repository">The repository.</param>
/// <param name="Commit">The commit.</param>
/// <param name="Folder">Where they lie.</param>
public sealed record HubSnapshot(HubRepository Repository, string Commit, string Folder)
{
    /// <summary>Where a file or folder of the repository lies; for an empty name the snapshot itself.</summary>
    /// <param name="name">Its name, with '/' between folders; a safe one.</param>
    internal string PathOf(string name) => name.Length == 0 ? Folder : Path.Combine([Folder, .. name.Split('/')]);
}
