using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Topics;

/// <summary>A passage of a corpus, to serve as a reference text.</summary>
/// <param name="Id">File and document: <c>name.txt.gz#12</c>.</param>
/// <param name="Text">Whole sentences on one line.</param>
/// <param name="Source">The name of the file.</param>
public sealed record ReferencePassage(string Id, string Text, string Source);

/// <summary>
/// Draws reference texts from a corpus: from each file a number that grows with the root of its documents, so that a
/// small source is not lost; from a drawn document one passage, whole sentences, from a random sentence on.
/// </summary>
public static class ReferencePassages
{
    /// <summary>Draws passages; the same seed gives the same ones.</summary>
    /// <param name="corpus">The texts.</param>
    /// <param name="count">How many to draw; fewer come if there are fewer documents.</param>
    /// <param name="characters">About how long a passage is; at least 40.</param>
    /// <param name="seed">Chooses them.</param>
    /// <returns>In the order of the corpus.</returns>
    /// <exception cref="InvalidDataException">The corpus cannot be read.</exception>
    public static IReadOnlyList<ReferencePassage> Draw(TextCorpus corpus, int count, int characters, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(characters, 40);
        int[] documents = [.. corpus.Files.Select(file => corpus.Documents(file).Count())];
        double total = documents.Sum(n => Math.Sqrt(n));
        var random = new SplitMix64(seed);
        var passages = new List<ReferencePassage>();
        for (int i = 0; i < corpus.Files.Count; i++)
        {
            int wanted = Math.Min(documents[i], (int)Math.Round(count * Math.Sqrt(documents[i]) / total));
            int[] order = [.. Enumerable.Range(0, documents[i])];
            random.Shuffle<int>(order);
            var chosen = order.Take(wanted).ToHashSet();
            string name = Path.GetFileName(corpus.Files[i]);
            foreach (CorpusDocument document in corpus.Documents(corpus.Files[i]))
            {
                if (chosen.Contains(document.Index))
                {
                    string text = Passage(document.Text, characters, ref random);
                    passages.Add(new ReferencePassage($"{name}#{document.Index}", text, name));
                }
            }
        }

        return passages;
    }

    /// <summary>Sentences from a random one on, until the length is reached; cut where a sentence alone is too long.</summary>
    private static string Passage(string text, int characters, ref SplitMix64 random)
    {
        string[] words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var starts = new List<int> { 0 };
        int left = words.Sum(word => word.Length + 1);
        for (int i = 0; i < words.Length; i++)
        {
            left -= words[i].Length + 1;
            if (EndsSentence(words[i]) && left >= characters)
            {
                starts.Add(i + 1);
            }
        }

        int first = starts[random.NextInt(starts.Count)];
        int length = 0;
        int last = first; // exclusive
        int sentence = first;
        while (last < words.Length && length < characters)
        {
            length += words[last++].Length + 1;
            sentence = EndsSentence(words[last - 1]) ? last : sentence;
        }

        return string.Join(' ', words[first..(sentence > first ? sentence : last)]);
    }

    private static bool EndsSentence(string word) =>
        word.TrimEnd('"', '\'', '”', '’', ')') is [.., '.' or '!' or '?'];
}
