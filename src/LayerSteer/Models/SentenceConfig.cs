namespace LayerSteer.Models;

/// <summary>The files that sentence-transformers puts beside a BERT checkpoint.</summary>
internal static class SentenceConfig
{
    public const string FileName = "sentence_bert_config.json";

    /// <summary><c>max_seq_length</c> of <c>sentence_bert_config.json</c>; 0 if it does not say.</summary>
    public static int MaxLength(string directory)
    {
        string path = Path.Combine(directory, FileName);
        if (!File.Exists(path))
        {
            return 0;
        }

        using ConfigFile config = ConfigFile.Read(path);
        return config.OptionalSize("max_seq_length") is not { } length ? 0
            : length >= 3 ? length
            : throw new InvalidDataException($"'{path}': max_seq_length is {length}, expected at least 3");
    }

    /// <summary>Refuses a pooling other than the mean, wherever <c>modules.json</c> says it is described.</summary>
    public static void RequireMeanPooling(string directory)
    {
        string path = Path.Combine(directory, "1_Pooling", "config.json");
        if (!File.Exists(path))
        {
            return;
        }

        using ConfigFile config = ConfigFile.Read(path);
        string[] others = ["pooling_mode_cls_token", "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens"];
        string? other = others.FirstOrDefault(mode => config.Flag(mode, false));
        if (other is not null || !config.Flag("pooling_mode_mean_tokens", true))
        {
            throw new NotSupportedException(
                $"'{path}': {other ?? "pooling_mode_mean_tokens"} is not the mean; "
                + "supported: pooling_mode_mean_tokens alone");
        }
    }
}
