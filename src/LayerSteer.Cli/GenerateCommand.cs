using System.CommandLine;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Text;

namespace LayerSteer.Cli;

/// <summary>`layersteer generate`: steered text, for one prompt or many.</summary>
internal static class GenerateCommand
{
    private const int PromptsSideBySide = 8;

    public static Command Create(Terminal terminal)
    {
        var command = new Command("generate", "Continue a prompt, steered toward a topic.");
        Argument<string?> prompt = new("PROMPT")
        {
            Description = "The text to continue.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> prompts = new("--prompts")
        {
            Description = "Continue each text of this file: a JSON list of strings, or a CSV.",
            HelpName = "path",
        };
        command.Arguments.Add(prompt);
        command.Options.Add(prompts);
        var loading = new LoadingArguments(command);
        Option<bool> force = SharedOptions.Force();
        var steering = new SteeringArguments(command, loading, new PipelineArguments(command, loading), force);
        var sampling = new SamplingArguments(command);
        Option<bool> compare = new("--compare") { Description = "Generate without steering too, and print both." };
        Option<PublishedLoopKind?> published = ValueOptions.Named(
            "--published-loop",
            "Repeat the seed's loop, which tokenises its text again at each step: "
            + "generate (two BOS from step two) or demo.",
            ("generate", PublishedLoopKind.Generate),
            ("demo", PublishedLoopKind.Demo));
        published.Arity = ArgumentArity.ZeroOrOne;
        Option<bool> chat = new("--chat")
        {
            Description = "Take each prompt as a user's turn, in the model's own chat template, which puts BOS in itself.",
        };
        Option<bool> json = SharedOptions.Json();
        command.Options.Add(force);
        command.Options.Add(chat);
        command.Options.Add(compare);
        command.Options.Add(published);
        command.Options.Add(json);
        command.Validators.Add(result =>
        {
            if ((result.GetResult(prompt) is null) == (result.GetResult(prompts) is null))
            {
                result.AddError("give either a PROMPT or --prompts");
            }

            bool isPublished = result.GetResult(published) is not null;
            if (isPublished && (result.GetResult(compare) is not null || result.GetResult(prompts) is not null))
            {
                result.AddError("--published-loop takes one PROMPT and no --compare");
            }

            if (result.GetResult(chat) is not null && (isPublished || steering.NamesBos(result)))
            {
                result.AddError("--chat takes neither --bos nor --published-loop");
            }
        });
        command.SetAction((parse, cancellation) =>
        {
            SteeringOptions options = steering.Options(parse);
            BosPolicy bos = steering.Bos(parse);
            if (parse.GetResult(published) is not null && bos == BosPolicy.None)
            {
                throw new UsageException("--published-loop has its own BOS; leave out --bos none");
            }

            string[] texts = parse.GetValue(prompts) is { } file ? Prompts(file) : [parse.GetValue(prompt)!];
            GenerationRequest[] requests = [.. texts.Select(text => sampling.Request(parse, text))];
            using var pool = new WorkerPool(steering.Threads(parse));
            using Steerer steerer = steering.Load(parse, terminal, pool);
            bool chats = parse.GetValue(chat);
            if (chats)
            {
                bos = BosPolicy.None;
                requests = Turns(requests, steerer);
            }

            SteeringPlan plan = steering.Plan(parse, terminal, steerer, options, cancellation);
            requests = [.. requests.Select(request => request with { Plan = plan })];
            var report = new GenerationReport(terminal, steerer, plan, bos, parse.GetValue(json));
            if (parse.GetResult(published) is not null)
            {
                report.WritePublished(
                    requests[0], parse.GetValue(published) ?? PublishedLoopKind.Generate, cancellation);
                return Task.FromResult(0);
            }

            using var generator = new Generator(steerer.Decoder, steerer.Tokenizer, bos);
            if (parse.GetResult(prompts) is null)
            {
                string shown = chats ? string.Empty : requests[0].Prompt;
                RunOne(terminal, report, generator, requests[0], shown, parse.GetValue(compare), cancellation);
            }
            else
            {
                RunMany(terminal, report, generator, requests, parse.GetValue(compare), cancellation);
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static void RunOne(
        Terminal terminal,
        GenerationReport report,
        Generator generator,
        GenerationRequest request,
        string shown,
        bool compares,
        CancellationToken cancellation)
    {
        if (report.Json || compares)
        {
            (GenerationResult steered, GenerationResult? unsteered) =
                Generate(generator, [request], compares, cancellation)[0];
            report.WriteOne(steered, unsteered, streamed: false);
            return;
        }

        GenerationResult result = generator.Generate(request, Stream(terminal, shown), cancellation);
        report.WriteOne(result, null, streamed: true);
    }

    private static void RunMany(
        Terminal terminal,
        GenerationReport report,
        Generator generator,
        GenerationRequest[] requests,
        bool compares,
        CancellationToken cancellation)
    {
        var results = new List<(GenerationResult Steered, GenerationResult? Unsteered)>();
        foreach (GenerationRequest[] batch in requests.Chunk(PromptsSideBySide))
        {
            results.AddRange(Generate(generator, batch, compares, cancellation));
            terminal.Note($"{results.Count} of {requests.Length} prompts");
        }

        report.WriteMany(results);
    }

    /// <summary>The steered texts and, to compare, the unsteered ones, all in one batch.</summary>
    private static (GenerationResult Steered, GenerationResult? Unsteered)[] Generate(
        Generator generator, GenerationRequest[] requests, bool compares, CancellationToken cancellation)
    {
        IEnumerable<GenerationRequest> unsteered = requests.Select(request => request with { Plan = null });
        IReadOnlyList<GenerationResult> results =
            generator.Generate([.. requests, .. compares ? unsteered : []], null, cancellation);
        return [.. requests.Select((_, i) => (results[i], compares ? results[requests.Length + i] : null))];
    }

    /// <summary>Each prompt as the model's chat template writes the turn of a user, ready for the answer.</summary>
    private static GenerationRequest[] Turns(GenerationRequest[] requests, Steerer steerer)
    {
        ChatTemplate template = ChatTemplate.Load(steerer.Decoder.Path) ?? throw new InvalidDataException(
            $"'{steerer.Decoder.Path}': no chat template, neither chat_template.jinja nor chat_template in "
            + "tokenizer_config.json; leave out --chat, or use a model that was tuned to chat");
        return [.. requests.Select(request => request with
        {
            Prompt = template.Render([new ChatTurn("user", request.Prompt)], addGenerationPrompt: true),
        })];
    }

    private static string[] Prompts(string file)
    {
        string[] texts = [.. PromptFile.Read(file)];
        int empty = Array.IndexOf(texts, string.Empty);
        return empty < 0
            ? texts
            : throw new InvalidDataException($"'{file}': prompt {empty} is empty; give at least one character");
    }

    /// <summary>
    /// Writes text as it comes, the prompt in front of the first: not before, since a prompt may be refused.
    /// </summary>
    private static Action<string> Stream(Terminal terminal, string prompt)
    {
        bool begun = false;
        return text =>
        {
            terminal.Out.Write(begun ? text : prompt + text);
            terminal.Out.Flush();
            begun = true;
        };
    }
}
