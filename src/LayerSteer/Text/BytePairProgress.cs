namespace LayerSteer.Text;

/// <summary>How far a training is: first all documents are counted, then pairs are merged.</summary>
/// <param name="Documents">Documents counted.</param>
/// <param name="TextBytes">Their size as UTF-8, in bytes.</param>
/// <param name="Merges">Merges made.</param>
/// <param name="TotalMerges">Merges to make.</param>
public readonly record struct BytePairProgress(long Documents, long TextBytes, int Merges, int TotalMerges);
