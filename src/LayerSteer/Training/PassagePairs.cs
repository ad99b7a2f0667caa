namespace LayerSteer.Training;

/// <summary>
/// A batch of pairs of passages: the first passage of each pair, then the second of each. Reused from step to step.
/// </summary>
internal sealed class PassagePairs
{
    private readonly List<int> _tokens = [];
    private readonly List<int> _starts = [0];

    /// <summary>The number of pairs.</summary>
    public int Count => (_starts.Count - 1) / 2;

    /// <summary>The tokens of all passages.</summary>
    public ReadOnlySpan<int> Tokens => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens);

    /// <summary>Where each passage begins and where the last ends, [2 · pairs + 1].</summary>
    public ReadOnlySpan<int> Starts => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_starts);

    /// <summary>Forgets all pairs.</summary>
    public void Clear()
    {
        _tokens.Clear();
        _starts.Clear();
        _starts.Add(0);
    }

    /// <summary>Adds a token to the passage that is being written.</summary>
    public void Add(int token) => _tokens.Add(token);

    /// <summary>Ends the passage, which has at least one token.</summary>
    public void EndPassage() => _starts.Add(_tokens.Count);

    /// <summary>The number of tokens of the passage that is being written.</summary>
    public int Open => _tokens.Count - _starts[^1];
}
