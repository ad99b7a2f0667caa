using System.CommandLine;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using LayerSteer.Benchmarks;

var root = new RootCommand("What LayerSteer costs at the shape of GPT-2 small, beside what the machine can do.");
root.Subcommands.Add(BenchmarkOptions.Command(
    "decode", "One-token steps.", typed: true, named: true, [32, 512], [1, 8, 32], DecodeBenchmark.Run));
root.Subcommands.Add(BenchmarkOptions.Command(
    "prefill", "A prompt in one pass.", typed: true, named: false, [256], [], PrefillBenchmark.Run));
root.Subcommands.Add(BenchmarkOptions.Command(
    "sae", "The step through the autoencoder alone.", typed: false, named: true, [], [1, 8, 32], SaeBenchmark.Run));
root.Subcommands.Add(BenchmarkOptions.Command(
    "index", "Texts to a layer and to latents.", typed: true, named: false, [256], [], IndexBenchmark.Run));
root.Subcommands.Add(BenchmarkOptions.Command(
    "train", "Steps of training.", typed: false, named: false, [256], [], TrainBenchmark.Run));

Argument<string[]> rest = new("options") { Description = "Passed to BenchmarkDotNet.", Arity = ArgumentArity.ZeroOrMore };
var micro = new Command("micro", "Single kernels, by BenchmarkDotNet.") { rest };
micro.TreatUnmatchedTokensAsErrors = false;
micro.SetAction(parse => BenchmarkRunner.Run<KernelBenchmarks>(
    DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)),
    [.. parse.GetValue(rest) ?? [], .. parse.UnmatchedTokens]));
root.Subcommands.Add(micro);

Argument<string> folder = new("FOLDER") { Description = "Receives model/, sae/ and encoder/." };
Argument<string> vocabularies = new("VOCABULARIES") { Description = "Holds vocab.json, merges.txt and vocab.txt." };
Argument<string> shape = new("SHAPE") { Description = "gpt2-small or tiny." };
shape.AcceptOnlyFromAmong("gpt2-small", "tiny");
var random = new Command("random", "Writes a model, an SAE and an encoder with random weights.")
{
    folder, vocabularies, shape,
};
random.SetAction(parse => RandomFiles.Write(
    parse.GetRequiredValue(folder),
    parse.GetRequiredValue(vocabularies),
    parse.GetRequiredValue(shape) == "tiny" ? RandomShape.Tiny : RandomShape.Gpt2Small));
root.Subcommands.Add(random);

Argument<string> gemmaFolder = new("FOLDER") { Description = "Receives config.json and model.safetensors, 5.2 GB." };
var gemma = new Command("random-gemma", "Writes a model at the shape of Gemma 2 2B with random bfloat16 weights.")
{
    gemmaFolder,
};
gemma.SetAction(parse => RandomGemma.Write(parse.GetRequiredValue(gemmaFolder)));
root.Subcommands.Add(gemma);
root.Subcommands.Add(CheckpointBenchmark.Command());
return root.Parse(args).Invoke();
