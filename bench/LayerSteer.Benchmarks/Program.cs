using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using LayerSteer.Benchmarks;

switch (args.FirstOrDefault())
{
    case "decode":
        DecodeBenchmark.Run();
        return 0;
    case "prefill":
        PrefillBenchmark.Run();
        return 0;
    case "micro":
        BenchmarkRunner.Run<KernelBenchmarks>(
            DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)), args[1..]);
        return 0;
    default:
        Console.Error.WriteLine("usage: decode | prefill | micro [BenchmarkDotNet options]");
        return 1;
}
