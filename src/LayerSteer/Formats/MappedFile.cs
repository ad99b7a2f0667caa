using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace LayerSteer.Formats;

/// <summary>
/// A file mapped for reading, and the buffers inflated from it. Reads that run while it is disposed finish first; later
/// ones throw. The file must not be cut short by others while it is mapped: the operating system would end the process.
/// </summary>
internal sealed class MappedFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly List<Lazy<SafeBuffer>> _inflated = [];

    private MappedFile(
        string path, SafeFileHandle handle, MemoryMappedFile file, MemoryMappedViewAccessor view, long length)
    {
        _handle = handle;
        FullPath = Path.GetFullPath(path);
        Name = path;
        _file = file;
        _view = view;
        Length = length;
        SafeBuffer buffer = view.SafeMemoryMappedViewHandle;
        Bytes = new ByteRange(() => buffer, 0, length, handle);
    }

    public string FullPath { get; }

    /// <summary>The path as it was given, which is what errors show.</summary>
    public string Name { get; }

    public long Length { get; }

    public ByteRange Bytes { get; }

    public static MappedFile Open(string path)
    {
        SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        MemoryMappedFile? file = null;
        try
        {
            long length = RandomAccess.GetLength(handle);
            if (length == 0)
            {
                throw new InvalidDataException($"'{path}': the file is empty");
            }

            file = MemoryMappedFile.CreateFromFile(
                handle, null, length, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            return new MappedFile(
                path, handle, file, file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read), length);
        }
        catch
        {
            file?.Dispose();
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Bytes that are made when first read and freed with this file.</summary>
    public ByteRange Inflated(long length, Func<SafeBuffer> inflate)
    {
        var buffer = new Lazy<SafeBuffer>(inflate);
        _inflated.Add(buffer);
        return new ByteRange(() => buffer.Value, 0, length);
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
        _handle.Dispose();
        foreach (Lazy<SafeBuffer> buffer in _inflated)
        {
            if (buffer.IsValueCreated)
            {
                buffer.Value.Dispose();
            }
        }
    }
}
