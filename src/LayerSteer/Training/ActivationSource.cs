using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Training;

/// <summary>
/// Activations of a model at several hook points, from one pass over windows of text: [BOS and] as many tokens as the
/// context holds. A pass ends at the last layer that is read. Not thread-safe; the caller disposes it.
/// </summary>
internal sealed class ActivationSource : IDisposable
{
    /// <summary>Tokens of a pass, for matrix products to run at full speed.</summary>
    private const int PassRows = 1024;

    private readonly TokenWindows _windows;
    private readonly DecoderRun _run;
    private readonly KvCache[] _caches;
    private readonly HookSet _hooks = new();
    private readonly int[] _window;
    private readonly int[][] _contexts;
    private readonly int _first;
    private readonly bool _normalises;
    private readonly int[] _written;
    private ActivationBuffer? _target;

    /// <summary>Prepares the passes.</summary>
    /// <param name="decoder">The model; still the caller's.</param>
    /// <param name="points">The hook points, each in a block.</param>
    /// <param name="windows">Windows of the text.</param>
    /// <param name="bos">What each context begins with; null for nothing.</param>
    /// <param name="skipsFirst">Whether position 0 is left out.</param>
    /// <param name="normalises">Whether each row is brought to mean 0 and standard deviation 1.</param>
    public ActivationSource(
        Decoder decoder,
        IReadOnlyList<HookPoint> points,
        TokenWindows windows,
        int? bos,
        bool skipsFirst,
        bool normalises)
    {
        _windows = windows;
        _first = skipsFirst ? 1 : 0;
        _normalises = normalises;
        _window = new int[windows.Window];
        int length = windows.Window - 1 + (bos is null ? 0 : 1);
        int most = Math.Max(1, PassRows / length);
        int last = points.Max(point => point.Layer);
        _run = decoder.CreateRun(most * length);
        _caches = [.. Enumerable.Range(0, most).Select(_ => decoder.CreateCache(length, last))];
        _contexts = [.. Enumerable.Range(0, most).Select(_ => new int[length])];
        if (bos is { } id)
        {
            Array.ForEach(_contexts, context => context[0] = id);
        }

        RowsOfContext = length - _first;
        _written = new int[points.Count];
        for (int i = 0; i < points.Count; i++)
        {
            int site = i;
            _hooks.Add(points[site], rows => Take(site, rows));
        }
    }

    /// <summary>The rows that one context gives.</summary>
    public int RowsOfContext { get; }

    /// <summary>How many windows were read.</summary>
    public long Windows { get; private set; }

    /// <summary>Goes on as if so many windows had been read.</summary>
    public void Skip(long windows)
    {
        _windows.Skip(windows);
        Windows = windows;
    }

    /// <summary>Adds rows as long as those of a whole context find room, and shuffles.</summary>
    public void Fill(ActivationBuffer buffer, CancellationToken cancellation)
    {
        int length = _contexts[0].Length;
        var blocks = new SequenceBlock[_contexts.Length];
        while (buffer.Free >= RowsOfContext)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(_contexts.Length, buffer.Free / RowsOfContext);
            for (int i = 0; i < count; i++)
            {
                _windows.Next(_window);
                _window.AsSpan(0, _window.Length - 1).CopyTo(_contexts[i].AsSpan(length - _window.Length + 1));
                _caches[i].Truncate(0);
                blocks[i] = new SequenceBlock(_caches[i], _contexts[i]);
            }

            _target = buffer;
            Array.Clear(_written);
            _run.Forward(blocks.AsSpan(0, count), _hooks, LogitRows.None);
            buffer.Add(count * RowsOfContext);
            Windows += count;
        }

        buffer.Shuffle();
    }

    public void Dispose()
    {
        _run.Dispose();
        Array.ForEach(_caches, cache => cache.Dispose());
    }

    private void Take(int site, HookRows rows)
    {
        for (int row = 0; row < rows.Count; row++)
        {
            if (rows.Positions[row] < _first)
            {
                continue;
            }

            Span<float> to = _target!.Next(site, _written[site]++);
            if (_normalises)
            {
                InputScale.OfLayerNorm(rows[row]).Normalise(rows[row], InputNormalisation.LayerNorm, to);
            }
            else
            {
                rows[row].CopyTo(to);
            }
        }
    }
}
