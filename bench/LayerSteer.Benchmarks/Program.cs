using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using LayerSteer.Benchmarks;

switch (args)
{
    case ["decode"]:
        DecodeBenchmark.Run();
        return 0;
    case ["prefill", .. var types]:
        PrefillBenchmark.Run(types);
        return 0;
    case ["micro", ..]:
        BenchmarkRunner.Run<KernelBenchmarks>(
            DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)), args[1..]);
        return 0;
    case ["random", string folder, string vocabularies, "gpt2-small" or "tiny"]:
        RandomFiles.Write(folder, vocabularies, args[3] == "tiny" ? RandomShape.Tiny : RandomShape.Gpt2Small);
        return 0;
    default:
        Console.Error.WriteLine(
            "usage: decode | prefill | micro [BenchmarkDotNet options] | random FOLDER VOCABULARIES gpt2-small|tiny");
        return 1;
}
