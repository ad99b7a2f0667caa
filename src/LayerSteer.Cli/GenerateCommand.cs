using System.CommandLine;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;

namespace LayerSteer.Cli;

/// <summary>`layersteer generate`: steered text, for one prompt or many.</summary>
internal static class GenerateCommand
{
    private const int BatchSize = 8;

    public static Command Create(Terminal terminal)
    {
        var command = new Command("generate", "Continue a prompt, steered toward a topic.");
        Argument<string?> prompt = new("PROMPT") { Description = "The text to continue.", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> prompts = new("--prompts") { Description = "Continue each text of this file: a JSON list of strings, or a CSV." };
        command.Arguments.Add(prompt);
        command.Options.Add(prompts);
        var steering = new SteeringArguments(command);
        var sampling = new SamplingArguments(command);
        var pipeline = new PipelineArguments(command);
        Option<bool> compare = new("--compare") { Description = "Generate without steering too, and print both." };
        Option<string?> published = new("--published-loop")
        {
            Description = "Repeat the seed's loop, which tokenises its text again at each step: generate (two BOS from step two) or demo.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        published.AcceptOnlyFromAmong("generate", "demo");
        Option<bool> json = SharedOptions.Json();
        command.Options.Add(compare);
        command.Options.Add(published);
        command.Options.Add(json);
        command.Validators.Add(result =>
        {
            if ((result.GetResult(prompt) is null) == (result.GetResult(prompts) is null))
            {
                result.AddError("give either a PROMPT or --prompts");
            }

            if (result.GetResult(published) is not null && (result.GetResult(compare) is not null || result.GetResult(prompts) is not null))
            {
                result.AddError("--published-loop takes one PROMPT and no --compare");
            }
        });
        command.SetAction((parse, cancellation) =>
        {
            SteeringOptions options = steering.Options(parse);
            string[] texts = parse.GetValue(prompts) is { } file ? [.. PromptFile.Read(file)] : [parse.GetValue(prompt)!];
            GenerationRequest[] requests = [.. texts.Select(text => sampling.Request(parse, text))];
            using var pool = new WorkerPool(steering.Threads(parse));
            using Steerer steerer = steering.Load(parse, options, pool);
            SteeringPlan plan = pipeline.IsGiven(parse)
                ? pipeline.Plan(parse, terminal, steerer, options, cancellation)
                : steering.Plan(parse, terminal, steerer, options);
            var report = new GenerationReport(terminal, steerer, plan, steering.Bos(parse), parse.GetValue(json));
            if (parse.GetResult(published) is not null)
            {
                PublishedLoopKind kind = parse.GetValue(published) == "demo" ? PublishedLoopKind.Demo : PublishedLoopKind.Generate;
                report.WritePublished(requests[0], kind, cancellation);
                return Task.FromResult(0);
            }

            Run(terminal, steerer, plan, steering.Bos(parse), requests, parse.GetValue(compare), report, cancellation);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Run(
        Terminal terminal,
        Steerer steerer,
        SteeringPlan plan,
        BosPolicy bos,
        GenerationRequest[] requests,
        bool compare,
        GenerationReport report,
        CancellationToken cancellation)
    {
        using var generator = new Generator(steerer.Decoder, steerer.Tokenizer, plan, bos);
        using Generator? plain = compare ? new Generator(steerer.Decoder, steerer.Tokenizer, null, bos) : null;
        if (requests.Length == 1)
        {
            GenerationResult? unsteered = plain?.Generate(requests[0], null, cancellation);
            bool streams = !report.Json && !compare;
            if (streams)
            {
                terminal.Out.Write(requests[0].Prompt);
            }

            GenerationResult steered = generator.Generate(requests[0], streams ? Stream(terminal) : null, cancellation);
            report.WriteOne(steered, unsteered, streams);
            return;
        }

        var results = new List<(GenerationResult Steered, GenerationResult? Unsteered)>();
        foreach (GenerationRequest[] batch in requests.Chunk(BatchSize))
        {
            IReadOnlyList<GenerationResult> steered = generator.Generate(batch, null, cancellation);
            IReadOnlyList<GenerationResult>? unsteered = plain?.Generate(batch, null, cancellation);
            results.AddRange(steered.Select((result, i) => (result, unsteered?[i])));
            terminal.Note($"{results.Count} of {requests.Length} prompts");
        }

        report.WriteMany(results);
    }

    private static Action<string> Stream(Terminal terminal) => text =>
    {
        terminal.Out.Write(text);
        terminal.Out.Flush();
    };
}
