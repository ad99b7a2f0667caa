using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Text;

/// <summary>Splits a text step by step, and has a model make ids of each piece.</summary>
internal sealed class SplitModel(IReadOnlyList<PreTokenizer> steps, PieceModel model) : TokenModel
{
    public override void Encode(ReadOnlySpan<char> text, bool atStart, List<int> ids)
    {
        PieceEncoder encode = model.Begin();
        PieceAction action = (piece, _) => encode(piece, ids);
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            PreTokenizer step = steps[i];
            PieceAction next = action;
            action = (piece, first) => step.Split(piece, first, next);
        }
        action(text, atStart);
    }

    public override void AppendIdentity(IncrementalHash hash)
    {
        hash.AppendData(Encoding.UTF8.GetBytes(string.Join("; ", steps.Prepend<object>(model.Identity)) + "\n"));
        model.AppendTables(hash);
    }
}
