using System.Runtime.InteropServices;
using System.Security.Cryptography;
using LayerSteer.Models;
using LayerSteer.Text;

namespace LayerSteer.Training;

/// <summary>Texts as tokens to train on.</summary>
public static class TrainingTexts
{
    private const int DocumentsAtOnce = 256;

    /// <summary>Encodes a corpus, one source a file, on all cores.</summary>
    /// <param name="corpus">The texts.</param>
    /// <param name="tokenizer">Of the model.</param>
    /// <param name="weights">
    /// How often files are drawn from: parts of their names with factors; the first that a name contains counts.
    /// </param>
    /// <param name="progress">Told each file before it is read; may be null.</param>
    /// <param name="cancellation">Checked between documents.</param>
    /// <exception cref="ArgumentException">No file's name contains one of the parts.</exception>
    /// <exception cref="InvalidDataException">The corpus is damaged, or the tokenizer has no end of text.</exception>
    public static IReadOnlyList<TokenSource> Encode(
        TextCorpus corpus,
        TextTokenizer tokenizer,
        IReadOnlyList<(string Part, double Factor)>? weights = null,
        Action<string>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        weights ??= [];
        foreach ((string part, _) in weights)
        {
            if (!corpus.Files.Any(file => Path.GetFileName(file).Contains(part, StringComparison.Ordinal)))
            {
                throw new ArgumentException(
                    $"no file's name contains '{part}'; there are "
                    + string.Join(", ", corpus.Files.Select(Path.GetFileName)));
            }
        }

        var sources = new List<TokenSource>();
        foreach (string file in corpus.Files)
        {
            string name = Path.GetFileName(file);
            progress?.Invoke(name);
            double factor = weights.Where(w => name.Contains(w.Part, StringComparison.Ordinal))
                .Select(w => w.Factor).DefaultIfEmpty(1).First();
            sources.Add(Encode(name, corpus.Documents(file).Select(d => d.Text), tokenizer, factor, cancellation));
        }

        return sources;
    }

    /// <summary>Encodes texts as one source.</summary>
    /// <param name="name">What the source is called in messages.</param>
    /// <param name="texts">The documents.</param>
    /// <param name="tokenizer">Of the model.</param>
    /// <param name="weight">Its weight.</param>
    /// <param name="cancellation">Checked between documents.</param>
    /// <exception cref="InvalidDataException">The tokenizer has no token that ends a text.</exception>
    public static TokenSource Encode(
        string name,
        IEnumerable<string> texts,
        TextTokenizer tokenizer,
        double weight = 1,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(tokenizer);
        int end = EndOf(tokenizer);
        var tokens = new List<int>();
        foreach (string[] block in texts.Chunk(DocumentsAtOnce))
        {
            cancellation.ThrowIfCancellationRequested();
            int[][] encoded = new int[block.Length][];
            Parallel.For(0, block.Length, i => encoded[i] = tokenizer.Encode(block[i]));
            foreach (int[] ids in encoded)
            {
                tokens.AddRange(ids);
                tokens.Add(end);
            }
        }

        return new TokenSource(name, [.. tokens], weight);
    }

    /// <summary>The token after each document.</summary>
    /// <exception cref="InvalidDataException">The tokenizer has none.</exception>
    internal static int EndOf(TextTokenizer tokenizer) => tokenizer.EosId ?? tokenizer.BosId
        ?? throw new InvalidDataException("the tokenizer names no token that ends a text (eos_token)");

    /// <summary>Windows to measure the loss on: spread evenly over the sources, always the same ones.</summary>
    /// <param name="sources">The texts.</param>
    /// <param name="length">The tokens of a window that are predicted.</param>
    /// <param name="count">The largest number of windows.</param>
    /// <exception cref="ArgumentException">The texts are smaller than a window.</exception>
    public static IReadOnlyList<int[]> Windows(IReadOnlyList<TokenSource> sources, int length, int count)
    {
        ArgumentNullException.ThrowIfNull(sources);
        int[] all = [.. sources.SelectMany(s => s.Tokens)];
        int available = (all.Length - 1) / length;
        if (available < 1)
        {
            throw new ArgumentException(
                $"the validation texts are smaller than one window: {all.Length} tokens, "
                + $"expected at least {length + 1}");
        }

        int used = Math.Min(count, available);
        return [.. Enumerable.Range(0, used).Select(i =>
        {
            int start = (int)((long)i * available / used) * length;
            return all[start..(start + length + 1)];
        })];
    }

    /// <summary>What a run trains and on what, so that a checkpoint of another run is told from it.</summary>
    /// <param name="spec">The architecture.</param>
    /// <param name="origin">The digest of the checkpoint, or of the tokenizer of a new model.</param>
    /// <param name="sources">The texts.</param>
    public static string Describe(ArchitectureSpec spec, string origin, IReadOnlyList<TokenSource> sources) =>
        $"{spec}, {origin}, {Describe(sources)}";

    /// <summary>What texts a run trains on: names, weights, lengths and digests.</summary>
    /// <param name="sources">The texts.</param>
    public static string Describe(IReadOnlyList<TokenSource> sources)
    {
        ArgumentNullException.ThrowIfNull(sources);
        IEnumerable<string> texts = sources.Select(source =>
        {
            byte[] digest = SHA256.HashData(MemoryMarshal.AsBytes<int>(source.Tokens));
            return FormattableString.Invariant(
                $"{source.Name} x {source.Weight} = {source.Tokens.Length} tokens {Convert.ToHexString(digest)[..16]}");
        });
        return string.Join(", ", texts);
    }
}
