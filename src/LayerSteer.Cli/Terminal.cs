using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>Where a command writes: results to <see cref="Out"/>, progress and notes to <see cref="Notes"/>.</summary>
/// <param name="Out">Results, as text.</param>
/// <param name="Tables">Results, as tables; the same place.</param>
/// <param name="Notes">Everything else.</param>
internal sealed record Terminal(TextWriter Out, IAnsiConsole Tables, IAnsiConsole Notes)
{
    private const int RedirectedWidth = 160;

    /// <summary>A message is one line wherever it is read by a program.</summary>
    private const int UnlimitedWidth = 1 << 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Terminal OfProcess()
    {
        Console.OutputEncoding = System.Text.Encoding.UTF8;
        IAnsiConsole tables = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        IAnsiConsole notes = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (Console.IsOutputRedirected)
        {
            tables.Profile.Width = RedirectedWidth;
        }

        if (Console.IsErrorRedirected)
        {
            notes.Profile.Width = UnlimitedWidth;
        }

        return new Terminal(Console.Out, tables, notes);
    }

    /// <summary>Prints one JSON value on a line of its own.</summary>
    public void WriteJson(JsonNode value) => Out.WriteLine(value.ToJsonString(Json));

    /// <summary>A note in passing.</summary>
    public void Note(string text) => Notes.MarkupLine($"[grey]{Markup.Escape(text)}[/]");

    /// <summary>Why nothing came of it, on one line.</summary>
    public void Fail(string message) =>
        Notes.MarkupLine($"[red]error:[/] {Markup.Escape(message.ReplaceLineEndings(" "))}");

    /// <summary>Warns of a topic that its autoencoder cannot tell from others.</summary>
    public void WarnUnlessScored(TopicProfile profile)
    {
        if (profile.Verdict != TopicProfile.Scored)
        {
            Warn($"topic '{profile.Name}' is {profile.Verdict}: {string.Join("; ", profile.Reasons)}");
        }
    }

    /// <summary>Something that the user should know.</summary>
    public void Warn(string text) => Notes.MarkupLine($"[yellow]warning:[/] {Markup.Escape(text)}");
}
