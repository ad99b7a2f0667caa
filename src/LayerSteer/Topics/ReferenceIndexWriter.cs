using LayerSteer.Formats;

namespace LayerSteer.Topics;

/// <summary>
/// Builds a reference index, or goes on with one that was interrupted. Each <see cref="Append"/> adds one part folder
/// that is written beside its place, brought to the disk and renamed, so a kill at any moment loses at most the part in
/// flight and doubles nothing. One writer at a time for a folder; not thread-safe; dispose it to let another one in.
/// </summary>
public sealed class ReferenceIndexWriter : IDisposable
{
    private const string LockFile = "writer.lock";

    private readonly string _folder;
    private readonly FileStream _lock;
    private readonly HashSet<int> _completed;

    private ReferenceIndexWriter(string folder, IndexManifest manifest, FileStream writerLock)
    {
        _folder = folder;
        _lock = writerLock;
        IndexManifest? existing = Existing(folder, manifest);
        RemoveLeftovers(folder);
        if (existing is null)
        {
            manifest.Write(folder);
        }
        Manifest = existing ?? manifest;
        _completed = IndexPartReader.ReadIds(folder, Manifest);
    }

    /// <summary>The manifest in the folder; of a resumed build it is the one of its first run.</summary>
    public IndexManifest Manifest { get; }

    /// <summary>The ids that are in the index, also those of earlier runs.</summary>
    public IReadOnlySet<int> CompletedPrompts => _completed;

    /// <summary>The ids that are still missing, ascending.</summary>
    public IEnumerable<int> RemainingPrompts => Manifest.Ids
        .SelectMany(range => Enumerable.Range(range.First, range.Count))
        .Where(id => !_completed.Contains(id));

    /// <summary>Whether every prompt of <see cref="IndexManifest.Ids"/> is in.</summary>
    public bool IsComplete => _completed.Count == Manifest.PromptCount;

    /// <summary>
    /// Creates the folder with its manifest, or opens an unfinished one; leftovers of a killed run are removed.
    /// </summary>
    /// <param name="folder">The folder of the index; created if it is not there.</param>
    /// <param name="manifest">What the index is made with.</param>
    /// <returns>The writer, which the caller disposes.</returns>
    /// <exception cref="InvalidDataException">
    /// The folder holds something else, an index made with something else (the field is named), or a damaged part.
    /// </exception>
    /// <exception cref="IOException">Another writer has the folder, or it cannot be written.</exception>
    public static ReferenceIndexWriter Open(string folder, IndexManifest manifest)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(manifest);
        Directory.CreateDirectory(folder);
        FileStream writerLock = Lock(folder);
        try
        {
            return new ReferenceIndexWriter(folder, manifest, writerLock);
        }
        catch
        {
            writerLock.Dispose();
            throw;
        }
    }

    /// <summary>Adds one part; when this returns it is on the disk.</summary>
    /// <param name="prompts">Prompts that are not in yet, ids ascending; with none nothing happens. Not kept.</param>
    /// <exception cref="ArgumentException">
    /// A prompt breaks a rule of <see cref="PromptSummary"/>; nothing is added.
    /// </exception>
    /// <exception cref="IOException">The part cannot be written; nothing is added.</exception>
    public void Append(IReadOnlyList<PromptSummary> prompts)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ObjectDisposedException.ThrowIf(!_lock.CanWrite, this);
        if (prompts.Count == 0)
        {
            return;
        }
        int previous = -1;
        foreach (PromptSummary prompt in prompts)
        {
            if (Broken(prompt, previous) is string broken)
            {
                throw new ArgumentException($"prompt {prompt.Id}: {broken}", nameof(prompts));
            }
            previous = prompt.Id;
        }
        IndexPart.From(prompts).Write(_folder);
        _completed.UnionWith(prompts.Select(prompt => prompt.Id));
    }

    /// <summary>Lets another writer in; the index stays as it is.</summary>
    public void Dispose() => _lock.Dispose();

    private static FileStream Lock(string folder)
    {
        try
        {
            return new FileStream(
                Path.Combine(folder, LockFile),
                FileMode.OpenOrCreate,
                FileAccess.Write,
                FileShare.None,
                bufferSize: 1,
                FileOptions.DeleteOnClose);
        }
        catch (IOException e)
        {
            throw new IOException($"'{folder}': another writer has this index open ({LockFile})", e);
        }
    }

    private static void RemoveLeftovers(string folder)
    {
        foreach (string leftover in Directory.GetFileSystemEntries(folder, AtomicFile.TemporaryPrefix + "*"))
        {
            if (Directory.Exists(leftover))
            {
                Directory.Delete(leftover, recursive: true);
            }
            else
            {
                File.Delete(leftover);
            }
        }
    }

    // Nothing is touched before it is sure that the folder is this index, or empty but for what a killed run left.
    private static IndexManifest? Existing(string folder, IndexManifest manifest)
    {
        if (File.Exists(Path.Combine(folder, IndexManifest.FileName)))
        {
            IndexManifest existing = IndexManifest.Read(folder);
            return manifest.FirstDifferenceOfBuild(existing) is not (string field, string mine, string other)
                ? existing
                : throw new InvalidDataException(
                    $"'{folder}' was begun with {field} {other}, expected {mine}; build into another folder");
        }
        if (Directory.EnumerateFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)).Any(
            name => name != LockFile && !name.StartsWith(AtomicFile.TemporaryPrefix, StringComparison.Ordinal)))
        {
            throw new InvalidDataException(
                $"'{folder}' is not empty and has no {IndexManifest.FileName}; build into another folder");
        }
        return null;
    }

    private string? Broken(PromptSummary prompt, int previous)
    {
        int active = prompt.Latents.Length;
        if (prompt.Sum.Length != active || prompt.SumOfSquares.Length != active
            || prompt.Max.Length != active || prompt.Count.Length != active)
        {
            return "Sum, SumOfSquares, Max and Count must have one element for each of Latents";
        }
        if (!Manifest.Ids.Any(range => range.Contains(prompt.Id)))
        {
            return $"this index is to hold the ids {string.Join(", ", Manifest.Ids)}";
        }
        if (prompt.Id <= previous || _completed.Contains(prompt.Id))
        {
            return "ids must be ascending and not in the index yet";
        }
        foreach (double squares in prompt.SumOfSquares)
        {
            if (!(squares > 0 && double.IsFinite(squares)))
            {
                return "SumOfSquares must hold finite positive numbers";
            }
        }
        return PromptRules.Broken(
            Manifest,
            prompt.Tokens,
            prompt.Digest,
            prompt.Embeddings,
            prompt.Latents,
            prompt.Sum,
            prompt.Max,
            prompt.Count);
    }
}
