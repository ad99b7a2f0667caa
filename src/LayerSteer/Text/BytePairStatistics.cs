namespace LayerSteer.Text;

/// <summary>What a byte-level BPE vocabulary was trained on, and how it spells that.</summary>
/// <param name="Documents">Texts read.</param>
/// <param name="TextBytes">Their size as UTF-8, in bytes.</param>
/// <param name="DistinctWords">Different words counted.</param>
/// <param name="LeftOutBytes">Bytes of words that were longer than allowed and were not counted.</param>
/// <param name="Tokens">Tokens of all that was counted, in the trained vocabulary.</param>
public sealed record BytePairStatistics(
    long Documents, long TextBytes, int DistinctWords, long LeftOutBytes, long Tokens)
{
    /// <summary>Bytes a token of what was counted: the higher, the shorter a text is in tokens.</summary>
    public double BytesPerToken => (TextBytes - LeftOutBytes) / (double)Tokens;
}
