using LayerSteer.Models;

namespace LayerSteer.Topics;

/// <summary>
/// Sentence vectors of whole texts under a mode. corrected: a text is split into windows of the encoder's maximum
/// length, so that all of it counts. seed: a text is cut where the tokenizer cuts it (<c>model_max_length</c>) and
/// gives one vector.
/// </summary>
public sealed class TextEmbedder
{
    private readonly SentenceEncoder _encoder;
    private readonly SteeringMode _mode;

    /// <summary>Joins an encoder, which it does not own, and a mode.</summary>
    public TextEmbedder(SentenceEncoder encoder, SteeringMode mode)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        _encoder = encoder;
        _mode = mode;
    }

    /// <summary>The longest window in word pieces, the special ones included.</summary>
    public int MaxLength => _mode == SteeringMode.Seed ? _encoder.TokenizerMaxLength : _encoder.MaxLength;

    /// <summary>Embeds texts.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>For each text its windows side by side, [windows, dEmbedding] row-major, each of length 1.</returns>
    public float[][] Embed(IReadOnlyList<string> texts, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        IReadOnlyList<int[]>[] windows = [.. texts.Select(Windows)];
        float[][] vectors = _encoder.Embed([.. windows.SelectMany(w => w)], cancellation);
        var result = new float[texts.Count][];
        int first = 0;
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = [.. vectors.AsSpan(first, windows[i].Count).ToArray().SelectMany(v => v)];
            first += windows[i].Count;
        }

        return result;
    }

    /// <summary>The token ids of the windows that stand for a text, special ones included.</summary>
    public IReadOnlyList<int[]> Windows(string text) => _mode == SteeringMode.Seed
        ? [_encoder.FirstWindow(text, _encoder.TokenizerMaxLength)]
        : _encoder.Windows(text, _encoder.MaxLength);
}
