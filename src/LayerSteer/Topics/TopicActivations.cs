using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Text;

namespace LayerSteer.Topics;

/// <summary>
/// What a model and its autoencoder do on a topic's own texts. BOS and its like are left out, as from an index: position
/// 0 of every window. Immutable as long as nobody writes into its arrays.
/// </summary>
public sealed record TopicActivations
{
    /// <summary>The most tokens that are read if nothing else is said.</summary>
    public const int DefaultTokens = 4096;

    /// <summary>How many texts gave a token.</summary>
    public required int Texts { get; init; }

    /// <summary>How many tokens were read.</summary>
    public required int Tokens { get; init; }

    /// <summary>[dSae]: Σ_t z_tf.</summary>
    public required double[] Sum { get; init; }

    /// <summary>[dSae]: Σ_t z_tf².</summary>
    public required double[] SumOfSquares { get; init; }

    /// <summary>[dSae]: on how many tokens each latent was positive.</summary>
    public required int[] TokensActive { get; init; }

    /// <summary>[dSae]: on how many texts.</summary>
    public required int[] TextsActive { get; init; }

    /// <summary>[dIn]: the mean of x.</summary>
    public required double[] Mean { get; init; }

    /// <summary>[dIn]: Σ_i (x_ti − mean_i)² over the tokens, by component.</summary>
    public required double[] Scatter { get; init; }

    /// <summary>[texts]: Σ_t x_t of each text and how many tokens it has.</summary>
    public required IReadOnlyList<(double[] Sum, int Tokens)> ByText { get; init; }

    /// <summary>[texts]: Σ_t ‖x_t − x̂_t‖² and Σ_t ‖x_t‖² of each text.</summary>
    public required IReadOnlyList<(double Error, double Squares)> Errors { get; init; }

    /// <summary>How the autoencoder reconstructs them.</summary>
    public required ReconstructionQuality Quality { get; init; }

    /// <summary>Runs texts through a model up to its autoencoder; no later layer is run.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="point">Where it sits.</param>
    /// <param name="texts">
    /// The texts. Where they are longer than <paramref name="mostTokens"/> together, each is cut at the same length.
    /// </param>
    /// <param name="bos">Whether BOS stands in front of each window.</param>
    /// <param name="mostTokens">How many tokens are read at most.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <exception cref="ArgumentException">It does not fit the hook point, or the texts have no token to read.</exception>
    public static TopicActivations Measure(
        Decoder decoder,
        TextTokenizer tokenizer,
        SparseAutoencoder autoencoder,
        HookPoint point,
        IReadOnlyList<string> texts,
        BosPolicy bos = BosPolicy.One,
        int mostTokens = DefaultTokens,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfLessThan(mostTokens, 1);
        autoencoder.RequireFits(decoder.Spec, point);
        var sums = new Sums(autoencoder);
        int[] prefix = bos.Prefix(decoder.Spec, tokenizer);
        using DecoderRun run = decoder.CreateRun(decoder.Spec.ContextLength);
        using KvCache cache = decoder.CreateCache(decoder.Spec.ContextLength, point.Layer);
        HookSet hooks = new HookSet().Add(point, sums.Add);
        foreach (int[] ids in Cut([.. texts.Select(text => tokenizer.Encode(text))], mostTokens))
        {
            foreach (int[] window in ids.Chunk(decoder.Spec.ContextLength - prefix.Length))
            {
                cancellation.ThrowIfCancellationRequested();
                cache.Truncate(0);
                run.Forward([new SequenceBlock(cache, (int[])[.. prefix, .. window])], hooks, LogitRows.None);
            }

            sums.EndText();
        }

        return sums.Result();
    }

    /// <summary>The mean of x here minus that of other texts: the direction of difference of means.</summary>
    /// <param name="other">The other texts, of the same hook point.</param>
    /// <returns>[dIn]</returns>
    public float[] MeanDifference(TopicActivations other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return [.. Mean.Zip(other.Mean, (here, there) => (float)(here - there))];
    }

    /// <summary>The texts' first L tokens, for the largest L with which all together are within the limit.</summary>
    private static IEnumerable<int[]> Cut(int[][] texts, int most)
    {
        int limit = 1;
        int longest = texts.Max(ids => ids.Length);
        for (int step = 1 << 30; step > 0; step >>= 1)
        {
            // A sum over any number of texts of any length does not fit an int.
            if (limit + (long)step <= longest && texts.Sum(ids => (long)Math.Min(ids.Length, limit + step)) <= most)
            {
                limit += step;
            }
        }

        return texts.Select(ids => ids[..Math.Min(ids.Length, limit)]);
    }

    private sealed class Sums(SparseAutoencoder autoencoder)
    {
        private readonly double[] _sum = new double[autoencoder.DSae];
        private readonly double[] _squares = new double[autoencoder.DSae];
        private readonly int[] _tokensActive = new int[autoencoder.DSae];
        private readonly int[] _textsActive = new int[autoencoder.DSae];
        private readonly int[] _lastText = [.. Enumerable.Repeat(-1, autoencoder.DSae)];
        private readonly double[] _x = new double[autoencoder.DIn];
        private readonly double[] _xSquares = new double[autoencoder.DIn];
        private readonly List<(double[] Sum, int Tokens)> _byText = [];
        private readonly List<(double Error, double Squares)> _errors = [];
        private readonly ReconstructionMeter _meter = new(autoencoder.DIn);
        private readonly SparseLatents _latents = new();
        private readonly float[] _reconstruction = new float[autoencoder.DIn];
        private double[] _textSum = new double[autoencoder.DIn];
        private double _textError;
        private double _textSquares;
        private int _textTokens;
        private int _tokens;
        private EncodedRows? _encoded;

        public void Add(HookRows rows)
        {
            if (_encoded is null || _encoded.Capacity < rows.Count)
            {
                _encoded = autoencoder.CreateRows(rows.Count);
            }

            autoencoder.Encode(rows.Values, rows.Count, _encoded);
            for (int row = 0; row < rows.Count; row++)
            {
                if (rows.Positions[row] > 0)
                {
                    _encoded.Activate(row, _latents);
                    autoencoder.Decode(_latents, _encoded.Scales[row], _reconstruction);
                    Add(rows[row]);
                }
            }
        }

        public void EndText()
        {
            if (_textTokens > 0)
            {
                _byText.Add((_textSum, _textTokens));
                _errors.Add((_textError, _textSquares));
                _textSum = new double[autoencoder.DIn];
                (_textTokens, _textError, _textSquares) = (0, 0, 0);
            }
        }

        public TopicActivations Result() => _tokens == 0
            ? throw new ArgumentException("the topic's texts have no token behind the first, so there is nothing to read")
            : new TopicActivations
            {
                Texts = _byText.Count,
                Tokens = _tokens,
                Sum = _sum,
                SumOfSquares = _squares,
                TokensActive = _tokensActive,
                TextsActive = _textsActive,
                Mean = [.. _x.Select(sum => sum / _tokens)],
                Scatter = [.. _xSquares.Select((squares, i) => Math.Max(0, squares - (_x[i] * _x[i] / _tokens)))],
                ByText = _byText,
                Errors = _errors,
                Quality = _meter.Quality,
            };

        private void Add(ReadOnlySpan<float> x)
        {
            _meter.Add(x, _reconstruction, _latents.Count);
            for (int i = 0; i < x.Length; i++)
            {
                double value = x[i];
                double error = value - _reconstruction[i];
                _x[i] += value;
                _xSquares[i] += value * value;
                _textSum[i] += value;
                _textSquares += value * value;
                _textError += error * error;
            }

            for (int i = 0; i < _latents.Count; i++)
            {
                double value = _latents.Values[i];
                if (value <= 0)
                {
                    continue;
                }

                int latent = _latents.Indices[i];
                _sum[latent] += value;
                _squares[latent] += value * value;
                _tokensActive[latent]++;
                if (_lastText[latent] != _byText.Count)
                {
                    _lastText[latent] = _byText.Count;
                    _textsActive[latent]++;
                }
            }

            _textTokens++;
            _tokens++;
        }
    }
}
