namespace LayerSteer.Numerics;

/// <summary>Packed weights as a kernel sees them: panels of 16 outputs in the layout of a format.</summary>
/// <param name="start">The first panel.</param>
/// <param name="bytes">The bytes of one panel.</param>
/// <param name="scales">The scale of each output, [16·panels], of int8; null otherwise.</param>
/// <param name="outputs">The number of outputs.</param>
/// <param name="inputs">The number of inputs.</param>
internal readonly unsafe struct Panels(byte* start, long bytes, float* scales, int outputs, int inputs)
{
    public byte* Start { get; } = start;

    public long Bytes { get; } = bytes;

    public float* Scales { get; } = scales;

    public int Outputs { get; } = outputs;

    public int Inputs { get; } = inputs;
}
