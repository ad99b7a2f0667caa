using System.Collections.Concurrent;
using System.Globalization;

namespace LayerSteer.Hub;

/// <summary>
/// Fetches models, sentence encoders and autoencoders from a hub into the cache that other tools use too. A plan says
/// first what there is to fetch; fetching goes on where an earlier run stopped. Thread-safe.
/// </summary>
public sealed class HubPull : IDisposable
{
    private const int MostFiles = 1000;

    private readonly HubSettings _settings;
    private readonly HubClient _client;
    private readonly HubCache _cache;

    /// <summary>A hub and a cache.</summary>
    /// <param name="settings">Which.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number of the settings is out of range.</exception>
    public HubPull(HubSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Parallel, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(settings.Parallel, 32);
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.MostFailures, 1);
        _settings = settings;
        _client = new HubClient(settings);
        _cache = new HubCache(settings.CacheFolder);
    }

    /// <summary>Asks the hub what a target is and which files make it up.</summary>
    /// <param name="target">The target.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="IOException">
    /// The hub cannot be reached, or refuses; the message says what would help.
    /// </exception>
    /// <exception cref="InvalidDataException">It does not have what is asked for, or answers nonsense.</exception>
    /// <exception cref="NotSupportedException">It has it only in a form that is not fetched.</exception>
    public async Task<PullPlan> PlanAsync(HubTarget target, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        HubRepository repository = target.Repository;
        HubListing listing = await Retried(() => _client.ListAsync(repository, cancellation), cancellation);
        HubKind kind = target.Kind ?? HubFiles.KindOf(listing.Files) ?? throw new InvalidDataException(
            $"{repository} is no model, sentence encoder or autoencoder that is known here: of its "
            + $"{listing.Files.Count} files none is config.json with weights, modules.json, or weights of an autoencoder");
        IReadOnlyList<string> names = HubFiles.Choose(target, kind, listing.Files);
        if (names.Count > MostFiles)
        {
            throw new InvalidDataException($"{repository} has {names.Count} files to fetch, expected at most {MostFiles}");
        }

        var files = new ConcurrentBag<HubFile>();
        await Parallel.ForEachAsync(names, Options(cancellation), async (name, cancelled) =>
        {
            HubFileName.Require(name, repository.ToString());
            files.Add(await Retried(
                () => _client.HeadAsync(repository, listing.Commit, name, cancelled), cancelled));
        });
        HubFile[] ordered = [.. files.OrderBy(file => file.Name, StringComparer.Ordinal)];
        HubBlobs blobs = Blobs(repository);
        return new PullPlan
        {
            Target = target,
            Kind = kind,
            Commit = listing.Commit,
            Files = ordered,
            Licence = listing.Licence,
            IsGated = listing.IsGated,
            BytesHere = ordered.Sum(file => blobs.BytesHere(listing.Commit, file)),
        };
    }

    /// <summary>Fetches what a plan names and is not here yet.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="progress">Told, from several threads, how many bytes of a file are here.</param>
    /// <param name="cancellation">Ends it; what was fetched is kept, and the next run goes on from there.</param>
    /// <returns>Where it lies.</returns>
    /// <exception cref="IOException">A file cannot be fetched or written; what was fetched is kept.</exception>
    /// <exception cref="InvalidDataException">A file is not what the hub says it is; it is removed.</exception>
    public async Task<PullResult> FetchAsync(
        PullPlan plan, Action<HubFile, long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        HubRepository repository = plan.Target.Repository;
        HubBlobs blobs = Blobs(repository);
        RequireRoom(plan.Bytes - plan.BytesHere);
        int fetched = 0;
        await Parallel.ForEachAsync(plan.Files, Options(cancellation), async (file, cancelled) =>
        {
            var download = new HubDownload(
                _client, _settings, blobs, repository, plan.Commit, file, bytes => progress?.Invoke(file, bytes));
            if (await download.RunAsync(cancelled))
            {
                Interlocked.Increment(ref fetched);
            }
        });
        blobs.WriteRef(plan.Commit);
        HubTarget pulled = plan.Target with { Kind = plan.Kind, Repository = repository.At(plan.Commit), Aliases = [] };
        return new PullResult(plan, _cache.Locate(pulled), fetched);
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose() => _client.Dispose();

    private HubBlobs Blobs(HubRepository repository) => new(_cache, repository, _settings.UseLinks);

    private ParallelOptions Options(CancellationToken cancellation) =>
        new() { MaxDegreeOfParallelism = _settings.Parallel, CancellationToken = cancellation };

    private async Task<T> Retried<T>(Func<Task<T>> ask, CancellationToken cancellation)
    {
        for (int failures = 1; ; failures++)
        {
            try
            {
                return await ask();
            }
            catch (HubTransientException e)
            {
                await HubDownload.RetryAsync(e, failures, _settings, string.Empty, cancellation);
            }
        }
    }

    /// <summary>Refuses before the first byte what the disk cannot hold.</summary>
    private void RequireRoom(long bytes)
    {
        Directory.CreateDirectory(_cache.Folder);
        long free;
        try
        {
            free = new DriveInfo(_cache.Folder).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // A file system that does not say how much it holds says so when it is full.
            return;
        }

        if (bytes > free)
        {
            throw new IOException(string.Create(
                CultureInfo.InvariantCulture,
                $"{bytes / 1e9:F1} GB are to be fetched, but '{_cache.Folder}' has room for {free / 1e9:F1} GB; "
                + $"make room, or set HF_HUB_CACHE to a folder that has it"));
        }
    }
}
