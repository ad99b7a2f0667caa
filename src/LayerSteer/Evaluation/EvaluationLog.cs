using System.Text;
using System.Text.Json;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>
/// The lines of an evaluation in a folder, one continuation each, appended as they are made: <c>run.json</c> says what
/// they were made with, <c>results.jsonl</c> holds them. A line that a killed process left half-written is cut off.
/// One writer at a time.
/// </summary>
public sealed class EvaluationLog : IDisposable
{
    /// <summary>The name of the file that says what the lines were made with.</summary>
    public const string RunFile = "run.json";

    /// <summary>The name of the file of lines.</summary>
    public const string ResultFile = "results.jsonl";

    private readonly Dictionary<EvaluationCell, EvaluationLine> _lines = [];
    private readonly FileStream _stream;

    private EvaluationLog(FileStream stream) => _stream = stream;

    /// <summary>How many lines there are.</summary>
    public int Count => _lines.Count;

    /// <summary>Opens the log of a folder, which is made if it is not there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="run">
    /// Everything that a continuation and its figures depend on, by name; a name that the folder has not is added.
    /// </param>
    /// <exception cref="InvalidDataException">The folder is another run's, or a line is malformed.</exception>
    /// <exception cref="IOException">The folder cannot be written, or another process writes it.</exception>
    public static EvaluationLog Open(string folder, IReadOnlyDictionary<string, string> run)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(run);
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, RunFile);
        if (File.Exists(path))
        {
            Join(folder, path, run);
        }
        else if (Directory.EnumerateFileSystemEntries(folder).FirstOrDefault() is { } other)
        {
            throw new InvalidDataException(
                $"'{folder}': holds '{Path.GetFileName(other)}' but no {RunFile}; give a new or empty folder");
        }
        else
        {
            Write(path, run);
        }

        string results = Path.Combine(folder, ResultFile);
        var log = new EvaluationLog(
            new FileStream(results, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read));
        try
        {
            log.ReadLines(results);
            return log;
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Whether a continuation is there.</summary>
    public bool Has(EvaluationCell cell) => _lines.ContainsKey(cell);

    /// <summary>The line of a continuation that is there.</summary>
    public EvaluationLine this[EvaluationCell cell] => _lines[cell];

    /// <summary>Appends lines and hands them to the operating system.</summary>
    public void Append(IReadOnlyList<EvaluationLine> lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        var text = new StringBuilder();
        foreach (EvaluationLine line in lines)
        {
            text.Append(JsonSerializer.Serialize(line, EvaluationJson.Compact.EvaluationLine)).Append('\n');
            _lines.Add(line.Cell, line);
        }

        _stream.Write(Encoding.UTF8.GetBytes(text.ToString()));
        _stream.Flush();
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private static void Write(string path, IEnumerable<KeyValuePair<string, string>> run) => AtomicFile.Write(
        path,
        stream => JsonSerializer.Serialize(
            stream, new Dictionary<string, string>(run), EvaluationJson.Indented.DictionaryStringString));

    /// <summary>What both name must be the same; what is new is added: an arm more must not cost the others.</summary>
    private static void Join(string folder, string path, IReadOnlyDictionary<string, string> run)
    {
        Dictionary<string, string> found;
        try
        {
            found = JsonSerializer.Deserialize(
                File.ReadAllBytes(path), EvaluationJson.Indented.DictionaryStringString) ?? [];
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }

        foreach ((string name, string here) in run)
        {
            if (found.TryGetValue(name, out string? there) && there != here)
            {
                throw new InvalidDataException(
                    $"'{folder}': holds an evaluation with {name.Replace('_', ' ')} '{there}', here it is '{here}'; "
                    + "give another folder, or what that evaluation was made with");
            }
        }

        if (run.Keys.Any(name => !found.ContainsKey(name)))
        {
            Write(path, found.Concat(run.Where(setting => !found.ContainsKey(setting.Key))));
        }
    }

    private void ReadLines(string path)
    {
        byte[] bytes = new byte[_stream.Length];
        _stream.ReadExactly(bytes);
        int whole = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        int number = 1;
        for (int start = 0; start < whole; number++)
        {
            int length = bytes.AsSpan(start).IndexOf((byte)'\n');
            try
            {
                EvaluationLine line = JsonSerializer.Deserialize(
                    bytes.AsSpan(start, length), EvaluationJson.Compact.EvaluationLine)
                    ?? throw new InvalidDataException($"'{path}' line {number}: a JSON null, expected a result");
                if (!_lines.TryAdd(line.Cell, line))
                {
                    throw new InvalidDataException(
                        $"'{path}' line {number}: {line.Arm}, {line.Topic}, '{line.Prompt}' is there twice");
                }
            }
            catch (JsonException e)
            {
                throw new InvalidDataException($"'{path}' line {number}: {e.Message}", e);
            }

            start += length + 1;
        }

        _stream.SetLength(whole);
        _stream.Position = whole;
    }
}
