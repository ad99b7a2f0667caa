using LayerSteer.Autoencoders;

namespace LayerSteer.Evaluation;

/// <summary>What is done with a row and its reconstruction.</summary>
/// <param name="row">The row, from 0.</param>
/// <param name="x">The row, [dIn].</param>
/// <param name="latents">Its latents.</param>
/// <param name="reconstruction">x̂, [dIn].</param>
internal delegate void ReconstructedRow(
    int row, ReadOnlySpan<float> x, SparseLatents latents, ReadOnlySpan<float> reconstruction);

/// <summary>Runs an autoencoder over rows, as it is and as it may have been meant. Not thread-safe.</summary>
/// <param name="autoencoder">The autoencoder; it must outlive this object.</param>
internal sealed class SaeReader(SparseAutoencoder autoencoder)
{
    private const int RowsAtOnce = 64;

    private readonly EncodedRows _encoded = autoencoder.CreateRows(RowsAtOnce);
    private readonly SparseLatents _latents = new();
    private readonly float[] _reconstruction = new float[autoencoder.DIn];

    /// <summary>The autoencoder.</summary>
    public SparseAutoencoder Autoencoder => autoencoder;

    /// <summary>Reconstructs rows, [rows, dIn], as the autoencoder is.</summary>
    public void Reconstruct(ReadOnlySpan<float> rows, ReconstructedRow action) =>
        Each(rows, row => _encoded.Activate(row, _latents), action);

    /// <summary>How rows are reconstructed with another activation on the same pre-activations.</summary>
    public ReconstructionQuality QualityWith(SaeActivation activation, ReadOnlySpan<float> rows)
    {
        var meter = new ReconstructionMeter(autoencoder.DIn);
        float[] keys = new float[autoencoder.DSae];
        int[] top = new int[Math.Max(1, activation.K)];
        Each(
            rows,
            row => activation.Select(
                [], _encoded.PreActivations(row), LatentKeys.Plain, takesKeys: false, keys, top, _latents),
            (_, x, latents, reconstruction) => meter.Add(x, reconstruction, latents.Count));
        return meter.Quality;
    }

    /// <summary>How rows are reconstructed if they are normalised first: x̂ = scale·f((x − mean)/scale) + mean.</summary>
    /// <param name="rows">[rows, dIn].</param>
    /// <param name="normalisation">How scales are applied.</param>
    /// <param name="scaleOf">The scale of a row.</param>
    public ReconstructionQuality QualityOf(
        ReadOnlySpan<float> rows, InputNormalisation normalisation, ScaleOfRow scaleOf)
    {
        int width = autoencoder.DIn;
        float[] normalised = new float[rows.Length];
        for (int row = 0; row < rows.Length / width; row++)
        {
            ReadOnlySpan<float> x = rows.Slice(row * width, width);
            scaleOf(x).Normalise(x, normalisation, normalised.AsSpan(row * width, width));
        }

        float[] given = rows.ToArray();
        float[] brought = new float[width];
        var meter = new ReconstructionMeter(width);
        Reconstruct(normalised, (row, _, latents, reconstruction) =>
        {
            ReadOnlySpan<float> x = given.AsSpan(row * width, width);
            InputScale scale = scaleOf(x);
            for (int i = 0; i < width; i++)
            {
                brought[i] = (reconstruction[i] * scale.Scale) + scale.Mean;
            }

            meter.Add(x, brought, latents.Count);
        });
        return meter.Quality;
    }

    /// <summary>Encodes rows; <paramref name="activate"/> fills the latents of one that is encoded.</summary>
    private void Each(ReadOnlySpan<float> rows, Action<int> activate, ReconstructedRow action)
    {
        int width = autoencoder.DIn;
        int count = rows.Length / width;
        for (int first = 0; first < count; first += RowsAtOnce)
        {
            int many = Math.Min(RowsAtOnce, count - first);
            autoencoder.Encode(rows.Slice(first * width, many * width), many, _encoded);
            for (int row = 0; row < many; row++)
            {
                activate(row);
                autoencoder.Decode(_latents, _encoded.Scales[row], _reconstruction);
                action(first + row, rows.Slice((first + row) * width, width), _latents, _reconstruction);
            }
        }
    }
}

/// <summary>Mean and scale of a row.</summary>
/// <param name="row">The row.</param>
internal delegate InputScale ScaleOfRow(ReadOnlySpan<float> row);
