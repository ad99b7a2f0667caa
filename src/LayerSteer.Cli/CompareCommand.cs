using System.CommandLine;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>`layersteer compare`: one prompt through several arms with the same draws, side by side.</summary>
internal static class CompareCommand
{
    private const int Tokens = 48;

    public static Command Create(Terminal terminal)
    {
        var command = new Command(
            "compare",
            "Continue a prompt with several methods side by side, and show how far each token's distribution moved.");
        Argument<string> prompt = new("PROMPT") { Description = "The text to continue." };
        command.Arguments.Add(prompt);
        Option<string[]> arms = new("--arms")
        {
            Description = $"Arms separated by commas: {string.Join(", ", CompareArm.Names)}; a method's strength may "
                + "stand behind it, such as clamp=0.2; otherwise it is --strength, or the pocket model's own for its method. "
                + $"Default: {string.Join(",", CompareArm.Default.Select(arm => arm.Name))}.",
            HelpName = "name,name=strength,…",
        };
        var loading = new LoadingArguments(command);
        var steering = new SteeringArguments(
            command, loading, new PipelineArguments(command, loading), oneMethod: false);
        var sampling = new SamplingArguments(command, Tokens);
        Option<string?> hint = new("--hint")
        {
            Description = "What arm hint puts in front of the prompt; {topic} stands for the topic's name. "
                + $"Default: \"{CompareRun.DefaultHint}\".",
            HelpName = "text",
        };
        Option<string?> output = new("--out", "-o")
        {
            Description = "Also write a page of HTML with every token's shift and the latents that made it.",
            HelpName = "path",
        };
        Option<bool> json = SharedOptions.Json();
        foreach (Option option in new Option[] { arms, hint, output, json })
        {
            command.Options.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            IReadOnlyList<CompareArm> asked = Asked(parse.GetValue(arms) ?? []);
            SteeringOptions options = steering.Options(parse);
            PocketModel? pocket = steering.Pocket(parse);
            string? tuned = TunedTopic(pocket, steering.Topic(parse));
            var notRun = new Dictionary<string, string>();
            bool isDefault = parse.GetValue(arms) is not { Length: > 0 };
            bool hasTopic = steering.HasTopic(parse);
            bool namesStrength = steering.NamesStrength(parse);
            SteeringOptions Its(CompareArm arm) => OptionsOf(arm, options, pocket, namesStrength);

            // One that is asked for by name and cannot be run is wrong usage; of all there are it is left out.
            bool Runs(CompareArm arm, string? reason) => reason is null || (isDefault
                ? !notRun.TryAdd(arm.Name, reason)
                : throw new UsageException($"arm {arm.Name} cannot be run: {reason}"));

            CompareArm[] run =
                [.. asked.Where(arm => Runs(arm, Obstacle(arm, hasTopic, tuned) ?? Contradiction(Its(arm))))];
            GenerationRequest request = sampling.Request(parse, parse.GetRequiredValue(prompt));
            OutputFiles.Require(parse.GetValue(output));
            using var pool = new WorkerPool(steering.Threads(parse));
            using Steerer steerer = steering.Load(parse, terminal, pool);
            SteeringSource source = steering.Source(parse, terminal, steerer, options.Mode, cancellation);
            run = [.. run.Where(arm => Runs(arm, source.Missing(arm.Method)))];
            using Decoder? fineTuned = run.Any(arm => arm.Kind == CompareArmKind.FineTuned)
                ? pocket!.LoadFineTuned(
                    tuned!, loading.Options(parse, terminal, pool) with { Type = steerer.Decoder.Type })
                : null;
            var comparing = new CompareRun(steerer, request, steering.Bos(parse), source.Topic ?? "", fineTuned)
            {
                Hint = parse.GetValue(hint) ?? CompareRun.DefaultHint,
                ReadsLatents = parse.GetValue(json) || parse.GetValue(output) is not null,
            };
            Comparison comparison = comparing.Run(
                [
                    .. run.Select(arm => (arm, arm.Kind == CompareArmKind.Steered
                        ? source.Plan(Its(arm), arm.Strength is null)
                        : null)),
                ],
                notRun,
                cancellation);
            if (parse.GetValue(output) is { } file)
            {
                ComparisonPage.Write(comparison, file);
            }

            new CompareReport(terminal, parse.GetValue(json)).Write(comparison);
            if (parse.GetValue(output) is { } written)
            {
                terminal.Note($"'{written}' shows each token's shift and the latents that made it");
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static IReadOnlyList<CompareArm> Asked(string[] names)
    {
        string[] split =
        [
            .. names.SelectMany(text =>
                text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)),
        ];
        return split.Length == 0 ? CompareArm.Default : CompareArm.Parse(split);
    }

    /// <summary>The pocket topic with its fine-tuned model; a topic of the user's own hides one of its name.</summary>
    private static string? TunedTopic(PocketModel? pocket, string? topic) =>
        pocket?.Topics.FirstOrDefault(known => known.Name == topic && known.Adapter is not null
            && !File.Exists(topic) && TopicFolder.All(pocket)[topic] == known.Profile)?.Name;

    /// <summary>Why an arm cannot be run here; null if it can.</summary>
    private static string? Obstacle(CompareArm arm, bool hasTopic, string? tuned) => arm.Kind switch
    {
        CompareArmKind.Hint when !hasTopic => "scores have no topic's name to hint at; give --topic",
        CompareArmKind.FineTuned when tuned is null => "only ready topics of the pocket model come with a tuned model",
        _ => null,
    };

    /// <summary>What options say against each other; null if nothing.</summary>
    private static string? Contradiction(SteeringOptions options)
    {
        try
        {
            options.Validate();
            return null;
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }
    }

    private static SteeringOptions OptionsOf(
        CompareArm arm, SteeringOptions options, PocketModel? pocket, bool namesStrength)
    {
        bool hasStrength = SteeringMethods.NeedsScores(arm.Method);
        float strength = arm.Strength
            ?? (!hasStrength || options.Mode == SteeringMode.Seed ? 1f
                : namesStrength || pocket is null ? options.Strength
                : DemoSettings.StrengthOf(pocket.Demo, arm.Method));
        return options with { Method = arm.Method, Strength = strength };
    }
}
