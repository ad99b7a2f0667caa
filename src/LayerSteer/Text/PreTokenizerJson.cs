namespace LayerSteer.Text;

/// <summary>Reads tokenizer.json's pre_tokenizer.</summary>
internal static class PreTokenizerJson
{
    private const string Punctuation = @"[\p{P}$+<=>^`|~]";

    private static readonly string[] Types =
    [
        "Sequence", "ByteLevel", "Split", "Metaspace", "Digits", "Punctuation", "Whitespace", "WhitespaceSplit",
        "BertPreTokenizer", "null",
    ];

    /// <summary>Reads the steps.</summary>
    /// <param name="component">The component; null for none.</param>
    /// <param name="addPrefixSpace">add_prefix_space of tokenizer_config.json, which comes before the file's where the
    /// one component is ByteLevel.</param>
    /// <param name="byteLevel">Whether pieces are made of bytes.</param>
    public static List<PreTokenizer> Read(TokenizerComponent? component, bool? addPrefixSpace, out bool byteLevel)
    {
        var steps = new List<PreTokenizer>();
        byteLevel = false;
        if (component is { } part)
        {
            Read(part, part.Type == "ByteLevel" ? addPrefixSpace : null, steps, ref byteLevel);
        }
        return steps;
    }

    private static void Read(
        TokenizerComponent part, bool? addPrefixSpace, List<PreTokenizer> steps, ref bool byteLevel)
    {
        if (byteLevel)
        {
            // Later steps would see the alphabet of bytes instead of text.
            throw part.Refusal("after ByteLevel", "ByteLevel as the last step");
        }
        switch (part.Type)
        {
            case "Sequence":
                foreach (TokenizerComponent step in part.Steps("pretokenizers"))
                {
                    Read(step, null, steps, ref byteLevel);
                }
                break;
            case "ByteLevel":
                byteLevel = true;
                bool prefix = addPrefixSpace ?? part.Flag("add_prefix_space") ?? true;
                if (part.Flag("use_regex") ?? true)
                {
                    steps.Add(new Gpt2PreTokenizer(prefix));
                }
                else if (prefix)
                {
                    steps.Add(new SpacePrefix());
                }
                break;
            case "Split":
                steps.Add(new SplitPreTokenizer(
                    part.Pattern("pattern", out _), Behavior(part, null), part.Flag("invert") ?? false));
                break;
            case "Metaspace":
                steps.Add(Metaspace(part));
                break;
            case "Digits":
                bool single = part.Flag("individual_digits") ?? false;
                steps.Add(Split(part, single ? @"\p{N}" : @"\p{N}+", SplitBehavior.Isolated));
                break;
            case "Punctuation":
                steps.Add(Split(part, Punctuation, Behavior(part, SplitBehavior.Isolated)));
                break;
            case "Whitespace":
                steps.Add(Split(part, @"\w+|[^\w\s]+", SplitBehavior.Removed, invert: true));
                break;
            case "WhitespaceSplit":
                steps.Add(Split(part, @"\s+", SplitBehavior.Removed));
                break;
            case "BertPreTokenizer":
                steps.Add(Split(part, @"\s+", SplitBehavior.Removed));
                steps.Add(Split(part, Punctuation, SplitBehavior.Isolated));
                break;
            default:
                throw part.TypeRefusal(Types);
        }
    }

    private static SplitPreTokenizer Split(
        TokenizerComponent part, string pattern, SplitBehavior behavior, bool invert = false) =>
        new(TextPatternParser.Parse(pattern, part.Path, part.Field), behavior, invert);

    private static SplitBehavior Behavior(TokenizerComponent part, SplitBehavior? otherwise)
    {
        if (otherwise is { } usual && part.OptionalText("behavior") is null)
        {
            return usual;
        }
        string name = part.Text("behavior");
        return Enum.GetNames<SplitBehavior>().Contains(name)
            ? Enum.Parse<SplitBehavior>(name)
            : throw part.Refusal(
                $"behavior {TokenizerFile.Quote(name)}", string.Join(", ", Enum.GetNames<SplitBehavior>()));
    }

    private static MetaspacePreTokenizer Metaspace(TokenizerComponent part)
    {
        // Older files have add_prefix_space instead of prepend_scheme.
        string scheme = part.OptionalText("prepend_scheme")
            ?? (part.Flag("add_prefix_space") ?? true ? "always" : "never");
        return scheme is "always" or "first" or "never"
            ? new MetaspacePreTokenizer(
                part.Character("replacement"), scheme != "never", scheme == "first", part.Flag("split") ?? true)
            : throw part.Refusal($"prepend_scheme {TokenizerFile.Quote(scheme)}", "always, first, never");
    }
}
