using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>What a BERT encoder is made of, from its <c>config.json</c>.</summary>
internal sealed record BertSpec(
    int NLayers,
    int DModel,
    int NHeads,
    int DMlp,
    int Vocabulary,
    int MaxPositions,
    int TokenTypes,
    float NormEpsilon,
    Activation Activation)
{
    public int DHead => DModel / NHeads;

    public static BertSpec Read(string directory)
    {
        string path = Path.Combine(directory, "config.json");
        using ConfigFile config = ConfigFile.Read(path);
        string family = config.String("model_type");
        if (family != "bert")
        {
            throw new NotSupportedException($"'{path}': model_type is '{family}'; sentence encoders supported: bert");
        }

        if (config.OptionalString("position_embedding_type") is { } positions && positions != "absolute")
        {
            throw new NotSupportedException($"'{path}': position_embedding_type is '{positions}'; supported: absolute");
        }

        int d = config.Size("hidden_size");
        int heads = config.Size("num_attention_heads");
        if (d % heads != 0)
        {
            throw new InvalidDataException(
                $"'{path}': hidden_size is {d}, expected a multiple of num_attention_heads = {heads}");
        }

        return new BertSpec(
            config.Size("num_hidden_layers"),
            d,
            heads,
            config.Size("intermediate_size"),
            config.Size("vocab_size"),
            config.Size("max_position_embeddings"),
            config.OptionalSize("type_vocab_size") ?? 2,
            config.Epsilon("layer_norm_eps", 1e-12f),
            config.Activation("hidden_act", "gelu"));
    }
}

/// <summary>The weights of one BERT layer.</summary>
internal sealed record BertLayer(
    Linear Query,
    Linear Key,
    Linear Value,
    Linear Out,
    Norm Norm1,
    Linear MlpIn,
    Linear MlpOut,
    Norm Norm2);

/// <summary>
/// The weights of a BERT encoder; all linear layers are stored [outputs, inputs], words are [vocabulary, dModel].
/// </summary>
internal sealed record BertWeights(
    NativeBuffer Words, float[] Positions, float[] Type, Norm EmbeddingNorm, BertLayer[] Layers)
{
    public static BertWeights Load(Checkpoint checkpoint, BertSpec spec, WeightStore store)
    {
        checkpoint.StripPrefix("bert.", "embeddings.word_embeddings.weight");
        int d = spec.DModel;
        ElementReader read = checkpoint.Matrix("embeddings.word_embeddings.weight", spec.Vocabulary, d);
        NativeBuffer words = store.Take("embeddings.word_embeddings", (long)spec.Vocabulary * d, rows =>
        {
            for (int token = 0; token < spec.Vocabulary; token++)
            {
                read((long)token * d, rows.Span((long)token * d, d));
            }
        });
        float[] positions = checkpoint.Vector("embeddings.position_embeddings.weight", spec.MaxPositions, d);
        float[] types = checkpoint.Vector("embeddings.token_type_embeddings.weight", spec.TokenTypes, d);
        Norm norm = checkpoint.Norm("embeddings.LayerNorm", spec.DModel, spec.NormEpsilon);
        var layers = new BertLayer[spec.NLayers];
        for (int i = 0; i < spec.NLayers; i++)
        {
            string layer = $"encoder.layer.{i}.";
            layers[i] = new BertLayer(
                ReadLinear(checkpoint, layer + "attention.self.query", d, d, store),
                ReadLinear(checkpoint, layer + "attention.self.key", d, d, store),
                ReadLinear(checkpoint, layer + "attention.self.value", d, d, store),
                ReadLinear(checkpoint, layer + "attention.output.dense", d, d, store),
                checkpoint.Norm(layer + "attention.output.LayerNorm", spec.DModel, spec.NormEpsilon),
                ReadLinear(checkpoint, layer + "intermediate.dense", d, spec.DMlp, store),
                ReadLinear(checkpoint, layer + "output.dense", spec.DMlp, d, store),
                checkpoint.Norm(layer + "output.LayerNorm", spec.DModel, spec.NormEpsilon));
        }

        return new BertWeights(words, positions, types[..d], norm, layers);
    }

    private static Linear ReadLinear(Checkpoint checkpoint, string name, int inputs, int outputs, WeightStore store)
    {
        float[] bias = checkpoint.Vector(name + ".bias", outputs);
        ElementReader weights = checkpoint.Matrix(name + ".weight", outputs, inputs);
        return new Linear(WeightMatrix.FromRows(store, name, WeightType.F32, outputs, inputs, weights), bias);
    }
}

/// <summary>Passes of a BERT encoder over windows side by side, without padding, with their working memory.</summary>
internal sealed class BertPass : IDisposable
{
    private readonly BertSpec _spec;
    private readonly BertWeights _weights;
    private readonly WorkerPool _pool;
    private readonly NativeBuffer _x;
    private readonly NativeBuffer _projected;
    private readonly NativeBuffer _q;
    private readonly NativeBuffer _keys;
    private readonly NativeBuffer _values;
    private readonly NativeBuffer _z;
    private readonly NativeBuffer _out;
    private readonly NativeBuffer _mlp;
    private readonly NativeBuffer _scratch;
    private readonly AttentionRow[] _attention;

    public BertPass(BertSpec spec, BertWeights weights, int maxRows, WorkerPool pool)
    {
        _spec = spec;
        _weights = weights;
        _pool = pool;
        int padded = AttentionKernel.Padded(spec.DHead) * spec.NHeads;
        _x = new NativeBuffer((long)maxRows * spec.DModel);
        _projected = new NativeBuffer((long)maxRows * spec.DModel);
        _q = new NativeBuffer((long)maxRows * padded);
        _keys = new NativeBuffer((long)maxRows * padded);
        _values = new NativeBuffer((long)maxRows * padded);
        _z = new NativeBuffer((long)maxRows * spec.DModel);
        _out = new NativeBuffer((long)maxRows * spec.DModel);
        _mlp = new NativeBuffer((long)maxRows * spec.DMlp);
        _scratch = new NativeBuffer(AttentionKernel.ScratchLength(spec.NHeads, maxRows));
        _attention = new AttentionRow[maxRows];
    }

    /// <summary>Embeds windows that fit the rows together; unit vectors, [windows][dModel].</summary>
    public float[][] Run(IReadOnlyList<int[]> windows)
    {
        int d = _spec.DModel;
        int rows = windows.Sum(w => w.Length);
        Span<float> x = _x.Span(0, rows * d);
        Embed(windows, x);
        _weights.EmbeddingNorm.Run(_pool, x, x, rows);
        foreach (BertLayer layer in _weights.Layers)
        {
            RunLayer(layer, windows, x, rows);
        }

        var embeddings = new float[windows.Count][];
        int row = 0;
        for (int i = 0; i < windows.Count; i++)
        {
            embeddings[i] = MeanUnit(x.Slice(row * d, windows[i].Length * d), d);
            row += windows[i].Length;
        }

        return embeddings;
    }

    public void Dispose()
    {
        foreach (NativeBuffer buffer in new[] { _x, _projected, _q, _keys, _values, _z, _out, _mlp, _scratch })
        {
            buffer.Dispose();
        }
    }

    private void Embed(IReadOnlyList<int[]> windows, Span<float> x)
    {
        int d = _spec.DModel;
        int row = 0;
        foreach (int[] window in windows)
        {
            if (window.Length > _spec.MaxPositions)
            {
                throw new ArgumentException(
                    $"a window of {window.Length} tokens; the encoder has {_spec.MaxPositions} positions",
                    nameof(windows));
            }

            for (int position = 0; position < window.Length; position++, row++)
            {
                ReadOnlySpan<float> word = _weights.Words.Span((long)window[position] * d, d);
                ReadOnlySpan<float> place = _weights.Positions.AsSpan(position * d, d);
                for (int i = 0; i < d; i++)
                {
                    x[(row * d) + i] = word[i] + _weights.Type[i] + place[i];
                }
            }
        }
    }

    private void RunLayer(BertLayer layer, IReadOnlyList<int[]> windows, Span<float> x, int rows)
    {
        int d = _spec.DModel;
        Span<float> projected = _projected.Span(0, rows * d);
        Span<float> output = _out.Span(0, rows * d);
        Span<float> mlp = _mlp.Span(0, rows * _spec.DMlp);
        int padded = AttentionKernel.Padded(_spec.DHead);
        int dHead = _spec.DHead;

        layer.Query.Run(_pool, x, projected, rows);
        for (int row = 0; row < rows; row++)
        {
            for (int head = 0; head < _spec.NHeads; head++)
            {
                projected.Slice((row * d) + (head * dHead), dHead)
                    .CopyTo(_q.Span(((long)row * _spec.NHeads + head) * padded, dHead));
            }
        }

        layer.Key.Run(_pool, x, projected, rows);
        Scatter(projected, _keys, windows);
        layer.Value.Run(_pool, x, projected, rows);
        Scatter(projected, _values, windows);
        int first = 0;
        foreach (int[] window in windows)
        {
            long start = (long)first * _spec.NHeads * padded;
            _attention.AsSpan(first, window.Length)
                .Fill(new AttentionRow(_keys, _values, start, window.Length, window.Length));
            first += window.Length;
        }

        Span<float> z = _z.Span(0, rows * d);
        AttentionKernel.Run(
            _pool,
            _attention.AsSpan(0, rows),
            _q.Span(0, rows * _spec.NHeads * padded),
            z,
            _scratch.Span(0, (int)_scratch.Length),
            _spec.NHeads,
            _spec.NHeads,
            dHead,
            1f / MathF.Sqrt(dHead));

        layer.Out.Run(_pool, z, output, rows);
        AddKernel.Run(_pool, x, output);
        layer.Norm1.Run(_pool, x, x, rows);
        layer.MlpIn.Run(_pool, x, mlp, rows);
        ActivationKernel.Run(_pool, _spec.Activation, mlp);
        layer.MlpOut.Run(_pool, mlp, output, rows);
        AddKernel.Run(_pool, x, output);
        layer.Norm2.Run(_pool, x, x, rows);
    }

    /// <summary>[rows, heads·dHead] to, for each window, [heads, length, dHeadPadded].</summary>
    private void Scatter(ReadOnlySpan<float> projected, NativeBuffer target, IReadOnlyList<int[]> windows)
    {
        int d = _spec.DModel;
        int dHead = _spec.DHead;
        int padded = AttentionKernel.Padded(dHead);
        int first = 0;
        foreach (int[] window in windows)
        {
            for (int head = 0; head < _spec.NHeads; head++)
            {
                for (int i = 0; i < window.Length; i++)
                {
                    long at = (((long)first * _spec.NHeads) + ((long)head * window.Length) + i) * padded;
                    projected.Slice(((first + i) * d) + (head * dHead), dHead).CopyTo(target.Span(at, dHead));
                }
            }

            first += window.Length;
        }
    }

    private static float[] MeanUnit(ReadOnlySpan<float> rows, int d)
    {
        double[] sum = new double[d];
        int count = rows.Length / d;
        for (int row = 0; row < count; row++)
        {
            for (int i = 0; i < d; i++)
            {
                sum[i] += rows[(row * d) + i];
            }
        }

        return SentenceNetwork.UnitMean(sum, count);
    }
}
