using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>
/// A hub over HTTP: what a repository holds, what a file is, its bytes. Redirects are followed here rather than by the
/// handler, so that the token goes to the endpoint and nowhere else. Thread-safe.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MostRedirects = 8;
    private const int LargestListing = 32 << 20;
    private const int MostFiles = 200_000;

    private readonly HubSettings _settings;
    private readonly SocketsHttpHandler _handler;
    private readonly HttpClient _http;
    private readonly string _base;

    public HubClient(HubSettings settings)
    {
        _settings = settings;
        _base = settings.Endpoint.AbsoluteUri.TrimEnd('/');
        _handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = settings.AnswerTimeout,
            UseProxy = !settings.Endpoint.IsLoopback,
            MaxResponseHeadersLength = 64,
        };
        _http = new HttpClient(_handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue(
            "layersteer", typeof(HubClient).Assembly.GetName().Version?.ToString(3) ?? "0"));
        _http.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
    }

    public void Dispose()
    {
        _http.Dispose();
        _handler.Dispose();
    }

    /// <summary>The files of a repository, and the commit that its revision is at.</summary>
    public async Task<HubListing> ListAsync(HubRepository repository, CancellationToken cancellation)
    {
        var uri = new Uri(
            $"{_base}/api/models/{repository.Name}/revision/{Uri.EscapeDataString(repository.Revision)}");
        using HttpResponseMessage response = await SendAsync(
            HttpMethod.Get, uri, null, stopsAtLink: false, cancellation);
        HubFailure.Require(response, _settings, repository.ToString(), null);
        byte[] json = await ReadAsync(response, LargestListing, cancellation);
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 64 });
            return HubListing.Read(repository, document.RootElement, MostFiles);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{Host} answers about {repository} with what is no list of files", e);
        }
    }

    /// <summary>What a file is: its digest and length.</summary>
    public async Task<HubFile> HeadAsync(
        HubRepository repository, string commit, string name, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            HttpMethod.Head,
            Resolve(repository, commit, name),
            null,
            stopsAtLink: true,
            cancellation);
        if (!IsRedirect(response))
        {
            HubFailure.Require(response, _settings, $"{repository.Name}/{name}", name);
        }

        if (Header(response, "X-Repo-Commit") is { } found && found != commit)
        {
            throw new InvalidDataException(
                $"{Host} serves {repository.Name} at commit {Display.Name(found)}, expected {commit}; try again");
        }

        return HubFile.Read(
            name,
            Header(response, "X-Linked-Etag") ?? Header(response, "ETag"),
            Header(response, "X-Linked-Size") ?? response.Content.Headers.ContentLength?.ToString(CultureInfo.InvariantCulture),
            $"{Host}, about {repository.Name}/{name},");
    }

    /// <summary>The answer with a file's bytes from an offset on; the caller disposes it.</summary>
    public Task<HttpResponseMessage> GetAsync(
        HubRepository repository, string commit, string name, long offset, CancellationToken cancellation) => SendAsync(
            HttpMethod.Get,
            Resolve(repository, commit, name),
            offset,
            stopsAtLink: false,
            cancellation);

    /// <summary>The hub as errors call it.</summary>
    public string Host => _settings.Endpoint.Authority;

    private Uri Resolve(HubRepository repository, string commit, string name) => new(
        $"{_base}/{repository.Name}/resolve/{commit}/"
        + string.Join('/', name.Split('/').Select(Uri.EscapeDataString)));

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        Uri uri,
        long? offset,
        bool stopsAtLink,
        CancellationToken cancellation)
    {
        if (_settings.Offline)
        {
            throw new IOException(
                "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so nothing is fetched; unset it to use the network");
        }

        for (int hop = 0; hop <= MostRedirects; hop++)
        {
            using var request = new HttpRequestMessage(method, uri);
            request.Headers.Range = offset > 0 ? new RangeHeaderValue(offset, null) : null;
            if (_settings.Token is { } token && MayCarryToken(uri))
            {
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            }

            HttpResponseMessage response = await AnswerAsync(request, offset is not null, cancellation);
            if (!IsRedirect(response) || (stopsAtLink && SaysWhatItLinksTo(response)))
            {
                return response;
            }

            using (response)
            {
                uri = Next(uri, response.Headers.Location);
            }
        }

        throw new InvalidDataException($"{Host} redirects more than {MostRedirects} times; expected an answer");
    }

    private async Task<HttpResponseMessage> AnswerAsync(
        HttpRequestMessage request, bool isDownload, CancellationToken cancellation)
    {
        TimeSpan most = isDownload ? _settings.DownloadTimeout : _settings.AnswerTimeout;
        string variable = isDownload ? "HF_HUB_DOWNLOAD_TIMEOUT" : "HF_HUB_ETAG_TIMEOUT";
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(most);
        string host = request.RequestUri!.Authority;
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HubTransientException(string.Create(
                CultureInfo.InvariantCulture,
                $"{host} does not answer within {most.TotalSeconds:0.###} s ({variable})"));
        }
        catch (HttpRequestException e)
        {
            // The message of a name that is not found, a refused connection or a bad certificate says what it is.
            throw new HubTransientException($"{host} cannot be reached: {(e.InnerException ?? e).Message}", e);
        }
    }

    /// <summary>
    /// Where a redirect leads. A hub sends to the store that keeps its large files, so other hosts are allowed; a step
    /// down from https, and a step from the world into this machine or network, are not.
    /// </summary>
    private Uri Next(Uri from, Uri? location)
    {
        Uri? to = location is null ? null : new Uri(from, location);
        string? wrong = to is null ? "without saying where"
            : to.Scheme is not ("http" or "https") ? $"to {to.Scheme}:, expected https:"
            : from.Scheme == "https" && to.Scheme == "http" ? $"to {to.Authority} without https"
            : to.UserInfo.Length > 0 ? "to an address with a user in it"
            : IsInner(to) && !IsInner(_settings.Endpoint) ? $"to {to.Authority}, an address of this machine or network"
            : null;
        return wrong is null
            ? to!
            : throw new InvalidDataException($"{from.Authority} redirects {wrong}; this is refused");
    }

    /// <summary>The endpoint's own host and port, and in the clear only on this machine.</summary>
    private bool MayCarryToken(Uri uri) => uri.Scheme == _settings.Endpoint.Scheme
        && uri.Host == _settings.Endpoint.Host
        && uri.Port == _settings.Endpoint.Port
        && (uri.Scheme == "https" || uri.IsLoopback);

    private static bool IsInner(Uri uri)
    {
        if (uri.IsLoopback)
        {
            return true;
        }

        if (!IPAddress.TryParse(uri.DnsSafeHost, out IPAddress? address))
        {
            return false;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        byte[] bytes = address.GetAddressBytes();
        return IPAddress.IsLoopback(address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)
            || address.IsIPv6LinkLocal || address.IsIPv6UniqueLocal || address.IsIPv6SiteLocal
            || (bytes.Length == 4 && (bytes[0] is 0 or 10
                || (bytes[0], bytes[1]) is (169, 254) or (192, 168) or (172, >= 16 and <= 31) or (100, >= 64 and <= 127)));
    }

    private static bool IsRedirect(HttpResponseMessage response) => (int)response.StatusCode is 301 or 302 or 303 or 307 or 308;

    /// <summary>A redirect to a store says what lies there; one to another name of the same file does not.</summary>
    private static bool SaysWhatItLinksTo(HttpResponseMessage response) =>
        Header(response, "X-Linked-Etag") is not null && Header(response, "X-Linked-Size") is not null;

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;

    private async Task<byte[]> ReadAsync(HttpResponseMessage response, int most, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        try
        {
            using Stream stream = await response.Content.ReadAsStreamAsync(limit.Token);
            while (true)
            {
                limit.CancelAfter(_settings.DownloadTimeout);
                int read = await stream.ReadAsync(buffer, limit.Token);
                if (read == 0)
                {
                    return bytes.ToArray();
                }

                if (bytes.Length + read > most)
                {
                    throw new InvalidDataException($"{Host} answers with more than {most} bytes, expected a list of files");
                }

                bytes.Write(buffer, 0, read);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HubTransientException($"{Host} stops in the middle of an answer");
        }
        catch (HttpRequestException e)
        {
            throw new HubTransientException($"{Host} breaks off an answer", e);
        }
        catch (HttpIOException e)
        {
            throw new HubTransientException($"{Host} breaks off an answer", e);
        }
    }
}
