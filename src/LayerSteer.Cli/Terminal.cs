using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>
/// Where a command writes: results to <see cref="Out"/>, progress and notes to <see cref="Notes"/>. Consoles are made
/// when something is first written to them: making both takes as long as mapping a model.
/// </summary>
/// <param name="output">Results, as text.</param>
/// <param name="tables">Results, as tables; the same place.</param>
/// <param name="notes">Everything else.</param>
internal sealed class Terminal(TextWriter output, Func<IAnsiConsole> tables, Func<IAnsiConsole> notes)
{
    private const int RedirectedWidth = 160;

    /// <summary>A message is one line wherever it is read by a program.</summary>
    private const int UnlimitedWidth = 1 << 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Lazy<IAnsiConsole> _tables = new(tables);
    private readonly Lazy<IAnsiConsole> _notes = new(notes);

    /// <summary>Results, as text.</summary>
    public TextWriter Out => output;

    /// <summary>Lines that a person, or a pipe, gives; asked for when they are read.</summary>
    public Func<TextReader> In { get; init; } = () => TextReader.Null;

    /// <summary>Whether the lines of <see cref="In"/> are typed by a person.</summary>
    public bool IsTyped { get; init; }

    /// <summary>What Ctrl-C does in place of ending the command; null where it ends it.</summary>
    public Action? OnInterrupt { get; set; }

    /// <summary>Results, as tables; the same place.</summary>
    public IAnsiConsole Tables => _tables.Value;

    /// <summary>Everything else.</summary>
    public IAnsiConsole Notes => _notes.Value;

    public static Terminal OfProcess()
    {
        Console.OutputEncoding = System.Text.Encoding.UTF8;
        return new Terminal(
            Console.Out,
            () => On(Console.Out, Console.IsOutputRedirected ? RedirectedWidth : null),
            () => On(Console.Error, Console.IsErrorRedirected ? UnlimitedWidth : null))
        {
            In = () => Console.In,
            IsTyped = !Console.IsInputRedirected,
        };
    }

    /// <summary>Prints one JSON value on a line of its own.</summary>
    public void WriteJson(JsonNode value) => Out.WriteLine(value.ToJsonString(Json));

    /// <summary>Progress of long work: what it is at, a bar, the part done, the time left.</summary>
    public Progress Progress() => Notes.Progress().Columns(
        new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn());

    /// <summary>A note in passing.</summary>
    public void Note(string text) => Notes.MarkupLine($"[grey]{Markup.Escape(text)}[/]");

    /// <summary>Why nothing came of it, on one line.</summary>
    public void Fail(string message) =>
        Notes.MarkupLine($"[red]error:[/] {Markup.Escape(message.ReplaceLineEndings(" "))}");

    /// <summary>Why nothing came of it, without the name of a parameter, which is none of the user's.</summary>
    public void Fail(Exception e)
    {
        int parameter = e.Message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        Fail(parameter < 0 ? e.Message : e.Message[..parameter]);
    }

    /// <summary>Warns of a topic whose scores there is reason to doubt.</summary>
    public void WarnOfDoubts(TopicProfile profile)
    {
        if (profile.Verdict is TopicProfile.Weak or TopicProfile.NotSteerable)
        {
            Warn(Doubts(profile));
        }
    }

    /// <summary>Refuses a topic without evidence that it can be steered toward, or warns if that is forced.</summary>
    /// <exception cref="InvalidDataException">It is not steerable; the message says what would work.</exception>
    public void RequireSteerable(TopicProfile profile, bool force)
    {
        if (profile.Verdict == TopicProfile.NotSteerable && !force)
        {
            throw new InvalidDataException(
                $"{Doubts(profile)}; give more texts of one topic, or an index whose reference texts touch on it, or "
                + "--force to steer all the same");
        }

        WarnOfDoubts(profile);
    }

    private static string Doubts(TopicProfile profile) =>
        $"topic '{profile.Name}' is {UncertaintyReport.Words(profile)}: {string.Join("; ", profile.Reasons)}";

    /// <summary>Something that the user should know.</summary>
    public void Warn(string text) => Notes.MarkupLine($"[yellow]warning:[/] {Markup.Escape(text)}");

    private static IAnsiConsole On(TextWriter writer, int? width)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (width is { } columns)
        {
            console.Profile.Width = columns;
        }

        return console;
    }
}
