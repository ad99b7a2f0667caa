using System.Text.Json;

namespace LayerSteer.Text;

/// <summary>A part of tokenizer.json (normalizer, pre_tokenizer, ...) and the place where it stands, for
/// messages.</summary>
/// <param name="Element">The part, an object.</param>
/// <param name="Path">The file.</param>
/// <param name="Field">Its place in the file: <c>pre_tokenizer.pretokenizers[1]</c>.</param>
internal readonly record struct TokenizerComponent(JsonElement Element, string Path, string Field)
{
    // Files in use have up to six.
    private const int MaxSteps = 64;

    /// <summary>A part of the file by its name; null where it is missing or null.</summary>
    public static TokenizerComponent? Of(JsonElement root, string path, string field) =>
        TokenizerFile.Optional(root, field) is { } element
            ? new TokenizerComponent(TokenizerFile.Require(element, JsonValueKind.Object, path, field), path, field)
            : null;

    /// <summary>Its type; null where the file does not say.</summary>
    public string? Type => TokenizerFile.Optional(Element, "type") is { } type
        ? TokenizerFile.Text(type, Path, $"{Field}.type")
        : null;

    /// <summary>The steps of a sequence.</summary>
    public List<TokenizerComponent> Steps(string name)
    {
        (string path, string field) = (Path, $"{Field}.{name}");
        JsonElement list = TokenizerFile.RequireProperty(Element, name, JsonValueKind.Array, path, field);
        if (list.GetArrayLength() > MaxSteps)
        {
            throw new NotSupportedException(
                $"'{path}': {field} has {list.GetArrayLength()} steps; supported: up to {MaxSteps}");
        }
        return [.. list.EnumerateArray().Select((step, i) => new TokenizerComponent(
            TokenizerFile.Require(step, JsonValueKind.Object, path, $"{field}[{i}]"), path, $"{field}[{i}]"))];
    }

    public bool? Flag(string name) => TokenizerFile.OptionalBoolean(Element, name, Path, $"{Field}.{name}");

    public string Text(string name) => TokenizerFile.Text(
        TokenizerFile.RequireProperty(Element, name, JsonValueKind.String, Path, $"{Field}.{name}"),
        Path, $"{Field}.{name}");

    public string? OptionalText(string name) => TokenizerFile.Optional(Element, name) is null ? null : Text(name);

    /// <summary>A pattern: {"String": text} or {"Regex": expression}.</summary>
    /// <param name="name">The property.</param>
    /// <param name="text">The text, where it is one.</param>
    public TextPattern Pattern(string name, out string? text)
    {
        string field = $"{Field}.{name}";
        JsonElement pattern = TokenizerFile.RequireProperty(Element, name, JsonValueKind.Object, Path, field);
        text = null;
        if (TokenizerFile.Optional(pattern, "Regex") is { } regex)
        {
            return TextPatternParser.Parse(TokenizerFile.Text(regex, Path, field + ".Regex"), Path, field + ".Regex");
        }
        text = TokenizerFile.Text(
            TokenizerFile.RequireProperty(pattern, "String", JsonValueKind.String, Path, field + ".String"),
            Path, field + ".String");
        return text.Length > 0
            ? TextPattern.Literal(text, Path)
            : throw new NotSupportedException($"'{Path}': {field}.String is empty, which is not supported");
    }

    /// <summary>The one character of a text.</summary>
    public char Character(string name)
    {
        string text = Text(name);
        return text.Length == 1
            ? text[0]
            : throw new NotSupportedException(
                $"'{Path}': {Field}.{name} is {TokenizerFile.Quote(text)}; supported: one character");
    }

    /// <summary>A refusal that names what would work.</summary>
    /// <param name="found">What was found, quoted where it is the file's.</param>
    /// <param name="supported">What is supported.</param>
    public NotSupportedException Refusal(string found, string supported) =>
        TokenizerFile.Unsupported(Path, $"{Field} {found}", supported);

    /// <summary>A refusal of its type.</summary>
    public NotSupportedException TypeRefusal(params string[] supported) =>
        Refusal(Type is { } type ? TokenizerFile.Quote(type) : "without a type", string.Join(", ", supported));
}
