using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>One source of training text, as tokens.</summary>
/// <param name="Name">What it is called in messages.</param>
/// <param name="Tokens">All its documents, one after another, each followed by the token that ends a text.</param>
/// <param name="Weight">How often it is drawn from, relative to its size.</param>
public sealed record TokenSource(string Name, int[] Tokens, double Weight = 1);

/// <summary>
/// An endless series of windows of tokens from several sources, given by a seed. Each source is cut into windows from a
/// random offset, which come in random order until all were drawn; then it is cut and shuffled anew. Which source is
/// drawn from next follows the weights as evenly as can be. Not thread-safe.
/// </summary>
public sealed class TokenWindows
{
    private readonly Source[] _sources;
    private readonly int _window;
    private long _drawn;

    /// <summary>Prepares the series.</summary>
    /// <param name="sources">The sources; those with weight 0 are left out.</param>
    /// <param name="length">The tokens of a window that are predicted; a window has one more.</param>
    /// <param name="seed">Chooses offsets and order.</param>
    /// <exception cref="ArgumentException">No source has a window, or a weight is negative or not finite.</exception>
    public TokenWindows(IReadOnlyList<TokenSource> sources, int length, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        _window = length + 1;
        foreach (TokenSource source in sources)
        {
            if (!double.IsFinite(source.Weight) || source.Weight < 0)
            {
                throw new ArgumentException(
                    FormattableString.Invariant($"the weight of {source.Name} is {source.Weight}, expected 0 or more"),
                    nameof(sources));
            }
        }

        TokenSource[] used = [.. sources.Where(s => s.Weight > 0 && s.Tokens.Length >= _window)];
        if (used.Length == 0)
        {
            int most = sources.Count == 0 ? 0 : sources.Max(s => s.Weight > 0 ? s.Tokens.Length : 0);
            throw new ArgumentException(
                $"the texts are smaller than one window: {most} tokens, expected at least {_window}; "
                + "give more text or a smaller context",
                nameof(sources));
        }

        double total = used.Sum(s => s.Weight * s.Tokens.Length);
        _sources =
            [
                .. used.Select((s, i) => new Source(
                    s.Tokens, s.Weight * s.Tokens.Length / total, _window, seed + ((ulong)i * 0x9E3779B97F4A7C15UL))),
            ];
    }

    /// <summary>The tokens of one window: those predicted and one more.</summary>
    public int Window => _window;

    /// <summary>Copies the next window, of length + 1 tokens.</summary>
    /// <param name="window">Receives it.</param>
    public void Next(Span<int> window) => Draw().CopyTo(window);

    /// <summary>Goes on as if so many windows had been drawn.</summary>
    /// <param name="count">The number of windows.</param>
    public void Skip(long count)
    {
        for (long i = 0; i < count; i++)
        {
            Draw();
        }
    }

    private ReadOnlySpan<int> Draw()
    {
        // The source that is furthest behind its share.
        Source next = _sources[0];
        double most = double.NegativeInfinity;
        foreach (Source source in _sources)
        {
            double behind = (source.Share * (_drawn + 1)) - source.Drawn;
            if (behind > most)
            {
                most = behind;
                next = source;
            }
        }

        _drawn++;
        return next.Next();
    }

    private sealed class Source(int[] tokens, double share, int window, ulong seed)
    {
        private int[] _starts = [];
        private int _next;
        private ulong _epoch;

        public double Share { get; } = share;

        public long Drawn { get; private set; }

        public ReadOnlySpan<int> Next()
        {
            if (_next == _starts.Length)
            {
                // Windows overlap by one token, which the one predicts and the other begins with.
                var random = new SplitMix64(new SplitMix64(seed + _epoch++).Next());
                int offset = random.NextInt(Math.Min(window - 1, tokens.Length - window + 1));
                int count = (tokens.Length - offset - 1) / (window - 1);
                _starts = [.. Enumerable.Range(0, count).Select(i => offset + (i * (window - 1)))];
                random.Shuffle<int>(_starts);
                _next = 0;
            }

            Drawn++;
            return tokens.AsSpan(_starts[_next++], window);
        }
    }
}
