using System.Security.Cryptography;

namespace LayerSteer.Text;

/// <summary>How one piece of a split text becomes ids.</summary>
internal abstract class PieceModel
{
    /// <summary>One caller's side of the model: its working memory. Not shared between threads.</summary>
    public abstract PieceEncoder Begin();

    /// <summary>Names the model and its settings, for digests.</summary>
    public abstract string Identity { get; }

    /// <summary>Adds the tables that, besides the vocabulary, decide the ids.</summary>
    public abstract void AppendTables(IncrementalHash hash);
}

/// <summary>Appends the ids of one piece, which is not empty.</summary>
internal delegate void PieceEncoder(ReadOnlySpan<char> piece, List<int> ids);
