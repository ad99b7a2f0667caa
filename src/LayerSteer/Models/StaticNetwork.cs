using LayerSteer.Formats;
using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Models;

/// <summary>
/// A sentence encoder without layers, sentence-transformers' StaticEmbedding: one vector a token, and
/// <code>
/// e = mean of E[token] over the window;  e / ‖e‖,  or 0 for a window without tokens;  E [vocabulary, d]
/// </code>
/// </summary>
internal sealed class StaticNetwork : SentenceNetwork
{
    /// <summary>
    /// The window where no file names one. A static encoder has no positions that could run out, but a vector of a
    /// whole book says little.
    /// </summary>
    private const int DefaultWindow = 512;

    /// <summary>No limit, as a number that artefacts may record.</summary>
    private const int Unlimited = 1 << 24;

    /// <summary>The name of the matrix.</summary>
    public const string Trained = "embedding.weight";

    /// <summary>The name that model2vec gives the same matrix.</summary>
    private const string Distilled = "embeddings";

    private static readonly string[] FilesBesideWeights =
    [
        "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt",
    ];

    private readonly NativeBuffer _vectors;
    private readonly int _vocabulary;

    private StaticNetwork(WeightStore store, NativeBuffer vectors, int vocabulary, int d)
        : base(store)
    {
        _vectors = vectors;
        _vocabulary = vocabulary;
        DEmbedding = d;
    }

    public override int DEmbedding { get; }

    /// <summary>Loads the module in a folder of an encoder.</summary>
    /// <param name="directory">The encoder's folder.</param>
    /// <param name="path">The module's folder within it, empty for the same.</param>
    /// <param name="options">How to load it.</param>
    public static SentenceParts Load(string directory, string path, LoadOptions options)
    {
        string folder = Path.Combine(directory, path);
        TextTokenizer tokenizer = TextTokenizer.Load(folder);
        int maxLength = SentenceConfig.MaxLength(directory);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        (string name, int vocabulary, int d) = Matrix(checkpoint, tokenizer.VocabularySize);
        ElementReader read = checkpoint.Matrix(name, vocabulary, d);
        string[] files =
        [
            .. FilesBesideWeights.Concat(checkpoint.Files).Select(file => Path.Combine(path, file))
                .Concat([SentenceModules.FileName, SentenceConfig.FileName])
                .Where(file => File.Exists(Path.Combine(directory, file))),
        ];
        var cache = new WeightCache(options, "sentence-encoder", checkpoint.Stamps);
        var digest = new Lazy<string>(() => FileDigest.OfFiles(directory, files, cache.Folder));
        WeightStore? store = cache.Open(WeightType.F32, digest);
        try
        {
            NativeBuffer vectors = store.Take(name, (long)vocabulary * d, rows =>
            {
                for (long token = 0; token < vocabulary; token++)
                {
                    read(token * d, rows.Span(token * d, d));
                }
            });
            cache.Save(store);
            var parts = new SentenceParts
            {
                Network = new StaticNetwork(store, vectors, vocabulary, d),
                Tokenizer = tokenizer,
                MaxLength = maxLength > 0 ? maxLength : DefaultWindow,
                TokenizerMaxLength = tokenizer.ModelMaxLength ?? Unlimited,
                GeneratorMaxLength = Unlimited,
                Before = [],
                After = [],
                Digest = digest,
            };
            store = null;
            return parts;
        }
        finally
        {
            store?.Dispose();
        }
    }

    /// <summary>The name and shape of the matrix of a checkpoint.</summary>
    /// <param name="checkpoint">The module's folder.</param>
    /// <param name="vocabulary">The ids of its tokenizer.</param>
    /// <exception cref="InvalidDataException">There is no matrix with a row for each id.</exception>
    public static (string Name, int Vocabulary, int D) Matrix(Checkpoint checkpoint, int vocabulary)
    {
        string name = checkpoint.Has(Trained) || !checkpoint.Has(Distilled) ? Trained : Distilled;
        IReadOnlyList<long> shape = checkpoint.ShapeOf(name);
        return shape.Count == 2 && shape[0] == vocabulary && shape[1] is > 0 and <= Unlimited
            ? (name, vocabulary, (int)shape[1])
            : throw new InvalidDataException(
                $"'{checkpoint.Directory}': {name} is {Display.Shape([.. shape])}, expected [{vocabulary}, d], "
                + "a row for each id of the tokenizer");
    }

    public override float[][] Embed(
        IReadOnlyList<int[]> windows, WorkerPool pool, CancellationToken cancellation)
    {
        var embeddings = new float[windows.Count][];
        for (int i = 0; i < embeddings.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            double[] sum = new double[DEmbedding];
            foreach (int token in windows[i])
            {
                ArgumentOutOfRangeException.ThrowIfNegative(token, nameof(windows));
                ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, _vocabulary, nameof(windows));
                ReadOnlySpan<float> vector = _vectors.Span((long)token * DEmbedding, DEmbedding);
                for (int j = 0; j < vector.Length; j++)
                {
                    sum[j] += vector[j];
                }
            }

            embeddings[i] = UnitMean(sum, windows[i].Length);
        }

        return embeddings;
    }
}
