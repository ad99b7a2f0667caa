using System.Net;
using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>What an answer that is no success means, and what would help.</summary>
internal static class HubFailure
{
    /// <summary>Returns if the answer is a success.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="settings">Which hub it is, and whether a token was at hand.</param>
    /// <param name="what">What was asked for.</param>
    /// <param name="file">The file, if it was one.</param>
    /// <exception cref="IOException">It is not.</exception>
    public static void Require(HttpResponseMessage response, HubSettings settings, string what, string? file)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        int status = (int)response.StatusCode;
        string host = settings.Endpoint.Authority;
        string code = response.Headers.TryGetValues("X-Error-Code", out IEnumerable<string>? codes)
            ? Display.Name(codes.FirstOrDefault() ?? string.Empty)
            : string.Empty;
        string said = $"{host} answers {status}{(code.Length > 0 ? $" ({code})" : string.Empty)} to {what}";
        bool inTheClear = settings.Endpoint is { Scheme: "http", IsLoopback: false };
        string token = settings.Token is null ? "set HF_TOKEN to a token that may read it"
            : inTheClear ? "the token was not sent, since HF_ENDPOINT is http: use an https address"
            : "the token in use may not read it";
        if (code == "GatedRepo")
        {
            throw new IOException(
                $"{said}: its owner asks to agree to terms first, on its page at {host}; then "
                + (settings.Token is null ? "set HF_TOKEN to a token of that account" : "try again with that account's token"));
        }

        switch (response.StatusCode)
        {
            case HttpStatusCode.Unauthorized:
                throw new IOException($"{said}: there is no such repository, or it is private; check the name, or {token}");
            case HttpStatusCode.Forbidden:
                throw new IOException($"{said}: this is not allowed; {token}");
            case HttpStatusCode.NotFound when code == "RevisionNotFound":
                throw new IOException($"{said}: there is no such branch, tag or commit; check what follows '@'");
            case HttpStatusCode.NotFound:
                throw new IOException(file is null
                    ? $"{said}: there is no such repository; check the name"
                    : $"{said}: there is no such file");
            case HttpStatusCode.TooManyRequests:
            case HttpStatusCode.RequestTimeout:
            case >= HttpStatusCode.InternalServerError:
                throw new HubTransientException(
                    status == 429 ? $"{said}: too many requests; wait, or set HF_TOKEN for a larger share" : said)
                {
                    RetryAfter = RetryAfter(response),
                };
            default:
                throw new IOException($"{said}: expected 200");
        }
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - DateTimeOffset.UtcNow is var wait && wait > TimeSpan.Zero ? wait : TimeSpan.Zero,
        _ => null,
    };
}
