using LayerSteer.Tests.Formats;
using LayerSteer.Text;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class ReferencePassagesTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private TextCorpus Corpus()
    {
        Write("a.txt", 100);
        Write("b.txt", 4);
        return TextCorpus.Open([_folder.File("a.txt"), _folder.File("b.txt")]);

        void Write(string name, int documents) => _folder.Write(name, TempFolder.Ascii(string.Concat(
            Enumerable.Range(0, documents).Select(d => string.Concat(Enumerable.Range(0, 30).Select(s =>
                $"Sentence {s} of text {d}\nends here. ")) + "\n<|endoftext|>\n"))));
    }

    [Fact]
    public void A_passage_is_whole_sentences_of_one_document_on_one_line()
    {
        IReadOnlyList<ReferencePassage> passages = ReferencePassages.Draw(Corpus(), 24, 100, 1);

        Assert.All(passages, passage =>
        {
            Assert.StartsWith("Sentence ", passage.Text, StringComparison.Ordinal);
            Assert.EndsWith("ends here.", passage.Text, StringComparison.Ordinal);
            Assert.InRange(passage.Text.Length, 40, 140);
            string document = passage.Id[(passage.Id.IndexOf('#', StringComparison.Ordinal) + 1)..];
            Assert.All(
                passage.Text.Split(". "),
                sentence => Assert.Contains($" of text {document} ends here", sentence, StringComparison.Ordinal));
        });
        Assert.True(passages.Select(passage => passage.Text[..11]).Distinct().Count() > 5);
    }

    [Fact]
    public void A_small_source_gets_the_root_of_its_size()
    {
        IReadOnlyList<ReferencePassage> passages = ReferencePassages.Draw(Corpus(), 24, 100, 1);

        Assert.Equal(20, passages.Count(passage => passage.Source == "a.txt"));
        Assert.Equal(4, passages.Count(passage => passage.Source == "b.txt"));
        Assert.Equal(24, passages.Select(passage => passage.Id).Distinct().Count());
    }

    [Fact]
    public void The_seed_decides()
    {
        Assert.Equal(ReferencePassages.Draw(Corpus(), 24, 100, 1), ReferencePassages.Draw(Corpus(), 24, 100, 1));
        Assert.NotEqual(ReferencePassages.Draw(Corpus(), 24, 100, 1), ReferencePassages.Draw(Corpus(), 24, 100, 2));
    }

    [Fact]
    public void A_text_without_a_sentence_end_is_cut()
    {
        _folder.Write("c.txt", TempFolder.Ascii(string.Join(' ', Enumerable.Repeat("word", 100))));
        ReferencePassage passage =
            Assert.Single(ReferencePassages.Draw(TextCorpus.Open([_folder.File("c.txt")]), 5, 100, 1));

        Assert.Equal(string.Join(' ', Enumerable.Repeat("word", 20)), passage.Text);
    }
}
