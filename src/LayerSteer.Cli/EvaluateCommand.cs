using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer evaluate`: methods and controls over topics, prompts and seeds, with intervals.</summary>
internal static class EvaluateCommand
{
    private const double Significance = 0.05;

    public static Command Create(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string?> index = new("--index")
        {
            Description = "Folder of the reference index. Default: the pocket model's, where that is the model.",
            HelpName = "path",
        };
        Option<string?> encoder = new("--encoder")
        {
            Description = "Folder of the sentence encoder that scores topics. Default: the one the index names.",
            HelpName = "path",
        };
        Option<string?> judgeEncoder = new("--judge-encoder")
        {
            Description = "Folder of another sentence encoder, to judge with. Default: --encoder, partly circular.",
            HelpName = "path",
        };
        Option<string?> charts = new("--charts")
        {
            Description = "Also write each chart of the report as an .svg file into this folder.",
            HelpName = "path",
        };
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "evaluate", "Show whether steering works: arms, topics, prompts and seeds, with costs and intervals.")
        {
            model, sae, layer, hook, index, encoder, judgeEncoder, charts, threads, json,
        };
        var loading = new LoadingArguments(command);
        var evaluation = new EvaluationArguments(command);
        command.SetAction(async (parse, cancellation) =>
        {
            string? given = parse.GetValue(model);
            PocketModel? pocket = SharedOptions.PocketUnless(given);
            int[] layers = parse.GetValue(layer) ?? [];
            string[] saes = parse.GetValue(sae) ?? [];
            const string OneLayer = "an evaluation is of one layer; evaluate each into a folder of its own";
            SharedOptions.RequireOneSite(pocket, layers, saes, OneLayer);
            string indexFolder = parse.GetValue(index) ?? pocket?.Index
                ?? throw new UsageException("--model needs --index, the folder of a reference index made with it");
            EvaluationOptions options = evaluation.Options(parse);
            IReadOnlyList<EvaluationTopic> topics = evaluation.Topics(parse);
            IReadOnlyList<(string Topic, string Folder)> tuned = evaluation.FineTuned(parse, topics, pocket);
            (HookPoint Point, string Sae) site =
                SharedOptions.OneSite(pocket, layers, saes, parse.GetValue(hook), OneLayer);
            string modelFolder = SharedOptions.ModelFolder(given);
            ReferenceIndex references = ReferenceIndex.Open(indexFolder);
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions load = loading.Options(parse, terminal, pool);
            using Steerer steerer = Steerer.Load(modelFolder, [site], load);
            using SentenceEncoder sentences = SentenceEncoder.Load(
                SharedOptions.EncoderFolder(parse.GetValue(encoder)) ?? pocket?.Encoder
                    ?? references.Manifest.Encoder.Path,
                load);
            using SentenceEncoder? second =
                SharedOptions.EncoderFolder(parse.GetValue(judgeEncoder)) is { } path
                    ? SentenceEncoder.Load(path, load)
                    : null;
            IReadOnlyList<string> general = evaluation.General(parse);
            var verdicts = new Dictionary<string, string>();
            Dictionary<string, EvaluatedScores> scores = Scores(
                terminal, steerer, references, sentences, topics, general, evaluation.Filter(parse), verdicts, cancellation);
            terminal.Note($"reading {topics.Count} topics for the judges");
            TopicJudge judge = await TopicJudge.CreateAsync(topics, second ?? sentences, general, cancellation);
            terminal.Note(judge.Quality.InWords);
            var evaluated = new EvaluatedModel
            {
                Decoder = steerer.Decoder,
                Tokenizer = steerer.Tokenizer,
                Site = steerer.Sites[0],
                Scores = scores,
                Verdicts = verdicts,
                Frequencies = [.. references.LatentStatistics.Select(latent => latent.TokensActive)],
                FineTuned = tuned.ToDictionary(
                    item => item.Topic, item => (Func<Decoder>)(() => Load(item.Folder, steerer, load))),
            };
            Dictionary<string, string> run = Describe(steerer, references, sentences, second, general);
            run.Add("filter", CausalFilters.NameOf(evaluation.Filter(parse)));
            foreach ((string topic, string folder) in tuned)
            {
                using Decoder decoder = Load(folder, steerer, load);
                run.Add($"finetuned {topic}", decoder.Digest);
            }

            string output = evaluation.Output(parse);
            EvaluationReport report = await Run(
                terminal, new EvaluationRun(evaluated, judge, options), output, run, cancellation);
            report = report with { Latents = TopicLatents.Of(evaluated, report.Topics) };
            report.Write(Path.Combine(output, EvaluationReport.FileName));
            EvaluationMarkdown.Write(report, Path.Combine(output, EvaluationMarkdown.FileName));
            EvaluationPage.Write(report, Path.Combine(output, EvaluationPage.FileName));
            if (parse.GetValue(charts) is { } chartFolder)
            {
                EvaluationCharts.Write(report, chartFolder);
            }

            Show(terminal, parse.GetValue(json), output, report, second is not null);
            return 0;
        });
        return command;
    }

    private static Dictionary<string, EvaluatedScores> Scores(
        Terminal terminal,
        Steerer steerer,
        ReferenceIndex index,
        SentenceEncoder encoder,
        IReadOnlyList<EvaluationTopic> topics,
        IReadOnlyList<string> general,
        CausalFilter filter,
        Dictionary<string, string> verdicts,
        CancellationToken cancellation)
    {
        var scores = new Dictionary<string, EvaluatedScores>();
        TopicActivations other = steerer.Activations(
            general.Count > 0 ? general : NeutralText.Paragraphs, cancellation: cancellation);
        foreach (EvaluationTopic topic in topics)
        {
            TopicProfile profile =
                TopicProfiler.Profile(
                    topic.Name,
                    index,
                    encoder,
                    topic.Align,
                    cancellation: cancellation).Profile;
            verdicts.Add(topic.Name, $"{UncertaintyReport.Words(profile)}: {string.Join("; ", profile.Reasons)}");
            steerer.Plan(new SteeringOptions { Mode = profile.Mode }, profile); // refuses the index of another model
            terminal.WarnOfDoubts(profile);
            TopicActivations own = steerer.Activations(topic.Align.Texts, cancellation: cancellation);
            scores.Add(topic.Name, new EvaluatedScores(
                profile.ToLatentScores(),
                steerer.FilterByEffect(ContrastiveScorer.Score(index, own), filter, cancellation),
                own.MeanDifference(other)));
        }

        return scores;
    }

    /// <summary>An adapter of the model, or a whole checkpoint with the same tokenizer.</summary>
    private static Decoder Load(string folder, Steerer steerer, LoadOptions options)
    {
        if (!File.Exists(Path.Combine(folder, "config.json")))
        {
            return Decoder.Load(steerer.Decoder.Path, options with { Adapter = folder, Type = steerer.Decoder.Type });
        }

        Decoder decoder = Decoder.Load(folder, options);
        try
        {
            TextTokenizer tokenizer = TextTokenizer.Load(folder);
            return tokenizer.Digest == steerer.Tokenizer.Digest
                && decoder.Spec.Vocabulary == steerer.Decoder.Spec.Vocabulary
                ? decoder
                : throw new InvalidDataException(
                    $"'{folder}': has another tokenizer than the model; expected a checkpoint tuned from it");
        }
        catch
        {
            decoder.Dispose();
            throw;
        }
    }

    private static Dictionary<string, string> Describe(
        Steerer steerer,
        ReferenceIndex index,
        SentenceEncoder encoder,
        SentenceEncoder? judge,
        IReadOnlyList<string> general) => new()
        {
            ["tool_version"] = typeof(EvaluationRun).Assembly.GetName().Version!.ToString(3),
            ["model"] = steerer.Decoder.Digest,
            ["dtype"] = WeightTypes.NameOf(steerer.Decoder.Type),
            ["tokenizer"] = steerer.Tokenizer.Digest,
            ["sae"] = steerer.Sites[0].Autoencoder.Digest,
            ["hook_point"] = steerer.Sites[0].Point.ToString(),
            ["index"] = $"{index.PromptCount} prompts {index.Manifest.Reference.Digest}, mode "
                + $"{SteeringModes.NameOf(index.Manifest.Mode)}",
            ["encoder"] = encoder.Digest,
            ["judge_encoder"] = judge is null ? "the encoder that scored" : judge.Digest,
            ["general_texts"] = general.Count == 0
                ? "none"
                : $"{general.Count} texts {ReferenceSource.DigestOf(general.Select(ReferenceSource.DigestOfText))}",
        };

    private static Task<EvaluationReport> Run(
        Terminal terminal,
        EvaluationRun evaluation,
        string output,
        Dictionary<string, string> run,
        CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        return terminal.Progress()
            .StartAsync(context =>
            {
                ProgressTask task = context.AddTask("evaluating", maxValue: 1);
                var progress = new Relay<EvaluationProgress>(now =>
                {
                    task.MaxValue = Math.Max(1, now.Total);
                    task.Value = now.Done;
                    task.Description = string.Create(
                        CultureInfo.InvariantCulture,
                        $"{now.Stage} {now.Done}/{now.Total} texts, "
                        + $"{now.Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds:F0} tokens/s");
                });
                return evaluation.RunAsync(output, run, progress, cancellation);
            });
    }

    private static void Show(Terminal terminal, bool json, string output, EvaluationReport report, bool secondEncoder)
    {
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["out"] = output,
                ["topics"] = JsonValues.Array(report.Topics),
                ["prompts"] = report.Prompts.Count,
                ["draws"] = report.Draws,
                ["arms"] = new JsonArray([.. report.Arms.Select(Json)]),
                ["not_run"] = new JsonObject(report.NotRun.Select(
                    arm => KeyValuePair.Create(arm.Key, (JsonNode?)arm.Value))),
            });
            return;
        }

        ReportTables.Show(terminal, ReportTable.Arms(report));
        ReportTables.Show(terminal, ReportTable.Controls(report));
        ReportTables.Show(terminal, ReportTable.SideEffects(report));
        foreach (ArmReport arm in report.Arms.Skip(1))
        {
            terminal.Out.WriteLine($"{arm.Name} {arm.Verdict}");
        }

        foreach ((string arm, string reason) in report.NotRun)
        {
            terminal.Out.WriteLine($"{arm} not run: {reason}");
        }

        terminal.Note(report.Judge.InWords);
        int tests = report.Arms.Count - 1;
        if (tests * Math.Pow(2, 1 - report.Prompts.Count) >= Significance)
        {
            terminal.Warn(
                $"with {report.Prompts.Count} prompts and {tests} arms no difference can be told from chance: "
                + $"give at least {1 + (int)Math.Floor(Math.Log2(tests / Significance)) + 1} prompts");
        }

        if (!secondEncoder)
        {
            terminal.Note(
                "topic similarity is by the encoder that scored the topics, which is partly circular; "
                + "--judge-encoder names another");
        }

        terminal.Note(
            $"'{output}' holds {EvaluationReport.FileName}, {EvaluationMarkdown.FileName}, {EvaluationPage.FileName} "
            + "and every continuation");
    }

    private static JsonObject Json(ArmReport arm) => new()
    {
        ["arm"] = arm.Name,
        ["verdict"] = arm.Verdict,
        ["topics"] = arm.Topics.Count,
        ["topics_up"] = arm.TopicsUp,
        ["metrics"] = new JsonObject(arm.Metrics.Select(metric => KeyValuePair.Create(
            metric.Metric,
            (JsonNode?)new JsonObject
            {
                ["mean"] = metric.Mean,
                ["difference"] = metric.Difference,
                ["low"] = metric.Low,
                ["high"] = metric.High,
                ["p_holm"] = metric.PHolm,
            }))),
    };
}
