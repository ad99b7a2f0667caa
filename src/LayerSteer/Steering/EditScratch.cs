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
        PreActivations = new float[Rows * autoencoder.DSae];
        Scales = new InputScale[Rows];
        RowIndices = new int[Rows];
        Keys = new float[autoencoder.DSae];
        Selected = new int[Math.Max(1, autoencoder.Activation.K)];
        Before = new float[autoencoder.DIn];
    }

    public float[] Inputs { get; }

    public float[] PreActivations { get; }

    public InputScale[] Scales { get; }

    public int[] RowIndices { get; }

    public float[] Keys { get; }

    public int[] Selected { get; }

    public float[] Before { get; }

    public SparseLatents Latents { get; } = new();

    public SparseLatents Edited { get; } = new();

    public SparseLatents Change { get; } = new();
}
