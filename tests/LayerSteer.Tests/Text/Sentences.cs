using LayerSteer.Numerics;

namespace LayerSteer.Tests.Text;

/// <summary>Made-up sentences, as many as a test needs.</summary>
internal static class Sentences
{
    private static readonly string[] Subjects =
        ["The otter", "A ladder", "Her café", "My uncle's lamp", "Nobody", "The 12th clerk", "猫", "A naïve singer"];

    private static readonly string[] Verbs =
        ["swims under", "didn't see", "leans on", "counts", "hums about", "paints", "they'd say forgets"];

    private static readonly string[] Objects =
        ["the ice.", "1300 steps!", "a letter (unread).", "the attic;  twice.", "crème 🙂\n", "every bank."];

    /// <summary>Sentences that depend on the seed alone.</summary>
    public static string[] Made(ulong seed, int count)
    {
        var random = new SplitMix64(seed);
        return [.. Enumerable.Range(0, count).Select(_ => $"{One(Subjects)} {One(Verbs)} {One(Objects)}")];

        string One(string[] parts) => parts[random.Next() % (ulong)parts.Length];
    }
}
