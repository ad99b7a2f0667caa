using System.Diagnostics;
using System.Globalization;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>What a build did.</summary>
/// <param name="Seconds">Wall-clock time.</param>
/// <param name="TokensRun">Tokens run through the model.</param>
/// <param name="Silent">Prompts of which no token was kept.</param>
internal sealed record IndexBuildReport(double Seconds, long TokensRun, IReadOnlyList<int> Silent)
{
    public double TokensPerSecond => Seconds > 0 ? TokensRun / Seconds : 0;
}

/// <summary>Builds an index with a progress bar: prompts, rate, time left.</summary>
internal static class IndexBuild
{
    public static IndexBuildReport Run(
        Terminal terminal,
        ReferenceIndexer indexer,
        string folder,
        IndexManifest manifest,
        TextTable references,
        CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        long tokens = 0;
        IReadOnlyList<int> silent = terminal.Progress()
            .Start(context =>
            {
                ProgressTask task = context.AddTask("indexing", maxValue: 1);
                var progress = new Relay<IndexProgress>(now =>
                {
                    tokens = now.Tokens;
                    double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                    task.MaxValue = now.Total;
                    task.Value = now.Done;
                    task.Description = string.Create(
                        CultureInfo.InvariantCulture,
                        $"indexing {now.Done}/{now.Total} prompts, {tokens / seconds:F0} tokens/s");
                });
                return indexer.Build(folder, manifest, references, progress, cancellation);
            });
        if (silent.Count > 0)
        {
            terminal.Warn(
                $"{silent.Count} prompts left no token to summarise and take no part: "
                + string.Join(", ", silent.Take(10)));
        }

        return new IndexBuildReport(Stopwatch.GetElapsedTime(start).TotalSeconds, tokens, silent);
    }
}
