using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>
/// The loss of a decoder on windows of tokens, and its exact gradient:
/// <code>
/// r = dropout(embed(token) + embed(position))
/// for each block: r += dropout(W_O · attention(norm1(r)));  r += dropout(W_out · act(W_in · norm2(r)))
/// loss = mean over all predicted tokens of −log softmax(unembed(norm(r)))[next token]
/// </code>
/// Computed forwards layer by layer, keeping what the way back needs, then backwards. The same bits for any number of
/// threads. Not thread-safe. The caller disposes it.
/// </summary>
public sealed class DecoderGradient : IDisposable
{
    /// <summary>Rows of logits at once: the whole matrix of a batch would be the largest of all.</summary>
    private const int HeadRows = 256;

    private readonly ArchitectureSpec _spec;
    private readonly WorkerPool _pool;
    private readonly int _length;
    private readonly int _maxRows;
    private readonly LayerMemory[] _layers;
    private readonly NativeBuffer _final;
    private readonly NativeBuffer _normed;
    private readonly NativeBuffer _logits;
    private readonly NativeBuffer _dResidual;
    private readonly NativeBuffer _dNormed;
    private readonly NativeBuffer _dWide;
    private readonly NativeBuffer _dHeads;
    private readonly NativeBuffer _output;
    private readonly NativeBuffer _statistics;
    private readonly NativeBuffer _attention;
    private readonly TileBuffer _tiles = new();
    private readonly PanelBuffer _panels = new();
    private readonly PanelBuffer _unembedding = new();
    private readonly PanelBuffer _unembeddingBack = new();
    private readonly int[] _tokens;
    private readonly int[] _targets;
    private readonly double[] _losses;
    private ParameterSet? _packed;

    /// <summary>Makes the working memory.</summary>
    /// <param name="spec">The architecture.</param>
    /// <param name="pool">The threads.</param>
    /// <param name="sequences">The largest number of windows at once, at least 1.</param>
    /// <param name="length">The tokens of a window that are predicted; at most the context length.</param>
    /// <exception cref="NotSupportedException">Training does not know the architecture.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range for the model.</exception>
    public DecoderGradient(ArchitectureSpec spec, WorkerPool pool, int sequences, int length)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, spec.ContextLength);
        if (spec.Family != "gpt2")
        {
            throw new NotSupportedException($"training knows gpt2, not '{spec.Family}'");
        }

        _spec = spec;
        _pool = pool;
        _length = length;
        _maxRows = checked(sequences * length);
        int d = spec.DModel;
        int qkv = (spec.NHeads + (2 * spec.NKeyValueHeads)) * spec.DHead;
        _layers = new LayerMemory[spec.NLayers];
        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            _layers[layer] = new LayerMemory(spec, _maxRows, qkv);
        }

        _final = new NativeBuffer((long)_maxRows * d);
        _normed = new NativeBuffer((long)_maxRows * d);
        _logits = new NativeBuffer((long)Math.Min(HeadRows, _maxRows) * spec.Vocabulary);
        _dResidual = new NativeBuffer((long)_maxRows * d);
        _dNormed = new NativeBuffer((long)_maxRows * d);
        _dWide = new NativeBuffer((long)_maxRows * Math.Max(qkv, spec.DMlp));
        _dHeads = new NativeBuffer((long)_maxRows * spec.NHeads * spec.DHead);
        _output = new NativeBuffer((long)_maxRows * d);
        _statistics = new NativeBuffer(2L * _maxRows);
        _attention = new NativeBuffer(CausalAttentionKernel.ScratchLength(pool, AttentionShapeOf(sequences)));
        _tokens = new int[_maxRows];
        _targets = new int[_maxRows];
        _losses = new double[_maxRows];
    }

    /// <summary>The probability that dropout sets an element to 0 in <see cref="Accumulate"/>; 0 by default.</summary>
    public float Dropout { get; init; }

    /// <summary>Says that the parameters have changed since the last call.</summary>
    public void ParametersChanged() => _packed = null;

    /// <summary>The mean loss of windows, in nats a token, without dropout and without gradients.</summary>
    /// <param name="parameters">The model, in <see cref="ParameterSet.Gpt2Layout"/>.</param>
    /// <param name="windows">One after another, each of length + 1 tokens.</param>
    public double Loss(ParameterSet parameters, ReadOnlySpan<int> windows)
    {
        int sequences = Admit(windows);
        Pack(parameters);
        Forward(parameters, sequences, 0, 0f);
        return Head(parameters, null, sequences, 1f) / (sequences * _length);
    }

    /// <summary>Adds the gradient of the windows' loss, times a scale, to <paramref name="gradients"/>.</summary>
    /// <param name="parameters">The model.</param>
    /// <param name="gradients">Of the same layout.</param>
    /// <param name="windows">One after another, each of length + 1 tokens.</param>
    /// <param name="scale">
    /// The weight of one predicted token: 1 over the predicted tokens of the whole step gives the mean.
    /// </param>
    /// <param name="dropoutKey">Chooses what dropout drops.</param>
    /// <returns>The sum of the losses of the predicted tokens, in nats.</returns>
    /// <exception cref="ArgumentException">
    /// The windows do not fill whole windows, are too many, or hold an id that is not in the vocabulary.
    /// </exception>
    public double Accumulate(
        ParameterSet parameters, ParameterSet gradients, ReadOnlySpan<int> windows, float scale, ulong dropoutKey = 0)
    {
        ArgumentNullException.ThrowIfNull(gradients);
        int sequences = Admit(windows);
        Pack(parameters);
        Forward(parameters, sequences, dropoutKey, Dropout);
        double loss = Head(parameters, gradients, sequences, scale);
        for (int layer = _spec.NLayers - 1; layer >= 0; layer--)
        {
            Backward(parameters, gradients, layer, sequences, dropoutKey);
        }

        Drop(_dResidual.Span(0, sequences * _length * _spec.DModel), dropoutKey, 0, Dropout);
        EmbedGradient(gradients, sequences);
        return loss;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (LayerMemory layer in _layers)
        {
            layer.Dispose();
        }

        foreach (NativeBuffer buffer in (NativeBuffer[])
            [_final, _normed, _logits, _dResidual, _dNormed, _dWide, _dHeads, _output, _statistics, _attention])
        {
            buffer.Dispose();
        }

        _tiles.Dispose();
        _panels.Dispose();
        _unembedding.Dispose();
        _unembeddingBack.Dispose();
    }

    private AttentionShape AttentionShapeOf(int sequences) =>
        new(sequences, _length, _spec.NHeads, _spec.NKeyValueHeads, _spec.DHead);

    /// <summary>Lays out tokens and targets; returns the number of windows.</summary>
    private int Admit(ReadOnlySpan<int> windows)
    {
        int window = _length + 1;
        int sequences = windows.Length / window;
        if (sequences == 0 || windows.Length % window != 0 || sequences * _length > _maxRows)
        {
            throw new ArgumentException(
                $"{windows.Length} tokens, expected 1 to {_maxRows / _length} windows of {window}", nameof(windows));
        }

        foreach (int id in windows)
        {
            if ((uint)id >= (uint)_spec.Vocabulary)
            {
                throw new ArgumentException(
                    $"token id {id}; the vocabulary has ids 0 to {_spec.Vocabulary - 1}", nameof(windows));
            }
        }

        for (int sequence = 0; sequence < sequences; sequence++)
        {
            windows.Slice(sequence * window, _length).CopyTo(_tokens.AsSpan(sequence * _length));
            windows.Slice((sequence * window) + 1, _length).CopyTo(_targets.AsSpan(sequence * _length));
        }

        return sequences;
    }

    /// <summary>Packs the weights both ways, once for each change of the parameters.</summary>
    private void Pack(ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (ReferenceEquals(_packed, parameters))
        {
            return;
        }

        foreach ((LayerMemory memory, int layer) in _layers.Select((memory, layer) => (memory, layer)))
        {
            foreach (LinearMemory linear in memory.Linears)
            {
                ReadOnlySpan<float> weight = parameters[linear.WeightOf(layer)]; // [inputs, outputs]
                linear.Forward.PackColumns(_pool, weight, linear.Outputs, linear.Inputs, linear.Outputs);
                linear.Back.PackRows(_pool, weight, linear.Inputs, linear.Outputs);
            }
        }

        ReadOnlySpan<float> unembedding = parameters[UnembeddingName]; // [vocabulary, d]
        _unembedding.PackRows(_pool, unembedding, _spec.Vocabulary, _spec.DModel);
        _unembeddingBack.PackColumns(_pool, unembedding, _spec.DModel, _spec.Vocabulary, _spec.DModel);
        _packed = parameters;
    }

    private string UnembeddingName => _spec.TiedUnembedding ? "wte.weight" : "lm_head.weight";

    private void Forward(ParameterSet parameters, int sequences, ulong dropoutKey, float dropout)
    {
        int d = _spec.DModel;
        int rows = sequences * _length;
        Span<float> residual = _layers[0].Residual.Span(0, rows * d);
        ReadOnlySpan<float> tokens = parameters["wte.weight"];
        ReadOnlySpan<float> positions = parameters["wpe.weight"];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> token = tokens.Slice(_tokens[row] * d, d);
            ReadOnlySpan<float> position = positions.Slice(row % _length * d, d);
            Span<float> sum = residual.Slice(row * d, d);
            for (int i = 0; i < d; i++)
            {
                sum[i] = token[i] + position[i];
            }
        }

        Drop(residual, dropoutKey, 0, dropout);
        for (int layer = 0; layer < _spec.NLayers; layer++)
        {
            LayerMemory memory = _layers[layer];
            residual = memory.Residual.Span(0, rows * d);
            Span<float> middle = memory.Middle.Span(0, rows * d);
            Span<float> next = (layer + 1 < _spec.NLayers ? _layers[layer + 1].Residual : _final).Span(0, rows * d);
            Span<float> normed = memory.Normed1.Span(0, rows * d);
            Span<float> qkv = memory.Qkv.Span(0, rows * memory.QkvOf.Outputs);
            Span<float> z = memory.Z.Span(0, rows * memory.OutOf.Inputs);
            Span<float> output = _output.Span(0, rows * d);

            Norm(parameters, $"h.{layer}.ln_1", residual, normed, rows);
            memory.QkvOf.Run(_pool, parameters, layer, normed, qkv, rows);
            CausalAttentionKernel.Forward(
                _pool, AttentionShapeOf(sequences), _spec.AttentionScaleOf(layer), qkv, z, _attention);
            memory.OutOf.Run(_pool, parameters, layer, z, output, rows);
            Drop(output, dropoutKey, (2 * layer) + 1, dropout);
            residual.CopyTo(middle);
            AddKernel.Run(_pool, middle, output);

            Span<float> normed2 = memory.Normed2.Span(0, rows * d);
            Span<float> pre = memory.MlpPre.Span(0, rows * _spec.DMlp);
            Span<float> post = memory.MlpPost.Span(0, rows * _spec.DMlp);
            Norm(parameters, $"h.{layer}.ln_2", middle, normed2, rows);
            memory.InOf.Run(_pool, parameters, layer, normed2, pre, rows);
            pre.CopyTo(post);
            ActivationKernel.Run(_pool, _spec.Activation, post);
            memory.MlpOutOf.Run(_pool, parameters, layer, post, output, rows);
            Drop(output, dropoutKey, (2 * layer) + 2, dropout);
            middle.CopyTo(next);
            AddKernel.Run(_pool, next, output);
        }
    }

    /// <summary>The sum of the losses and, with gradients, the gradient of the last residual.</summary>
    private double Head(ParameterSet parameters, ParameterSet? gradients, int sequences, float scale)
    {
        int d = _spec.DModel;
        int rows = sequences * _length;
        Span<float> final = _final.Span(0, rows * d);
        Span<float> normed = _normed.Span(0, rows * d);
        Span<float> dNormed = _dNormed.Span(0, rows * d);
        Norm(parameters, "ln_f", final, normed, rows);
        for (int first = 0; first < rows; first += HeadRows)
        {
            int count = Math.Min(HeadRows, rows - first);
            Span<float> logits = _logits.Span(0, count * _spec.Vocabulary);
            ReadOnlySpan<float> x = normed.Slice(first * d, count * d);
            _unembedding.Multiply(_pool, [], x, logits, count);
            CrossEntropyKernel.Run(
                _pool, logits, _targets.AsSpan(first, count), _losses.AsSpan(first, count), _spec.Vocabulary, scale);
            if (gradients is not null)
            {
                _unembeddingBack.Multiply(_pool, [], logits, dNormed.Slice(first * d, count * d), count);
                AddWeightGradient(logits, x, gradients[UnembeddingName], count, _spec.Vocabulary, d);
            }
        }

        double loss = 0;
        for (int row = 0; row < rows; row++)
        {
            loss += _losses[row];
        }

        if (gradients is not null)
        {
            _dResidual.Span(0, rows * d).Clear();
            NormGradient(parameters, gradients, "ln_f", final, dNormed, rows);
        }

        return loss;
    }

    private void Backward(
        ParameterSet parameters, ParameterSet gradients, int layer, int sequences, ulong dropoutKey)
    {
        LayerMemory memory = _layers[layer];
        int d = _spec.DModel;
        int rows = sequences * _length;
        Span<float> dResidual = _dResidual.Span(0, rows * d);
        Span<float> dNormed = _dNormed.Span(0, rows * d);
        Span<float> dOutput = _output.Span(0, rows * d);

        dResidual.CopyTo(dOutput);
        Drop(dOutput, dropoutKey, (2 * layer) + 2, Dropout);
        Span<float> dMlp = _dWide.Span(0, rows * _spec.DMlp);
        LinearGradient(gradients, memory.MlpOutOf, layer, memory.MlpPost, dOutput, dMlp, rows);
        ActivationGradientKernel.Run(_pool, _spec.Activation, memory.MlpPre.Span(0, rows * _spec.DMlp), dMlp);
        LinearGradient(gradients, memory.InOf, layer, memory.Normed2, dMlp, dNormed, rows);
        NormGradient(parameters, gradients, $"h.{layer}.ln_2", memory.Middle.Span(0, rows * d), dNormed, rows);

        dResidual.CopyTo(dOutput);
        Drop(dOutput, dropoutKey, (2 * layer) + 1, Dropout);
        Span<float> dz = _dHeads.Span(0, rows * memory.OutOf.Inputs);
        LinearGradient(gradients, memory.OutOf, layer, memory.Z, dOutput, dz, rows);
        Span<float> dQkv = _dWide.Span(0, rows * memory.QkvOf.Outputs);
        CausalAttentionKernel.Backward(
            _pool,
            AttentionShapeOf(sequences),
            _spec.AttentionScaleOf(layer),
            memory.Qkv.Span(0, rows * memory.QkvOf.Outputs),
            dz,
            dQkv,
            _attention);
        LinearGradient(gradients, memory.QkvOf, layer, memory.Normed1, dQkv, dNormed, rows);
        NormGradient(parameters, gradients, $"h.{layer}.ln_1", memory.Residual.Span(0, rows * d), dNormed, rows);
    }

    /// <summary>dX = dY·W into <paramref name="dx"/>; dW += Xᵀ·dY and db += Σ dY.</summary>
    private void LinearGradient(
        ParameterSet gradients,
        LinearMemory linear,
        int layer,
        NativeBuffer input,
        ReadOnlySpan<float> dy,
        Span<float> dx,
        int rows)
    {
        ReadOnlySpan<float> x = input.Span(0, rows * linear.Inputs);
        linear.Back.Multiply(_pool, [], dy, dx, rows);
        AddWeightGradient(x, dy, gradients[linear.WeightOf(layer)], rows, linear.Inputs, linear.Outputs);
        ColumnSumKernel.Run(_pool, dy, rows, gradients[linear.BiasOf(layer)]);
    }

    /// <summary>C += Aᵀ·B, with C [aColumns, bColumns].</summary>
    private void AddWeightGradient(
        ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int rows, int aColumns, int bColumns)
    {
        _tiles.Pack(_pool, a, rows, aColumns, aColumns);
        _panels.PackColumns(_pool, b, bColumns, rows, bColumns);
        OuterProductKernel.Run(_pool, _tiles, _panels, c);
    }

    private void Norm(ParameterSet parameters, string name, ReadOnlySpan<float> x, Span<float> y, int rows) =>
        LayerNormKernel.Run(
            _pool, x, y, parameters[name + ".weight"], parameters[name + ".bias"], rows, _spec.NormEpsilon);

    /// <summary>Adds to the residual's gradient.</summary>
    private void NormGradient(
        ParameterSet parameters,
        ParameterSet gradients,
        string name,
        ReadOnlySpan<float> x,
        ReadOnlySpan<float> dy,
        int rows) =>
        LayerNormGradientKernel.Run(
            _pool,
            x,
            dy,
            parameters[name + ".weight"],
            _dResidual.Span(0, rows * _spec.DModel),
            gradients[name + ".weight"],
            gradients[name + ".bias"],
            _statistics.Span(0, 2 * rows),
            rows,
            _spec.NormEpsilon);

    private void EmbedGradient(ParameterSet gradients, int sequences)
    {
        int d = _spec.DModel;
        int rows = sequences * _length;
        ReadOnlySpan<float> dResidual = _dResidual.Span(0, rows * d);
        Span<float> tokens = gradients["wte.weight"];
        Span<float> positions = gradients["wpe.weight"];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> source = dResidual.Slice(row * d, d);
            Span<float> token = tokens.Slice(_tokens[row] * d, d);
            Span<float> position = positions.Slice(row % _length * d, d);
            for (int i = 0; i < d; i++)
            {
                token[i] += source[i];
                position[i] += source[i];
            }
        }
    }

    private void Drop(Span<float> x, ulong key, int place, float probability) =>
        DropoutKernel.Run(_pool, x, new SplitMix64(key + (ulong)place).Next(), probability);

    /// <summary>A linear map's weights, packed for both directions.</summary>
    private sealed class LinearMemory(string name, int inputs, int outputs) : IDisposable
    {
        public int Inputs { get; } = inputs;

        public int Outputs { get; } = outputs;

        public PanelBuffer Forward { get; } = new();

        public PanelBuffer Back { get; } = new();

        public string WeightOf(int layer) => $"h.{layer}.{name}.weight";

        public string BiasOf(int layer) => $"h.{layer}.{name}.bias";

        public void Run(
            WorkerPool pool, ParameterSet parameters, int layer, ReadOnlySpan<float> x, Span<float> y, int rows) =>
            Forward.Multiply(pool, parameters[BiasOf(layer)], x, y, rows);

        public void Dispose()
        {
            Forward.Dispose();
            Back.Dispose();
        }
    }

    /// <summary>What one block keeps for the way back.</summary>
    private sealed class LayerMemory(ArchitectureSpec spec, int rows, int qkv) : IDisposable
    {
        public NativeBuffer Residual { get; } = new((long)rows * spec.DModel);

        public NativeBuffer Normed1 { get; } = new((long)rows * spec.DModel);

        public NativeBuffer Qkv { get; } = new((long)rows * qkv);

        public NativeBuffer Z { get; } = new((long)rows * spec.NHeads * spec.DHead);

        public NativeBuffer Middle { get; } = new((long)rows * spec.DModel);

        public NativeBuffer Normed2 { get; } = new((long)rows * spec.DModel);

        public NativeBuffer MlpPre { get; } = new((long)rows * spec.DMlp);

        public NativeBuffer MlpPost { get; } = new((long)rows * spec.DMlp);

        public LinearMemory QkvOf { get; } = new("attn.c_attn", spec.DModel, qkv);

        public LinearMemory OutOf { get; } = new("attn.c_proj", spec.NHeads * spec.DHead, spec.DModel);

        public LinearMemory InOf { get; } = new("mlp.c_fc", spec.DModel, spec.DMlp);

        public LinearMemory MlpOutOf { get; } = new("mlp.c_proj", spec.DMlp, spec.DModel);

        public IEnumerable<LinearMemory> Linears => [QkvOf, OutOf, InOf, MlpOutOf];

        public void Dispose()
        {
            foreach (NativeBuffer buffer in (NativeBuffer[])
                [Residual, Normed1, Qkv, Z, Middle, Normed2, MlpPre, MlpPost])
            {
                buffer.Dispose();
            }

            foreach (LinearMemory linear in Linears)
            {
                linear.Dispose();
            }
        }
    }
}
