namespace LayerSteer.Text;

/// <summary>The table of pieces and ids of one tokenizer; ids may have holes. Filled at load, then read by many threads.</summary>
internal sealed class Vocabulary(string source)
{
    // The largest vocabularies in use have about a million ids; a table indexed by id must not be sized by a hostile file.
    public const int MaxId = (1 << 22) - 1;

    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<string?> _pieces = [];

    /// <summary>Largest id + 1.</summary>
    public int Size => _pieces.Count;

    /// <summary>Number of pieces; less than <see cref="Size"/> where ids have holes.</summary>
    public int Count => _ids.Count;

    /// <summary>An id as read from a file, refused where it is out of range.</summary>
    public static int CheckedId(long id, string piece, string source) =>
        id is >= 0 and <= MaxId
            ? (int)id
            : throw new InvalidDataException($"'{source}': token '{piece}' has id {id}, expected 0..{MaxId}");

    public void Add(string piece, long id)
    {
        CheckedId(id, piece, source);
        if (id < _pieces.Count && _pieces[(int)id] is { } other)
        {
            throw new InvalidDataException($"'{source}': id {id} belongs to both '{other}' and '{piece}', expected one token per id");
        }
        if (!_ids.TryAdd(piece, (int)id))
        {
            throw new InvalidDataException(
                $"'{source}': token '{piece}' has both id {_ids[piece]} and id {id}, expected one id per token");
        }
        while (_pieces.Count <= id)
        {
            _pieces.Add(null);
        }
        _pieces[(int)id] = piece;
    }

    /// <summary>Adds a token that another file lists beside the vocabulary; nothing where it is there with this id.</summary>
    public void AddBeside(string piece, int id, string file)
    {
        if (Find(piece) is { } known && known != id)
        {
            throw new InvalidDataException($"'{file}': token '{piece}' has id {id}, but '{source}' gives it id {known}");
        }
        if (id < Size && Piece(id) is { } other && other != piece)
        {
            throw new InvalidDataException($"'{file}': token '{piece}' has id {id}, which '{source}' gives to '{other}'");
        }
        if (Find(piece) is null)
        {
            Add(piece, id);
        }
    }

    /// <summary>The piece of an id in 0..Size-1, or null for a hole.</summary>
    public string? Piece(int id) => _pieces[id];

    public int? Find(string piece) => _ids.TryGetValue(piece, out int id) ? id : null;

    /// <summary>A lookup by span; made once by its user, because making it checks the comparer.</summary>
    public Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> BySpan() =>
        _ids.GetAlternateLookup<ReadOnlySpan<char>>();
}
