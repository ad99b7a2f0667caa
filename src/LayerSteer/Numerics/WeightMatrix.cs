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
        WeightStore store, string name, WeightType type, int outputs, int inputs, Action<PanelWriter> pack)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        Type = type;
        Outputs = outputs;
        Inputs = inputs;
        NativeBuffer? scales = null;
        bool isPacked = false;
        if (type == WeightType.I8)
        {
            _scales = store.Take(name + ".scales", PanelCount * Lanes.Count, made => scales = made);
        }

        // The scales are made with the panels, from one reading; alone only where a store has kept but the panels.
        _panels = store.Take(name, PanelCount * PanelBytes / sizeof(float), panels =>
        {
            pack(new PanelWriter(this, panels, scales));
            isPacked = true;
        });
        if (scales is not null && !isPacked)
        {
            pack(new PanelWriter(this, null, scales));
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
        new(store, name, type, outputs, inputs, writer => Each(
            Lanes.Groups(outputs), checked(2 * Lanes.Count * Even(inputs)), (panel, scratch) =>
            {
                int first = panel * Lanes.Count;
                int count = Math.Min(Lanes.Count, outputs - first);
                Span<float> rows = scratch.AsSpan(0, count * inputs);
                Span<float> wide = scratch.AsSpan(Lanes.Count * Even(inputs), Lanes.Count * Even(inputs));
                read((long)first * inputs, rows);
                wide.Clear();
                for (int lane = 0; lane < count; lane++)
                {
                    ReadOnlySpan<float> row = rows.Slice(lane * inputs, inputs);
                    for (int k = 0; k < row.Length; k++)
                    {
                        wide[(k * Lanes.Count) + lane] = row[k];
                    }
                }

                writer.Write(panel, wide);
            }));

    /// <summary>
    /// Packs a matrix stored [inputs, outputs], as GPT-2's <c>Conv1D</c> stores it; reads on several threads.
    /// </summary>
    public static WeightMatrix FromColumns(
        WeightStore store, string name, WeightType type, int outputs, int inputs, ElementReader read) =>
        new(store, name, type, outputs, inputs, writer =>
        {
            // A row crosses every panel, so here the matrix is whole in float32 before it is narrowed.
            int panelFloats = checked(Lanes.Count * Even(inputs));
            using NativeBuffer? own =
                writer.IsDirect ? null : new NativeBuffer((long)Lanes.Groups(outputs) * panelFloats);
            NativeBuffer wide = own ?? writer.Panels!;
            Each(inputs, outputs, (k, row) =>
            {
                read((long)k * outputs, row.AsSpan(0, outputs));
                for (int first = 0; first < outputs; first += Lanes.Count)
                {
                    int count = Math.Min(Lanes.Count, outputs - first);
                    float* target = wide.Pointer + ((long)first * Even(inputs)) + ((long)k * Lanes.Count);
                    row.AsSpan(first, count).CopyTo(new Span<float>(target, count));
                }
            });
            if (own is not null)
            {
                Each(Lanes.Groups(outputs), 0, (panel, _) =>
                    writer.Write(panel, wide.Span((long)panel * panelFloats, panelFloats)));
            }
        });

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

    /// <summary>
    /// From float32 panels to those of a type, one panel at a time, so that a matrix that is read panel by panel is never
    /// whole in float32.
    /// </summary>
    private sealed class PanelWriter(WeightMatrix matrix, NativeBuffer? panels, NativeBuffer? scales)
    {
        /// <summary>Where the panels go; null if only scales are made.</summary>
        public NativeBuffer? Panels => panels;

        /// <summary>Whether they go there as they are.</summary>
        public bool IsDirect => matrix.Type == WeightType.F32;

        /// <summary>Writes one panel, [inputs rounded up to even][16]. Thread-safe for different panels.</summary>
        public void Write(int panel, ReadOnlySpan<float> wide)
        {
            byte* target = panels is null ? null : (byte*)panels.Pointer + (panel * matrix.PanelBytes);
            switch (matrix.Type)
            {
                case WeightType.F32:
                    wide.CopyTo(new Span<float>(target, wide.Length));
                    break;
                case WeightType.BF16:
                    var narrow = new Span<ushort>(target, wide.Length);
                    for (int i = 0; i < narrow.Length; i++)
                    {
                        narrow[i] = BFloat16.Nearest(wide[i]);
                    }

                    break;
                default:
                    WriteInt8(panel, wide, (sbyte*)target);
                    break;
            }
        }

        /// <summary>s = max|w| / 127 of each output; q = w / s to the nearest.</summary>
        private void WriteInt8(int panel, ReadOnlySpan<float> wide, sbyte* target)
        {
            Span<float> own = stackalloc float[Lanes.Count];
            own.Clear();
            for (int i = 0; i < wide.Length; i++)
            {
                own[i % Lanes.Count] = Math.Max(own[i % Lanes.Count], Math.Abs(wide[i]));
            }

            for (int lane = 0; lane < Lanes.Count; lane++)
            {
                own[lane] /= QuantiseKernel.LargestWeight;
            }

            if (scales is not null)
            {
                own.CopyTo(scales.Span((long)panel * Lanes.Count, Lanes.Count));
            }

            for (int i = 0; target is not null && i < matrix.Inputs * Lanes.Count; i++)
            {
                float scale = own[i % Lanes.Count];
                double steps = scale > 0f ? Math.Round((double)wide[i] / scale) : 0;
                target[Int8Index(i / Lanes.Count, i % Lanes.Count)] = (sbyte)Math.Clamp(
                    steps, -QuantiseKernel.LargestWeight, QuantiseKernel.LargestWeight);
            }
        }
    }
}
