using LayerSteer.Numerics;
using LayerSteer.Text;
using LayerSteer.Training;

namespace LayerSteer.Tests.Training;

/// <summary>
/// Made-up documents of two kinds that share their small words: each document has a few of its kind's words, so that
/// only which words keep company says what kind it is.
/// </summary>
internal static class PlantedTopics
{
    /// <summary>The ids of <see cref="Tokenizer"/>.</summary>
    public const int Vocabulary = 360;

    private static readonly string[] Shared = ["the", "and", "with", "some", "that", "was", "near", "very"];
    private static readonly string[] Kitchen =
        ["flour", "butter", "oven", "sugar", "bread", "knead", "spoon", "yeast", "crust", "honey", "salt", "dough"];

    private static readonly string[] Harbour =
        ["anchor", "sail", "harbour", "mast", "tide", "rope", "deck", "gull", "keel", "wharf", "storm", "rudder"];

    /// <summary>Documents of about 60 words, kitchen and harbour by turns.</summary>
    public static IReadOnlyList<string> Documents(int count, ulong seed)
    {
        var random = new SplitMix64(seed);
        var documents = new string[count];
        for (int i = 0; i < count; i++)
        {
            string[] kind = [.. i % 2 == 0 ? Kitchen : Harbour];
            random.Shuffle(kind.AsSpan());
            var words = new List<string>();
            for (int j = 0; j < 60; j++)
            {
                string[] from = random.NextInt(3) == 0 ? kind[..8] : Shared;
                words.Add(from[random.NextInt(from.Length)]);
            }

            documents[i] = string.Join(' ', words);
        }

        return documents;
    }

    /// <summary>A tokenizer for them, saved in a folder.</summary>
    public static TextTokenizer Tokenizer(string folder)
    {
        var options = new BytePairTrainerOptions { VocabularySize = Vocabulary };
        BytePairTrainer.Train(Documents(60, 3), options).Save(folder);
        return TextTokenizer.Load(folder);
    }

    public static IReadOnlyList<TokenSource> Sources(TextTokenizer tokenizer, int count = 200) =>
        [TrainingTexts.Encode("planted", Documents(count, 5), tokenizer)];
}
