namespace LayerSteer.Text;

/// <summary>The values of a call's arguments, by place or by name.</summary>
internal sealed record JinjaCallValues(IReadOnlyList<object?> Positional, IReadOnlyDictionary<string, object?> Named)
{
    /// <summary>The argument at a place (negative: by name alone) or of a name; otherwise the value given.</summary>
    public object? Find(int index, string name, object? otherwise) =>
        index >= 0 && index < Positional.Count ? Positional[index]
        : Named.TryGetValue(name, out object? value) ? value
        : otherwise;

    /// <summary>Those from a place on.</summary>
    public JinjaCallValues After(int count) => this with { Positional = [.. Positional.Skip(count)] };
}
