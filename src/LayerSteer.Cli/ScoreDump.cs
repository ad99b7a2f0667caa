using LayerSteer.Formats;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>
/// The arrays of scoring under the names of the reference cases: <c>score.latents_avg</c>, <c>_max</c> (float32),
/// <c>_counts</c>
/// (float64) [prompts, dSae], <c>score.ref_embed</c> [windows, dEmbedding]; of a topic <c>score.align_embed</c>,
/// <c>score.min_dist</c>, <c>score.feature_num</c>, <c>score.feature_denom</c>, <c>score.raw</c>,
/// <c>score.intended</c>.
/// </summary>
internal static class ScoreDump
{
    public static void WriteIndex(string path, ReferenceIndex index)
    {
        using var writer = new NpzWriter(path);
        WriteSummaries(writer, "score.latents_avg", index.Summaries(SummaryKind.Average), asFloat: true);
        WriteSummaries(writer, "score.latents_max", index.Summaries(SummaryKind.Maximum), asFloat: true);
        WriteSummaries(writer, "score.latents_counts", index.Summaries(SummaryKind.Counts), asFloat: false);
        float[] vectors = index.AllEmbeddings();
        int dEmbedding = index.Manifest.DEmbedding;
        writer.Add<float>("score.ref_embed", [vectors.Length / dEmbedding, dEmbedding], vectors);
        writer.Complete();
    }

    public static void WriteTopic(string path, ScoredTopic topic, int dEmbedding)
    {
        FeatureScoring scoring = topic.Scoring;
        using var writer = new NpzWriter(path);
        writer.Add<float>("score.align_embed", [topic.Alignment.Length / dEmbedding, dEmbedding], topic.Alignment);
        writer.Add<float>(
            "score.min_dist", [scoring.MinDistances.Length], scoring.MinDistances.Select(d => (float)d).ToArray());
        writer.Add<double>("score.feature_num", [scoring.Numerator.Length], scoring.Numerator);
        writer.Add<double>("score.feature_denom", [scoring.Denominator.Length], scoring.Denominator);
        double[] raw = [.. scoring.MeanSquaredDistance.Select((mean, f) => scoring.Support[f] > 0 ? mean : double.NaN)];
        writer.Add<double>("score.raw", [raw.Length], raw);
        writer.Add("score.intended", [scoring.Scores.Count], scoring.Scores.Values);
        writer.Complete();
    }

    private static void WriteSummaries(NpzWriter writer, string name, SummaryRows rows, bool asFloat)
    {
        int dSae = rows.Support.Length;
        double[] dense = new double[dSae];
        writer.Begin(name, asFloat ? TensorType.F32 : TensorType.F64, [rows.PromptCount, dSae]);
        for (int row = 0; row < rows.PromptCount; row++)
        {
            rows.CopyTo(row, dense);
            if (asFloat)
            {
                writer.Append<float>(dense.Select(v => (float)v).ToArray());
            }
            else
            {
                writer.Append<double>(dense);
            }
        }
    }
}
