using System.CommandLine;
using LayerSteer.Numerics;
using LayerSteer.Steering;

namespace LayerSteer.Benchmarks;

/// <summary>What a benchmark measures; each list is crossed with the others.</summary>
internal sealed record BenchmarkOptions(
    WeightType[] Types, string[] Names, int[] Contexts, int[] Batches, int[] Threads, int Rounds, bool Json)
{
    /// <summary>The name of the arm without steering.</summary>
    public const string Unsteered = "unsteered";

    /// <summary>A command with the options that apply to it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it measures.</param>
    /// <param name="typed">Whether the model's weight type matters.</param>
    /// <param name="named">Whether methods are compared.</param>
    /// <param name="contexts">The contexts, or the tokens at once; empty if it has none.</param>
    /// <param name="batches">The batches; empty if it has none.</param>
    /// <param name="run">Measures.</param>
    public static Command Command(
        string name,
        string description,
        bool typed,
        bool named,
        int[] contexts,
        int[] batches,
        Func<BenchmarkOptions, IReadOnlyList<Figure>> run)
    {
        string[] methods = [Unsteered, .. SteeringMethods.Names.Skip(1)];
        int[] allThreads = [.. new[] { 1, Environment.ProcessorCount }.Distinct()];
        Option<string[]> types = Several<string>("--dtype", "Weight types.", typed ? [.. WeightTypes.Names] : ["f32"]);
        types.AcceptOnlyFromAmong([.. WeightTypes.Names]);
        Option<string[]> names = Several<string>("--method", "Methods.", methods);
        names.AcceptOnlyFromAmong(methods);
        Option<int[]> context = Several("--context", "Tokens before the one measured, or at once.", contexts);
        Option<int[]> batch = Several("--batch", "Sequences side by side.", batches);
        Option<int[]> threads = Several("--threads", "Threads.", allThreads);
        Option<int> rounds = new("--rounds") { Description = "Rounds of all arms.", DefaultValueFactory = _ => 5 };
        Option<bool> json = new("--json") { Description = "An array for machines, and nothing else." };
        foreach (Option<int[]> option in new[] { context, batch, threads })
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int[]>().Any(n => n is < 1 or > 1023))
                {
                    result.AddError($"{option.Name}: expected whole numbers from 1 to 1023");
                }
            });
        }

        var command = new Command(name, description);
        Option[] options =
        [
            .. typed ? [types] : Array.Empty<Option>(),
            .. named ? [names] : Array.Empty<Option>(),
            .. contexts.Length > 0 ? [context] : Array.Empty<Option>(),
            .. batches.Length > 0 ? [batch] : Array.Empty<Option>(),
            threads,
            rounds,
            json,
        ];
        Array.ForEach(options, command.Options.Add);
        command.SetAction(parse =>
        {
            var chosen = new BenchmarkOptions(
                typed ? [.. parse.GetRequiredValue(types).Select(WeightTypes.Parse)] : [WeightType.F32],
                named ? parse.GetRequiredValue(names) : methods,
                contexts.Length > 0 ? parse.GetRequiredValue(context) : [],
                batches.Length > 0 ? parse.GetRequiredValue(batch) : [1],
                parse.GetRequiredValue(threads),
                Math.Max(1, parse.GetRequiredValue(rounds)),
                parse.GetValue(json));
            IReadOnlyList<Figure> figures = run(chosen);
            Figure.Print(figures, chosen.Json);
        });
        return command;
    }

    private static Option<T[]> Several<T>(string name, string description, T[] fallback) => new(name)
    {
        Description = description,
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => fallback,
    };
}
