namespace LayerSteer.Text;

/// <summary>
/// Texts to train on, streamed document by document: .txt files whose documents are ended by a line
/// <c>&lt;|endoftext|&gt;</c> (the last one may go without; a file without any such line is one document), and .jsonl
/// files with a string, or an object with a string <c>text</c>, a line; both also compressed, as .gz. All is UTF-8, with
/// or without a byte order mark. Documents that are empty or only white space are left out; a file that has no others
/// is refused. One document at a time is in memory. Safe to share between threads.
/// </summary>
public sealed class TextCorpus
{
    private const string Expected = "expected .txt, .txt.gz, .jsonl or .jsonl.gz";
    private static readonly string[] Extensions = [".txt", ".txt.gz", ".jsonl", ".jsonl.gz"];

    private readonly CorpusOptions _options;

    private TextCorpus(IReadOnlyList<string> files, CorpusOptions options)
    {
        Files = files;
        _options = options;
    }

    /// <summary>The files, in the order in which they are read: as given, those of a folder by name.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>
    /// Finds the files and reads the first document of each, so that a file that is none of these kinds is refused now.
    /// </summary>
    /// <param name="paths">
    /// Files and folders, at least one. Of a folder: its .txt, .txt.gz, .jsonl and .jsonl.gz files in ordinal order of
    /// their names, without hidden ones and without its folders.
    /// </param>
    /// <param name="options">Separator and limits; null takes the defaults.</param>
    /// <exception cref="ArgumentException">There is no path, or an option is out of range.</exception>
    /// <exception cref="InvalidDataException">
    /// A path is not there or comes twice, a folder has no such file, or a file has no document, is not UTF-8, not
    /// gzip, not JSON, or is too large; the message names it.
    /// </exception>
    /// <exception cref="NotSupportedException">A file has another extension.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static TextCorpus Open(IEnumerable<string> paths, CorpusOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(paths);
        options ??= new CorpusOptions();
        Check(options);
        var files = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string path in paths)
        {
            foreach (string file in FilesOf(path))
            {
                if (!seen.Add(Path.GetFullPath(file)))
                {
                    throw new InvalidDataException($"'{file}': named twice; name each file once");
                }
                files.Add(file);
            }
        }
        if (files.Count == 0)
        {
            throw new ArgumentException("no corpus: expected at least one file or folder", nameof(paths));
        }
        var corpus = new TextCorpus(files, options);
        foreach (string file in files)
        {
            // Throws where there is none.
            _ = corpus.Documents(file).First();
        }
        return corpus;
    }

    /// <summary>All documents, file by file; each call reads the files anew.</summary>
    /// <exception cref="InvalidDataException">While enumerating: as at <see cref="Open"/>.</exception>
    /// <exception cref="IOException">While enumerating: a file cannot be read.</exception>
    public IEnumerable<CorpusDocument> Documents() => Files.SelectMany(Documents);

    /// <summary>The documents of one file, in its order.</summary>
    /// <param name="file">One of <see cref="Files"/>.</param>
    /// <exception cref="ArgumentException">The corpus has no such file.</exception>
    /// <exception cref="InvalidDataException">While enumerating: as at <see cref="Open"/>.</exception>
    /// <exception cref="IOException">While enumerating: the file cannot be read.</exception>
    public IEnumerable<CorpusDocument> Documents(string file)
    {
        if (!Files.Contains(file))
        {
            throw new ArgumentException($"'{file}': not one of the {Files.Count} files of this corpus", nameof(file));
        }
        return CorpusFile.Documents(file, _options);
    }

    private static void Check(CorpusOptions options)
    {
        const long LongestDocument = 1L << 30;
        if (string.IsNullOrWhiteSpace(options.Separator) || options.Separator.AsSpan().ContainsAny('\n', '\r'))
        {
            throw new ArgumentException(
                "the separator is blank or has a line break; expected one line such as " + VocabularyFiles.EndOfText);
        }
        if (options.MaxDocumentBytes is < 1 or > LongestDocument || options.MaxInflatedBytes < 1)
        {
            throw new ArgumentException(
                $"limits of {options.MaxDocumentBytes} bytes a document and {options.MaxInflatedBytes} a file; "
                + $"expected 1..{LongestDocument} and at least 1");
        }
    }

    private static string[] FilesOf(string path)
    {
        if (Directory.Exists(path))
        {
            string[] found =
            [
                .. Directory.EnumerateFiles(path)
                    .Where(file => Path.GetFileName(file)[0] != '.' && HasKnownExtension(file))
                    .Order(StringComparer.Ordinal),
            ];
            return found.Length > 0
                ? found
                : throw new InvalidDataException($"'{path}': no texts in this folder; {Expected} files");
        }
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"'{path}': no such file or folder");
        }
        return HasKnownExtension(path)
            ? [path]
            : throw new NotSupportedException(
                $"'{path}': texts are not read from '{Path.GetExtension(path)}' files; {Expected}");
    }

    private static bool HasKnownExtension(string path) =>
        Extensions.Any(extension => path.EndsWith(extension, StringComparison.OrdinalIgnoreCase));
}
