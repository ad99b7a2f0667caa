using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// The encoder or decoder of an autoencoder in its file, seen as rows of latents whatever its order there:
/// <code>row j = stored row or column j · factor · factors[j]</code>
/// Values that are not finite are refused as they are read. Not thread-safe; disposing frees what was turned round.
/// </summary>
internal sealed class StoredMatrix : IDisposable
{
    /// <summary>The most latents, and the widest input.</summary>
    public const int LargestDimension = 1 << 24;

    private readonly ElementReader _read;
    private readonly bool _isColumns;
    private NativeBuffer? _turned;

    /// <summary>A stored tensor whose shape is known to be right.</summary>
    /// <param name="tensor">[rows, width], or [width, rows] if it holds the latents as columns.</param>
    /// <param name="isColumns">Whether it does.</param>
    /// <exception cref="InvalidDataException">It is no matrix of floats.</exception>
    public StoredMatrix(StoredTensor tensor, bool isColumns)
    {
        _read = FiniteReader.Of(tensor);
        _isColumns = isColumns;
        Rows = (int)tensor.Shape[isColumns ? 1 : 0];
        Width = (int)tensor.Shape[isColumns ? 0 : 1];
    }

    /// <summary>The number of latents.</summary>
    public int Rows { get; }

    /// <summary>The width of the input.</summary>
    public int Width { get; }

    /// <summary>What all is multiplied by.</summary>
    public float Factor { get; init; } = 1f;

    /// <summary>What each row is multiplied by, [rows]; empty for nothing.</summary>
    public float[] Factors { get; init; } = [];

    /// <summary>The sizes of an encoder, [dSae, dIn], or [dIn, dSae] if it holds the latents as columns.</summary>
    /// <exception cref="InvalidDataException">It is no matrix, or a size is out of range.</exception>
    public static (int DIn, int DSae) SizesOf(StoredTensor encoder, bool isColumns)
    {
        if (encoder.Shape.Count != 2 || encoder.Shape.Any(n => n is < 1 or > LargestDimension))
        {
            throw new InvalidDataException(
                $"'{encoder.File}': tensor {Display.Name(encoder.Name)} is [{string.Join(", ", encoder.Shape)}], "
                + $"expected {(isColumns ? "[width of the input, latents]" : "[latents, width of the input]")}");
        }

        return ((int)encoder.Shape[isColumns ? 0 : 1], (int)encoder.Shape[isColumns ? 1 : 0]);
    }

    /// <summary>Reads elements of the row-major order of [rows, width].</summary>
    public void Read(long start, Span<float> destination)
    {
        if (_isColumns)
        {
            _turned ??= Turned();
            _turned.Span(start, destination.Length).CopyTo(destination);
        }
        else
        {
            _read(start, destination);
        }

        if (Factor != 1f || Factors.Length > 0)
        {
            for (int i = 0; i < destination.Length; i++)
            {
                float factor = Factors.Length == 0 ? Factor : Factor * Factors[(start + i) / Width];
                destination[i] *= factor;
            }
        }
    }

    /// <summary>‖row‖ of each row, summed in double.</summary>
    public float[] Norms()
    {
        float[] norms = new float[Rows];
        float[] row = new float[Width];
        for (int latent = 0; latent < Rows; latent++)
        {
            Read((long)latent * Width, row);
            double squares = 0;
            foreach (float value in row)
            {
                squares += (double)value * value;
            }

            norms[latent] = (float)Math.Sqrt(squares);
        }

        return norms;
    }

    /// <inheritdoc/>
    public void Dispose() => _turned?.Dispose();

    private NativeBuffer Turned()
    {
        var buffer = new NativeBuffer((long)Rows * Width);
        try
        {
            Transpose(buffer, Width, Rows, _read);
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    /// <summary>[dIn, dSae] on disk to [dSae, dIn] in memory, in blocks that the caches hold.</summary>
    private static void Transpose(NativeBuffer rows, int dIn, int dSae, ElementReader read)
    {
        const int Block = 16;
        float[] block = new float[checked(Block * dSae)];
        for (int i = 0; i < dIn; i += Block)
        {
            int count = Math.Min(Block, dIn - i);
            read((long)i * dSae, block.AsSpan(0, count * dSae));
            for (int f = 0; f < dSae; f++)
            {
                Span<float> target = rows.Span(((long)f * dIn) + i, count);
                for (int j = 0; j < count; j++)
                {
                    target[j] = block[(j * dSae) + f];
                }
            }
        }
    }
}
