using System.Text;
using CsCheck;
using LayerSteer.Tests.Formats;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Text;

public class BytePairTrainerTests
{
    // Few letters, so that pairs repeat, overlap themselves and tie.
    private static readonly Gen<string[]> Corpus = Gen.OneOf(
        Gen.Char["aab c"].Select(c => c.ToString()),
        Gen.OneOf("aaa", " ab", "'s", "é", "日本", "\n", "12", "🙂", "xyzzy", "  "))
        .Array[0, 25].Select(string.Concat).Array[1, 8];

    [Fact]
    public void Merges_are_those_of_a_trainer_that_recounts_every_pair_at_each_step()
    {
        Gen.Select(Corpus, Gen.Int[1, 3], Gen.Int[1, 9], Gen.Double[0, 1]).Sample((texts, minimum, longest, share) =>
        {
            List<(int, int)> expected = PlainMerges(texts, minimum, longest);
            int asked = (int)Math.Ceiling(share * expected.Count);
            return asked == 0 || Train(asked, texts, minimum, longest).Merges.SequenceEqual(expected[..asked]);
        });
    }

    [Fact]
    public void The_trainer_stops_where_the_plain_one_does()
    {
        Gen.Select(Corpus, Gen.Int[1, 3]).Where((texts, _) => texts.Any(text => text.Length > 0))
            .Sample((texts, minimum) =>
            {
                int merges = PlainMerges(texts, minimum, 256).Count;
                return Assert.Throws<InvalidDataException>(() => Train(merges + 1, texts, minimum)).Message
                    .StartsWith($"the texts give {merges} merges of pairs", StringComparison.Ordinal);
            });
    }

    [Fact]
    public void Tokens_are_distinct_and_do_not_depend_on_the_order_of_documents()
    {
        Gen.Select(Corpus, Gen.Int).Sample((texts, seed) =>
        {
            int merges = PlainMerges(texts, 2, 256).Count;
            string[] shuffled = [.. texts];
            new Random(seed).Shuffle(shuffled);
            if (merges > 0)
            {
                IReadOnlyList<string> tokens = Train(merges, texts).Tokens;
                Assert.Equal(tokens, Train(merges, shuffled).Tokens);
                Assert.Equal(tokens.Count, tokens.Distinct().Count());
            }
        });
    }

    [Fact]
    public void The_higher_count_goes_first_then_the_lower_left_id_then_the_lower_right_id()
    {
        BytePairVocabulary vocabulary = Train(4, ["cb", "cb", "ca", "ca", "ba", "ba", "ze", "ze", "ze"]);

        Assert.Equal(["ze", "ba", "ca", "cb"], vocabulary.Tokens.Skip(256).SkipLast(1));
    }

    [Fact]
    public void Ids_are_the_bytes_in_the_order_of_gpt2_then_the_merges_then_the_end_of_text()
    {
        BytePairVocabulary vocabulary = Train(2, ["oo oo oo"]);

        Assert.Equal(259, vocabulary.Tokens.Count);
        Assert.Equal(["!", "Ġ", "Ċ"], [vocabulary.Tokens[0], vocabulary.Tokens[220], vocabulary.Tokens[198]]);
        Assert.Equal(["oo", "Ġoo", "<|endoftext|>"], vocabulary.Tokens.Skip(256));
        Assert.Equal([(78, 78), (220, 256)], vocabulary.Merges);
        Assert.Equal(258, vocabulary.EndOfTextId);
    }

    [Fact]
    public void A_word_that_is_too_long_is_left_out_and_counted_as_such()
    {
        BytePairVocabulary vocabulary = Train(1, ["ééé abab", "abab"], longest: 5);

        Assert.Equal(new BytePairStatistics(2, 15, 2, 6, 5), vocabulary.Statistics);
        Assert.Equal(9 / 5.0, vocabulary.Statistics.BytesPerToken);
        Assert.Equal("ab", vocabulary.Tokens[256]);
    }

    [Fact]
    public void Encoding_the_texts_gives_the_tokens_that_training_counted()
    {
        using var folder = new TempFolder();
        string[] texts = Sentences.Made(seed: 5, 300);
        BytePairVocabulary vocabulary = Train(120, texts);
        vocabulary.Save(folder.Path);
        TextTokenizer tokenizer = TextTokenizer.Load(folder.Path);

        Assert.Equal(vocabulary.Statistics.Tokens, texts.Sum(text => tokenizer.Encode(text).Length));
        Assert.Equal(texts.Sum(Encoding.UTF8.GetByteCount), vocabulary.Statistics.TextBytes);
    }

    [Fact]
    public void Progress_tells_of_the_texts_and_then_of_each_merge()
    {
        var seen = new Recorder();
        string[] texts = [.. Enumerable.Repeat(new string('\n', 1 << 19) + "abab", 4)];
        BytePairTrainer.Train(
            texts,
            new BytePairTrainerOptions { VocabularySize = 259 },
            seen,
            TestContext.Current.CancellationToken);

        const long Half = (1 << 19) + 4;
        Assert.Equal(
            [new(2, 2 * Half, 0, 2), new(4, 4 * Half, 0, 2), new(4, 4 * Half, 1, 2), new(4, 4 * Half, 2, 2)],
            seen.Reports);
    }

    [Fact]
    public void A_training_that_is_cancelled_ends_at_the_next_document_or_merge()
    {
        using var cancellation = new CancellationTokenSource();
        int read = 0;
        IEnumerable<string> Texts()
        {
            while (true)
            {
                if (++read == 3)
                {
                    cancellation.Cancel();
                }
                yield return "abab";
            }
        }

        Assert.Throws<OperationCanceledException>(() => BytePairTrainer.Train(Texts(), null, null, cancellation.Token));
        Assert.Equal(3, read);

        using var second = new CancellationTokenSource();
        var recorder = new Recorder { Then = progress => second.Cancel() };
        Assert.Throws<OperationCanceledException>(() => BytePairTrainer.Train(
            ["abab"], new BytePairTrainerOptions { VocabularySize = 259 }, recorder, second.Token));
        Assert.Equal(1, Assert.Single(recorder.Reports).Merges);
    }

    [Fact]
    public void Texts_that_cannot_make_the_vocabulary_are_refused()
    {
        Assert.Equal(
            "the texts are empty; expected at least one word to train on",
            Assert.Throws<InvalidDataException>(() => Train(1, ["", ""])).Message);
        Assert.Equal(
            "the texts are empty; expected at least one word to train on",
            Assert.Throws<InvalidDataException>(() => Train(1, [])).Message);
        Assert.Equal(
            "every word of the texts has more than 3 bytes; allow longer ones",
            Assert.Throws<InvalidDataException>(() => Train(1, ["abcd", "efgh"], longest: 3)).Message);
        Assert.Equal(
            "the texts give 2 merges of pairs that occur at least 2 times, but a vocabulary of 300 needs 43; "
            + "give more text or ask for at most 259",
            Assert.Throws<InvalidDataException>(() => Train(43, ["oo oo oo"])).Message);
    }

    [Theory]
    [InlineData(256, 2, 9, "a vocabulary of 256; expected 257 (256 bytes and the end of text) to 4194304")]
    [InlineData(4194305, 2, 9, "a vocabulary of 4194305; expected 257 (256 bytes and the end of text) to 4194304")]
    [InlineData(
        300, 0, 9, "a minimum pair frequency of 0 and words of at most 9 bytes; expected at least 1 for both")]
    [InlineData(
        300, 2, 0, "a minimum pair frequency of 2 and words of at most 0 bytes; expected at least 1 for both")]
    public void Options_out_of_range_are_refused(int size, long minimum, int longest, string expected)
    {
        var options = new BytePairTrainerOptions
        {
            VocabularySize = size,
            MinPairFrequency = minimum,
            MaxWordBytes = longest,
        };

        Assert.Equal(expected, Assert.Throws<ArgumentException>(() => Train(["abab"], options)).Message);
    }

    [Fact]
    public void A_vocabulary_without_merges_spells_bytes()
    {
        using var folder = new TempFolder();
        Train(0, ["a"]).Save(folder.Path);

        Assert.Equal([64, 256, 127, 102], TextTokenizer.Load(folder.Path).Encode("a<|endoftext|>é"));
    }

    private static BytePairVocabulary Train(int merges, string[] texts, long minimum = 2, int longest = 256) =>
        Train(texts, new BytePairTrainerOptions
        {
            VocabularySize = 257 + merges,
            MinPairFrequency = minimum,
            MaxWordBytes = longest,
        });

    private static BytePairVocabulary Train(string[] texts, BytePairTrainerOptions options) =>
        BytePairTrainer.Train(texts, options, cancellation: TestContext.Current.CancellationToken);

    // Every word of every text in full, every pair counted anew at each step.
    private static List<(int Left, int Right)> PlainMerges(string[] texts, long minimum, int longest)
    {
        char[] alphabet = [.. Enumerable.Range(0, 256).Select(b => ByteLevelAlphabet.ToChar((byte)b)).Order()];
        List<List<int>> words = [];
        foreach (string text in texts)
        {
            for (int start = 0; start < text.Length;)
            {
                int end = Gpt2Scanner.PieceEnd(text, start);
                byte[] bytes = Encoding.UTF8.GetBytes(text[start..end]);
                if (bytes.Length <= longest)
                {
                    words.Add([.. bytes.Select(b => Array.IndexOf(alphabet, ByteLevelAlphabet.ToChar(b)))]);
                }
                start = end;
            }
        }
        List<(int Left, int Right)> merges = [];
        while (true)
        {
            var best = words.SelectMany(word => word.Zip(word.Skip(1))).CountBy(pair => pair)
                .Where(pair => pair.Value >= minimum)
                .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).ToList();
            if (best.Count == 0)
            {
                return merges;
            }
            (int left, int right) = best[0].Key;
            foreach (List<int> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] == left && word[i + 1] == right)
                    {
                        word[i] = 256 + merges.Count;
                        word.RemoveAt(i + 1);
                    }
                }
            }
            merges.Add((left, right));
        }
    }

    private sealed class Recorder : IProgress<BytePairProgress>
    {
        public List<BytePairProgress> Reports { get; } = [];

        public Action<BytePairProgress>? Then { get; init; }

        public void Report(BytePairProgress value)
        {
            Reports.Add(value);
            Then?.Invoke(value);
        }
    }
}
