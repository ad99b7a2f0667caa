using System.Text;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using Decoder = LayerSteer.Models.Decoder;

namespace LayerSteer.Generation;

/// <summary>One request under way: its cache, its draws, its text so far.</summary>
internal sealed class Continuation : IDisposable
{
    private readonly int _index;
    private readonly GenerationRequest _request;
    private readonly Sampler _sampler;
    private readonly StreamingDecoder _decoder;
    private readonly StringBuilder _text = new();
    private readonly List<int> _ids = [];
    private readonly int[] _last = new int[1];
    private readonly int? _eos;
    private readonly NumberSet _otherEos;
    private readonly int _room;
    private readonly int _longestStop;
    private int _emitted;
    private StopReason? _stopReason;

    public Continuation(int index, GenerationRequest request, int[] promptIds, Decoder decoder, TextTokenizer tokenizer)
    {
        _index = index;
        _request = request;
        PromptIds = promptIds;
        _sampler = new Sampler(request.Sampling);
        _decoder = new StreamingDecoder(tokenizer, continues: true);
        _eos = request.StopAtEos && request.Sampling.Kind != SamplingKind.Picks
            ? decoder.Spec.EosId ?? tokenizer.EosId
            : null;
        _otherEos = _eos is null ? NumberSet.Empty : decoder.Spec.OtherEosIds;
        _room = decoder.Spec.ContextLength - promptIds.Length;
        _longestStop = request.StopTexts.Count == 0 ? 0 : request.StopTexts.Max(stop => stop.Length);
        Steered = new SteeredSequence(promptIds.Length, request.Plan);
        Cache = decoder.CreateCache(
            (int)Math.Min(decoder.Spec.ContextLength, (long)promptIds.Length + request.MaxNewTokens));
    }

    public int[] PromptIds { get; }

    public KvCache Cache { get; }

    public SteeredSequence Steered { get; }

    /// <summary>The token that the next step reads, [1].</summary>
    public ReadOnlyMemory<int> LastToken => _last;

    public bool IsDone => _stopReason is not null;

    public TimeSpan PrefillTime { get; set; }

    public TimeSpan DecodeTime { get; set; }

    /// <summary>Chooses the next token from its logits and decides whether to go on.</summary>
    public void Take(ReadOnlySpan<float> logits, Action<int, string>? onText)
    {
        int id = _sampler.Next(logits, _ids.Count);
        _ids.Add(id);
        _last[0] = id;
        if (id == _eos || _otherEos.Contains(id))
        {
            _stopReason = StopReason.EndOfText;
        }
        else
        {
            _text.Append(_decoder.Append(id));
            _stopReason = FindStop() ? StopReason.StopText
                : _ids.Count == _request.MaxNewTokens ? StopReason.Length
                : _ids.Count == _room ? StopReason.ContextFull
                : null;
        }

        if (IsDone && _stopReason != StopReason.StopText)
        {
            _text.Append(_decoder.Flush());
            FindStop();
        }

        Emit(onText);
    }

    public GenerationResult Result(int batchSize) => new()
    {
        Prompt = _request.Prompt,
        PromptIds = PromptIds,
        Ids = [.. _ids],
        Text = _text.ToString(),
        StopReason = _stopReason!.Value,
        Seed = _request.Sampling.Seed,
        Edits = Steered.Statistics,
        BatchSize = batchSize,
        PrefillTime = PrefillTime,
        DecodeTime = DecodeTime,
    };

    public void Dispose() => Cache.Dispose();

    /// <summary>Cuts the text before the first stop text in it.</summary>
    private bool FindStop()
    {
        if (_longestStop == 0)
        {
            return false;
        }

        string text = _text.ToString();
        int first = -1;
        foreach (string stop in _request.StopTexts)
        {
            int at = text.IndexOf(stop, StringComparison.Ordinal);
            first = at >= 0 && (first < 0 || at < first) ? at : first;
        }

        if (first >= 0)
        {
            _text.Length = first;
        }

        return first >= 0;
    }

    /// <summary>Hands on what is certain to stay: what could be the beginning of a stop text waits.</summary>
    private void Emit(Action<int, string>? onText)
    {
        int certain = IsDone ? _text.Length : Math.Max(_emitted, _text.Length - Math.Max(0, _longestStop - 1));
        if (!IsDone && certain > _emitted && char.IsHighSurrogate(_text[certain - 1]))
        {
            certain--; // its other half follows
        }

        if (onText is not null && certain > _emitted)
        {
            onText(_index, _text.ToString(_emitted, certain - _emitted));
        }

        _emitted = certain;
    }
}
