using LayerSteer.Formats;
using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Models;

/// <summary>
/// A BERT sentence encoder (Reimers and Gurevych 2019):
/// <code>
/// x = norm(word[token] + type[0] + position[i]);
/// for each layer: x = norm(x + attention(x)); x = norm(x + W_2 gelu(W_1 x))
/// e = mean of x over all tokens of the window, [CLS] and [SEP] included;   e / ‖e‖
/// </code>
/// </summary>
internal sealed class BertNetwork : SentenceNetwork
{
    private const int RowsAtOnce = 512;

    private static readonly string[] FilesBesideWeights =
        ["config.json", "sentence_bert_config.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt"];

    private readonly BertSpec _spec;
    private readonly BertWeights _weights;

    private BertNetwork(WeightStore store, BertSpec spec, BertWeights weights)
        : base(store)
    {
        _spec = spec;
        _weights = weights;
    }

    public override int DEmbedding => _spec.DModel;

    /// <summary>Loads an encoder's folder.</summary>
    public static SentenceParts Load(string directory, LoadOptions options)
    {
        BertSpec spec = BertSpec.Read(directory);
        int maxLength = SentenceConfig.MaxLength(directory);
        SentenceConfig.RequireMeanPooling(directory);
        TextTokenizer tokenizer = TextTokenizer.Load(directory);
        if (tokenizer.VocabularySize > spec.Vocabulary)
        {
            throw new InvalidDataException(
                $"'{directory}': the tokenizer has {tokenizer.VocabularySize} ids, "
                + $"config.json's vocab_size is {spec.Vocabulary}");
        }

        int tokenizerLimit = Math.Min(tokenizer.ModelMaxLength ?? spec.MaxPositions, spec.MaxPositions);
        int limit = maxLength > 0 ? Math.Min(maxLength, spec.MaxPositions) : tokenizerLimit;
        using Checkpoint checkpoint = Checkpoint.Open(directory);
        string[] files =
            [
                .. FilesBesideWeights.Where(name => File.Exists(Path.Combine(directory, name))),
                .. checkpoint.Files,
            ];
        var cache = new WeightCache(options, "sentence-encoder", checkpoint.Stamps);
        var digest = new Lazy<string>(() => FileDigest.OfFiles(directory, files, cache.Folder));
        int[] specials = tokenizer.EncodeWithSpecials(string.Empty, null);
        WeightStore? store = cache.Open(WeightType.F32, digest);
        try
        {
            BertWeights weights = BertWeights.Load(checkpoint, spec, store);
            cache.Save(store);
            var parts = new SentenceParts
            {
                Network = new BertNetwork(store, spec, weights),
                Tokenizer = tokenizer,
                MaxLength = limit,
                TokenizerMaxLength = tokenizerLimit,
                GeneratorMaxLength = limit,
                Before = specials[..1],
                After = specials[1..],
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

    public override float[][] Embed(
        IReadOnlyList<int[]> windows, WorkerPool pool, CancellationToken cancellation)
    {
        int longest = Math.Max(RowsAtOnce, windows.Count == 0 ? 0 : windows.Max(w => w.Length));
        using var pass = new BertPass(_spec, _weights, longest, pool);
        var embeddings = new float[windows.Count][];
        for (int first = 0; first < windows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = 0;
            int end = first;
            while (end < windows.Count && (end == first || rows + windows[end].Length <= RowsAtOnce))
            {
                rows += windows[end++].Length;
            }

            var group = windows.Skip(first).Take(end - first).ToList();
            pass.Run(group).CopyTo(embeddings, first);
            first = end;
        }

        return embeddings;
    }
}
