using System.Globalization;
using System.Text.RegularExpressions;
using LayerSteer.Models;

namespace LayerSteer.Hub;

/// <summary>
/// One line of <c>known-saes.tsv</c>: autoencoders of a release whose names differ by numbers. <c>{0}</c>, <c>{1}</c>,
/// … in the fields stand for the numbers of one of its tuples; with the values <c>*</c> for letters and digits of any
/// name.
/// </summary>
internal sealed class SaePattern
{
    private const string Any = "*";

    private readonly string[] _release;
    private readonly string[] _fields;
    private readonly string _values;

    /// <param name="release">The release's fields: the word, its name, model, repository, format.</param>
    /// <param name="fields">
    /// The line's: the word, id, path, hook point, Neuronpedia id, and values where it has any.
    /// </param>
    public SaePattern(string[] release, string[] fields)
    {
        _release = release;
        _fields = fields;
        _values = fields.Length > 5 ? fields[5] : string.Empty;
    }

    /// <summary>Whether the names are not listed: there is one for any letters and digits.</summary>
    public bool IsOpen => _values == Any;

    /// <summary>The model of the release.</summary>
    public string Model => _release[2];

    /// <summary>Whether the release is of transcoders.</summary>
    public bool IsTranscoder => _release[4] == "transcoder";

    /// <summary>The hub repository of the release.</summary>
    public string Repository => _release[3];

    /// <summary>What every Neuronpedia id of the line begins with; null if it has none.</summary>
    public string? NeuronpediaStart => _fields[4] == "-" ? null : _fields[4].Split('{')[0];

    /// <summary>All autoencoders of the line; none if it is open.</summary>
    public IEnumerable<KnownSae> All() => IsOpen ? [] : Tuples().Select(Of);

    /// <summary>The autoencoder of an id; null if the line has none.</summary>
    public KnownSae? Find(string id) => IsOpen
        ? Values(id) is { } values ? Of(values) : null
        : Tuples().Where(tuple => Fill(_fields[1], tuple) == id).Select(Of).FirstOrDefault();

    /// <summary>The autoencoder at a path of its repository; null if the line has none.</summary>
    public KnownSae? FindPath(string path)
    {
        if (!IsOpen)
        {
            return All().FirstOrDefault(sae => sae.Path == path);
        }

        int name = _fields[2].LastIndexOf('/') + 1;
        return path.Length > name && Find(path[name..]) is { } sae && sae.Path == path ? sae : null;
    }

    /// <summary>The names of the line, or one made up where any will do.</summary>
    public IEnumerable<string> Examples() => IsOpen
        ? [$"{_release[1]}/{Fill(_fields[1], ["12", "16k", "small"])}"]
        : All().Select(sae => sae.Name);

    private string[]? Values(string id)
    {
        string pattern = Regex.Replace(Regex.Escape(_fields[1]), @"\\\{\d}", "([A-Za-z0-9]+)");
        Match match = Regex.Match(id, $"^{pattern}$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        return match.Success && match.Groups[1].Value.All(char.IsAsciiDigit)
            ? [.. match.Groups.Cast<Group>().Skip(1).Select(group => group.Value)]
            : null;
    }

    private IEnumerable<string[]> Tuples()
    {
        foreach (string value in _values.Split(' '))
        {
            string[] ends = value.Split('-');
            if (ends.Length == 2)
            {
                for (int i = Number(ends[0]); i <= Number(ends[1]); i++)
                {
                    yield return [i.ToString(CultureInfo.InvariantCulture)];
                }
            }
            else
            {
                yield return value.Split(':');
            }
        }
    }

    private KnownSae Of(string[] values)
    {
        string id = Fill(_fields[1], values);
        return new KnownSae
        {
            Release = _release[1],
            Id = id,
            Model = _release[2],
            Repository = _release[3],
            Format = _release[4],
            Path = _fields[2] == "=" ? id : Fill(_fields[2], values),
            HookPoint = _fields[3] == "-" ? null : HookPoint.Parse(Fill(_fields[3], values)),
            NeuronpediaId = _fields[4] == "-" ? null : Fill(_fields[4], values),
        };
    }

    private static string Fill(string pattern, string[] values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            pattern = pattern.Replace(
                string.Create(CultureInfo.InvariantCulture, $"{{{i}}}"), values[i], StringComparison.Ordinal);
        }

        return pattern;
    }

    private static int Number(string digits) => int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
}
