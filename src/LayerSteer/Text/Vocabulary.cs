using static LayerSteer.Text.TokenizerFile;

namespace LayerSteer.Text;

/// <summary>
/// The table of pieces and ids of one tokenizer; ids may have holes. Filled at load, then read by many threads.
/// </summary>
internal sealed class Vocabulary(string source, int expected = 0)
{
    // The largest vocabularies in use have about a million ids; a hostile file must not size a table indexed by id.
    public const int MaxId = (1 << 22) - 1;

    private readonly Dictionary<string, int> _ids = new(expected, StringComparer.Ordinal);
    private readonly Dictionary<string, int> _beside = new(StringComparer.Ordinal);
    private readonly List<string?> _pieces = new(expected);

    /// <summary>Largest id + 1.</summary>
    public int Size => _pieces.Count;

    /// <summary>Whether the model has no piece.</summary>
    public bool IsEmpty => _ids.Count == 0;

    /// <summary>An id as read from a file, refused where it is out of range.</summary>
    public static int CheckedId(long id, string piece, string source) =>
        id is >= 0 and <= MaxId
            ? (int)id
            : throw new InvalidDataException($"'{source}': token {Quote(piece)} has id {id}, expected 0..{MaxId}");

    /// <summary>Adds a piece of the model.</summary>
    public void Add(string piece, long id)
    {
        int place = CheckedId(id, piece, source);
        if (place < Size && _pieces[place] is { } other)
        {
            throw new InvalidDataException(
                $"'{source}': id {id} belongs to both {Quote(other)} and {Quote(piece)}, expected one token per id");
        }
        if (!_ids.TryAdd(piece, place))
        {
            throw new InvalidDataException(
                $"'{source}': token {Quote(piece)} has both id {_ids[piece]} and id {id}, expected one id per token");
        }
        Place(piece, place);
    }

    /// <summary>
    /// Adds a token that stands beside the model's pieces: found literally in a text, never made by the model. Nothing
    /// where it is there with this id.
    /// </summary>
    public void AddBeside(string piece, int id, string file)
    {
        if (FindAny(piece) is { } known)
        {
            if (known != id)
            {
                throw new InvalidDataException(
                    $"'{file}': token {Quote(piece)} has id {id}, but '{source}' gives it id {known}");
            }
            return;
        }
        if (id < Size && Piece(id) is { } other)
        {
            throw new InvalidDataException(
                $"'{file}': token {Quote(piece)} has id {id}, which '{source}' gives to {Quote(other)}");
        }
        _beside.Add(piece, id);
        Place(piece, id);
    }

    /// <summary>The piece of an id in 0..Size-1, or null for a hole.</summary>
    public string? Piece(int id) => _pieces[id];

    /// <summary>The id of a piece of the model.</summary>
    public int? Find(string piece) => _ids.TryGetValue(piece, out int id) ? id : null;

    /// <summary>The id of a piece of the model or of a token beside it.</summary>
    public int? FindAny(string piece) => Find(piece) ?? (_beside.TryGetValue(piece, out int id) ? id : null);

    /// <summary>
    /// A lookup of the model's pieces by span; made once by its user, because making it checks the comparer.
    /// </summary>
    public Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> BySpan() =>
        _ids.GetAlternateLookup<ReadOnlySpan<char>>();

    private void Place(string piece, int id)
    {
        while (_pieces.Count <= id)
        {
            _pieces.Add(null);
        }
        _pieces[id] = piece;
    }
}
