using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace LayerSteer.Cli;

/// <summary>The `layersteer` command: parses, runs, and turns failures into one line and an exit code.</summary>
internal static class CommandLine
{
    private static readonly (string Name, Func<Terminal, Command> Create)[] Commands =
    [
        ("demo", DemoCommand.Create),
        ("generate", GenerateCommand.Create),
        ("compare", CompareCommand.Create),
        ("index", IndexCommand.Create),
        ("topic", TopicCommand.Create),
        ("trace", TraceCommand.Create),
        ("tokenize", TokenizeCommand.Create),
        ("tokenizer", TokenizerCommand.Create),
        ("encoder", EncoderCommand.Create),
        ("train", TrainCommand.Create),
        ("finetune", FinetuneCommand.Create),
        ("measure", MeasureCommand.Create),
        ("sae", SaeCommand.Create),
        ("check", CheckCommand.Create),
        ("inspect", InspectCommand.Create),
        ("convert", ConvertCommand.Create),
        ("sweep", SweepCommand.Create),
        ("evaluate", EvaluateCommand.Create),
        ("calibrate", CalibrateCommand.Create),
        ("forecast", ForecastCommand.Create),
        ("claims", ClaimsCommand.Create),
        ("timing", TimingCommand.Create),
        ("dataset", DatasetCommand.Create),
        ("pull", PullCommand.Create),
        ("list", ListCommand.Create),
        ("cache", CacheCommand.Create),
        ("completion", CompletionCommand.Create),
    ];

    /// <summary>Runs a command line.</summary>
    /// <returns>0 done, 1 wrong usage, 2 bad input or file, 130 cancelled.</returns>
    public static async Task<int> RunAsync(string[] args, Terminal terminal, CancellationToken cancellation)
    {
        var root = new RootCommand(
            "Steers what a language model writes by editing one layer through a sparse autoencoder.");
        foreach ((_, Func<Terminal, Command> create) in Asked(args))
        {
            root.Subcommands.Add(create(terminal));
        }

        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            Output = terminal.Out,
            // Ctrl-C is the token's; a second handler would end the process before what is under way has ended.
            ProcessTerminationTimeout = null,
        };
        if (args.Length == 0)
        {
            await root.Parse(["--help"]).InvokeAsync(configuration, cancellation);
            return 1;
        }

        ParseResult parsed = root.Parse(args);
        if (parsed.Action is ParseErrorAction)
        {
            return Misused(terminal, parsed, parsed.Errors.Select(error => error.Message).Distinct());
        }

        try
        {
            return await parsed.InvokeAsync(configuration, cancellation);
        }
        catch (UsageException e)
        {
            return Misused(terminal, parsed, [e.Message]);
        }
        catch (OperationCanceledException)
        {
            terminal.Fail("cancelled");
            return 130;
        }
        catch (Exception e) when (IsRefusal(e))
        {
            terminal.Fail(e);
            return 2;
        }
    }

    /// <summary>Whether a failure is one of what was given, to be said in one line, and none of ours.</summary>
    public static bool IsRefusal(Exception e) => e is InvalidDataException or NotSupportedException or ArgumentException
        or IOException or UnauthorizedAccessException or OutOfMemoryException or UsageException;

    /// <summary>
    /// The command that comes first, or all of them: to make the options of all takes a tenth of the time that a first
    /// token may take.
    /// </summary>
    private static (string Name, Func<Terminal, Command> Create)[] Asked(string[] args)
    {
        int asked = Array.FindIndex(Commands, command => args.Length > 0 && command.Name == args[0]);
        return asked < 0 ? Commands : [Commands[asked]];
    }

    private static int Misused(Terminal terminal, ParseResult parsed, IEnumerable<string> messages)
    {
        foreach (string message in messages)
        {
            terminal.Fail(message);
        }

        string command = string.Empty;
        CommandResult? result = parsed.CommandResult;
        while (result?.Command is not (null or RootCommand))
        {
            command = $"{result.Command.Name} {command}";
            result = result.Parent as CommandResult;
        }

        terminal.Note($"layersteer {command}--help shows what there is");
        return 1;
    }
}
