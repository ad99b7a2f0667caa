using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>
/// A checkpoint in a folder: how long it takes to load and how much memory at most beside the bytes of its weights; then
/// one-token steps beside their floor,
/// <code>(weights + keys and values that are seen) / bandwidth</code>
/// at the bandwidth measured beside each, the better of one reading before and one after.
/// </summary>
internal static class CheckpointBenchmark
{
    public static Command Command()
    {
        Argument<string> folder = new("FOLDER") { Description = "Holds config.json and the weights." };
        Option<string?> type = new("--dtype") { Description = "Weight type; lossless if not given." };
        Option<string?> cache = new("--cache") { Description = "Folder that keeps packed weights." };
        Option<int[]> contexts = new("--context")
        {
            Description = "Tokens before the one measured.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [32, 512],
        };
        Option<int> rounds = new("--rounds") { DefaultValueFactory = _ => 7 };
        var command = new Command("checkpoint", "Loading and decoding of a checkpoint.")
        {
            folder, type, cache, contexts, rounds,
        };
        command.SetAction(parse => Run(
            parse.GetRequiredValue(folder),
            new LoadOptions
            {
                Type = parse.GetValue(type) is { } name ? WeightTypes.Parse(name) : null,
                CacheFolder = parse.GetValue(cache),
            },
            parse.GetRequiredValue(contexts),
            parse.GetValue(rounds)));
        return command;
    }

    private static void Run(string folder, LoadOptions options, int[] contexts, int rounds)
    {
        long before = PeakBytes();
        long start = Stopwatch.GetTimestamp();
        using Decoder decoder = Decoder.Load(folder, options);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long peak = PeakBytes();
        long weights = decoder.BytesPerToken;
        if (!ReferenceEquals(decoder.Weights.Embedding, decoder.Weights.Unembedding))
        {
            weights += decoder.Weights.Embedding.Bytes;
        }

        Console.WriteLine(Measured.Machine);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{WeightTypes.NameOf(decoder.Type)}: loaded in {seconds:F1} s; weights {weights / 1e6:F0} MB; "
            + $"peak {peak / 1e6:F0} MB ({before / 1e6:F0} MB before), {(100.0 * peak / weights) - 100:F1} % above the weights"));
        using var machine = new MachineSpeed();
        foreach (int context in contexts)
        {
            Decode(decoder, machine, context, rounds);
        }
    }

    private static void Decode(Decoder decoder, MachineSpeed machine, int context, int rounds)
    {
        ArchitectureSpec spec = decoder.Spec;
        using DecoderRun run = decoder.CreateRun(1);
        using KvCache cache = DecodeBenchmark.Filled(decoder, context);
        SequenceBlock[] step = [new SequenceBlock(cache, new[] { 100 })];
        long bytes = decoder.BytesPerToken;
        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            long seen = context + 1 - spec.FirstVisible(layer, context);
            bytes += 2 * seen * spec.NKeyValueHeads * spec.DHead * sizeof(float);
        }

        var figure = new Figure("decode", decoder.Type, decoder.Pool.Threads, 1, context);
        Step(3);
        double before = machine.Bandwidth(decoder.Pool);
        for (int round = 0; round < rounds; round++)
        {
            Step(1);
            long start = Stopwatch.GetTimestamp();
            Step(3);
            double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds / 3;
            double after = machine.Bandwidth(decoder.Pool);
            figure.Add(milliseconds, 1e3 * bytes / Math.Max(before, after));
            before = after;
        }

        Figure.Print([figure], json: false);

        void Step(int count)
        {
            for (int i = 0; i < count; i++)
            {
                cache.Truncate(context);
                run.Forward(step);
            }
        }
    }

    private static long PeakBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
