using System.Runtime.ExceptionServices;

namespace LayerSteer.Numerics;

/// <summary>Reads elements [start, start + destination.Length) of a tensor in row-major order.</summary>
/// <param name="start">The first element.</param>
/// <param name="destination">Receives the values as float32.</param>
public delegate void ElementReader(long start, Span<float> destination);

/// <summary>
/// The weights of a linear map y = W·x, n outputs by k inputs, packed for reading in one stream:
/// <code>panels [ceil(n / 16)][k][16]: 16 outputs side by side for each input; missing outputs are 0</code>
/// Lanes run over outputs, never over k, so each output is one chain of fused multiply-adds (see
/// <see cref="MatrixKernel"/>). Immutable once packed; thread-safe; the memory belongs to the store that it was packed
/// into.
/// </summary>
internal sealed unsafe class WeightMatrix
{
    private readonly NativeBuffer _panels;

    private WeightMatrix(WeightStore store, int outputs, int inputs)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        Outputs = outputs;
        Inputs = inputs;
        PanelCount = (outputs + Lanes.Count - 1) / Lanes.Count;
        _panels = store.Allocate((long)PanelCount * inputs * Lanes.Count);
    }

    /// <summary>n, the number of outputs.</summary>
    public int Outputs { get; }

    /// <summary>k, the number of inputs.</summary>
    public int Inputs { get; }

    /// <summary>The number of panels of 16 outputs.</summary>
    public int PanelCount { get; }

    /// <summary>The packed weights.</summary>
    public float* Panels => _panels.Pointer;

    /// <summary>
    /// Packs a matrix stored [outputs, inputs], as <c>nn.Linear</c> stores it; reads on several threads.
    /// </summary>
    public static WeightMatrix FromRows(WeightStore store, int outputs, int inputs, ElementReader read)
    {
        var matrix = new WeightMatrix(store, outputs, inputs);
        Pack(matrix.PanelCount, checked(Lanes.Count * inputs), (panel, rows) =>
        {
            int first = panel * Lanes.Count;
            int count = Math.Min(Lanes.Count, outputs - first);
            read((long)first * inputs, rows.AsSpan(0, count * inputs));
            float* target = matrix.Panels + ((long)first * inputs);
            for (int k = 0; k < inputs; k++)
            {
                for (int lane = 0; lane < count; lane++)
                {
                    target[((long)k * Lanes.Count) + lane] = rows[(lane * inputs) + k];
                }
            }
        });
        return matrix;
    }

    /// <summary>
    /// Packs a matrix stored [inputs, outputs], as GPT-2's <c>Conv1D</c> stores it; reads on several threads.
    /// </summary>
    public static WeightMatrix FromColumns(WeightStore store, int outputs, int inputs, ElementReader read)
    {
        var matrix = new WeightMatrix(store, outputs, inputs);
        Pack(inputs, outputs, (k, row) =>
        {
            read((long)k * outputs, row);
            for (int panel = 0; panel < matrix.PanelCount; panel++)
            {
                int first = panel * Lanes.Count;
                int count = Math.Min(Lanes.Count, outputs - first);
                float* target = matrix.Panels + ((long)first * inputs) + ((long)k * Lanes.Count);
                row.AsSpan(first, count).CopyTo(new Span<float>(target, count));
            }
        });
        return matrix;
    }

    /// <summary>Copies the weights of one output, [inputs].</summary>
    public void CopyRow(int output, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs, nameof(output));
        float* source = Panels + ((long)(output / Lanes.Count) * Inputs * Lanes.Count) + (output % Lanes.Count);
        for (int k = 0; k < Inputs; k++)
        {
            destination[k] = source[(long)k * Lanes.Count];
        }
    }

    private static void Pack(int count, int scratch, Action<int, float[]> part)
    {
        try
        {
            Parallel.For(
                0,
                count,
                () => new float[scratch],
                (i, _, buffer) =>
                {
                    part(i, buffer);
                    return buffer;
                },
                _ => { });
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }
}
