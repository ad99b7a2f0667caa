using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace LayerSteer.Tests.Hub;

/// <summary>A request as the server saw it; header names in lower case.</summary>
internal sealed record HubRequest(string Method, string Path, IReadOnlyDictionary<string, string> Headers)
{
    public string? Header(string name) => Headers.GetValueOrDefault(name);
}

/// <summary>What the server answers, well or badly.</summary>
internal sealed record HubAnswer(int Status, byte[] Body)
{
    public Dictionary<string, string> Headers { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Close the connection after this many bytes of the body.</summary>
    public int? CutAfter { get; init; }

    /// <summary>Wait this long before each block of the body.</summary>
    public TimeSpan Pause { get; init; }

    public int BlockBytes { get; init; } = 1 << 16;

    /// <summary>The length to declare; null to declare none.</summary>
    public long? DeclaredLength { get; init; } = Body.Length;

    public HubAnswer With(string name, string value)
    {
        Headers[name] = value;
        return this;
    }
}

/// <summary>
/// A hub on a free port of this machine: lists repositories, describes and serves files in ranges, redirects large ones
/// to another server, and misbehaves as a test asks. Every request is kept.
/// </summary>
internal sealed class HubServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, HubServedRepository> _repositories = new(StringComparer.Ordinal);

    public HubServer()
    {
        _listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _ = Task.Run(AcceptAsync);
    }

    public Uri Address { get; }

    public ConcurrentQueue<HubRequest> Requests { get; } = new();

    /// <summary>Answers in place of the server where it gives an answer.</summary>
    public Func<HubRequest, HubAnswer?>? Intercept { get; set; }

    /// <summary>Where large files are redirected to; null to serve them here.</summary>
    public HubServer? Store { get; set; }

    public IEnumerable<HubRequest> Gets(string end) =>
        Requests.Where(request => request.Method == "GET" && request.Path.EndsWith(end, StringComparison.Ordinal));

    public HubServedRepository Add(string name, params (string Name, byte[] Bytes)[] files)
    {
        var repository = new HubServedRepository(name);
        foreach ((string file, byte[] bytes) in files)
        {
            repository.Files[file] = bytes;
        }

        _repositories[name] = repository;
        return repository;
    }

    public void Dispose()
    {
        if (!_stop.IsCancellationRequested)
        {
            _stop.Cancel();
            _listener.Dispose();
        }
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = Task.Run(() => ServeAsync(client));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                NetworkStream stream = client.GetStream();
                if (await ReadAsync(stream) is { } request)
                {
                    Requests.Enqueue(request);
                    await WriteAsync(client, stream, request, Intercept?.Invoke(request) ?? Answer(request));
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or SocketException
                or ObjectDisposedException)
            {
                // The client left, or the test is over.
            }
        }
    }

    private async Task<HubRequest?> ReadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, _stop.Token) == 0)
            {
                return null;
            }

            head.Append((char)one[0]);
        }

        string[] lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        string[] first = lines[0].Split(' ');
        var headers = lines.Skip(1).Select(line => line.Split(':', 2))
            .ToDictionary(parts => parts[0].ToLowerInvariant(), parts => parts[1].Trim(), StringComparer.Ordinal);
        return new HubRequest(first[0], Uri.UnescapeDataString(first[1]), headers);
    }

    private async Task WriteAsync(TcpClient client, NetworkStream stream, HubRequest request, HubAnswer answer)
    {
        var head = new StringBuilder($"HTTP/1.1 {answer.Status} Answer\r\nConnection: close\r\n");
        foreach ((string name, string value) in answer.Headers)
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        if (answer.DeclaredLength is { } length)
        {
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {length}\r\n");
        }

        await stream.WriteAsync(Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), _stop.Token);
        if (request.Method == "HEAD")
        {
            return;
        }

        int end = Math.Min(answer.CutAfter ?? answer.Body.Length, answer.Body.Length);
        for (int at = 0; at < end; at += answer.BlockBytes)
        {
            if (answer.Pause > TimeSpan.Zero)
            {
                await Task.Delay(answer.Pause, _stop.Token);
            }

            await stream.WriteAsync(answer.Body.AsMemory(at, Math.Min(answer.BlockBytes, end - at)), _stop.Token);
        }

        if (answer.CutAfter is null)
        {
            // What is still on its way must arrive before the connection is closed.
            client.Client.Shutdown(SocketShutdown.Send);
        }
    }

    /// <summary>As a hub answers.</summary>
    public HubAnswer Answer(HubRequest request)
    {
        string[] parts = request.Path.Split('?')[0].Trim('/').Split('/');
        if (parts is ["api", "models", ..])
        {
            int at = Array.IndexOf(parts, "revision");
            return _repositories.TryGetValue(string.Join('/', parts[2..at]), out HubServedRepository? listed)
                ? listed.Listing(string.Join('/', parts[(at + 1)..]))
                : new HubAnswer(401, []).With("X-Error-Code", "RepoNotFound");
        }

        int resolve = Array.IndexOf(parts, "resolve");
        if (resolve > 0 && _repositories.TryGetValue(string.Join('/', parts[..resolve]), out HubServedRepository? repository))
        {
            string file = string.Join('/', parts[(resolve + 2)..]);
            return repository.Files.TryGetValue(file, out byte[]? bytes)
                ? Serve(request, repository, bytes)
                : new HubAnswer(404, []).With("X-Error-Code", "EntryNotFound");
        }

        byte[]? stored = _repositories.Values.SelectMany(r => r.Files.Values)
            .FirstOrDefault(bytes => HubServedRepository.Sha256(bytes) == parts[^1]);
        return stored is null ? new HubAnswer(404, []) : Range(request, stored);
    }

    private HubAnswer Serve(HubRequest request, HubServedRepository repository, byte[] bytes)
    {
        bool large = bytes.Length >= HubServedRepository.LargeFrom;
        string digest = large ? HubServedRepository.Sha256(bytes) : HubServedRepository.GitSha1(bytes);
        if (!large || Store is null)
        {
            return Range(request, bytes).With("ETag", $"\"{digest}\"").With("X-Repo-Commit", repository.Commit);
        }

        return new HubAnswer(302, [])
            .With("Location", new Uri(Store.Address, "/" + digest).AbsoluteUri)
            .With("ETag", "\"a-etag-of-the-redirect\"")
            .With("X-Linked-Etag", $"\"{digest}\"")
            .With("X-Linked-Size", bytes.Length.ToString(CultureInfo.InvariantCulture))
            .With("X-Repo-Commit", repository.Commit);
    }

    private static HubAnswer Range(HubRequest request, byte[] bytes)
    {
        if (request.Header("range") is not { } range)
        {
            return new HubAnswer(200, bytes);
        }

        int from = int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture);
        return from >= bytes.Length
            ? new HubAnswer(416, []).With("Content-Range", $"bytes */{bytes.Length}")
            : new HubAnswer(206, bytes[from..]).With("Content-Range", $"bytes {from}-{bytes.Length - 1}/{bytes.Length}");
    }
}

/// <summary>A repository that a <see cref="HubServer"/> serves.</summary>
internal sealed class HubServedRepository(string name)
{
    /// <summary>
    /// Files from this length on are named by SHA-256, as a hub does with those it keeps in another store.
    /// </summary>
    public const int LargeFrom = 1024;

    public string Name { get; } = name;

    public string Commit { get; set; } = new('a', 40);

    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    public List<string> Tags { get; } = [];

    public static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public static string GitSha1(byte[] bytes) => Convert.ToHexStringLower(
        CryptographicOperations.HashData(
            HashAlgorithmName.SHA1, [.. Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"), .. bytes]));

    public HubAnswer Listing(string revision)
    {
        if (revision != "main" && revision != Commit)
        {
            return new HubAnswer(404, []).With("X-Error-Code", "RevisionNotFound");
        }

        var json = new JsonObject
        {
            ["sha"] = Commit,
            ["gated"] = false,
            ["tags"] = new JsonArray([.. Tags.Select(tag => (JsonNode)tag)]),
            ["siblings"] = new JsonArray([.. Files.Keys.Select(file => new JsonObject { ["rfilename"] = file })]),
        };
        return new HubAnswer(200, Encoding.UTF8.GetBytes(json.ToJsonString())).With("Content-Type", "application/json");
    }
}
