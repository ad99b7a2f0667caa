using System.CommandLine;
using System.Globalization;
using LayerSteer.Numerics;
using LayerSteer.Steering;

namespace LayerSteer.Cli;

/// <summary>`layersteer demo`: a prompt continued by the original, the fine-tuned and the steered pocket model.</summary>
internal static class DemoCommand
{
    private static readonly (string Name, string Takes)[] Settings =
    [
        ("topic", "NAME: steer toward a ready topic"),
        ("align", "FILE|FOLDER: steer toward the topic of these texts"),
        ("method", string.Join('|', SteeringMethods.Names)),
        ("strength", "X: how strongly, from 0 (not at all)"),
        ("seed", "N: other draws"),
    ];

    public static Command Create(Terminal terminal)
    {
        Argument<string?> prompt = new("PROMPT")
        {
            Description = "The text to continue. Without one, prompts are asked for, or read from a pipe.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> topic = new("--topic") { Description = "A topic that comes with the pocket model." };
        Option<string?> align = new("--align")
        {
            Description = "Texts of a topic of your own: a text file (a paragraph a text), a CSV, JSON or JSONL, "
                + "or a folder of them.",
            HelpName = "path",
        };
        Option<SteeringMethod?> method = ValueOptions.Parsed(
            "--method", "How to steer. Default: the pocket model's choice.", SteeringMethods.Parse);
        method.HelpName = string.Join('|', SteeringMethods.Names);
        method.CompletionSources.Clear();
        method.CompletionSources.Add([.. SteeringMethods.Names]);
        Option<float?> strength = ValueOptions.Number<float>(
            "--strength",
            "How strongly, from 0 (untouched, to the bit). Default: the pocket model's for its method, otherwise 1.",
            "a number from 0 on",
            IsStrength);
        Option<int?> tokens = ValueOptions.Number<int>(
            "--tokens", "The most tokens to generate.", "a whole number from 1 on", n => n >= 1, null, "-n");
        Option<ulong?> seed = ValueOptions.Number<ulong>(
            "--seed", "Seed of the draws, the same for all texts. Default 0.", "a whole number from 0 on", _ => true);
        Option<double?> temperature = ValueOptions.Number<double>(
            "--temperature",
            "Draw from softmax(logits / temperature); 0 takes the most likely token at each step.",
            "a finite number from 0 on",
            t => t >= 0 && double.IsFinite(t));
        Option<bool> fineTune = new("--finetune")
        {
            Description = "Also fine-tune the model on the texts of --align, to compare with; takes a while.",
        };
        Option<bool> force = SharedOptions.Force();
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "demo", "Continue a prompt with a small model in the box: as it is, fine-tuned, and steered toward a topic.")
        {
            prompt, topic, align, method, strength, tokens, seed, temperature, fineTune, force, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.Validators.Add(result =>
        {
            bool aligns = result.GetResult(align) is not null;
            if (aligns && result.GetResult(topic) is not null)
            {
                result.AddError("give either --topic or --align");
            }

            if (result.GetResult(fineTune) is not null && !aligns)
            {
                result.AddError("--finetune needs --align; a topic by name comes with its fine-tuned model");
            }
        });
        command.SetAction(async (parse, cancellation) =>
        {
            PocketModel pocket = PocketModel.Find() ?? throw new InvalidDataException(
                $"the demo needs the pocket model, and there is none in '{PocketModel.DefaultFolder}'; "
                + "set LAYERSTEER_POCKET to the folder of one, or use generate with a --model of your own");
            DemoSettings settings = DemoSettings.Of(
                pocket.Demo,
                parse.GetValue(method),
                parse.GetValue(strength),
                parse.GetValue(seed),
                parse.GetValue(temperature),
                parse.GetValue(tokens));
            RequireSense(settings);
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            string? path = parse.GetValue(align);
            using var session = new DemoSession(
                pocket,
                settings,
                aligns: path is not null,
                parse.GetValue(fineTune),
                parse.GetValue(force),
                terminal,
                loading.Options(parse, terminal, pool));
            if (path is not null)
            {
                session.Align(path, cancellation);
            }
            else
            {
                session.Choose(parse.GetValue(topic) ?? pocket.Demo.Topic);
            }

            var report = new DemoReport(terminal, parse.GetValue(json));
            if (parse.GetValue(prompt) is { } text)
            {
                report.Write(session.Run(text, cancellation));
                return 0;
            }

            if (terminal.IsTyped)
            {
                terminal.Note(
                    $"{Describe(session)}. Topics: {string.Join(", ", pocket.Topics.Select(known => known.Name))}. "
                    + "Type the beginning of a text; /help shows what else; Ctrl-D leaves. "
                    + "What a small model writes can be wrong or harmful: it is no advice.");
            }

            var loop = new DemoLoop(
                terminal,
                Settings,
                (line, stop) => report.Write(session.Run(line, stop)),
                (name, value, stop) =>
                {
                    Set(session, pocket, name, value, stop);
                    terminal.Note(Describe(session));
                });
            return await loop.RunAsync(cancellation);
        });
        return command;
    }

    private static bool IsStrength(float strength) => strength >= 0f && float.IsFinite(strength);

    private static void Set(
        DemoSession session, PocketModel pocket, string name, string value, CancellationToken cancellation)
    {
        if (value.Length == 0)
        {
            throw new UsageException($"/{name} {Settings.First(known => known.Name == name).Takes}");
        }

        switch (name)
        {
            case "topic":
                session.Choose(value);
                break;
            case "align":
                session.Align(value, cancellation);
                break;
            case "method":
                SteeringMethod method = SteeringMethods.Parse(value);
                session.Settings = Sensible(session.Settings with
                {
                    Method = method,
                    Strength = DemoSettings.StrengthOf(pocket.Demo, method),
                });
                break;
            case "strength":
                session.Settings = Sensible(session.Settings with
                {
                    Strength = float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out float strength)
                        && IsStrength(strength)
                        ? strength
                        : throw new UsageException($"/strength is '{value}', expected a number from 0 on"),
                });
                break;
            default:
                session.Settings = session.Settings with
                {
                    Seed = ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed)
                        ? seed
                        : throw new UsageException($"/seed is '{value}', expected a whole number from 0 on"),
                };
                break;
        }
    }

    private static DemoSettings Sensible(DemoSettings settings)
    {
        RequireSense(settings);
        return settings;
    }

    /// <summary>Refuses a strength that the method does not have, before anything is loaded.</summary>
    private static void RequireSense(DemoSettings settings)
    {
        try
        {
            settings.Steering.Validate();
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static string Describe(DemoSession session) => string.Create(
        CultureInfo.InvariantCulture,
        $"topic {session.Topic.Name}, {SteeringMethods.NameOf(session.Settings.Method)} ")
        + string.Create(CultureInfo.InvariantCulture, $"strength {session.Settings.Strength}, seed {session.Settings.Seed}");
}
