using System.CommandLine;

namespace LayerSteer.Cli;

/// <summary>
/// `layersteer completion bash`: a script that makes the shell complete commands, options and their values.
/// </summary>
internal static class CompletionCommand
{
    // The names come from the command line's own [suggest:POSITION] directive; where it has none, bash completes file
    // names. Short names such as -h and /h are left out: one letter needs no completion.
    private const string Bash = """
        # layersteer completion for bash; load it with: eval "$(layersteer completion bash)"
        _layersteer() {
            local word="${COMP_WORDS[COMP_CWORD]}" names
            names="$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null | grep -v '^[-/].$')"
            mapfile -t COMPREPLY < <(compgen -W "${names}" -- "${word}")
        }
        complete -o default -F _layersteer layersteer

        """;

    public static Command Create(Terminal terminal)
    {
        Argument<string> shell = new("SHELL") { Description = "bash." };
        shell.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && result.Tokens[0].Value != "bash")
            {
                result.AddError($"no completion for '{result.Tokens[0].Value}'; there is bash");
            }
        });
        shell.CompletionSources.Add("bash");
        var command = new Command(
            "completion",
            "Print a script that completes commands and options in a shell: eval \"$(layersteer completion bash)\".")
        {
            shell,
        };
        command.SetAction(_ =>
        {
            terminal.Out.Write(Bash);
            return 0;
        });
        return command;
    }
}
