using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// float32 panels for <see cref="MatrixKernel{TFormat}"/> from matrices that change: packed again before each use, on
/// the threads of a pool. <see cref="WeightMatrix"/> is for weights that stay. The caller disposes it.
/// </summary>
internal sealed unsafe class PanelBuffer : IDisposable
{
    private NativeBuffer _buffer = new(0);
    private int _outputs;
    private int _inputs;

    /// <summary>What was packed last; valid until it is packed again or disposed.</summary>
    public Panels Panels => new((byte*)_buffer.Pointer, PanelFloats * sizeof(float), null, _outputs, _inputs);

    private long PanelFloats => (long)WeightMatrix.Even(_inputs) * Lanes.Count;

    /// <summary>Packs a matrix [outputs, inputs], row-major.</summary>
    public void PackRows(WorkerPool pool, ReadOnlySpan<float> source, int outputs, int inputs)
    {
        Shape.Require(source.Length >= (long)outputs * inputs);
        Resize(outputs, inputs);
        fixed (float* s = source)
        {
            var kernel = new PackKernel(s, 1, inputs, _buffer.Pointer, PanelFloats, outputs, inputs);
            pool.Run(ref kernel, Lanes.Groups(outputs), (long)outputs * inputs);
        }
    }

    /// <summary>Packs a matrix [inputs, outputs], row-major, whose rows are <paramref name="stride"/> apart.</summary>
    public void PackColumns(WorkerPool pool, ReadOnlySpan<float> source, int outputs, int inputs, int stride)
    {
        Shape.Require(source.Length >= ((long)(inputs - 1) * stride) + outputs && stride >= outputs);
        Resize(outputs, inputs);
        fixed (float* s = source)
        {
            var kernel = new PackKernel(s, stride, 1, _buffer.Pointer, PanelFloats, outputs, inputs);
            pool.Run(ref kernel, Lanes.Groups(outputs), (long)outputs * inputs);
        }
    }

    /// <summary>Y = X·Wᵀ + b with what was packed; an empty bias is none.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="bias">b, [outputs], or empty.</param>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="y">Receives [rows, outputs].</param>
    /// <param name="rows">The number of rows.</param>
    public void Multiply(WorkerPool pool, ReadOnlySpan<float> bias, ReadOnlySpan<float> x, Span<float> y, int rows)
    {
        Shape.Require(bias.IsEmpty || bias.Length == _outputs);
        Shape.Require(x.Length >= (long)rows * _inputs && y.Length >= (long)rows * _outputs);
        fixed (float* b = bias, px = x, py = y)
        {
            new MatrixKernel<Float32Format>(
                Panels, bias.IsEmpty ? null : b, px, _inputs, null, py, _outputs, rows).Run(pool);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _buffer.Dispose();

    private void Resize(int outputs, int inputs)
    {
        _outputs = outputs;
        _inputs = inputs;
        long length = Lanes.Groups(outputs) * PanelFloats;
        if (_buffer.Length < length)
        {
            _buffer.Dispose();
            _buffer = new NativeBuffer(length);
        }
    }
}

/// <summary>
/// Copies a matrix into panels [k][16]: <c>panel[k, lane] = source[k·kStride + output·outputStride]</c>, +0 past the
/// last output. Items: panels.
/// </summary>
internal readonly unsafe struct PackKernel(
    float* source, nint kStride, nint outputStride, float* panels, long panelFloats, int outputs, int inputs) : IKernel
{
    private readonly float* _source = source;
    private readonly nint _kStride = kStride;
    private readonly nint _outputStride = outputStride;
    private readonly float* _panels = panels;
    private readonly long _panelFloats = panelFloats;
    private readonly int _outputs = outputs;
    private readonly int _inputs = inputs;

    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int panel = begin; panel < end; panel++)
        {
            int first = panel * Lanes.Count;
            Pack<T>(_source + (first * _outputStride), _panels + (panel * _panelFloats), _outputs - first);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    private void Pack<T>(float* source, float* panel, int count) where T : struct, ILanes<T>
    {
        if (count >= Lanes.Count && _outputStride == 1)
        {
            for (int k = 0; k < _inputs; k++)
            {
                T.Load(source + (k * _kStride)).Store(panel + (k * Lanes.Count));
            }

            return;
        }

        for (int lane = 0; lane < Lanes.Count; lane++)
        {
            float* from = source + (lane * _outputStride);
            for (int k = 0; k < _inputs; k++)
            {
                panel[(k * Lanes.Count) + lane] = lane < count ? from[k * _kStride] : 0f;
            }
        }
    }
}
