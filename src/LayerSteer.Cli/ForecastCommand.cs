using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer forecast`: what steering will do to a topic, before any text is generated.</summary>
internal static class ForecastCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string> topic = new("--topic", "-t")
        {
            Description = "Topic profile, or the name of one.",
            HelpName = "path|name",
            Required = true,
        };
        Option<string?> align = new("--align")
        {
            Description = "The texts that the topic was made of: the forecast is sharper with them.",
            HelpName = "path",
        };
        Option<string?> calibration = new("--calibration")
        {
            Description = "A calibration.json of `layersteer calibrate`. Default: the pocket model's.",
            HelpName = "path",
        };
        Option<string?> method = new("--method", "-m")
        {
            Description = "The method. Default: all that are calibrated.",
            HelpName = "name",
        };
        Option<double?> strength = ValueOptions.Number<double>(
            "--strength", "The strength. Default: all that were calibrated.", "a number above 0",
            n => n > 0 && double.IsFinite(n), null, "-s");
        Option<string?> encoder = SharedOptions.Encoder("Default: the pocket model's, or the one the topic names.");
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "forecast", "Say what steering will do and what it will cost, before any text is generated, or abstain.")
        {
            model, sae, layer, hook, topic, align, calibration, method, strength, encoder, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.SetAction(async (parse, cancellation) =>
        {
            string? given = parse.GetValue(model);
            PocketModel? pocket = SharedOptions.PocketUnless(given);
            int[] layers = parse.GetValue(layer) ?? [];
            string[] saes = parse.GetValue(sae) ?? [];
            const string OneLayer = "a forecast is of one layer";
            SharedOptions.RequireOneSite(pocket, layers, saes, OneLayer);
            string path = parse.GetValue(calibration)
                ?? (pocket is null ? null : Path.Combine(pocket.Folder, Calibration.FileName))
                ?? throw new UsageException("--model needs --calibration, made with `layersteer calibrate`");
            if (!File.Exists(path))
            {
                throw new InvalidDataException(
                    $"'{path}': no such file; make a calibration with `layersteer calibrate` and name it with "
                    + "--calibration");
            }

            Calibration known = Calibration.Read(path);
            TopicProfile profile = TopicFolder.Read(parse.GetRequiredValue(topic), pocket);
            IReadOnlyList<string>? texts = Texts(profile, parse.GetValue(align));
            if (layers.Length + saes.Length == 0)
            {
                layers = [profile.Layer];
            }

            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions load = loading.Options(parse, terminal, pool);
            using Steerer steerer = Steerer.Load(
                SharedOptions.ModelFolder(given),
                [SharedOptions.OneSite(pocket, layers, saes, parse.GetValue(hook), OneLayer)],
                load);
            known.RequireFits(steerer.Decoder, steerer.Tokenizer, steerer.Sites[0]);
            using SentenceEncoder sentences = SentenceEncoder.Load(
                SharedOptions.EncoderFolder(parse.GetValue(encoder)) ?? pocket?.Encoder
                    ?? profile.Provenance.Encoder.Path,
                load);
            if (sentences.Digest != known.Encoder)
            {
                throw new InvalidDataException(
                    $"'{path}' was made with another sentence encoder than '{sentences.Path}'; "
                    + "give that one as --encoder");
            }

            var forecasts = new List<Forecast>();
            using var probe = new ForecastProbe(steerer.Decoder, steerer.Tokenizer, sentences);
            foreach (Forecaster own in Chosen(known, parse.GetValue(method), texts is not null))
            {
                double[] strengths = parse.GetValue(strength) is { } one ? [one] : [.. own.Strengths];
                SteeringPlan[] plans =
                [
                    .. strengths.Select(amount => steerer.Plan(
                        new SteeringOptions
                        {
                            Method = SteeringMethods.Parse(own.Method),
                            Strength = (float)amount,
                            ClampCount = known.ClampCount,
                            LatentCount = known.LatentCount,
                        },
                        profile,
                        EvaluationArm.Toward(SteeringMethods.Parse(own.Method)).Scoring)), // as it was calibrated
                ];
                double?[][] predictors = await probe.MeasureAsync(profile, texts, plans, cancellation);
                forecasts.AddRange(strengths.Select((amount, i) => known.Forecast(
                    profile.Name, profile.HookPoint, own.Method, amount, predictors[i])));
            }

            Show(terminal, parse.GetValue(json), forecasts);
            return 0;
        });
        return command;
    }

    private static Forecaster[] Chosen(Calibration known, string? method, bool withTexts)
    {
        Forecaster[] all = [.. known.Forecasters.Where(one => one.NeedsTexts == withTexts)];
        if (method is null)
        {
            return all;
        }

        string name = SteeringMethods.NameOf(SteeringMethods.Parse(method));
        Forecaster[] chosen = [.. all.Where(one => one.Method == name)];
        return chosen.Length > 0
            ? chosen
            : throw new ArgumentException(
                $"the calibration knows nothing of method {name}; it knows "
                + string.Join(", ", all.Select(one => one.Method)));
    }

    /// <summary>The topic's texts, which must be those that it was made of.</summary>
    private static IReadOnlyList<string>? Texts(TopicProfile profile, string? path)
    {
        if (path is null)
        {
            return null;
        }

        IReadOnlyList<string> texts = AlignmentTexts.Read(path).Texts.Texts;
        string digest = ReferenceSource.DigestOf(texts.Select(ReferenceSource.DigestOfText));
        if (digest != profile.Alignment.Digest && EvaluationTopicTexts(path) is { } split)
        {
            texts = split;
            digest = ReferenceSource.DigestOf(texts.Select(ReferenceSource.DigestOfText));
        }

        return digest == profile.Alignment.Digest
            ? texts
            : throw new InvalidDataException(
                $"'{path}': not the texts that topic '{profile.Name}' was made of; make the topic again from them, or "
                + "leave --align out");
    }

    /// <summary>The texts with split align of a file that has splits.</summary>
    private static IReadOnlyList<string>? EvaluationTopicTexts(string path) =>
        Path.GetExtension(path) == ".jsonl" ? EvaluationTopic.Read(path).Align.Texts : null;

    private static void Show(Terminal terminal, bool json, List<Forecast> forecasts)
    {
        if (json)
        {
            terminal.WriteJson(new JsonArray([.. forecasts.Select(Json)]));
            return;
        }

        Table table = new Table().AddColumns("method", "layer", "strength", "effect", "perplexity", "promised");
        table.Title = new TableTitle(Markup.Escape($"forecast for {forecasts[0].Topic}"));
        foreach (Forecast one in forecasts)
        {
            table.AddRow(
                one.Method,
                Markup.Escape(one.HookPoint),
                one.Strength.ToString("G4", CultureInfo.InvariantCulture),
                Markup.Escape($"{Signed(one.Effect.Mean)} [{Signed(one.Effect.Low)}, {Signed(one.Effect.High)}]"),
                Markup.Escape(string.Create(
                    CultureInfo.InvariantCulture,
                    $"×{Math.Exp(one.Cost.Mean):F2} [{Math.Exp(one.Cost.Low):F2}, {Math.Exp(one.Cost.High):F2}]")),
                one.Abstains ? "[yellow]nothing[/]" : "[green]an effect[/]");
        }

        terminal.Tables.Write(table);
        Forecast? best = forecasts.Where(one => !one.Abstains).MaxBy(one => one.Effect.Low);
        terminal.Out.WriteLine(best is null
            ? "No effect is promised at any of these: the interval of every one includes none."
            : best.InWords + ".");
        terminal.Note(
            string.Create(
                CultureInfo.InvariantCulture,
                $"effect: difference of topic similarity to the unsteered model; intervals hold for "
                + $"{forecasts[0].Confidence * 100:F0} % of topics like those of the bank")
            + $"{(forecasts[0].UsesTexts ? string.Empty : "; --align makes them sharper")}");
        foreach (string unlike in forecasts.SelectMany(one => one.Unlike).Distinct())
        {
            terminal.Warn($"the topic is unlike the bank in {unlike}, so the intervals may not hold");
        }
    }

    private static string Signed(double value) => value.ToString("+0.000;-0.000", CultureInfo.InvariantCulture);

    private static JsonObject Json(Forecast one) => new()
    {
        ["topic"] = one.Topic,
        ["hook_point"] = one.HookPoint,
        ["method"] = one.Method,
        ["strength"] = one.Strength,
        ["uses_texts"] = one.UsesTexts,
        ["confidence"] = one.Confidence,
        ["effect"] = one.Effect.Mean,
        ["effect_low"] = one.Effect.Low,
        ["effect_high"] = one.Effect.High,
        ["perplexity_ratio"] = Math.Exp(one.Cost.Mean),
        ["perplexity_ratio_low"] = Math.Exp(one.Cost.Low),
        ["perplexity_ratio_high"] = Math.Exp(one.Cost.High),
        ["abstains"] = one.Abstains,
        ["unlike"] = JsonValues.Array(one.Unlike),
        ["words"] = one.InWords,
    };
}
