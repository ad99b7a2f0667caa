using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// Checks and packs a checkpoint whose matrices are all of <c>nn.Linear</c>, by the names of its family: every one but
/// GPT-2.
/// </summary>
internal sealed class LinearCheckpoint
{
    private readonly Checkpoint _checkpoint;
    private readonly ArchitectureSpec _spec;
    private readonly WeightNames _names;
    private readonly string? _unembedding;

    /// <summary>Finds the names; nothing is read yet.</summary>
    public LinearCheckpoint(Checkpoint checkpoint, ArchitectureSpec spec)
    {
        _checkpoint = checkpoint;
        _spec = spec;
        _names = WeightNames.Of(spec);
        foreach (string prefix in _names.Prefixes)
        {
            checkpoint.StripPrefix(prefix, _names.Embedding + ".weight");
        }

        _unembedding = spec.TiedUnembedding ? null : Array.Find(_names.Unembeddings, n => checkpoint.Has(n + ".weight"));
    }

    /// <summary>
    /// Checks the names and shapes of all that <see cref="Load"/> reads, before the first large matrix is packed.
    /// </summary>
    /// <returns>The type to pack in: the one wanted, otherwise the lossless one.</returns>
    public WeightType Check(WeightType? wanted)
    {
        int d = _spec.DModel;
        var matrices = new List<string>();
        Matrix(_names.Embedding, _spec.Vocabulary, d, bias: false);
        CheckNorm(_names.FinalNorm, d);
        if (_unembedding is not null)
        {
            Matrix(_unembedding, _spec.Vocabulary, d, bias: false);
            RefuseBias(_unembedding);
        }

        for (int layer = 0; layer < _spec.NLayers; layer++)
        {
            string block = Block(layer);
            foreach (string? norm in (string?[])[_names.Norm1, _names.Norm2, _names.PostNorm1, _names.PostNorm2])
            {
                CheckNorm(norm is null ? null : block + norm, d);
            }

            if (_spec.QueryKeyNorms)
            {
                CheckNorm(block + _names.QueryNorm, _spec.DHead);
                CheckNorm(block + _names.KeyNorm, _spec.DHead);
            }

            foreach ((string name, int outputs) in QueryKeyValue(block))
            {
                Matrix(name, outputs, d, _spec.QueryKeyValueBias);
            }

            Matrix(block + _names.AttentionOut, d, _spec.NHeads * _spec.DHead, _spec.AttentionOutBias);
            Matrix(block + _names.MlpIn, _spec.DMlp, d, _spec.MlpBias);
            if (_names.MlpUp is { } up)
            {
                Matrix(block + up, _spec.DMlp, d, _spec.MlpBias);
            }

            Matrix(block + _names.MlpOut, d, _spec.DMlp, _spec.MlpBias);
        }

        _checkpoint.RefuseUnused(
            "layers.",
            name => _names.Buffers.Contains(name.Split('.', 3)[^1]),
            _spec.Family,
            "is num_hidden_layers in config.json too small, or a bias or norm not named there?");
        return wanted ?? _checkpoint.LosslessType(matrices);

        void Matrix(string name, int outputs, int inputs, bool bias)
        {
            _checkpoint.Tensor(name + ".weight", outputs, inputs);
            matrices.Add(name + ".weight");
            if (bias)
            {
                _checkpoint.Tensor(name + ".bias", outputs);
            }
        }
    }

    /// <summary>Packs a checkpoint that was checked.</summary>
    public DecoderWeights Load(WeightType type, WeightStore store)
    {
        int d = _spec.DModel;
        int heads = _spec.NHeads * _spec.DHead;
        var blocks = new BlockWeights[_spec.NLayers];
        for (int layer = 0; layer < blocks.Length; layer++)
        {
            string block = Block(layer);
            blocks[layer] = new BlockWeights(
                ReadNorm(block + _names.Norm1, d),
                ReadQueryKeyValue(block, type, store),
                ReadLinear(block + _names.AttentionOut, d, heads, _spec.AttentionOutBias, type, store),
                ReadNorm(block + _names.Norm2, d),
                ReadLinear(block + _names.MlpIn, _spec.DMlp, d, _spec.MlpBias, type, store),
                ReadLinear(block + _names.MlpOut, d, _spec.DMlp, _spec.MlpBias, type, store))
            {
                MlpUp = _names.MlpUp is { } up
                    ? ReadLinear(block + up, _spec.DMlp, d, _spec.MlpBias, type, store)
                    : null,
                PostNorm1 = _names.PostNorm1 is { } first ? ReadNorm(block + first, d) : null,
                PostNorm2 = _names.PostNorm2 is { } second ? ReadNorm(block + second, d) : null,
                QueryNorm = _spec.QueryKeyNorms ? ReadNorm(block + _names.QueryNorm, _spec.DHead) : null,
                KeyNorm = _spec.QueryKeyNorms ? ReadNorm(block + _names.KeyNorm, _spec.DHead) : null,
            };
        }

        Norm finalNorm = ReadNorm(_names.FinalNorm, d);
        WeightMatrix embedding = ReadLinear(_names.Embedding, _spec.Vocabulary, d, false, type, store).Weights;
        WeightMatrix unembedding = _unembedding is null
            ? embedding
            : ReadLinear(_unembedding, _spec.Vocabulary, d, false, type, store).Weights;
        return new DecoderWeights(embedding, null, blocks, finalNorm, unembedding);
    }

    private static string Block(int layer) => $"layers.{layer}.";

    /// <summary>The matrices that queries, keys and values come from, with their outputs.</summary>
    private (string Name, int Outputs)[] QueryKeyValue(string block)
    {
        int queries = _spec.NHeads * _spec.DHead;
        int keys = _spec.NKeyValueHeads * _spec.DHead;
        string[] names = _names.QueryKeyValue;
        return names.Length == 1
            ? [(block + names[0], queries + (2 * keys))]
            : [(block + names[0], queries), (block + names[1], keys), (block + names[2], keys)];
    }

    private Linear ReadQueryKeyValue(string block, WeightType type, WeightStore store)
    {
        int d = _spec.DModel;
        (string Name, int Outputs)[] parts = QueryKeyValue(block);
        int outputs = parts.Sum(part => part.Outputs);
        ElementReader rows = RowReader.Joined(
            [.. parts.Select(p => (_checkpoint.Matrix(p.Name + ".weight", p.Outputs, d), (long)p.Outputs * d))]);
        float[] bias = _spec.QueryKeyValueBias
            ? [.. parts.SelectMany(part => _checkpoint.Vector(part.Name + ".bias", part.Outputs))]
            : [];
        if (parts.Length == 1)
        {
            rows = RowReader.ByRole(rows, _spec.NHeads, _spec.DHead, d);
            float[] byHead = bias;
            bias = new float[byHead.Length];
            if (bias.Length > 0)
            {
                RowReader.ByRole((from, to) => byHead.AsSpan((int)from, to.Length).CopyTo(to), _spec.NHeads, _spec.DHead, 1)
                    (0, bias);
            }
        }

        WeightMatrix weights = WeightMatrix.FromRows(store, block + "query_key_value", type, outputs, d, rows);
        return new Linear(weights, bias);
    }

    private Linear ReadLinear(string name, int outputs, int inputs, bool bias, WeightType type, WeightStore store) => new(
        WeightMatrix.FromRows(
            store, name, type, outputs, inputs, _checkpoint.Matrix(name + ".weight", outputs, inputs)),
        bias ? _checkpoint.Vector(name + ".bias", outputs) : []);

    private Norm ReadNorm(string name, int d)
    {
        if (_spec.Norm == NormKind.Layer)
        {
            return _checkpoint.Norm(name, d, _spec.NormEpsilon);
        }

        float[] weight = _checkpoint.Vector(name + ".weight", d);
        if (_spec.UnitOffsetNorms)
        {
            foreach (ref float w in weight.AsSpan())
            {
                w += 1f;
            }
        }

        return new Norm(weight, null, _spec.NormEpsilon);
    }

    private void CheckNorm(string? name, int d)
    {
        if (name is null)
        {
            return;
        }

        _checkpoint.Tensor(name + ".weight", d);
        if (_spec.Norm == NormKind.Layer)
        {
            _checkpoint.Tensor(name + ".bias", d);
        }
        else
        {
            RefuseBias(name);
        }
    }

    private void RefuseBias(string name)
    {
        if (_checkpoint.Has(name + ".bias"))
        {
            throw new InvalidDataException(
                $"'{_checkpoint.Directory}': {name}.bias is there, which a {_spec.Family} model does not have");
        }
    }
}
