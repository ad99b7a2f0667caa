using System.CommandLine;
using System.CommandLine.Invocation;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>The `layersteer` command: parses, runs, and turns failures into one line and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Runs a command line.</summary>
    /// <returns>0 done, 1 wrong usage, 2 bad input or file, 130 cancelled.</returns>
    public static async Task<int> RunAsync(string[] args, Terminal terminal, CancellationToken cancellation)
    {
        var root = new RootCommand("Steers what a language model writes by editing one layer through a sparse autoencoder.")
        {
            GenerateCommand.Create(terminal),
            IndexCommand.Create(terminal),
            TopicCommand.Create(terminal),
            TraceCommand.Create(terminal),
            TokenizeCommand.Create(terminal),
        };
        ParseResult parsed = root.Parse(args);
        if (parsed.Action is ParseErrorAction errors)
        {
            errors.ShowHelp = false;
        }

        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = terminal.Out };
        if (parsed.Errors.Count > 0)
        {
            foreach (string message in parsed.Errors.Select(error => error.Message).Distinct())
            {
                Fail(terminal, message);
            }

            string command = parsed.CommandResult.Command == root ? string.Empty : parsed.CommandResult.Command.Name + " ";
            terminal.Note($"layersteer {command}--help shows what there is");
            return 1;
        }

        try
        {
            return await parsed.InvokeAsync(configuration, cancellation);
        }
        catch (OperationCanceledException)
        {
            Fail(terminal, "cancelled");
            return 130;
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException or ArgumentException or IOException
            or UnauthorizedAccessException or OutOfMemoryException)
        {
            Fail(terminal, OneLine(e.Message));
            return 2;
        }
    }

    private static void Fail(Terminal terminal, string message) =>
        terminal.Notes.MarkupLine($"[red]error:[/] {Markup.Escape(message)}");

    private static string OneLine(string message)
    {
        int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        string text = parameter < 0 ? message : message[..parameter];
        return text.ReplaceLineEndings(" ");
    }
}
