using LayerSteer.Autoencoders;

namespace LayerSteer.Steering;

/// <summary>Working memory of all edits through one autoencoder; belongs to one pass at a time.</summary>
internal sealed class EditScratch
{
    /// <summary>The most rows that are encoded at once.</summary>
    public const int Rows = 32;

    public EditScratch(SparseAutoencoder autoencoder)
    {
        Inputs = new float[Rows * autoencoder.DIn];
        Encoded = autoencoder.CreateRows(Rows);
        RowIndices = new int[Rows];
        Before = new float[autoencoder.DIn];
    }

    public float[] Inputs { get; }

    public EncodedRows Encoded { get; }

    public int[] RowIndices { get; }

    public float[] Before { get; }

    public SparseLatents Latents { get; } = new();

    public SparseLatents Edited { get; } = new();

    public SparseLatents Change { get; } = new();
}
