namespace LayerSteer.Formats;

/// <summary>
/// A file of named tensors: safetensors, .npz, .npy, or what torch.save writes (.pt, .pth, .bin; both the zip form and
/// the older one). The format is told by the content. Nothing in the file is ever executed: pickles are read by a
/// machine that can make tensors, dicts, lists, strings and numbers and refuses the rest by name.
/// <para>
/// The file is memory-mapped; tensors are read from it when asked, so opening is quick and takes little memory. Entries
/// that an archive holds compressed are inflated on their first read and kept until the file is disposed. All members
/// may be used from several threads at once. The file must not be cut short by others while it is open.
/// </para>
/// </summary>
public sealed class TensorFile : IDisposable
{
    /// <summary>The name of a tensor that its file does not name: the array of an .npy, a lone torch tensor.</summary>
    public const string Unnamed = "arr_0";

    private readonly MappedFile _file;
    private readonly FileContents _contents;

    private TensorFile(MappedFile file)
    {
        _file = file;
        _contents = Read(file);
    }

    /// <summary>The full path of the file.</summary>
    public string Path => _file.FullPath;

    /// <summary>The tensors by name, in the file's order. Nested dicts of a .pt give names joined by dots, such as
    /// <c>state_dict.encoder.weight</c>; lists and tuples give indices.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => _contents.Tensors;

    /// <summary>What the file holds beside tensors: the metadata strings of safetensors; the string, long, double and
    /// bool values of a .pt under names joined by dots, such as <c>activation_state_dict.k</c> (bytes become Latin-1
    /// strings, dtypes strings such as <c>torch.float32</c>). None is left out.</summary>
    public IReadOnlyDictionary<string, object> Values => _contents.Values;

    /// <summary>Whether it is an .npz.</summary>
    internal bool IsNpz { get; private set; }

    /// <summary>The tensor of that name.</summary>
    /// <param name="name">The whole name.</param>
    /// <exception cref="InvalidDataException">The file has none; the message lists the nearest names.</exception>
    public StoredTensor this[string name] => Tensors.TryGetValue(name, out StoredTensor? tensor)
        ? tensor
        : throw new InvalidDataException(
            $"'{_file.Name}': no tensor {Display.Name(name)}; {Display.NamesNear(name, _contents.Tensors.Keys)}");

    /// <summary>Opens a file and checks everything but the data: names, shapes, sizes, offsets.</summary>
    /// <param name="path">The file. Its extension only chooses the words of an error.</param>
    /// <returns>The open file; dispose it when its tensors are no longer read.</returns>
    /// <exception cref="InvalidDataException">The file is damaged or made to do harm; the message says how.</exception>
    /// <exception cref="NotSupportedException">The file is valid but holds what cannot be read here.</exception>
    /// <exception cref="IOException">The file does not exist or cannot be opened.</exception>
    public static TensorFile Open(string path)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("tensor files can only be read on little-endian machines");
        }

        MappedFile file = MappedFile.Open(path);
        try
        {
            return new TensorFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the file. Reads in progress finish; later ones throw
    /// <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => _file.Dispose();

    private FileContents Read(MappedFile file)
    {
        byte[] start = file.Bytes.Copy(0, (int)Math.Min(512, file.Length));
        if (start.AsSpan().StartsWith(NpyReader.Magic))
        {
            return NpyReader.ReadFile(file);
        }

        if (start.AsSpan().StartsWith("PK\x03\x04"u8) || start.AsSpan().StartsWith("PK\x05\x06"u8))
        {
            IReadOnlyDictionary<string, ZipEntry> entries = ZipDirectory.Read(file);
            IsNpz = !TorchReader.Recognises(entries);
            return !IsNpz
                ? TorchReader.ReadArchive(file, entries)
                : NpyReader.ReadArchive(file, entries);
        }

        if (start.AsSpan().StartsWith(TorchReader.LegacyMagic))
        {
            return TorchReader.ReadLegacy(file);
        }

        string extension = System.IO.Path.GetExtension(file.Name);
        if (SafetensorsReader.Recognises(file) || extension.Equals(".safetensors", StringComparison.OrdinalIgnoreCase))
        {
            RefusePointer(file, start);
            return SafetensorsReader.Read(file);
        }

        RefusePointer(file, start);
        throw Unrecognised(file, start, extension);
    }

    private static void RefusePointer(MappedFile file, byte[] start)
    {
        if (start.AsSpan().StartsWith("version https://git-lfs"u8))
        {
            throw new InvalidDataException(
                $"'{file.Name}': it is a Git LFS pointer, not the tensors; fetch the file itself");
        }
    }

    private static Exception Unrecognised(MappedFile file, byte[] start, string extension)
    {
        if (start.Length > 262 && start.AsSpan(257).StartsWith("ustar"u8))
        {
            return new NotSupportedException(
                $"'{file.Name}': it is a tar archive, as torch before 0.1.10 wrote; save it again with a newer torch");
        }

        if (start[0] == 0x80 || start[0] == '(')
        {
            return new NotSupportedException(
                $"'{file.Name}': it is a plain pickle, not written by torch.save; only tensors can be loaded");
        }

        string expected = extension switch
        {
            ".npy" => "an npy array",
            ".npz" => "a zip archive of npy arrays",
            ".pt" or ".pth" or ".bin" => "a file written by torch.save",
            _ => "safetensors, npz, npy or a file written by torch.save",
        };
        string found = Convert.ToHexStringLower(start.AsSpan(0, Math.Min(8, start.Length)));
        return new InvalidDataException($"'{file.Name}': it starts with the bytes {found}, expected {expected}");
    }
}
