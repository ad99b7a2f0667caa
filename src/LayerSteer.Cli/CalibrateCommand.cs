using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer calibrate`: learns to forecast what steering will do, and says how well it can.</summary>
internal static class CalibrateCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string[]> index = ValueOptions.Paths(
            "--index", "Folders of reference indexes, one for each layer. Default: the pocket model's, for its layer.");
        Option<string?> reference = new("--reference")
        {
            Description = "Reference texts, CSV or JSON, to build missing indexes from, in the folder of the output.",
            HelpName = "path",
        };
        Option<string?> encoder = SharedOptions.Encoder("Default: the one an index names.");
        Option<string?> judgeEncoder = new("--judge-encoder")
        {
            Description = "Folder of another sentence encoder, to judge with. Default: --encoder, partly circular.",
            HelpName = "path",
        };
        Option<string> output =
            ValueOptions.RequiredPath("--out", "Folder of the calibration; an unfinished one goes on.", "-o");
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "calibrate", "Learn to forecast effect and cost of steering, from a bank of topics × layers × strengths.")
        {
            model, sae, layer, hook, index, reference, encoder, judgeEncoder, output, threads, json,
        };
        var loading = new LoadingArguments(command);
        var calibration = new CalibrationArguments(command);
        command.SetAction(async (parse, cancellation) =>
        {
            string? given = parse.GetValue(model);
            PocketModel? pocket = SharedOptions.PocketUnless(given);
            calibration.RequireBank(parse);
            CalibrationOptions options = calibration.Options(parse);
            int[] layers = parse.GetValue(layer) ?? [];
            string[] saes = parse.GetValue(sae) ?? [];
            if (pocket is null && saes.Length == 0)
            {
                throw new UsageException("--model needs --sae, an autoencoder for each layer");
            }

            IReadOnlyList<(HookPoint Point, string Sae)> sites = pocket is null
                ? SharedOptions.Sites(layers, saes, parse.GetValue(hook))
                : layers.Length + saes.Length == 0
                ? [.. pocket.Saes.Select(own => (own.Point, own.Path))]
                : SharedOptions.Sites(pocket, layers, saes, parse.GetValue(hook));
            string modelFolder = SharedOptions.ModelFolder(given);
            string folder = parse.GetRequiredValue(output);
            string[] indexes = parse.GetValue(index) ?? [];
            ReferenceIndex[] references =
            [
                .. indexes.Concat(pocket is null || indexes.Length > 0 ? [] : [pocket.Index])
                    .Select(path => ReferenceIndex.Open(path)),
            ];
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions load = loading.Options(parse, terminal, pool);
            using Steerer steerer = Steerer.Load(modelFolder, sites, load);
            using SentenceEncoder sentences = SentenceEncoder.Load(
                SharedOptions.EncoderFolder(parse.GetValue(encoder)) ?? pocket?.Encoder
                    ?? references.FirstOrDefault()?.Manifest.Encoder.Path
                    ?? throw new UsageException("--model needs --encoder or --index"),
                load);
            using SentenceEncoder? second = SharedOptions.EncoderFolder(parse.GetValue(judgeEncoder)) is { } path
                ? SentenceEncoder.Load(path, load)
                : null;
            ReferenceIndex[] own =
            [
                .. steerer.Sites.Select(site => IndexOf(
                    terminal, steerer, site, references, parse.GetValue(reference), sentences, folder, cancellation)),
            ];
            IReadOnlyList<EvaluationTopic> bank = calibration.Bank(parse, sentences, terminal, cancellation);
            (bank, CalibratedSite[] places) = Profiles(terminal, steerer, own, sentences, bank, cancellation);
            terminal.Note($"reading {bank.Count} topics for the judges");
            TopicJudge judge = await TopicJudge.CreateAsync(bank, second ?? sentences, [], cancellation);
            terminal.Note(judge.Quality.InWords);
            var run = new CalibrationRun(steerer.Decoder, steerer.Tokenizer, sentences, judge, options);
            Dictionary<string, string> made = Describe(steerer, sentences, second);
            IReadOnlyList<CalibrationPoint> points = await Run(terminal, run, places, folder, made, cancellation);
            terminal.Note("fitting, and leaving each topic out");
            CalibrationReport report = CalibrationReport.Of(points, made, options);
            var fitted = new Calibration
            {
                Model = steerer.Decoder.Digest,
                Tokenizer = steerer.Tokenizer.Digest,
                Encoder = sentences.Digest,
                Judge = (second ?? sentences).Digest,
                Bank = ReferenceSource.DigestOf(bank.Select(topic => topic.Digest)),
                Topics = bank.Count,
                Texts = options.Prompts.Count * options.Draws,
                Tokens = options.Tokens,
                ClampCount = options.ClampCount,
                LatentCount = options.LatentCount,
                Confidence = options.Confidence,
                Sites =
                [
                    .. steerer.Sites.Select(
                        site => new CalibrationSite(site.Point.ToString(), site.Autoencoder.Digest)),
                ],
                Forecasters = Calibration.Fit(points),
            };
            report.Write(Path.Combine(folder, CalibrationReport.FileName));
            CalibrationMarkdown.Write(report, Path.Combine(folder, CalibrationMarkdown.FileName));
            fitted.Write(Path.Combine(folder, Calibration.FileName));
            Show(terminal, parse.GetValue(json), folder, report);
            return 0;
        });
        return command;
    }

    /// <summary>The index of a place: one that is given, or one that is built.</summary>
    private static ReferenceIndex IndexOf(
        Terminal terminal,
        Steerer steerer,
        SteeringSite site,
        ReferenceIndex[] references,
        string? texts,
        SentenceEncoder encoder,
        string output,
        CancellationToken cancellation)
    {
        string place = site.Point.ToString();
        if (references.FirstOrDefault(index => index.Manifest.HookPoint == place) is { } known)
        {
            return known;
        }

        if (texts is null)
        {
            throw new UsageException($"no index of {place}: name it with --index, or give --reference to build it");
        }

        string folder = Path.Combine(output, "index", place);
        TextTable table = TextTable.Read(texts);
        var indexer = new ReferenceIndexer(
            steerer.Decoder, steerer.Tokenizer, site.Autoencoder, site.Point, encoder, SteeringMode.Corrected);
        Directory.CreateDirectory(Path.Combine(output, "index"));
        IndexBuild.Run(terminal, indexer, folder, indexer.Manifest(table), table, cancellation);
        return ReferenceIndex.Open(folder);
    }

    /// <summary>The profile of every topic at every place; topics that cannot be steered are left out.</summary>
    private static (IReadOnlyList<EvaluationTopic> Bank, CalibratedSite[] Places) Profiles(
        Terminal terminal,
        Steerer steerer,
        ReferenceIndex[] indexes,
        SentenceEncoder encoder,
        IReadOnlyList<EvaluationTopic> bank,
        CancellationToken cancellation)
    {
        TopicProfile[][] profiles =
        [
            .. indexes.Select((index, i) => ProfilesAt(
                steerer, steerer.Sites[i], index, encoder, bank, cancellation)),
        ];
        for (int i = 0; i < indexes.Length; i++)
        {
            ProfileProvenance made = profiles[i][0].Provenance;
            if (made.Model.Digest != steerer.Decoder.Digest || made.Sae.Digest != steerer.Sites[i].Autoencoder.Digest)
            {
                throw new ArgumentException(
                    $"'{indexes[i].Folder}' was made with another model or autoencoder than those given");
            }
        }

        int[] kept =
        [
            .. Enumerable.Range(0, bank.Count).Where(
                t => profiles.All(place => place[t].Scores.Scores.Any(score => score > 0))),
        ];
        foreach (EvaluationTopic left in bank.Where((_, t) => !kept.Contains(t)))
        {
            terminal.Warn($"topic '{left.Name}' is left out: no latent has a score above 0 for it");
        }

        return (
            [.. kept.Select(t => bank[t])],
            [
                .. steerer.Sites.Select((site, i) => new CalibratedSite(
                    site,
                    [.. kept.Select(t => profiles[i][t])],
                    $"{indexes[i].PromptCount} prompts {indexes[i].Manifest.Reference.Digest}")),
            ]);
    }

    /// <summary>The profiles at one place, with contrastive scores.</summary>
    private static TopicProfile[] ProfilesAt(
        Steerer steerer,
        SteeringSite site,
        ReferenceIndex index,
        SentenceEncoder encoder,
        IReadOnlyList<EvaluationTopic> bank,
        CancellationToken cancellation)
    {
        TopicActivations Of(IReadOnlyList<string> texts) => TopicActivations.Measure(
            steerer.Decoder, steerer.Tokenizer, site.Autoencoder, site.Point, texts, cancellation: cancellation);
        TopicActivations other = Of(NeutralText.Paragraphs);
        string otherTexts = ReferenceSource.DigestOf(NeutralText.Paragraphs.Select(ReferenceSource.DigestOfText));
        return
        [
            .. bank.Select(topic =>
            {
                TopicActivations own = Of(topic.Align.Texts);
                return TopicProfiler.Profile(
                    topic.Name, index, encoder, topic.Align, level: UncertaintyLevel.Scores, cancellation: cancellation)
                    .Profile with
                {
                    Contrast = ProfileContrast.From(ContrastiveScorer.Score(index, own), own, other, otherTexts),
                };
            }),
        ];
    }

    private static Dictionary<string, string> Describe(
        Steerer steerer, SentenceEncoder encoder, SentenceEncoder? judge) => new()
        {
            ["tool_version"] = typeof(CalibrationRun).Assembly.GetName().Version!.ToString(3),
            ["model"] = steerer.Decoder.Digest,
            ["dtype"] = WeightTypes.NameOf(steerer.Decoder.Type),
            ["tokenizer"] = steerer.Tokenizer.Digest,
            ["encoder"] = encoder.Digest,
            ["judge_encoder"] = judge is null ? "the encoder that scored" : judge.Digest,
        };

    private static Task<IReadOnlyList<CalibrationPoint>> Run(
        Terminal terminal,
        CalibrationRun run,
        CalibratedSite[] places,
        string folder,
        Dictionary<string, string> made,
        CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        return terminal.Progress().StartAsync(context =>
        {
            ProgressTask? task = null;
            string stage = string.Empty;
            var progress = new Relay<EvaluationProgress>(now =>
            {
                // A place and a stage have a bar of their own, so that the time left is of one kind of work.
                if (task is null || stage != now.Stage || now.Done < task.Value)
                {
                    task = context.AddTask(now.Stage, maxValue: Math.Max(1, now.Total));
                    stage = now.Stage;
                    start = Stopwatch.GetTimestamp();
                }

                task.Value = now.Done;
                string rate = now.Tokens == 0 ? string.Empty : string.Create(
                    CultureInfo.InvariantCulture,
                    $", {now.Tokens / Math.Max(1e-3, Stopwatch.GetElapsedTime(start).TotalSeconds):F0} tokens/s");
                task.Description = $"{now.Stage} {now.Done}/{now.Total}{rate}";
            });
            return run.RunAsync(places, folder, made, progress, cancellation);
        });
    }

    private static void Show(Terminal terminal, bool json, string folder, CalibrationReport report)
    {
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["out"] = folder,
                ["topics"] = JsonValues.Array(report.Topics),
                ["points"] = report.Points.Count,
                ["forecasts"] = new JsonArray([.. report.Qualities.Select(quality => new JsonObject
                {
                    ["method"] = quality.Method,
                    ["forecast"] = quality.Design,
                    ["effect_coverage"] = quality.Effect.Coverage,
                    ["effect_spearman"] = quality.Effect.Spearman,
                    ["effect_width"] = quality.Effect.Width,
                    ["cost_coverage"] = quality.Cost.Coverage,
                    ["cost_spearman"] = quality.Cost.Spearman,
                    ["cost_width"] = quality.Cost.Width,
                })]),
            });
            return;
        }

        ReportTables.Show(terminal, CalibrationMarkdown.Qualities(report));
        ReportTables.Show(terminal, CalibrationMarkdown.Risks(report));
        terminal.Note(
            $"'{folder}' holds {Calibration.FileName}, {CalibrationMarkdown.FileName}, {CalibrationReport.FileName} "
            + "and every continuation");
    }
}
