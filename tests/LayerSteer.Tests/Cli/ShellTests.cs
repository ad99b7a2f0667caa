using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>The command line in a real shell: pipes, streams and completion.</summary>
public class ShellTests
{
    [Fact]
    public async Task A_reader_that_leaves_ends_it_quietly()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        string file = Path.Combine(golden.Folder, "prompts.json");
        (int code, string output, string error) = await ToolProcess.Bash(
            $"for i in 1 2 3; do TOOL tokenize --model '{golden.Model}' --file '{file}' | head -c 1 >/dev/null; done; "
            + $"TOOL generate Hello --model '{golden.Model}' --method orig -n 20 2>notes | true; "
            + "cat notes >&2; rm notes; echo done");
        Assert.Equal((0, "done\n"), (code, output));
        Assert.DoesNotContain("xception", error, StringComparison.Ordinal);
        Assert.DoesNotContain("error", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Results_go_to_stdout_and_messages_to_stderr_each_on_one_line()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        (int code, string output, string error) = await ToolProcess.Bash(
            $"TOOL generate Hello --model '{golden.Model}' --method orig --hook nowhere-that-there-is");
        Assert.Equal((1, string.Empty), (code, output));
        Assert.Equal(2, error.TrimEnd('\n').Split('\n').Length);
        (code, output, error) =
            await ToolProcess.Bash($"TOOL generate Hello --model '{golden.Model}' --method orig -n 2 --json");
        Assert.Equal((0, string.Empty), (code, error));
        Assert.StartsWith("{\"prompt\":\"Hello\",", output, StringComparison.Ordinal);
        Assert.EndsWith("}\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("layersteer gen", "generate")]
    [InlineData("layersteer index mer", "merge")]
    [InlineData("layersteer generate Hello --mode ", "corrected seed")]
    [InlineData("layersteer generate Hello --method s", "sae scale set swap")]
    [InlineData("layersteer trace --pro", "--prompts")]
    [InlineData("layersteer completion b", "bash")]
    public async Task Bash_completes_commands_options_and_values(string line, string expected)
    {
        using var folder = new TempFolder();
        string[] words = line.Split(' ');
        (int code, string output, string error) = await ToolProcess.Bash(
            """
            layersteer() { TOOL "$@"; }
            eval "$(layersteer completion bash)"
            COMP_LINE="$LINE" COMP_POINT=${#LINE}
            read -r -a COMP_WORDS <<< "$LINE"
            [[ "$LINE" == *' ' ]] && COMP_WORDS+=("")
            COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
            _layersteer
            echo "${COMPREPLY[*]}"
            """,
            ("LINE", line));
        Assert.Equal((0, string.Empty), (code, error));
        Assert.Equal(expected, output.TrimEnd('\n'));
        Assert.Equal("layersteer", words[0]);
    }
}
