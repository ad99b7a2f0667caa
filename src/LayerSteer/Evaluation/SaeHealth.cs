using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Evaluation;

/// <summary>
/// Measures whether a model and an autoencoder belong together, on a text: how it reconstructs where it sits, what the
/// model loses with the reconstruction in place, and whether another activation, normalisation, BOS policy, layer or
/// hook point would fit better, which is how a wrongly loaded autoencoder shows.
/// <code>
/// FVU = Σ‖x − x̂‖² / Σ‖x − mean(x)‖²        loss recovered = (CE_zero − CE_spliced) / (CE_zero − CE_original)
/// </code>
/// First positions of windows are left out of all but their own figures: their residuals are of another size.
/// </summary>
public static class SaeHealth
{
    private static readonly int[] TriedK = [8, 16, 32, 64, 128];

    private static readonly HookKind[] TriedKinds =
    [
        HookKind.ResidualMid, HookKind.ResidualPost, HookKind.AttentionOut, HookKind.MlpOut, HookKind.Z,
        HookKind.MlpPost,
    ];

    /// <summary>Measures and judges.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="point">Where it sits.</param>
    /// <param name="tokens">The tokens of the text, without BOS; at least two windows.</param>
    /// <param name="bos">The model's BOS; null for a model without one.</param>
    /// <param name="bosInFront">Whether windows begin with BOS.</param>
    /// <param name="options">What is read, and the limits; the defaults if null.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <exception cref="ArgumentException">
    /// It does not fit the hook point, or there are too few tokens; the message says how many are needed.
    /// </exception>
    public static SaeHealthCard Measure(
        Decoder decoder,
        SparseAutoencoder autoencoder,
        HookPoint point,
        ReadOnlySpan<int> tokens,
        int? bos,
        bool bosInFront,
        SaeHealthOptions? options = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(autoencoder);
        options ??= new SaeHealthOptions();
        options.Validate();
        autoencoder.RequireFits(decoder.Spec, point);
        int[][] windows = Windows(tokens, options, decoder.Spec.ContextLength);
        int? prefix = bosInFront ? bos : null;
        using var reader = new ResidualReader(decoder, windows[0].Length + 1);

        float[] rows = reader.Read(windows, prefix, point, cancellation);
        int stride = windows[0].Length + (prefix is null ? 0 : 1);
        var own = new SaeReader(autoencoder);
        var body = new ReconstructionMeter(autoencoder.DIn);
        var first = new ReconstructionMeter(autoencoder.DIn);
        bool[] seen = new bool[autoencoder.DSae];
        own.Reconstruct(rows, (row, x, latents, reconstruction) =>
        {
            (row % stride == 0 ? first : body).Add(x, reconstruction, latents.Count);
            foreach (int latent in latents.Indices)
            {
                seen[latent] = true;
            }
        });
        cancellation.ThrowIfCancellationRequested();

        ReconstructionQuality? other = bos is null
            ? null
            : Body(own, reader.Read(windows, bosInFront ? null : bos, point, cancellation), windows[0].Length, !bosInFront);
        float[] sample = Sample(rows, stride, autoencoder.DIn, options.VariantTokens);
        double original = SpliceQuality.Original(decoder, windows, prefix);
        var card = new SaeHealthCard
        {
            Point = point,
            Activation = autoencoder.Activation,
            Bos = prefix is not null,
            Quality = body.Quality,
            First = first.Quality,
            FirstNormRatio = FirstNormRatio(rows, stride, autoencoder.DIn),
            OtherBos = other,
            PromisedL0 = autoencoder.Activation.K > 0 ? autoencoder.Activation.K : null,
            SilentShare = (double)seen.Count(one => !one) / seen.Length,
            Splice = SpliceQuality.Measure(
                decoder, autoencoder, point, windows, prefix, skipsFirst: true, original),
            Alignment = autoencoder.Alignment(),
            Activations = Activations(autoencoder, own, sample),
            Normalisations = autoencoder.Normalisation != InputNormalisation.None ? [] : Normalisations(own, sample, autoencoder.DIn),
            HookPoints = options.ScanTokens == 0 ? [] : Scan(decoder, own, windows[0], prefix, options, cancellation),
            Findings = [],
            Verdict = SaeVerdict.Healthy,
        };
        return SaeDiagnosis.Of(card, prefix is { } id && windows.Any(window => window[0] == id), options);
    }

    private static int[][] Windows(ReadOnlySpan<int> tokens, SaeHealthOptions options, int context)
    {
        int length = Math.Min(options.Window, context - 1);
        int count = Math.Min(tokens.Length, options.Tokens) / length;
        if (count < 2)
        {
            throw new ArgumentException(
                $"the text has {tokens.Length} tokens; expected at least {2 * length}, two windows of {length}");
        }

        var windows = new int[count][];
        for (int i = 0; i < count; i++)
        {
            windows[i] = tokens.Slice(i * length, length).ToArray();
        }

        return windows;
    }

    private static ReconstructionQuality Body(SaeReader reader, float[] rows, int length, bool hasBos)
    {
        int stride = length + (hasBos ? 1 : 0);
        var meter = new ReconstructionMeter(reader.Autoencoder.DIn);
        reader.Reconstruct(rows, (row, x, latents, reconstruction) =>
        {
            if (row % stride != 0)
            {
                meter.Add(x, reconstruction, latents.Count);
            }
        });
        return meter.Quality;
    }

    /// <summary>The first rows that are not first positions.</summary>
    private static float[] Sample(float[] rows, int stride, int width, int most)
    {
        var sample = new List<float>();
        for (int row = 0; row < rows.Length / width && sample.Count < most * width; row++)
        {
            if (row % stride != 0)
            {
                sample.AddRange(rows.AsSpan(row * width, width));
            }
        }

        return [.. sample];
    }

    private static double FirstNormRatio(float[] rows, int stride, int width)
    {
        double first = 0;
        double body = 0;
        int count = rows.Length / width;
        for (int row = 0; row < count; row++)
        {
            double norm = Norm(rows.AsSpan(row * width, width));
            if (row % stride == 0)
            {
                first += norm;
            }
            else
            {
                body += norm;
            }
        }

        int firsts = count / stride;
        return first / firsts / (body / (count - firsts));
    }

    private static double Norm(ReadOnlySpan<float> row)
    {
        double squares = 0;
        foreach (float value in row)
        {
            squares += (double)value * value;
        }

        return Math.Sqrt(squares);
    }

    /// <summary>The same pre-activations under other activations. Thresholds are known only where they are used.</summary>
    private static List<SaeVariant> Activations(SparseAutoencoder autoencoder, SaeReader reader, float[] sample)
    {
        var tried = new List<SaeActivation> { autoencoder.Activation };
        if (autoencoder.Activation.Kind != SaeActivationKind.Relu)
        {
            tried.Add(new SaeActivation(SaeActivationKind.Relu, 0));
        }

        // More latents reconstruct better, so another k is no evidence for an autoencoder that has one.
        if (autoencoder.Activation.K == 0)
        {
            tried.AddRange(TriedK.Where(k => k < autoencoder.DSae)
                .Select(k => new SaeActivation(SaeActivationKind.TopK, k)));
        }

        return [.. tried.Select(activation => new SaeVariant(
            activation.ToString(), reader.QualityWith(activation, sample)))];
    }

    /// <summary>The same autoencoder on inputs that are normalised first, its output brought back.</summary>
    private static List<SaeVariant> Normalisations(SaeReader reader, float[] sample, int width)
    {
        double norm = 0;
        int rows = sample.Length / width;
        for (int row = 0; row < rows; row++)
        {
            norm += Norm(sample.AsSpan(row * width, width));
        }

        float scale = (float)(norm / rows / Math.Sqrt(width));
        return
        [
            new SaeVariant("none", reader.QualityOf(sample, InputNormalisation.None, _ => new InputScale(0f, 1f))),
            new SaeVariant(
                "layer_norm", reader.QualityOf(sample, InputNormalisation.LayerNorm, InputScale.OfLayerNorm)),
            new SaeVariant(
                "constant_norm_rescale",
                reader.QualityOf(
                    sample,
                    InputNormalisation.ConstantNorm,
                    row => InputScale.Of(InputNormalisation.ConstantNorm, row))),
            new SaeVariant(
                "expected_average_only_in",
                reader.QualityOf(sample, InputNormalisation.ConstantNorm, _ => new InputScale(0f, scale))),
        ];
    }

    /// <summary>The autoencoder at every hook point of its width, best first.</summary>
    private static List<SaeVariant> Scan(
        Decoder decoder,
        SaeReader reader,
        int[] window,
        int? prefix,
        SaeHealthOptions options,
        CancellationToken cancellation)
    {
        int width = reader.Autoencoder.DIn;
        int[] ids = [.. window.Take(options.ScanTokens)];
        int[] all = prefix is { } id ? [id, .. ids] : ids;
        var hooks = new HookSet();
        var found = new List<(HookPoint Point, ReconstructionMeter Meter)>();
        foreach (int layer in Enumerable.Range(0, decoder.Spec.NLayers))
        {
            HookKind[] kinds = layer == 0 ? [HookKind.ResidualPre, .. TriedKinds] : TriedKinds;
            foreach (HookPoint point in kinds.Select(kind => new HookPoint(kind, layer)))
            {
                if (point.WidthIn(decoder.Spec) != width)
                {
                    continue;
                }

                var meter = new ReconstructionMeter(width);
                found.Add((point, meter));
                hooks.Add(point, values =>
                {
                    cancellation.ThrowIfCancellationRequested();
                    reader.Reconstruct(values.Values, (row, x, latents, reconstruction) =>
                    {
                        if (row > 0)
                        {
                            meter.Add(x, reconstruction, latents.Count);
                        }
                    });
                });
            }
        }

        using KvCache cache = decoder.CreateCache(all.Length);
        using DecoderRun run = decoder.CreateRun(all.Length);
        run.Forward([new SequenceBlock(cache, all)], hooks, LogitRows.None);
        return [.. found.Select(one => new SaeVariant(one.Point.ToString(), one.Meter.Quality))
            .OrderBy(variant => double.IsNaN(variant.Quality.Fvu) ? double.PositiveInfinity : variant.Quality.Fvu)];
    }
}
