namespace LayerSteer.Text;

/// <summary>
/// Reads tokenizer.json's decoder: ByteLevel, or steps in the order in which all files in use have them: Replace and
/// Metaspace, ByteFallback, Fuse, Strip.
/// </summary>
internal static class DecoderJson
{
    private const string Order = "ByteLevel alone, or Replace and Metaspace, ByteFallback, Fuse, Strip in this order";

    public static TokenSpelling Read(TokenizerComponent? component, string path)
    {
        if (component is not { } part)
        {
            throw TokenizerFile.Unsupported(path, "decoder null", Order);
        }
        var steps = new List<TokenizerComponent>();
        Flatten(part, steps);
        if (steps is [{ Type: "ByteLevel" }])
        {
            return new ByteLevelSpelling();
        }
        var replacements = new List<(string, string)>();
        char? mark = null;
        bool bytes = false;
        int stripped = 0;
        int rank = 0;
        foreach (TokenizerComponent step in steps)
        {
            int place = step.Type switch
            {
                "Replace" or "Metaspace" => 0,
                "ByteFallback" => 1,
                "Fuse" => 2,
                "Strip" => 3,
                "ByteLevel" => -1,
                _ => throw step.TypeRefusal(
                    "Sequence", "ByteLevel", "Replace", "Metaspace", "ByteFallback", "Fuse", "Strip"),
            };
            // Strip before Fuse would strip every piece; a second Metaspace finds no marks.
            if (place < rank || (place == 3 && rank != 2) || (step.Type == "Replace" && mark is not null))
            {
                throw step.Refusal($"{TokenizerFile.Quote(step.Type!)} at this place", Order);
            }
            rank = place;
            switch (step.Type)
            {
                case "Replace":
                    step.Pattern("pattern", out string? old);
                    replacements.Add((old ?? throw step.Refusal("with a Regex", "a String"), step.Text("content")));
                    break;
                case "Metaspace":
                    char replaced = step.Character("replacement");
                    string scheme = step.OptionalText("prepend_scheme")
                        ?? (step.Flag("add_prefix_space") ?? true ? "always" : "never");
                    if (scheme == "never")
                    {
                        replacements.Add((replaced.ToString(), " "));
                    }
                    else
                    {
                        mark = replaced;
                    }
                    break;
                case "ByteFallback":
                    bytes = true;
                    break;
                case "Strip":
                    stripped = ReadStrip(step);
                    rank = 4;
                    break;
            }
        }
        return new MarkedSpelling(replacements, mark, bytes, stripped);
    }

    private static void Flatten(TokenizerComponent part, List<TokenizerComponent> steps)
    {
        if (part.Type != "Sequence")
        {
            steps.Add(part);
            return;
        }
        foreach (TokenizerComponent step in part.Steps("decoders"))
        {
            Flatten(step, steps);
        }
    }

    private static int ReadStrip(TokenizerComponent step)
    {
        long Count(string name) => TokenizerFile.Optional(step.Element, name) is { } number
            ? TokenizerFile.Integer(number, step.Path, $"{step.Field}.{name}")
            : 0;
        (char content, long start, long stop) = (step.Character("content"), Count("start"), Count("stop"));
        return content == ' ' && stop == 0 && start is >= 0 and <= 1000
            ? (int)start
            : throw step.Refusal(
                $"'Strip' of {TokenizerFile.Quote(content.ToString())}, start {start}, stop {stop}",
                "of ' ', start up to 1000, stop 0");
    }
}
