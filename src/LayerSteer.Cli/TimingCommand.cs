using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>
/// `layersteer timing`: the seed's timing test, with models loaded once, real tokens counted, nothing written to files
/// in the timed parts, and the cost of steering measured by taking turns.
/// </summary>
internal static class TimingCommand
{
    private const int SeedTokens = 10;
    private const int TokensOfPrompt = 16;

    public static Command Create(Terminal terminal)
    {
        var command = new Command(
            "timing", "Measure each stage, with its uncertainty, and what steering adds to a generated token.");
        Argument<string?> prompt = new("PROMPT")
        {
            Description = $"The text to continue. Default: the first {TokensOfPrompt} tokens of each reference text.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        command.Arguments.Add(prompt);
        var loading = new LoadingArguments(command);
        var pipeline = new PipelineArguments(command, loading, required: true);
        var steering = new SteeringArguments(command, loading, pipeline);
        var sampling = new SamplingArguments(command, SeedTokens);
        Option<int?> repeats = ValueOptions.Number<int>(
            "--repeats", "How often each text is measured.", "a whole number from 1 on", n => n >= 1, 5);
        Option<int?> maxTexts = ValueOptions.Number<int>(
            "--max-texts",
            "Use only the first texts of each file. Default: all.",
            "a whole number from 1 on",
            n => n >= 1);
        Option<bool> latex = new("--latex") { Description = "Print the values joined by '&', as the seed does." };
        Option<bool> json = SharedOptions.Json();
        foreach (Option option in new Option[] { repeats, maxTexts, latex, json })
        {
            command.Options.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            SteeringOptions options = steering.Options(parse);
            if (options.IsIdentity)
            {
                throw new UsageException(
                    "timing compares steering with none; --method orig and --strength 0 do not steer");
            }

            if (parse.GetValue(latex) && parse.GetValue(json))
            {
                throw new UsageException("give either --latex or --json");
            }

            TextTable references = First(pipeline.References(parse), parse.GetValue(maxTexts));
            TextTable alignment = First(pipeline.Alignment(parse), parse.GetValue(maxTexts));
            using var pool = new WorkerPool(steering.Threads(parse));
            using Steerer steerer = steering.Load(parse, terminal, pool);
            using SentenceEncoder encoder = pipeline.Encoder(parse, terminal, steerer, steering.Pocket(parse));
            ReferenceIndexer indexer = steerer.Indexer(encoder, options.Mode);
            ReferenceIndex index = PipelineArguments.Index(terminal, indexer, references, cancellation);
            ScoredTopic topic = PipelineArguments.Score(
                index, encoder, alignment, UncertaintyLevel.Scores, cancellation);
            SteeringPlan plan = steering.NamesScores(parse)
                ? steering.Plan(parse, terminal, steerer, options, cancellation)
                : steerer.Plan(options, topic.Profile);
            string[] prompts = parse.GetValue(prompt) is { } given
                ? [given]
                : [.. references.Texts.Select(text => Beginning(steerer, text))];
            GenerationRequest[] requests =
                [.. prompts.Select(text => sampling.Request(parse, text) with { StopAtEos = false })];
            var run = new TimingRun(
                steerer,
                plan,
                steering.Bos(parse),
                indexer,
                new TextEmbedder(encoder, options.Mode),
                index,
                topic.Alignment);
            var clock = new Stopclock(parse.GetValue(repeats)!.Value, cancellation);
            Timing[] timings =
                run.Measure(clock, [.. references.Texts, .. alignment.Texts], references.Texts, requests, cancellation);
            if (parse.GetValue(json))
            {
                terminal.WriteJson(Value(timings, steerer, plan, encoder));
            }
            else if (parse.GetValue(latex))
            {
                terminal.Out.WriteLine(string.Join("&\n", timings.Select(t => Interval(t, " $\\pm$ ", "F5"))));
            }
            else
            {
                Show(terminal, timings, steerer);
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static TextTable First(TextTable texts, int? count) =>
        count is { } n && n < texts.Count ? new TextTable(texts.Texts.Take(n), texts.Ids.Take(n)) : texts;

    private static string Beginning(Steerer steerer, string text)
    {
        int[] ids = steerer.Tokenizer.Encode(text);
        return steerer.Tokenizer.Decode(ids.AsSpan(0, Math.Min(ids.Length, TokensOfPrompt)));
    }

    private static string Interval(Timing timing, string plusMinus, string format) =>
        timing.Mean.ToString(format, CultureInfo.InvariantCulture) + plusMinus
        + timing.HalfWidth.ToString(format, CultureInfo.InvariantCulture);

    private static void Show(Terminal terminal, Timing[] timings, Steerer steerer)
    {
        Table table = new Table().AddColumn("what").AddColumn(new TableColumn("ms: mean ± 1.96 sd/√n").RightAligned())
            .AddColumn(new TableColumn("median").RightAligned())
            .AddColumn(new TableColumn("n").RightAligned())
            .AddColumn("per");
        foreach (Timing timing in timings)
        {
            table.AddRow(
                Markup.Escape(timing.Name),
                Interval(timing, " ± ", "F5"),
                timing.Median.ToString("F5", CultureInfo.InvariantCulture),
                $"{timing.Count}",
                timing.Unit);
        }

        terminal.Tables.Write(table);
        ArchitectureSpec spec = steerer.Decoder.Spec;
        IEnumerable<string> sites = steerer.Sites.Select(
            site => $"{site.Point}: {site.Autoencoder.DSae} latents, {site.Autoencoder.Activation}");
        terminal.Note(
            $"{spec.Family} in {WeightTypes.NameOf(steerer.Decoder.Type)}, {spec.NLayers} layers, width {spec.DModel}, vocabulary {spec.Vocabulary}; "
            + $"{string.Join(", ", sites)}; {steerer.Decoder.Pool.Threads} of {Environment.ProcessorCount} threads, "
            + $"{WorkerPool.VectorBits}-bit vectors, {RuntimeInformation.FrameworkDescription}");
    }

    private static JsonObject Value(Timing[] timings, Steerer steerer, SteeringPlan plan, SentenceEncoder encoder)
    {
        ArchitectureSpec spec = steerer.Decoder.Spec;
        var measured = new JsonObject();
        foreach (Timing timing in timings)
        {
            measured[timing.Key] = timing.ToJson();
        }

        return new JsonObject
        {
            ["timings"] = measured,
            ["method"] = SteeringMethods.NameOf(plan.Options.Method),
            ["mode"] = SteeringModes.NameOf(plan.Options.Mode),
            ["model"] = new JsonObject
            {
                ["family"] = spec.Family,
                ["dtype"] = WeightTypes.NameOf(steerer.Decoder.Type),
                ["layers"] = spec.NLayers,
                ["d_model"] = spec.DModel,
                ["d_mlp"] = spec.DMlp,
                ["vocabulary"] = spec.Vocabulary,
                ["context"] = spec.ContextLength,
                ["bytes_per_token"] = steerer.Decoder.BytesPerToken,
            },
            ["sae"] = new JsonArray([.. steerer.Sites.Select(site => new JsonObject
            {
                ["hook_point"] = site.Point.ToString(),
                ["d_sae"] = site.Autoencoder.DSae,
                ["activation"] = site.Autoencoder.Activation.ToString(),
            })]),
            ["encoder"] = new JsonObject { ["d_embedding"] = encoder.DEmbedding, ["max_length"] = encoder.MaxLength },
            ["machine"] = new JsonObject
            {
                ["vector_bits"] = WorkerPool.VectorBits,
                ["threads"] = steerer.Decoder.Pool.Threads,
                ["processors"] = Environment.ProcessorCount,
                ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString(),
                ["system"] = RuntimeInformation.OSDescription,
                ["runtime"] = RuntimeInformation.FrameworkDescription,
            },
        };
    }
}
