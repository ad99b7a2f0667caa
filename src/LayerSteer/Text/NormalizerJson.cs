namespace LayerSteer.Text;

/// <summary>Reads tokenizer.json's normalizer.</summary>
internal static class NormalizerJson
{
    private static readonly string[] Types =
    [
        "Sequence", "NFC", "NFD", "Lowercase", "StripAccents", "Replace", "Prepend", "Strip", "BertNormalizer", "null",
    ];

    public static Normalizer? Read(TokenizerComponent? component)
    {
        if (component is not { } part)
        {
            return null;
        }
        return part.Type switch
        {
            "Sequence" => new NormalizerSequence(
                [.. part.Steps("normalizers").Select(step => Read(step)!)]),
            "NFC" => new UnicodeNormalizer(Compose: true),
            "NFD" => new UnicodeNormalizer(Compose: false),
            "Lowercase" => new LowercaseNormalizer(),
            "StripAccents" => new StripAccentsNormalizer(),
            "Replace" => new ReplaceNormalizer(part.Pattern("pattern", out _), part.Text("content")),
            "Prepend" => new PrependNormalizer(part.Text("prepend")),
            "Strip" => new StripNormalizer(part.Flag("strip_left") ?? true, part.Flag("strip_right") ?? true),
            "BertNormalizer" => Bert(part),
            _ => throw part.TypeRefusal(Types),
        };
    }

    /// <summary>BERT's normaliser, as the file has it where the configuration says nothing.</summary>
    public static BertNormalizer Bert(TokenizerComponent part, TokenizerConfig? config = null)
    {
        bool lowercase = config?.DoLowerCase ?? part.Flag("lowercase") ?? true;
        return new BertNormalizer(
            part.Flag("clean_text") ?? true,
            config?.TokenizeChineseChars ?? part.Flag("handle_chinese_chars") ?? true,
            config?.StripAccents ?? part.Flag("strip_accents") ?? lowercase,
            lowercase);
    }
}
