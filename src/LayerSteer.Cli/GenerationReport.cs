using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>Prints generations with what was done to make them.</summary>
internal sealed class GenerationReport(Terminal terminal, Steerer steerer, SteeringPlan plan, BosPolicy bos, bool json)
{
    public bool Json => json;

    /// <summary>One prompt; if it was streamed, only what was done is still to be printed.</summary>
    public void WriteOne(GenerationResult steered, GenerationResult? unsteered, bool streamed)
    {
        if (json)
        {
            terminal.WriteJson(Value(steered, unsteered));
            return;
        }

        if (streamed)
        {
            terminal.Out.WriteLine(steered.Text.Length == 0 ? steered.Prompt : string.Empty);
        }
        else
        {
            WriteTexts([(steered, unsteered)]);
        }

        WriteSummary(steered);
    }

    public void WriteMany(IReadOnlyList<(GenerationResult Steered, GenerationResult? Unsteered)> results)
    {
        if (json)
        {
            var values = new JsonArray([.. results.Select(r => Value(r.Steered, r.Unsteered))]);
            terminal.WriteJson(new JsonObject { ["results"] = values });
            return;
        }

        WriteTexts(results);
        WriteSummary(results[0].Steered);
    }

    /// <summary>Runs one of the seed's loops and prints its text and steps.</summary>
    public void WritePublished(GenerationRequest request, PublishedLoopKind kind, CancellationToken cancellation)
    {
        (string text, IReadOnlyList<PublishedStep> steps) =
            PublishedLoop.Run(steerer.Decoder, steerer.Tokenizer, kind, request, cancellation);
        if (!json)
        {
            terminal.Out.WriteLine(text);
            return;
        }

        terminal.WriteJson(new JsonObject
        {
            ["prompt_ids"] = JsonValues.Array(steps[0].ModelInput),
            ["ids"] = JsonValues.Array(steps.Select(step => step.Token)),
            ["text"] = text,
            ["published_loop"] = kind == PublishedLoopKind.Demo ? "demo" : "generate",
            ["seed"] = request.Sampling.Seed,
            ["dtype"] = WeightTypes.NameOf(steerer.Decoder.Type),
            ["steps"] = new JsonArray([.. steps.Select(step => new JsonObject
            {
                ["top5"] = JsonValues.Array(step.Top),
                ["id"] = step.Token,
                ["model_input"] = JsonValues.Array(step.ModelInput),
            })]),
            ["steering"] = Steering(),
        });
    }

    private JsonObject Value(GenerationResult steered, GenerationResult? unsteered)
    {
        EditStatistics edits = steered.Edits;
        var value = new JsonObject
        {
            ["prompt"] = steered.Prompt,
            ["prompt_ids"] = JsonValues.Array(steered.PromptIds),
            ["ids"] = JsonValues.Array(steered.Ids),
            ["text"] = steered.Text,
            ["stop_reason"] = NameOf(steered.StopReason),
            ["seed"] = steered.Seed,
            ["bos"] = BosPolicies.NameOf(bos),
            ["model"] = steerer.Decoder.Path,
            ["dtype"] = WeightTypes.NameOf(steerer.Decoder.Type),
            ["edits"] = new JsonObject
            {
                ["count"] = edits.Edits,
                ["positions"] = edits.Edits / Math.Max(1, plan.Edits.Count),
                ["mean_relative_change"] = double.IsFinite(edits.MeanRelativeChange) ? edits.MeanRelativeChange : null,
                ["unsupported_share"] = edits.UnsupportedShare,
            },
            ["steering"] = Steering(),
            ["batch"] = steered.BatchSize,
            ["prefill_ms"] = steered.PrefillTime.TotalMilliseconds,
            ["decode_ms"] = steered.DecodeTime.TotalMilliseconds,
        };
        if (unsteered is not null)
        {
            value["unsteered"] = new JsonObject
            {
                ["ids"] = JsonValues.Array(unsteered.Ids),
                ["text"] = unsteered.Text,
                ["stop_reason"] = NameOf(unsteered.StopReason),
            };
        }

        return value;
    }

    private JsonObject Steering()
    {
        SteeringOptions options = plan.Options;
        return new JsonObject
        {
            ["method"] = SteeringMethods.NameOf(options.Method),
            ["mode"] = SteeringModes.NameOf(options.Mode),
            ["strength"] = options.Strength,
            ["error_term"] = options.IsIdentity ? null : options.KeepsErrorTerm ? "keep" : "drop",
            ["positions"] = options.IsIdentity ? null : options.EffectivePositions.ToString(),
            ["hook_points"] = JsonValues.Array(plan.Edits.Select(edit => edit.Point.ToString())),
            ["digests"] = new JsonObject
            {
                ["model"] = steerer.Decoder.Digest,
                ["tokenizer"] = steerer.Tokenizer.Digest,
                ["sae"] = JsonValues.Array(plan.Edits.Select(edit => edit.Autoencoder.Digest)),
            },
        };
    }

    private void WriteTexts(IReadOnlyList<(GenerationResult Steered, GenerationResult? Unsteered)> results)
    {
        Table table = new Table().Border(TableBorder.Rounded).ShowRowSeparators().AddColumn("prompt");
        bool compares = results[0].Unsteered is not null;
        if (compares)
        {
            table.AddColumn("unsteered");
        }

        table.AddColumn(SteeringMethods.NameOf(plan.Options.Method));
        foreach ((GenerationResult steered, GenerationResult? unsteered) in results)
        {
            string[] cells =
                compares ? [steered.Prompt, unsteered!.Text, steered.Text] : [steered.Prompt, steered.Text];
            table.AddRow([.. cells.Select(Markup.Escape)]);
        }

        terminal.Tables.Write(table);
    }

    private void WriteSummary(GenerationResult result)
    {
        SteeringOptions options = plan.Options;
        EditStatistics edits = result.Edits;
        int tokens = Math.Max(1, result.Ids.Length - 1);
        string what = "not steered";
        if (!options.IsIdentity)
        {
            what = string.Create(
                CultureInfo.InvariantCulture,
                $"{SteeringMethods.NameOf(options.Method)}, {SteeringModes.NameOf(options.Mode)} mode, strength {options.Strength}");
            what += string.Create(
                CultureInfo.InvariantCulture,
                $": {edits.Edits} edits, mean change {edits.MeanRelativeChange:P1} of the residual's norm");
            what += edits.UnsupportedShare is { } share
                ? string.Create(CultureInfo.InvariantCulture, $", {share:P1} of the activation on unscored latents")
                : string.Empty;
        }

        string run = $"{WeightTypes.NameOf(steerer.Decoder.Type)} weights, BOS {BosPolicies.NameOf(bos)}, "
            + $"seed {result.Seed}, {result.Ids.Length} tokens, {NameOf(result.StopReason)}";
        string step = result.BatchSize > 1 ? $"step of {result.BatchSize} texts side by side" : "token";
        terminal.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"{what}; {run}, prompt {result.PrefillTime.TotalMilliseconds:F0} ms, "
            + $"then {result.DecodeTime.TotalMilliseconds / tokens:F1} ms a {step}"));
    }

    private static string NameOf(StopReason reason) => reason switch
    {
        StopReason.EndOfText => "end_of_text",
        StopReason.StopText => "stop_text",
        StopReason.ContextFull => "context_full",
        _ => "length",
    };
}
