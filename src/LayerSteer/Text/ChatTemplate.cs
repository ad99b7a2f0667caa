using System.Text.Json;

namespace LayerSteer.Text;

/// <summary>
/// A model's chat template: writes a conversation as the text that the model was trained on. The template is the one in
/// chat_template.jinja beside the tokenizer, or the field chat_template of tokenizer_config.json.
/// </summary>
/// <remarks>
/// Templates are programs (Jinja). They run in an interpreter of a subset that reaches nothing but the messages and the
/// names of special tokens, for at most five million steps and 16 million characters. What lies beyond the subset is
/// refused when the template is read, by name, line and column; functions it does not know, when they are called.
/// Immutable and thread-safe.
/// <para>
/// The template writes BOS itself where the model wants one. Make ids of the text with
/// <see cref="TextTokenizer.Encode"/>, which puts nothing around it, and put no BOS in front.
/// </para>
/// </remarks>
public sealed class ChatTemplate
{
    private const string ConfigName = "tokenizer_config.json";
    private const string FileName = "chat_template.jinja";
    private const int MaxLength = 1 << 20;

    private readonly JinjaSource _source;
    private readonly IReadOnlyList<JinjaStatement> _statements;
    private readonly TokenizerConfig _config;

    private ChatTemplate(JinjaSource source, TokenizerConfig config)
    {
        if (source.Text.Length > MaxLength)
        {
            throw new NotSupportedException(
                $"'{source.Path}': chat_template has {source.Text.Length} characters; supported: {MaxLength}");
        }
        // As Jinja reads a file: line ends are \n, and the last one goes.
        string text = source.Text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        _source = source with { Text = text.EndsWith('\n') ? text[..^1] : text };
        _statements = JinjaParser.Parse(_source);
        _config = config;
    }

    /// <summary>Reads the chat template of a model's folder.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="name">Which one, where there are several with names; <c>default</c> also where there is
    /// one.</param>
    /// <returns>The template; null if the folder has none.</returns>
    /// <exception cref="InvalidDataException">A file is damaged, or the template is not sound, or none has the name.
    /// </exception>
    /// <exception cref="NotSupportedException">The template uses something beyond the subset; says what and where.
    /// </exception>
    public static ChatTemplate? Load(string directory, string name = "default")
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentException.ThrowIfNullOrEmpty(name);
        TokenizerConfig config = TokenizerConfig.Read(directory);
        string file = Path.Combine(directory, FileName);
        if (name == "default" && File.Exists(file))
        {
            string text = System.Text.Encoding.UTF8.GetString(TokenizerFile.Read(file).Span);
            return new ChatTemplate(new JinjaSource(text, file), config);
        }
        string path = Path.Combine(directory, ConfigName);
        if (!File.Exists(path))
        {
            return null;
        }
        using JsonDocument document = TokenizerFile.ReadObject(path);
        return TokenizerFile.Optional(document.RootElement, "chat_template") is { } template
            ? new ChatTemplate(new JinjaSource(Named(template, name, path), path), config)
            : null;
    }

    /// <summary>A template given as text, for a model whose files have none.</summary>
    /// <param name="template">The template.</param>
    /// <param name="directory">The folder with the tokenizer's files, for the names of its special tokens.</param>
    /// <exception cref="InvalidDataException">The template is not sound.</exception>
    /// <exception cref="NotSupportedException">The template uses something beyond the subset.</exception>
    public static ChatTemplate Parse(string template, string directory)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        return new ChatTemplate(new JinjaSource(template, "chat template"), TokenizerConfig.Read(directory));
    }

    /// <summary>The conversation as text, special tokens included.</summary>
    /// <param name="turns">The messages, the oldest first.</param>
    /// <param name="addGenerationPrompt">Ends with the beginning of an answer, for the model to go on.</param>
    /// <exception cref="ArgumentException">The template refuses the messages, for instance because roles do not
    /// alternate; with its own words.</exception>
    /// <exception cref="InvalidDataException">The template does something that cannot be done, or takes too many steps.
    /// </exception>
    /// <exception cref="NotSupportedException">The template calls a function that is not supported.</exception>
    public string Render(IReadOnlyList<ChatTurn> turns, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(turns);
        var globals = new Dictionary<string, object?>
        {
            ["messages"] = turns.Select(turn => (object?)new Dictionary<string, object?>
            {
                ["role"] = turn.Role,
                ["content"] = turn.Content,
            }).ToList(),
            ["add_generation_prompt"] = addGenerationPrompt,
            ["tools"] = null,
            ["documents"] = null,
        };
        foreach (string field in TokenizerConfig.SpecialNames)
        {
            if (_config.Special(field, null) is { } token)
            {
                globals[field] = token;
            }
        }
        return new JinjaRun(_source, globals).Render(_statements);
    }

    private static string Named(JsonElement template, string name, string path)
    {
        const string Field = "chat_template";
        if (template.ValueKind == JsonValueKind.String)
        {
            return name == "default"
                ? TokenizerFile.Text(template, path, Field)
                : throw new InvalidDataException(
                    $"'{path}': no {Field} {TokenizerFile.Quote(name)}; there is one, default");
        }
        var names = new List<string>();
        TokenizerFile.Require(template, JsonValueKind.Array, path, Field);
        foreach (JsonElement entry in template.EnumerateArray())
        {
            string place = $"{Field}[{names.Count}]";
            TokenizerFile.Require(entry, JsonValueKind.Object, path, place);
            string Part(string part) => TokenizerFile.Text(
                TokenizerFile.RequireProperty(entry, part, JsonValueKind.String, path, $"{place}.{part}"),
                path, $"{place}.{part}");
            names.Add(Part("name"));
            if (names[^1] == name)
            {
                return Part("template");
            }
        }
        throw new InvalidDataException(
            $"'{path}': no {Field} {TokenizerFile.Quote(name)}; there are {string.Join(", ", names)}");
    }
}
