using CsCheck;
using LayerSteer.Evaluation;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class WordDiffTests
{
    private static readonly string[] Parts = ["a", "b", "c", " a", " b", "  c", "\n", "a b", " "];

    private static readonly Gen<string> Texts =
        Gen.Int[0, 8].Select(i => Parts[i]).Array[0, 8].Select(string.Concat);

    [Fact]
    public void As_many_words_are_kept_as_the_longest_common_subsequence_has() =>
        Gen.Select(Texts, Texts).Sample((text, other) =>
        {
            IReadOnlyList<DiffPiece> pieces = WordDiff.Of(text, other);
            string[] kept = [.. pieces.Where(piece => !piece.IsChanged).SelectMany(piece => Split(piece.Text))];
            Assert.Equal(Longest(Split(text), Split(other)), kept.Length);
            Assert.True(IsSubsequence(kept, Split(other)));
        });

    [Fact]
    public void The_pieces_are_the_text_and_neighbours_differ() =>
        Gen.Select(Texts, Texts).Sample((text, other) =>
        {
            IReadOnlyList<DiffPiece> pieces = WordDiff.Of(text, other);
            Assert.Equal(text, string.Concat(pieces.Select(piece => piece.Text)));
            Assert.DoesNotContain(
                pieces.Zip(pieces.Skip(1)), pair => pair.First.IsChanged == pair.Second.IsChanged);
            Assert.All(pieces, piece => Assert.NotEmpty(piece.Text));
            Assert.All(WordDiff.Of(text, text), piece => Assert.False(piece.IsChanged));
        });

    [Fact]
    public void Words_that_the_other_does_not_have_are_marked() => Assert.Equal(
        [new("I went to the", false), new(" big", true), new(" house", false), new(" again", true)],
        WordDiff.Of("I went to the big house again", "I went\nto the old house"));

    [Fact]
    public void Texts_of_any_length_are_compared_in_part()
    {
        string text = string.Join(' ', Enumerable.Repeat("word", 3 * WordDiff.MostWords));
        IReadOnlyList<DiffPiece> pieces = WordDiff.Of(text, text);
        Assert.Equal([false, true], pieces.Select(piece => piece.IsChanged));
        Assert.Equal(text, pieces[0].Text + pieces[1].Text);
    }

    private static string[] Split(string text) =>
        text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    /// <summary>By trying every subset of the words.</summary>
    private static int Longest(string[] a, string[] b) => Enumerable.Range(0, 1 << a.Length)
        .Select(set => (string[])[.. a.Where((_, i) => (set >> i & 1) == 1)])
        .Where(words => IsSubsequence(words, b)).Max(words => words.Length);

    private static bool IsSubsequence(string[] words, string[] of)
    {
        int found = 0;
        foreach (string word in of)
        {
            found += found < words.Length && words[found] == word ? 1 : 0;
        }

        return found == words.Length;
    }
}
