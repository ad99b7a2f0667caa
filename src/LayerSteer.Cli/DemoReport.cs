using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Generation;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Spectre.Console;
using static System.FormattableString;

namespace LayerSteer.Cli;

/// <summary>Shows what the demo found: the texts side by side where they fit, the latents that moved, the topic.</summary>
internal sealed class DemoReport(Terminal terminal, bool json)
{
    /// <summary>Narrower columns are hard to read; the texts then stand one under the other.</summary>
    private const int NarrowestColumn = 30;
    private const int WidestColumn = 72;

    /// <summary>What a border and the space beside it take of each column.</summary>
    private const int ColumnFrame = 3;

    private const int BestLatents = 10;

    public void Write(DemoResult result)
    {
        if (json)
        {
            terminal.WriteJson(Value(result));
            return;
        }

        WriteTexts(result);
        WriteLatents(result);
        WriteTopic(result);
        DemoSettings settings = result.Settings;
        terminal.Note(Invariant(
            $"seed {settings.Seed}, temperature {settings.Temperature}, top-p {settings.TopP}, at most {settings.Tokens} tokens"));
    }

    private static (string Name, GenerationResult Result)[] Arms(DemoResult result)
    {
        string steered = result.Settings.Steering.IsIdentity
            ? $"steered: {NameOf(result)}, not at all"
            : string.Create(
                CultureInfo.InvariantCulture, $"steered: {NameOf(result)}, strength {result.Settings.Strength}");
        (string, GenerationResult)[] fineTuned =
            result.FineTuned is { } text ? [($"fine-tuned: {result.Topic.Name}", text)] : [];
        return [("original", result.Original), .. fineTuned, (steered, result.Steered)];
    }

    private void WriteTexts(DemoResult result)
    {
        (string Name, GenerationResult Result)[] arms = Arms(result);
        int width = terminal.Tables.Profile.Width;
        int column = Math.Min(WidestColumn, ((width - 1) / arms.Length) - ColumnFrame);
        if (column >= NarrowestColumn)
        {
            Table table = new Table().Border(TableBorder.Rounded).ShowRowSeparators();
            foreach ((string name, _) in arms)
            {
                table.AddColumn(new TableColumn(new Paragraph(ModelText.Clean(name), new Style(Color.Aqua))).Width(column));
            }

            table.AddRow(arms.Select(arm => Text(result.Prompt, arm.Result)));
            table.AddRow(arms.Select(arm => new Paragraph(Time(arm.Result), new Style(Color.Grey))));
            terminal.Tables.Write(table);
            return;
        }

        Table stack = new Table().Border(TableBorder.Rounded).HideHeaders().ShowRowSeparators()
            .AddColumn(new TableColumn(string.Empty).Width(Math.Min(WidestColumn, width - 1 - ColumnFrame)));
        foreach ((string name, GenerationResult text) in arms)
        {
            Paragraph header = new Paragraph()
                .Append(ModelText.Clean(name), new Style(Color.Aqua))
                .Append(" · " + Time(text), new Style(Color.Grey));
            stack.AddRow(new Rows(header, Text(result.Prompt, text)));
        }

        terminal.Tables.Write(stack);
    }

    private static Paragraph Text(string prompt, GenerationResult result) => new Paragraph()
        .Append(ModelText.Clean(prompt), new Style(decoration: Decoration.Dim))
        .Append(ModelText.Clean(result.Text), new Style(decoration: Decoration.Bold));

    private void WriteLatents(DemoResult result)
    {
        if (result.Latents.Count == 0)
        {
            terminal.Tables.WriteLine($"{NameOf(result)} moved no latent");
            return;
        }

        Table table = new Table().Border(TableBorder.Rounded)
            .AddColumn(new TableColumn("latent").RightAligned().NoWrap())
            .AddColumn(new TableColumn("moved by").RightAligned().NoWrap())
            .AddColumn(new TableColumn("what it writes most"));
        foreach (MovedLatent latent in result.Latents)
        {
            table.AddRow(
                $"{latent.Latent}",
                latent.Moved.ToString("+0.000;-0.000", CultureInfo.InvariantCulture),
                Markup.Escape(string.Join(", ", latent.Tokens.Select(ModelText.Token))));
        }

        terminal.Tables.Write(table);
    }

    /// <summary>How far the topic can be trusted, in words.</summary>
    private void WriteTopic(DemoResult result)
    {
        TopicProfile topic = result.Topic.Profile;
        Grid grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        Add("topic", result.Topic.Scoring is { } time
            ? Invariant(
                $"{result.Topic.Name}: {Texts(topic.Alignment.Texts, "text")}, scored against ")
                + Invariant($"{Texts(topic.PromptsUsed, "reference text")} in {time.TotalMilliseconds:F0} ms")
            : $"{result.Topic.Name}: ready, from {Texts(topic.Alignment.Texts, "text")} "
                + $"and {Texts(topic.PromptsUsed, "reference text")}");
        if (topic.Verdict != TopicProfile.Scored)
        {
            Add("verdict", $"{UncertaintyReport.Words(topic)}: {string.Join("; ", topic.Reasons)}");
        }

        Add("coverage", Invariant(
            $"{topic.Coverage:P1}: {topic.Scores.Latents.Length} of {topic.DSae} latents were active on the reference ")
            + "texts and have a score; of the others nothing is known, and they are not steered toward");
        Add("nearness", Invariant(
            $"the nearest reference text is {topic.MinDistance.Min:F2} from the topic, half are within ")
            + Invariant($"{topic.MinDistance.Median:F2} (0 says the same, 1.41 has nothing to do with it)"));
        int[] support = BestSupport(topic);
        if (support.Length > 0)
        {
            Add("support", Invariant(
                $"the {support.Length} best latents were active on {support.Min()} to {support.Max()} of the reference ")
                + "texts; a score from few texts is uncertain");
        }

        if (result.Steered.Edits.UnsupportedShare is { } share)
        {
            Add("unscored", Invariant(
                $"{share:P1} of the activation where the text was steered was on latents without a score"));
        }

        terminal.Tables.Write(grid);

        void Add(string name, string words) => grid.AddRow(
            new Paragraph(name, new Style(Color.Grey)), new Paragraph(ModelText.Clean(words)));
    }

    private static JsonObject Value(DemoResult result)
    {
        TopicProfile topic = result.Topic.Profile;
        JsonObject steered = Arm(result.Steered);
        steered["method"] = NameOf(result);
        steered["strength"] = result.Settings.Strength;
        steered["unsupported_share"] = result.Steered.Edits.UnsupportedShare;
        steered["latents"] = new JsonArray([.. result.Latents.Select(latent => new JsonObject
        {
            ["latent"] = latent.Latent,
            ["moved"] = latent.Moved,
            ["tokens"] = JsonValues.Array(latent.Tokens),
        })]);
        return new JsonObject
        {
            ["prompt"] = result.Prompt,
            ["topic"] = result.Topic.Name,
            ["seed"] = result.Settings.Seed,
            ["temperature"] = result.Settings.Temperature,
            ["top_p"] = result.Settings.TopP,
            ["original"] = Arm(result.Original),
            ["finetuned"] = result.FineTuned is { } fineTuned ? Arm(fineTuned) : null,
            ["steered"] = steered,
            ["topic_profile"] = new JsonObject
            {
                ["verdict"] = topic.Verdict,
                ["reasons"] = JsonValues.Array(topic.Reasons),
                ["coverage"] = topic.Coverage,
                ["scored"] = topic.Scores.Latents.Length,
                ["unsupported"] = topic.DSae - topic.Scores.Latents.Length,
                ["prompts_used"] = topic.PromptsUsed,
                ["alignment_texts"] = topic.Alignment.Texts,
                ["alignment_windows"] = topic.Alignment.Windows,
                ["min_distance"] = topic.MinDistance.Min,
                ["median_distance"] = topic.MinDistance.Median,
                ["best_support"] = JsonValues.Array(BestSupport(topic)),
                ["dtype"] = topic.Provenance.Dtype,
            },
            ["scoring_ms"] = result.Topic.Scoring?.TotalMilliseconds,
        };
    }

    private static JsonObject Arm(GenerationResult result) => new()
    {
        ["text"] = result.Text,
        ["ms_per_token"] = DemoResult.MillisecondsPerToken(result),
        ["tokens"] = result.Ids.Length,
    };

    /// <summary>On how many reference texts each of the best latents was active, the best first.</summary>
    private static int[] BestSupport(TopicProfile topic)
    {
        ProfileScores scores = topic.Scores;
        return
        [
            .. Enumerable.Range(0, scores.Latents.Length)
                .OrderByDescending(i => scores.Scores[i]).Take(BestLatents).Select(i => scores.Support[i]),
        ];
    }

    private static string NameOf(DemoResult result) => SteeringMethods.NameOf(result.Settings.Method);

    private static string Time(GenerationResult result) =>
        Invariant($"{DemoResult.MillisecondsPerToken(result):F2} ms a token");

    private static string Texts(int count, string what) => count == 1 ? $"1 {what}" : Invariant($"{count} {what}s");
}
