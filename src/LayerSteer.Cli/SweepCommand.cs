using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer sweep`: effect against cost over layers, methods and strengths, and which to take.</summary>
internal static class SweepCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string> align = ValueOptions.RequiredPath(
            "--align", "The topic's texts: CSV, JSON, JSONL, text, or a folder of them.");
        Option<string[]> index = ValueOptions.Paths(
            "--index", "Reference indexes, one a layer. Default: the pocket model's, or built from --reference.");
        Option<string?> reference = new("--reference")
        {
            Description = "Reference texts for layers that have no index: theirs are built in a temporary folder.",
            HelpName = "path",
        };
        Option<string?> encoder = SharedOptions.Encoder("Default: the one the index names.");
        Option<string?> judge = new("--judge-encoder")
        {
            Description = "Folder of another sentence encoder, to judge with. Default: --encoder, partly circular.",
            HelpName = "path",
        };
        Option<string[]> methods = new("--methods")
        {
            Description = "Methods separated by commas. Default: min-clamp,add.",
            HelpName = "name,name,…",
        };
        Option<string?> strengths = new("--strengths")
        {
            Description = "Strengths separated by commas. Default: six for each method.",
            HelpName = "numbers",
        };
        Option<int?> prompts = ValueOptions.Number<int>(
            "--prompt-count", "How many neutral prompts.", "a whole number from 2 on", n => n >= 2, 12);
        Option<int?> tokens = ValueOptions.Number<int>(
            "--tokens", "The most tokens of a continuation.", "a whole number from 1 on", n => n >= 1, 48, "-n");
        Option<double?> budget = ValueOptions.Number<double>(
            "--budget", "How many times the unsteered perplexity the recommendation may have.", "a number from 1 on",
            n => n >= 1 && double.IsFinite(n), 1.5);
        Option<ulong?> seed = ValueOptions.Number<ulong>(
            "--seed", "Seed of the draws.", "a whole number from 0 on", _ => true, 0);
        Option<string?> output = new("--out", "-o")
        {
            Description = "Write the sweep to this file: .html for a page, .svg for the chart.",
            HelpName = "path",
        };
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "sweep", "Draw effect against cost over layers, methods and strengths, and recommend one.")
        {
            model, sae, layer, hook, align, index, reference, encoder, judge, methods, strengths, prompts, tokens, budget,
            seed, output, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.SetAction(async (parse, cancellation) =>
        {
            OutputFiles.Require(parse.GetValue(output));
            if (parse.GetValue(output) is { } path && Path.GetExtension(path) is not (".html" or ".svg"))
            {
                throw new UsageException($"--out is '{path}', expected a name that ends in .html or .svg");
            }

            PocketModel? pocket = SharedOptions.PocketUnless(parse.GetValue(model));
            SteeringMethod[] tried = Methods(parse.GetValue(methods) ?? []);
            TextTable texts = AlignmentTexts.Read(parse.GetRequiredValue(align)).Texts;
            string[] saes = parse.GetValue(sae) ?? [];
            if (pocket is null && saes.Length == 0)
            {
                throw new UsageException("--sae is needed, one autoencoder a layer");
            }

            int[] layers = parse.GetValue(layer) ?? [];
            IReadOnlyList<(HookPoint Point, string Sae)> sites = pocket is null
                ? SharedOptions.Sites(layers, saes, parse.GetValue(hook))
                : SharedOptions.Sites(pocket, layers, saes, parse.GetValue(hook));
            if (parse.GetValue(prompts)!.Value > NeutralPrompts.All.Count)
            {
                throw new UsageException($"--prompt-count is above the {NeutralPrompts.All.Count} neutral prompts there are");
            }

            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions load = loading.Options(parse, terminal, pool);
            using var work = new SweepWork(
                terminal, SharedOptions.ModelFolder(parse.GetValue(model)), sites, load, pocket,
                parse.GetValue(index) ?? [], parse.GetValue(reference), parse.GetValue(encoder));
            using SentenceEncoder? second = SharedOptions.EncoderFolder(parse.GetValue(judge)) is { } folder
                ? SentenceEncoder.Load(folder, load)
                : null;
            IReadOnlyList<SweptMethod> swept =
                work.Methods(texts, tried, method => Strengths(parse.GetValue(strengths), method), cancellation);
            StrengthSweep sweep = await terminal.Progress().StartAsync(context =>
            {
                ProgressTask task = context.AddTask("sweeping", maxValue: swept.Sum(method => method.Strengths.Count));
                return StrengthSweep.RunAsync(
                    work.Steerer.Decoder, work.Steerer.Tokenizer, swept, second ?? work.Encoder, texts.Texts,
                    [.. NeutralPrompts.All.Take(parse.GetValue(prompts)!.Value)],
                    new SamplerOptions
                    {
                        Kind = SamplingKind.Softmax,
                        Temperature = 0.8,
                        TopK = 40,
                        Seed = parse.GetValue(seed)!.Value,
                    },
                    parse.GetValue(tokens)!.Value, parse.GetValue(budget)!.Value,
                    new Relay<int>(done => task.Value = done), cancellation);
            });
            string name = Path.GetFileNameWithoutExtension(texts.Source);
            if (parse.GetValue(output) is { } file)
            {
                if (Path.GetExtension(file) == ".svg")
                {
                    SweepPage.Chart(sweep).Write(file);
                }
                else
                {
                    SweepPage.Write(sweep, name, file);
                }
            }

            Show(terminal, sweep, name, parse.GetValue(json), second is not null);
            return 0;
        });
        return command;
    }

    private static SteeringMethod[] Methods(string[] given)
    {
        try
        {
            SteeringMethod[] methods = [.. given.SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries))
                .Select(SteeringMethods.Parse).Distinct()];
            foreach (SteeringMethod other in methods.Except(new EvaluationOptions().Strengths.Keys))
            {
                throw new ArgumentException(
                    $"method {SteeringMethods.NameOf(other)} has no strength to sweep toward a topic");
            }

            return methods.Length > 0 ? methods : [SteeringMethod.MinClamp, SteeringMethod.Add];
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static IReadOnlyList<double> Strengths(string? given, SteeringMethod method)
    {
        if (given is null)
        {
            return new EvaluationOptions().Strengths[method];
        }

        double[] numbers =
        [
            .. given.Split(',').Select(text =>
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && value > 0 && double.IsFinite(value)
                    ? value
                    : throw new UsageException($"--strengths is '{given}', expected numbers above 0 such as 0.5,1,2")),
        ];
        return [.. numbers.Distinct().Order()];
    }

    private static void Show(Terminal terminal, StrengthSweep sweep, string topic, bool json, bool secondEncoder)
    {
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["topic"] = topic,
                ["budget"] = sweep.Budget,
                ["recommendation"] = SweepPage.Recommendation(sweep),
                ["best"] = sweep.Best is { } one ? Json(one) : null,
                ["points"] = new JsonArray([.. sweep.Points.Select(Json)]),
            });
            return;
        }

        Table table = new Table { Title = new TableTitle(Markup.Escape($"Sweep of {topic}")) }.AddColumn("choice");
        foreach (string column in new[] { "gain", "interval", "perplexity", "neutral", "KL", "change of x" })
        {
            table.AddColumn(new TableColumn(column).RightAligned().NoWrap());
        }

        table.AddColumn("front");
        foreach (SweepPoint point in sweep.Points)
        {
            string colour = point == sweep.Best ? "green" : point.IsWithin ? "default" : "grey";
            string[] cells =
            [
                SweepPage.NameOf(point),
                Signed(point.Effect),
                point.Low is null ? "–" : $"{Signed(point.Low.Value)} {Signed(point.High!.Value)}",
                Invariant($"×{point.PerplexityRatio:F2}"),
                Invariant($"×{point.Neutral.PerplexityRatio:F2}"),
                Invariant($"{point.Neutral.Divergence:F3}"),
                Invariant($"{point.Neutral.Change * 100:F0} %"),
                point == sweep.Best ? "best" : point.IsOnFront ? "●" : string.Empty,
            ];
            table.AddRow([.. cells.Select(cell => $"[{colour}]{Markup.Escape(cell)}[/]")]);
        }

        terminal.Tables.Write(table);
        terminal.Out.WriteLine(SweepPage.Recommendation(sweep));
        if (!secondEncoder)
        {
            terminal.Note("the gain is by the encoder of the index, which is partly circular; --judge-encoder names another");
        }
    }

    private static JsonObject Json(SweepPoint point) => new()
    {
        ["hook_point"] = point.Point.ToString(),
        ["method"] = SteeringMethods.NameOf(point.Method),
        ["strength"] = point.Strength,
        ["gain"] = point.Effect,
        ["low"] = point.Low,
        ["high"] = point.High,
        ["perplexity_ratio"] = point.PerplexityRatio,
        ["neutral_perplexity_ratio"] = point.Neutral.PerplexityRatio,
        ["kl"] = point.Neutral.Divergence,
        ["change"] = point.Neutral.Change,
        ["within_budget"] = point.IsWithin,
        ["on_front"] = point.IsOnFront,
    };

    private static string Signed(double value) => Invariant($"{value:+0.000;−0.000;0.000}");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
