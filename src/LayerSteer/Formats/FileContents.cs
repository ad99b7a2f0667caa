namespace LayerSteer.Formats;

/// <summary>What a reader found in a file, in the file's order, with the limits on names kept.</summary>
internal sealed class FileContents(string file)
{
    private long _nameLengths;

    public Dictionary<string, StoredTensor> Tensors { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, object> Values { get; } = new(StringComparer.Ordinal);

    public void Add(StoredTensor tensor)
    {
        CheckName(tensor.Name, Tensors.ContainsKey(tensor.Name));
        Tensors.Add(tensor.Name, tensor);
    }

    public void Add(string name, object value)
    {
        CheckName(name, Values.ContainsKey(name));
        Values.Add(name, value);
    }

    private void CheckName(string name, bool taken)
    {
        if (name.Length > FormatLimits.NameLength)
        {
            throw new InvalidDataException(
                $"'{file}': the name {Display.Name(name)} has {name.Length} characters, " +
                $"at most {FormatLimits.NameLength} are read");
        }

        _nameLengths += name.Length;
        if (Tensors.Count + Values.Count >= FormatLimits.Names || _nameLengths > FormatLimits.AllNameLengths)
        {
            throw new InvalidDataException(
                $"'{file}': the names of its tensors and values are too many or too long; " +
                $"at most {FormatLimits.Names} names of {FormatLimits.AllNameLengths} characters together are read");
        }

        if (taken)
        {
            throw new InvalidDataException($"'{file}': the name {Display.Name(name)} occurs twice");
        }
    }
}
