namespace LayerSteer.Text;

/// <summary>What is done with a piece; <paramref name="atStart"/>: it begins the whole text.</summary>
internal delegate void PieceAction(ReadOnlySpan<char> piece, bool atStart);

/// <summary>
/// A step that splits text into pieces, each of which becomes ids on its own (tokenizer.json's pre_tokenizer). The
/// pieces go to the next step one by one. Its string form goes into <see cref="TextTokenizer.Digest"/>.
/// </summary>
internal abstract record PreTokenizer
{
    /// <summary>Hands on the pieces of a text, from left to right; none is empty.</summary>
    public abstract void Split(ReadOnlySpan<char> text, bool atStart, PieceAction next);
}

/// <summary>GPT-2's own rule; with <paramref name="PrefixSpace"/> a text that begins with none gets a space.</summary>
internal sealed record Gpt2PreTokenizer(bool PrefixSpace) : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceAction next)
    {
        text = SpacePrefix.Added(text, PrefixSpace);
        for (int start = 0; start < text.Length;)
        {
            int end = Gpt2Scanner.PieceEnd(text, start);
            next(text[start..end], atStart && start == 0);
            start = end;
        }
    }

    public override string ToString() => $"prefix space {PrefixSpace}";
}

/// <summary>A space in front of a text that begins with none, and nothing else.</summary>
internal sealed record SpacePrefix : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceAction next) =>
        next(Added(text, true), atStart);

    internal static ReadOnlySpan<char> Added(ReadOnlySpan<char> text, bool wanted) =>
        wanted && text[0] != ' ' ? string.Concat(" ", text) : text;
}

/// <summary>
/// SentencePiece's spaces: each becomes the mark, a mark is put in front, and a piece begins at each mark.
/// </summary>
/// <param name="Mark">Usually U+2581.</param>
/// <param name="Prepend">Put one in front where none is there.</param>
/// <param name="OnlyAtStart">... but only at the beginning of the whole text.</param>
/// <param name="Cut">Split at marks; otherwise the text stays one piece.</param>
internal sealed record MetaspacePreTokenizer(char Mark, bool Prepend, bool OnlyAtStart, bool Cut) : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceAction next)
    {
        bool prefix = Prepend && (atStart || !OnlyAtStart) && text[0] != Mark && text[0] != ' ';
        char[] marked = new char[text.Length + (prefix ? 1 : 0)];
        marked[0] = Mark;
        text.Replace(marked.AsSpan(prefix ? 1 : 0), ' ', Mark);
        ReadOnlySpan<char> rest = marked;
        while (!rest.IsEmpty)
        {
            // A mark goes with what follows it, up to the next mark.
            int length = Cut ? rest[1..].IndexOf(Mark) + 1 : 0;
            length = length == 0 ? rest.Length : length;
            next(rest[..length], atStart);
            rest = rest[length..];
            atStart = false;
        }
    }
}
