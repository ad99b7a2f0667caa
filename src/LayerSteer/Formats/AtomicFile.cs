using System.Text;

namespace LayerSteer.Formats;

/// <summary>
/// A file that appears under its name only when it is whole: written beside as a temporary file, flushed to disk and
/// renamed. A process that dies in between leaves the old file as it was.
/// </summary>
public sealed class AtomicFile : IDisposable
{
    /// <summary>How the names of files and folders begin that are still being written.</summary>
    public const string TemporaryPrefix = ".tmp-";

    private readonly string _path;
    private readonly string _temporary;
    private readonly FileStream _stream;
    private bool _complete;

    /// <summary>Creates the temporary file, in the same folder.</summary>
    /// <param name="path">The name to take in the end; a file of that name is replaced. Its folder must exist.</param>
    /// <exception cref="IOException">The temporary file cannot be created.</exception>
    public AtomicFile(string path)
    {
        _path = Path.GetFullPath(path);
        _temporary = TemporaryName(_path);
        _stream = new FileStream(_temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);
    }

    /// <summary>The temporary file, for writing, reading back and seeking. This object owns it.</summary>
    public Stream Stream => _stream;

    /// <summary>Writes a text as UTF-8 without a byte-order mark.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="text">Its whole content.</param>
    /// <exception cref="IOException">The file cannot be written; what was there is untouched.</exception>
    public static void WriteAllText(string path, string text) =>
        Write(path, stream => stream.Write(new UTF8Encoding(false).GetBytes(text)));

    /// <summary>Writes lines of UTF-8 text that end with LF.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="write">Writes the text.</param>
    public static void WriteText(string path, Action<StreamWriter> write) => Write(path, stream =>
    {
        using var writer = new StreamWriter(stream, bufferSize: 1 << 16, leaveOpen: true) { NewLine = "\n" };
        write(writer);
    });

    /// <summary>Writes what an action writes to a stream; if it throws, nothing changes.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="write">Writes the whole content; it must not keep the stream.</param>
    /// <exception cref="IOException">The file cannot be written; what was there is untouched.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        using var file = new AtomicFile(path);
        write(file.Stream);
        file.Complete();
    }

    /// <summary>Flushes to disk and renames; call it once, when everything is written.</summary>
    /// <exception cref="IOException">The file cannot be flushed or renamed.</exception>
    public void Complete()
    {
        _stream.Flush(flushToDisk: true);
        _stream.Dispose();
        File.Move(_temporary, _path, overwrite: true);
        _complete = true;
    }

    /// <summary>Deletes the temporary file unless <see cref="Complete"/> was called.</summary>
    public void Dispose()
    {
        try
        {
            // Writes what is still buffered, which a full disk refuses.
            _stream.Dispose();
        }
        finally
        {
            if (!_complete)
            {
                File.Delete(_temporary);
            }
        }
    }

    /// <summary>A name in the same folder that no other writer uses.</summary>
    internal static string TemporaryName(string fullPath) => Path.Combine(
        Path.GetDirectoryName(fullPath)!, $"{TemporaryPrefix}{Path.GetFileName(fullPath)}-{Path.GetRandomFileName()}");
}
