using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>
/// `layersteer topic`: from a topic's texts and an index to scores; `topic list` shows the named ones.
/// </summary>
internal static class TopicCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> index = new("--index")
        {
            Description = "Folder of the reference index. Default: that of the pocket model, with its encoder.",
            HelpName = "path",
        };
        Option<string> align =
            ValueOptions.RequiredPath(
                "--align", "The topic's texts: CSV with header ',0', JSON, JSONL, text (by paragraphs), or a folder.");
        Option<string?> encoder = SharedOptions.Encoder("Default: the one the index names.");
        Option<SummaryKind?> summary = ValueOptions.Named(
            "--summary",
            "How a reference prompt is summarised. Default: avg.",
            ("avg", SummaryKind.Average),
            ("max", SummaryKind.Maximum),
            ("counts", SummaryKind.Counts));
        Option<SteeringMode?> mode =
            SharedOptions.Mode("corrected or seed; must be the index's. Default: the index's.");
        Option<string?> name = new("--name")
        {
            Description = "Name of the topic; it is kept in the user's data folder and --topic finds it.",
        };
        Option<string?> output = new("--out", "-o")
        {
            Description = "Write the topic profile to this JSON file.",
            HelpName = "path",
        };
        Option<string?> scores = new("--scores-out")
        {
            Description = "Write the scores in the seed's CSV layout.",
            HelpName = "path",
        };
        Option<string?> dump = new("--dump")
        {
            Description = "Write the arrays of scoring to this .npz.",
            HelpName = "path",
        };
        Option<string?> csv = new("--csv")
        {
            Description = "Write the seed's D_align_embeds.csv into this folder.",
            HelpName = "path",
        };
        Option<bool> publishedBug = new("--published-bug")
        {
            Description = "Repeat the seed's defect: one latent without support makes every score 0.",
        };
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command =
            new Command("topic", "Score every latent of an index by how near the topic the prompts lie that fire it.")
        {
            index, align, encoder, summary, mode, name, output, scores, dump, csv, publishedBug, threads, json,
        };
        var loading = new LoadingArguments(command);
        var uncertainty = new UncertaintyArguments(command);
        var withModel = new TopicModelArguments(command);
        command.Subcommands.Add(List(terminal));
        command.SetAction((parse, cancellation) =>
        {
            OutputFiles.Require(parse.GetValue(output), parse.GetValue(scores), parse.GetValue(dump));
            PocketModel? pocket = SharedOptions.PocketUnless(parse.GetValue(index), "--index");
            ReferenceIndex references = ReferenceIndex.Open(parse.GetValue(index) ?? pocket!.Index);
            IndexManifest manifest = references.Manifest;
            if (parse.GetValue(mode) is { } wanted && wanted != manifest.Mode)
            {
                throw new ArgumentException(
                    $"'{references.Folder}' was built with mode {SteeringModes.NameOf(manifest.Mode)}, "
                    + $"but --mode is {SteeringModes.NameOf(wanted)}; "
                    + "build an index with that mode");
            }

            string path = parse.GetRequiredValue(align);
            TextTable texts = AlignmentTexts.Read(path).Texts;
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            using SentenceEncoder sentences = SentenceEncoder.Load(
                SharedOptions.EncoderFolder(parse.GetValue(encoder)) ?? pocket?.Encoder ?? manifest.Encoder.Path,
                loading.Options(parse, terminal, pool));
            ScoredTopic topic = TopicProfiler.Profile(
                parse.GetValue(name) ?? Path.GetFileNameWithoutExtension(path),
                references,
                sentences,
                texts,
                parse.GetValue(summary) ?? SummaryKind.Average,
                parse.GetValue(publishedBug),
                uncertainty.Level(parse),
                uncertainty.Options(parse),
                SharedOptions.OrAll(parse.GetValue(threads)),
                cancellation);
            if (topic.Card is not null)
            {
                terminal.Note(FormattableString.Invariant($"uncertainty card in {topic.CardTime.TotalSeconds:F2} s"));
            }

            topic = topic with
            {
                Profile = withModel.Read(
                    parse, terminal, loading, pool, pocket, references, topic.Profile, texts, cancellation),
            };
            Write(topic, parse.GetValue(output), parse.GetValue(name), parse.GetValue(scores));
            if (parse.GetValue(dump) is { } npz)
            {
                ScoreDump.WriteTopic(npz, topic, manifest.DEmbedding);
            }

            if (parse.GetValue(csv) is { } directory)
            {
                Directory.CreateDirectory(directory);
                SeedCsv.Write(
                    Path.Combine(directory, SeedCsv.AlignmentEmbeddings), topic.Alignment, manifest.DEmbedding);
            }

            Show(terminal, topic, parse.GetValue(json));
            return Task.FromResult(0);
        });
        return command;
    }

    private static Command List(Terminal terminal)
    {
        Option<bool> json = SharedOptions.Json();
        var command = new Command("list", "Show the named topics.") { json };
        command.SetAction(parse =>
        {
            IReadOnlyDictionary<string, string> topics = TopicFolder.All(PocketModel.Find());
            if (parse.GetValue(json))
            {
                var list = new JsonArray();
                foreach ((string name, string path) in topics)
                {
                    list.Add(new JsonObject { ["name"] = name, ["path"] = path });
                }

                terminal.WriteJson(list);
                return 0;
            }

            if (topics.Count == 0)
            {
                terminal.Note("no named topics yet; `layersteer topic --name NAME …` keeps one");
                return 0;
            }

            Table table = new Table().AddColumns("topic", "layer", "mode", "verdict")
                .AddColumn(new TableColumn("scored").RightAligned())
                .AddColumn("file");
            foreach ((string name, string path) in topics)
            {
                TopicProfile topic = TopicProfile.Read(path);
                table.AddRow(
                    Markup.Escape(name),
                    Markup.Escape(topic.HookPoint),
                    SteeringModes.NameOf(topic.Mode),
                    $"[{UncertaintyReport.Colour(topic)}]{UncertaintyReport.Words(topic)}[/]",
                    $"{topic.Scores.Latents.Length}",
                    Markup.Escape(path));
            }

            terminal.Tables.Write(table);
            return 0;
        });
        return command;
    }

    private static void Write(ScoredTopic topic, string? output, string? name, string? scores)
    {
        if (name is not null)
        {
            topic.Profile.Write(TopicFolder.PathOf(name));
        }

        if (output is not null)
        {
            topic.Profile.Write(output);
        }

        if (scores is not null)
        {
            topic.Scoring.Scores.WriteCsv(scores);
        }
    }

    private static void Show(Terminal terminal, ScoredTopic topic, bool json)
    {
        TopicProfile profile = topic.Profile;
        LatentScores scores = topic.Scoring.Scores;
        int[] top = scores.Top(5);
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["topic"] = profile.Name,
                ["verdict"] = profile.Verdict,
                ["reasons"] = JsonValues.Array(profile.Reasons),
                ["coverage"] = profile.Coverage,
                ["scored"] = scores.ScoredCount,
                ["unsupported"] = scores.UnsupportedCount,
                ["prompts_used"] = profile.PromptsUsed,
                ["alignment_texts"] = profile.Alignment.Texts,
                ["alignment_windows"] = profile.Alignment.Windows,
                ["min_distance"] = profile.MinDistance.Min,
                ["top"] = JsonValues.Array(top),
                ["mode"] = SteeringModes.NameOf(profile.Mode),
                ["dtype"] = profile.Provenance.Dtype,
                ["uncertainty"] = profile.Uncertainty?.ToJson(),
                ["representation"] = profile.Representation?.ToJson(),
                ["contrastive_top"] = profile.Contrast is null
                    ? null : JsonValues.Array(profile.ToLatentScores(ScoringKind.Contrastive).Top(5)),
            });
            return;
        }

        Table table = new Table().HideHeaders().AddColumn("what").AddColumn("value");
        table.Title = new TableTitle(Markup.Escape($"topic {profile.Name}"));
        string verdict = Markup.Escape(profile.Reasons.Count == 0 ? profile.Verdict
            : $"{UncertaintyReport.Words(profile)}: {string.Join("; ", profile.Reasons)}");
        table.AddRow("verdict", $"[{UncertaintyReport.Colour(profile)}]{verdict}[/]");
        table.AddRow("coverage", string.Create(CultureInfo.InvariantCulture, $"{profile.Coverage:P2}"));
        table.AddRow("latents", $"{scores.ScoredCount} scored, {scores.UnsupportedCount} unsupported");
        table.AddRow("texts", $"{profile.Alignment.Texts} in {profile.Alignment.Windows} windows");
        table.AddRow("nearest, farthest prompt", string.Create(
            CultureInfo.InvariantCulture, $"{profile.MinDistance.Min:F3}, {profile.MinDistance.Max:F3}"));
        table.AddRow("best latents", string.Join(", ", top.Select(latent => string.Create(
            CultureInfo.InvariantCulture,
            $"{latent} ({scores.Values[latent]:F3}, {topic.Scoring.Support[latent]} prompts)"))));
        if (profile.Contrast is not null)
        {
            LatentScores contrast = profile.ToLatentScores(ScoringKind.Contrastive);
            table.AddRow("best by contrast", string.Join(", ", contrast.Top(5).Select(latent => string.Create(
                CultureInfo.InvariantCulture, $"{latent} ({contrast.Values[latent]:F3})"))));
        }

        terminal.Tables.Write(table);
        if (profile.Uncertainty is { } uncertainty)
        {
            UncertaintyReport.Show(terminal, uncertainty, profile.Representation);
        }
    }
}
