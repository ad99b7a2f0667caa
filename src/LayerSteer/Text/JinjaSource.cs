namespace LayerSteer.Text;

/// <summary>The text of a template and where it came from: makes refusals that name file, line and column.</summary>
/// <param name="Text">The template.</param>
/// <param name="Path">Its file.</param>
internal sealed record JinjaSource(string Text, string Path)
{
    /// <summary>It is not a sound template, or does something that cannot be done with these values.</summary>
    public InvalidDataException Damaged(string what, int at) => new($"'{Path}': chat_template has {what} {Place(at)}");

    /// <summary>It is sound but needs more than the subset.</summary>
    public NotSupportedException Unsupported(string what, int at, params IEnumerable<string> supported)
    {
        string others = string.Join(", ", supported);
        return new NotSupportedException(
            $"'{Path}': chat_template uses {what}, which is not supported, {Place(at)}"
            + (others.Length > 0 ? $"; supported: {others}" : ""));
    }

    private string Place(int at)
    {
        ReadOnlySpan<char> before = Text.AsSpan(0, Math.Min(at, Text.Length));
        return $"(line {before.Count('\n') + 1}, column {before.Length - before.LastIndexOf('\n')})";
    }
}
