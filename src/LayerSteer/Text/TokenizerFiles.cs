using LayerSteer.Formats;

namespace LayerSteer.Text;

/// <summary>The files of a tokenizer, for a model that is trained with it.</summary>
public static class TokenizerFiles
{
    private static readonly string[] Names =
        [
            "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "vocab.txt", "added_tokens.json",
            "special_tokens_map.json", "tokenizer.model", "chat_template.jinja",
        ];

    /// <summary>Copies those that there are; ones of the same name are replaced.</summary>
    /// <param name="from">The tokenizer's folder.</param>
    /// <param name="to">The model's folder; it must exist.</param>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static void Copy(string from, string to)
    {
        foreach (string name in Names)
        {
            string source = Path.Combine(from, name);
            if (File.Exists(source))
            {
                byte[] bytes = File.ReadAllBytes(source);
                AtomicFile.Write(Path.Combine(to, name), stream => stream.Write(bytes));
            }
        }
    }
}
