using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// A sparse autoencoder (Gao et al. 2024, arXiv 2406.04093; formulas of the released code):
/// <code>
/// x̃ = (x − mu) / (std + 1e-5)      as InputNormalisation says; x̃ = x if it does not normalise
/// a = W_enc (x̃ − b_dec) + b_enc     pre-activations, [dSae]; b_dec is not taken off where the file says so
/// z = act(a)                        latents, [dSae]
/// x̂ = (W_decᵀ z + b_dec)·std + mu   reconstruction, [dIn]
/// </code>
/// This is the one form of every format that is loaded. What a format has beside it is folded into these weights:
/// <code>
/// gated (Rajamanoharan et al. 2024, arXiv 2404.16014), π = W_enc (x̃ − b_dec):
///   z = 1[π + b_gate > 0]·max(0, e^r·π + b_mag)  =  JumpReLU of a = e^r·π + b_mag with θ = b_mag − e^r·b_gate
/// rescaled by decoder norms, n_j = ‖row j of W_dec‖:
///   rows of W_enc and b_enc times n, rows of W_dec over n; a is what is ranked, n times what the file's encoder gives
/// </code>
/// Immutable and thread-safe; disposing frees the weights.
/// </summary>
public sealed class SparseAutoencoder : IDisposable
{
    private readonly ScreenedEncoder _encoder;
    private readonly NativeBuffer _decoder;
    private readonly float[] _decoderBias;
    private readonly float[] _inputBias;
    private readonly WeightStore _store;
    private readonly Lazy<string> _digest;
    private readonly WorkerPool _pool;

    internal SparseAutoencoder(
        string path,
        ScreenedEncoder encoder,
        NativeBuffer decoder,
        float[] decoderBias,
        SaeActivation activation,
        InputNormalisation normalisation,
        WeightStore store,
        Lazy<string> digest,
        WorkerPool pool,
        bool takesOffBias = true)
    {
        Path = path;
        _encoder = encoder;
        _decoder = decoder;
        _decoderBias = decoderBias;
        _inputBias = takesOffBias ? decoderBias : new float[decoderBias.Length];
        Activation = activation;
        Normalisation = normalisation;
        _store = store;
        _digest = digest;
        _pool = pool;
    }

    /// <summary>The file it was loaded from.</summary>
    public string Path { get; }

    /// <summary>The width of its input.</summary>
    public int DIn => _encoder.Rows.Width;

    /// <summary>The number of latents.</summary>
    public int DSae => _encoder.Rows.Rows;

    /// <summary>Its activation.</summary>
    public SaeActivation Activation { get; }

    /// <summary>How inputs are brought to the scale that it was trained at.</summary>
    public InputNormalisation Normalisation { get; }

    /// <summary>Whether inputs are brought to mean 0 and standard deviation 1 first.</summary>
    public bool Normalises => Normalisation == InputNormalisation.LayerNorm;

    /// <summary>
    /// n, [dSae]: how many times the pre-activations are those of the encoder in the file, where it rescales them by the
    /// decoder's norms (<see cref="AutoencoderConfig.RescalesByDecoderNorm"/>); empty otherwise.
    /// </summary>
    public ReadOnlyMemory<float> PreActivationScales { get; internal init; }

    /// <summary>The format of its files.</summary>
    public SaeFormat Format { get; internal init; }

    /// <summary>The hook point that it was trained at, if its file says so; it can sit nowhere else.</summary>
    public HookPoint? HookPoint { get; internal init; }

    /// <summary>What its file says of it; null for a file that says no more than its weights.</summary>
    public AutoencoderConfig? Config { get; internal init; }

    /// <summary>SHA-256 of the file; computed when first asked for.</summary>
    public string Digest => _digest.Value;

    /// <summary>Loads an autoencoder of any format that <see cref="SaeFormat"/> lists. Its content says which.</summary>
    /// <param name="path">The file or the folder.</param>
    /// <param name="options">How to load it; the defaults if null.</param>
    /// <returns>The autoencoder; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">
    /// A file is missing, damaged or of no known format, a field is out of range, or a tensor is missing, of another
    /// shape or not finite.
    /// </exception>
    /// <exception cref="NotSupportedException">It is of a kind that is not supported; the message names it.</exception>
    /// <exception cref="IOException">The file does not exist or cannot be opened.</exception>
    public static SparseAutoencoder Load(string path, LoadOptions? options = null)
    {
        using AutoencoderFile file = SaeFormats.Open(path);
        return file.Load(options);
    }

    /// <summary>The hook point that an autoencoder's file names, without loading its weights.</summary>
    /// <param name="path">As for <see cref="Load"/>.</param>
    /// <returns>The hook point; null if the file names none.</returns>
    /// <exception cref="InvalidDataException">A file is missing or damaged.</exception>
    /// <exception cref="NotSupportedException">It is of a kind that is not supported.</exception>
    public static HookPoint? ReadHookPoint(string path)
    {
        using AutoencoderFile file = SaeFormats.Open(path);
        return file.Config.HookPoint;
    }

    /// <summary>Refuses a hook point of a model where this autoencoder cannot sit.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="point">The hook point.</param>
    /// <exception cref="ArgumentException">
    /// The layer is out of range, the widths differ, or its file names another hook point.
    /// </exception>
    public void RequireFits(ArchitectureSpec spec, HookPoint point)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (point.Layer < 0 || point.Layer >= spec.NLayers)
        {
            throw new ArgumentException($"no hook point '{point}'; this model has layers 0 to {spec.NLayers - 1}");
        }

        if (point.WidthIn(spec) != DIn)
        {
            throw new ArgumentException(
                $"'{Path}': the autoencoder's input has width {DIn}, "
                + $"but {point} of this model has width {point.WidthIn(spec)}");
        }

        if (HookPoint is { } own && SamePlace(own) != SamePlace(point))
        {
            throw new ArgumentException(
                $"'{Path}': the autoencoder was trained at {own}, not at {point}; use it there");
        }
    }

    /// <summary>Mean and scale of an input.</summary>
    /// <param name="x">The input, [dIn].</param>
    public InputScale ScaleOf(ReadOnlySpan<float> x)
    {
        Require(x.Length, DIn, nameof(x));
        return InputScale.Of(Normalisation, x);
    }

    /// <summary>Pre-activations of rows: a = W_enc (x̃ − b_dec) + b_enc (Gao et al. 2024, eq. 1).</summary>
    /// <param name="x">The residuals at this SAE's hook point, [rows, dIn].</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="preActivations">Receives [rows, dSae]; every element is written.</param>
    /// <param name="scales">Receives each row's mean and scale, [rows].</param>
    /// <exception cref="ArgumentException">A length is too short for the rows.</exception>
    /// <exception cref="InvalidDataException">A pre-activation is not finite.</exception>
    public void PreActivations(ReadOnlySpan<float> x, int rows, Span<float> preActivations, Span<InputScale> scales)
    {
        Require(x.Length, (long)rows * DIn, nameof(x));
        Require(preActivations.Length, (long)rows * DSae, nameof(preActivations));
        Require(scales.Length, rows, nameof(scales));
        float[] inputs = System.Buffers.ArrayPool<float>.Shared.Rent(rows * DIn);
        float[] scratch = System.Buffers.ArrayPool<float>.Shared.Rent(_encoder.Rows.ScratchLength);
        Prepare(x, rows, inputs, scales);
        _encoder.Rows.Product(_pool, _encoder.Bias, inputs, preActivations, rows, scratch);
        System.Buffers.ArrayPool<float>.Shared.Return(scratch);
        System.Buffers.ArrayPool<float>.Shared.Return(inputs);
        RequireFinite(preActivations[..(rows * DSae)]);
    }

    /// <summary>z = act(a) of one token.</summary>
    /// <param name="preActivations">a, [dSae].</param>
    /// <param name="latents">Receives z.</param>
    public void Activate(ReadOnlySpan<float> preActivations, SparseLatents latents)
    {
        ArgumentNullException.ThrowIfNull(latents);
        float[] keys = System.Buffers.ArrayPool<float>.Shared.Rent(preActivations.Length);
        int[] top = System.Buffers.ArrayPool<int>.Shared.Rent(Activation.K);
        Activation.Select([], preActivations, LatentKeys.Plain, takesKeys: false, keys, top, latents);
        System.Buffers.ArrayPool<int>.Shared.Return(top);
        System.Buffers.ArrayPool<float>.Shared.Return(keys);
    }

    /// <summary>Working memory for <see cref="Encode"/>.</summary>
    /// <param name="capacity">The most rows that are encoded at once.</param>
    public EncodedRows CreateRows(int capacity) => new(this, _encoder, _pool, capacity);

    /// <summary>
    /// Encodes rows. Their latents are those of <see cref="PreActivations"/> and <see cref="Activate"/> to the bit, but
    /// about a quarter of the bytes are read.
    /// </summary>
    /// <param name="x">The residuals at this SAE's hook point, [rows, dIn].</param>
    /// <param name="rows">The number of rows; at most the capacity.</param>
    /// <param name="encoded">Receives the rows; made by <see cref="CreateRows"/> of this autoencoder.</param>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public void Encode(ReadOnlySpan<float> x, int rows, EncodedRows encoded)
    {
        ArgumentNullException.ThrowIfNull(encoded);
        Require(x.Length, (long)rows * DIn, nameof(x));
        encoded.Encode(x, rows);
    }

    /// <summary>Reconstruction of one token from its latents: x̂ = (W_decᵀ z + b_dec)·std + mu.</summary>
    /// <param name="latents">z.</param>
    /// <param name="scale">The mean and scale to decode with.</param>
    /// <param name="reconstruction">Receives x̂, [dIn].</param>
    public void Decode(SparseLatents latents, InputScale scale, Span<float> reconstruction)
    {
        DecodeDirection(latents, reconstruction);
        for (int i = 0; i < reconstruction.Length; i++)
        {
            reconstruction[i] = ((reconstruction[i] + _decoderBias[i]) * scale.Scale) + scale.Mean;
        }
    }

    /// <summary>
    /// Adds std·W_decᵀ Δz to x: the change of the reconstruction when latents change by Δz. Bias and mean cancel.
    /// </summary>
    /// <param name="change">Δz; if it is empty, x keeps its bits.</param>
    /// <param name="scale">The scale of the input.</param>
    /// <param name="x">The residual, [dIn], changed in place.</param>
    public void AddChange(SparseLatents change, InputScale scale, Span<float> x)
    {
        ArgumentNullException.ThrowIfNull(change);
        Require(x.Length, DIn, nameof(x));
        if (change.Count == 0)
        {
            return;
        }

        float[] rented = System.Buffers.ArrayPool<float>.Shared.Rent(DIn);
        Span<float> direction = rented.AsSpan(0, DIn);
        DecodeDirection(change, direction);
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = MathF.FusedMultiplyAdd(scale.Scale, direction[i], x[i]);
        }

        System.Buffers.ArrayPool<float>.Shared.Return(rented);
    }

    /// <summary>
    /// The mean cosine of a latent's row of the encoder and its row of the decoder, over up to 4,096 latents spread
    /// evenly: near 0 where the two have nothing to do with each other, as when one was stored transposed.
    /// </summary>
    public double Alignment()
    {
        const int Most = 4096;
        int step = Math.Max(1, DSae / Most);
        double sum = 0;
        int count = 0;
        for (int latent = 0; latent < DSae; latent += step)
        {
            sum += Alignment(latent);
            count++;
        }

        return sum / count;
    }

    /// <summary>The cosine of a latent's row of the encoder and its row of the decoder.</summary>
    /// <param name="latent">The latent.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public double Alignment(int latent) => Cosine(_encoder.Rows.Row(RequireLatent(latent)), DecoderRow(latent));

    /// <summary>What a latent writes, [dIn]; valid until this is disposed.</summary>
    /// <param name="latent">The latent.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public ReadOnlySpan<float> DecoderRow(int latent) =>
        _decoder.Span((long)RequireLatent(latent) * DIn, DIn);

    /// <summary>The latents whose decoder rows point most nearly the same way as one's.</summary>
    /// <param name="latent">The latent.</param>
    /// <param name="count">How many to give at most.</param>
    /// <returns>The largest cosine first, ties to the lower latent; the latent itself is not among them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public IReadOnlyList<(int Latent, double Cosine)> Nearest(int latent, int count)
    {
        ReadOnlySpan<float> own = DecoderRow(latent);
        var found = new List<(int Latent, double Cosine)>(DSae);
        for (int other = 0; other < DSae; other++)
        {
            if (other != latent)
            {
                found.Add((other, Cosine(own, _decoder.Span((long)other * DIn, DIn))));
            }
        }

        return [.. found.OrderByDescending(one => one.Cosine).ThenBy(one => one.Latent).Take(count)];
    }

    /// <inheritdoc/>
    public void Dispose() => _store.Dispose();

    /// <summary>0 where one of the two has no length.</summary>
    private static double Cosine(ReadOnlySpan<float> first, ReadOnlySpan<float> second)
    {
        (double dot, double own, double other) = (0, 0, 0);
        for (int i = 0; i < first.Length; i++)
        {
            dot += (double)first[i] * second[i];
            own += (double)first[i] * first[i];
            other += (double)second[i] * second[i];
        }

        return own > 0 && other > 0 ? dot / Math.Sqrt(own * other) : 0;
    }

    /// <summary>W_decᵀ z, [dIn]: reads the decoder rows of the active latents only.</summary>
    private void DecodeDirection(SparseLatents latents, Span<float> direction)
    {
        ArgumentNullException.ThrowIfNull(latents);
        Require(direction.Length, DIn, nameof(direction));
        RowSumKernel.Run(_pool, _decoder, DIn, latents.Indices, latents.Values, direction);
    }

    /// <summary>x̃ − b_dec of rows, [rows, dIn], with their scales.</summary>
    internal void Prepare(ReadOnlySpan<float> x, int rows, Span<float> inputs, Span<InputScale> scales)
    {
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> source = x.Slice(row * DIn, DIn);
            Span<float> input = inputs.Slice(row * DIn, DIn);
            scales[row] = ScaleOf(source);
            float divisor = scales[row].Divisor(Normalisation);
            for (int i = 0; i < input.Length; i++)
            {
                input[i] = ((source[i] - scales[row].Mean) / divisor) - _inputBias[i];
            }
        }
    }

    /// <summary>Refuses a pre-activation that is not finite.</summary>
    internal void RequireFinite(ReadOnlySpan<float> preActivations)
    {
        if (!StatisticsKernel.AllFinite(preActivations))
        {
            throw new InvalidDataException(
                $"'{Path}': a pre-activation is not finite; "
                + "the residual stream or the autoencoder holds NaN or infinity");
        }
    }

    /// <summary>The residual stream that enters a block is that which leaves the block before.</summary>
    private static HookPoint SamePlace(HookPoint point) => point is { Kind: HookKind.ResidualPre, Layer: > 0 }
        ? Models.HookPoint.ResidualPost(point.Layer - 1)
        : point;

    private int RequireLatent(int latent)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)latent, (uint)DSae, nameof(latent));
        return latent;
    }

    private static void Require(long length, long expected, string name)
    {
        if (length < expected)
        {
            throw new ArgumentException($"{name} has {length} elements, expected {expected}", name);
        }
    }
}
