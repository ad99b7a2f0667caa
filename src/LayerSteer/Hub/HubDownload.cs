using System.Globalization;
using System.Net;

namespace LayerSteer.Hub;

/// <summary>
/// Fetches one file into the cache. What arrived is kept in <c>blobs/DIGEST.incomplete</c>, so that a download that was
/// cut off, stopped or killed goes on where it was; only what has the right digest gets its name.
/// </summary>
internal sealed class HubDownload
{
    private const int BlockBytes = 1 << 18;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(2);

    private readonly HubClient _client;
    private readonly HubSettings _settings;
    private readonly HubBlobs _blobs;
    private readonly HubRepository _repository;
    private readonly string _commit;
    private readonly HubFile _file;
    private readonly Action<long> _report;
    private long _done;

    /// <param name="client">The hub.</param>
    /// <param name="settings">Its settings.</param>
    /// <param name="blobs">Where the file goes.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="commit">Its commit.</param>
    /// <param name="file">The file.</param>
    /// <param name="report">Told how many of its bytes are here.</param>
    public HubDownload(
        HubClient client,
        HubSettings settings,
        HubBlobs blobs,
        HubRepository repository,
        string commit,
        HubFile file,
        Action<long> report)
    {
        _client = client;
        _settings = settings;
        _blobs = blobs;
        _repository = repository;
        _commit = commit;
        _file = file;
        _report = report;
    }

    private string What => $"{_repository.Name}/{_file.Name}";

    /// <summary>Fetches what is not here yet.</summary>
    /// <returns>Whether anything had to be fetched.</returns>
    /// <exception cref="IOException">It cannot be fetched or written; what was fetched is kept.</exception>
    /// <exception cref="InvalidDataException">What the hub sends is not what it says; it is removed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; what was fetched is kept.</exception>
    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        if (_blobs.IsPlaced(_commit, _file))
        {
            _report(_file.Bytes);
            return false;
        }

        using FileStream held = await _blobs.LockAsync(_file, cancellation);
        bool isNew = !_blobs.Has(_file);
        if (isNew)
        {
            await FetchAsync(cancellation);
            File.Move(_blobs.IncompleteOf(_file), _blobs.PathOf(_file), overwrite: true);
        }

        _blobs.Place(_commit, _file, isNew);
        _report(_file.Bytes);
        return isNew;
    }

    /// <summary>
    /// Waits as long as a failure asks for, or twice as long as the last time; gives up after too many.
    /// </summary>
    public static async Task RetryAsync(
        HubTransientException failure, int failures, HubSettings settings, string kept, CancellationToken cancellation)
    {
        if (failures >= settings.MostFailures || failure.RetryAfter > LongestWait)
        {
            string wait = failure.RetryAfter is { } asked
                ? string.Create(CultureInfo.InvariantCulture, $"; it asks to wait {asked.TotalSeconds:0} s")
                : string.Empty;
            throw new IOException($"{failure.Message}; gave up after {failures} tries{wait}{kept}", failure);
        }

        TimeSpan delay = settings.RetryDelay * Math.Pow(2, failures - 1);
        TimeSpan limited = delay < TimeSpan.FromSeconds(30) ? delay : TimeSpan.FromSeconds(30);
        await Task.Delay(failure.RetryAfter is { } after && after > limited ? after : limited, cancellation);
    }

    private async Task FetchAsync(CancellationToken cancellation)
    {
        string path = _blobs.IncompleteOf(_file);
        using var stream = new FileStream(
            path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0, FileOptions.Asynchronous);
        using var digest = new BlobDigest(_file);
        bool resumed = await ResumeAsync(stream, digest, cancellation);
        while (true)
        {
            await CompleteAsync(stream, digest, cancellation);
            string found = digest.Finish();
            if (found == _file.Digest)
            {
                stream.Flush(flushToDisk: true);
                return;
            }

            if (!resumed)
            {
                stream.Dispose();
                File.Delete(path);
                throw new InvalidDataException(
                    $"{What}: what {_client.Host} sends has the digest {found}, expected {_file.Digest}; "
                    + "it was removed; pull again, and if it stays so the file is not to be trusted");
            }

            // What an earlier run left was not the beginning of this file.
            resumed = false;
            Restart(stream, digest);
        }
    }

    /// <summary>Takes over what an earlier run left; says whether there was anything.</summary>
    private async Task<bool> ResumeAsync(FileStream stream, BlobDigest digest, CancellationToken cancellation)
    {
        if (stream.Length > _file.Bytes)
        {
            stream.SetLength(0);
        }

        byte[] buffer = new byte[BlockBytes];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellation)) > 0)
        {
            digest.Append(buffer.AsSpan(0, read));
            _done += read;
        }

        _report(_done);
        return _done > 0;
    }

    private async Task CompleteAsync(FileStream stream, BlobDigest digest, CancellationToken cancellation)
    {
        int failures = 0;
        while (_done < _file.Bytes)
        {
            long before = _done;
            try
            {
                await AppendAsync(stream, digest, cancellation);
            }
            catch (HubTransientException e)
            {
                failures = _done > before ? 1 : failures + 1;
                await RetryAsync(
                    e, failures, _settings, "; what was fetched is kept: the same command goes on from there", cancellation);
            }
        }
    }

    private async Task AppendAsync(FileStream stream, BlobDigest digest, CancellationToken cancellation)
    {
        using HttpResponseMessage response =
            await _client.GetAsync(_repository, _commit, _file.Name, _done, cancellation);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            Restart(stream, digest);
            throw new HubTransientException($"{What}: {_client.Host} has no more bytes of it");
        }

        HubFailure.Require(response, _settings, What, _file.Name);
        if (response.StatusCode != HttpStatusCode.PartialContent)
        {
            Restart(stream, digest);
        }
        else if (response.Content.Headers.ContentRange is not { } range || range.From != _done
            || (range.Length is { } whole && whole != _file.Bytes))
        {
            throw new InvalidDataException(
                $"{What}: {_client.Host} sends bytes '{response.Content.Headers.ContentRange}', "
                + $"expected from {_done} on of {_file.Bytes}");
        }

        if (response.Content.Headers.ContentLength is { } length && length != _file.Bytes - _done)
        {
            throw new InvalidDataException(
                $"{What}: {_client.Host} sends {length} bytes, expected {_file.Bytes - _done}");
        }

        using Stream body = await response.Content.ReadAsStreamAsync(cancellation);
        byte[] buffer = new byte[BlockBytes];
        int read;
        while ((read = await ReadAsync(body, buffer, cancellation)) > 0)
        {
            if (read > _file.Bytes - _done)
            {
                throw new InvalidDataException($"{What}: {_client.Host} sends more than the {_file.Bytes} bytes it says");
            }

            await WriteAsync(stream, buffer.AsMemory(0, read), cancellation);
            digest.Append(buffer.AsSpan(0, read));
            _done += read;
            _report(_done);
        }

        if (_done < _file.Bytes)
        {
            throw new HubTransientException($"{What}: the connection ended after {_done} of {_file.Bytes} bytes");
        }
    }

    private async Task<int> ReadAsync(Stream body, byte[] buffer, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_settings.DownloadTimeout);
        try
        {
            return await body.ReadAsync(buffer, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HubTransientException(string.Create(
                CultureInfo.InvariantCulture,
                $"{What}: nothing arrived for {_settings.DownloadTimeout.TotalSeconds:0.###} s (HF_HUB_DOWNLOAD_TIMEOUT)"));
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new HubTransientException($"{What}: the connection broke after {_done} of {_file.Bytes} bytes", e);
        }
    }

    private async Task WriteAsync(FileStream stream, ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        try
        {
            await stream.WriteAsync(bytes, cancellation);
        }
        catch (IOException e)
        {
            throw new IOException(
                $"{What} cannot be written to '{_blobs.Folder}': {e.Message}; what was fetched is kept: make room, and the "
                + "same command goes on from there",
                e);
        }
    }

    private void Restart(FileStream stream, BlobDigest digest)
    {
        stream.SetLength(0);
        stream.Position = 0;
        digest.Restart();
        _done = 0;
        _report(0);
    }
}
