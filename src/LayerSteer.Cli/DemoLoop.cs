using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>
/// A line, a result, until the lines end. Lines that begin with a slash are commands: "/seed 7" sets the seed. Ctrl-C
/// ends what is under way and not the loop.
/// </summary>
/// <param name="terminal">Where lines come from and notes go.</param>
/// <param name="commands">The commands with what they take; the loop knows /help and /quit itself.</param>
/// <param name="run">Continues a prompt and shows it.</param>
/// <param name="set">Does a command, by its name without the slash, with what stands behind it.</param>
internal sealed class DemoLoop(
    Terminal terminal,
    IReadOnlyList<(string Name, string Takes)> commands,
    Action<string, CancellationToken> run,
    Action<string, string, CancellationToken> set)
{
    private int _failures;

    /// <summary>Runs until the lines end or /quit.</summary>
    /// <returns>0; where lines come from a pipe, 2 if one could not be done.</returns>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        TextReader lines = terminal.In();
        while (await Next(lines, cancellation) is { } line)
        {
            (string command, string value) = Split(line);
            if (command == "/quit")
            {
                break;
            }

            if (!string.IsNullOrWhiteSpace(line))
            {
                Do(line, command, value, cancellation);
            }
        }

        return _failures > 0 && !terminal.IsTyped ? 2 : 0;
    }

    private async Task<string?> Next(TextReader lines, CancellationToken cancellation)
    {
        terminal.OnInterrupt = terminal.IsTyped ? Leave : null;
        try
        {
            ShowSign();

            // A console's own asynchronous reading blocks; a thread that waits for a line may be left behind.
            string? line = await Task.Run(lines.ReadLine, cancellation).WaitAsync(cancellation);
            if (line is null && terminal.IsTyped)
            {
                terminal.Notes.WriteLine();
            }

            return line;
        }
        finally
        {
            terminal.OnInterrupt = null;
        }

        void Leave()
        {
            terminal.Notes.WriteLine();
            terminal.Note("Ctrl-D or /quit leaves");
            ShowSign();
        }
    }

    private void Do(string line, string command, string value, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        terminal.OnInterrupt = stop.Cancel;
        try
        {
            if (!command.StartsWith('/'))
            {
                run(line, stop.Token);
            }
            else if (command == "/help")
            {
                Help();
            }
            else if (commands.Any(known => "/" + known.Name == command))
            {
                set(command[1..], value, stop.Token);
            }
            else
            {
                throw new UsageException($"no command '{command}'; there are {Names()}, /help, /quit");
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            terminal.Note("stopped");
        }
        catch (Exception e) when (CommandLine.IsRefusal(e))
        {
            _failures++;
            terminal.Fail(e);
        }
        finally
        {
            terminal.OnInterrupt = null;
        }
    }

    private void Help()
    {
        foreach ((string name, string takes) in commands)
        {
            terminal.Note($"/{name} {takes}");
        }

        terminal.Note("/quit, or Ctrl-D; Ctrl-C stops a text. Any other line is a prompt.");
    }

    private void ShowSign()
    {
        if (terminal.IsTyped)
        {
            terminal.Notes.Write(new Markup("[grey]>[/] "));
        }
    }

    private string Names() => string.Join(", ", commands.Select(command => "/" + command.Name));

    private static (string Command, string Value) Split(string line)
    {
        string trimmed = line.Trim();
        int space = trimmed.IndexOf(' ');
        return space < 0 ? (trimmed, string.Empty) : (trimmed[..space], trimmed[(space + 1)..].Trim());
    }
}
