using System.Runtime.ExceptionServices;

namespace LayerSteer.Numerics;

/// <summary>Reads elements [start, start + destination.Length) of a tensor in row-major order.</summary>
/// <param name="start">The first element.</param>
/// <param name="destination">Receives the values as float32.</param>
public delegate void ElementReader(long start, Span<float> destination);

/// <summary>
/// The weights of a linear map y = W·x, n outputs by k inputs, packed for reading in one stream:
/// <code>panels [ceil(n / 16)][k][16]: 16 outputs side by side for each input; missing outputs are 0</code>
/// in the layout of an <see cref="IWeightFormat"/>. Lanes run over outputs, never over k, so each output is one chain of
/// fused multiply-adds (see <see cref="MatrixKernel"/>). Immutable once packed; thread-safe; the memory belongs to the
/// store that it was packed into.
/// </summary>
internal sealed unsafe class WeightMatrix
{
    /// <summary>
    /// The version of the layouts of this room and of whatever else is taken from a <see cref="WeightStore"/>, and of
    /// the rounding that makes their values. To be raised when any of them changes: what was packed before is packed
    /// anew.
    /// </summary>
    public const int LayoutVersion = 1;

    private readonly NativeBuffer _panels;
    private readonly NativeBuffer? _scales;

    private WeightMatrix(
        WeightStore store, string name, WeightType type, int outputs, int inputs, Action<NativeBuffer> pack)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        Type = type;
        Outputs = outputs;
        Inputs = inputs;
        long length = PanelCount * PanelBytes / sizeof(float);
        if (type == WeightType.F32)
        {
            _panels = store.Take(name, length, pack);
            return;
        }

        // Not before it is known that the store lacks the matrix.
        var wide = new Lazy<NativeBuffer>(() =>
        {
            var panels = new NativeBuffer((long)PanelCount * Lanes.Count * Even(inputs));
            pack(panels);
            return panels;
        });
        try
        {
            if (type == WeightType.I8)
            {
                _scales = store.Take(
                    name + ".scales", PanelCount * Lanes.Count, scales => WriteScales(wide.Value, scales));
            }

            _panels = store.Take(name, length, panels => Narrow(wide.Value, panels));
        }
        finally
        {
            if (wide.IsValueCreated)
            {
                wide.Value.Dispose();
            }
        }
    }

    /// <summary>The type of the weights.</summary>
    public WeightType Type { get; }

    /// <summary>n, the number of outputs.</summary>
    public int Outputs { get; }

    /// <summary>k, the number of inputs.</summary>
    public int Inputs { get; }

    /// <summary>The bytes that one product has to read: the weights and, of int8, the scales, without padding.</summary>
    public long Bytes => Type switch
    {
        WeightType.F32 => (long)Outputs * Inputs * sizeof(float),
        WeightType.BF16 => (long)Outputs * Inputs * sizeof(ushort),
        _ => (long)Outputs * (Inputs + sizeof(float)),
    };

    /// <summary>The packed weights; valid until the store is disposed.</summary>
    public Panels Panels => new((byte*)_panels.Pointer, PanelBytes, Scales, Outputs, Inputs);

    /// <summary>
    /// Packs a matrix stored [outputs, inputs], as <c>nn.Linear</c> stores it; reads on several threads.
    /// </summary>
    public static WeightMatrix FromRows(
        WeightStore store, string name, WeightType type, int outputs, int inputs, ElementReader read) =>
        new(store, name, type, outputs, inputs, panels => Each(
            Lanes.Groups(outputs), checked(Lanes.Count * inputs), (panel, rows) =>
            {
                int first = panel * Lanes.Count;
                int count = Math.Min(Lanes.Count, outputs - first);
                read((long)first * inputs, rows.AsSpan(0, count * inputs));
                float* target = panels.Pointer + ((long)first * Even(inputs));
                for (int k = 0; k < inputs; k++)
                {
                    for (int lane = 0; lane < count; lane++)
                    {
                        target[((long)k * Lanes.Count) + lane] = rows[(lane * inputs) + k];
                    }
                }
            }));

    /// <summary>
    /// Packs a matrix stored [inputs, outputs], as GPT-2's <c>Conv1D</c> stores it; reads on several threads.
    /// </summary>
    public static WeightMatrix FromColumns(
        WeightStore store, string name, WeightType type, int outputs, int inputs, ElementReader read) =>
        new(store, name, type, outputs, inputs, panels => Each(inputs, outputs, (k, row) =>
        {
            read((long)k * outputs, row);
            for (int first = 0; first < outputs; first += Lanes.Count)
            {
                int count = Math.Min(Lanes.Count, outputs - first);
                float* target = panels.Pointer + ((long)first * Even(inputs)) + ((long)k * Lanes.Count);
                row.AsSpan(first, count).CopyTo(new Span<float>(target, count));
            }
        }));

    /// <summary>Copies the weights of one output as float32, [inputs].</summary>
    public void CopyRow(int output, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs, nameof(output));
        Shape.Require(destination.Length >= Inputs);
        byte* panel = (byte*)_panels.Pointer + (output / Lanes.Count * PanelBytes);
        int lane = output % Lanes.Count;
        for (int k = 0; k < Inputs; k++)
        {
            destination[k] = Type switch
            {
                WeightType.F32 => ((float*)panel)[((long)k * Lanes.Count) + lane],
                WeightType.BF16 => BFloat16.Widen(((ushort*)panel)[((long)k * Lanes.Count) + lane]),
                _ => ((sbyte*)panel)[Int8Index(k, lane)] * Scales[output],
            };
        }
    }

    private int PanelCount => Lanes.Groups(Outputs);

    private long PanelBytes => Type switch
    {
        WeightType.F32 => (long)Even(Inputs) / 2 * Float32Format.StepBytes,
        WeightType.BF16 => (long)Even(Inputs) / 2 * BFloat16Format.StepBytes,
        _ => (long)QuantiseKernel.Words(Inputs) * Int8Format.StepBytes,
    };

    private float* Scales => _scales is null ? null : _scales.Pointer;

    /// <summary>The inputs that a float panel has room for: whole steps of two.</summary>
    public static int Even(int inputs) => (inputs + 1) / 2 * 2;

    private static long Int8Index(int k, int lane)
    {
        long step = (k / QuantiseKernel.Group * Lanes.Count) + (k % Lanes.Count);
        return (((step * Lanes.Count) + lane) * 2) + (k / Lanes.Count % 2);
    }

    /// <summary>s = max|w| / 127 of each output.</summary>
    private void WriteScales(NativeBuffer wide, NativeBuffer scales) => Each(PanelCount, 0, (panel, _) =>
    {
        float* source = wide.Pointer + ((long)panel * Lanes.Count * Even(Inputs));
        float* largest = scales.Pointer + (panel * Lanes.Count);
        for (long i = 0; i < (long)Inputs * Lanes.Count; i++)
        {
            largest[i % Lanes.Count] = Math.Max(largest[i % Lanes.Count], Math.Abs(source[i]));
        }

        for (int lane = 0; lane < Lanes.Count; lane++)
        {
            largest[lane] /= QuantiseKernel.LargestWeight;
        }
    });

    /// <summary>From float32 panels to those of this type.</summary>
    private void Narrow(NativeBuffer wide, NativeBuffer panels) => Each(PanelCount, 0, (panel, _) =>
    {
        float* source = wide.Pointer + ((long)panel * Lanes.Count * Even(Inputs));
        byte* target = (byte*)panels.Pointer + (panel * PanelBytes);
        for (int k = 0; k < Inputs; k++)
        {
            for (int lane = 0; lane < Lanes.Count; lane++)
            {
                float value = *source++;
                if (Type == WeightType.BF16)
                {
                    ((ushort*)target)[((long)k * Lanes.Count) + lane] = BFloat16.Nearest(value);
                }
                else
                {
                    float scale = Scales[(panel * Lanes.Count) + lane];
                    double steps = scale > 0f ? Math.Round((double)value / scale) : 0;
                    ((sbyte*)target)[Int8Index(k, lane)] = (sbyte)Math.Clamp(
                        steps, -QuantiseKernel.LargestWeight, QuantiseKernel.LargestWeight);
                }
            }
        }
    });

    private static void Each(int count, int scratch, Action<int, float[]> part)
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
