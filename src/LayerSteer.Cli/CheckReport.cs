using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>The health card, for a person and as JSON.</summary>
internal static class CheckReport
{
    private const int ShownHookPoints = 5;

    public static void Show(Terminal terminal, SaeHealthCard card)
    {
        Table table = new Table().AddColumn("figure").AddColumn(new TableColumn("value").RightAligned())
            .AddColumn("what it says");
        ReconstructionQuality quality = card.Quality;
        Row("FVU", Figure(quality.Fvu), $"variance unexplained, over {quality.Rows} tokens");
        Row("cosine", Figure(quality.Cosine), "of activation and reconstruction");
        Row("norm ratio", Figure(quality.NormRatio), "of reconstruction to activation");
        Row(
            "L0",
            Number(quality.L0),
            card.PromisedL0 is { } promised ? $"active latents a token; at most {Number(promised)} by its file"
            : "active latents a token; its file promises nothing");
        Row("silent latents", Share(card.SilentShare), $"active on none of these {quality.Rows} tokens");
        Row("loss", Figure(card.Splice.CeOriginal), "the model's own, nats a token");
        Row("loss spliced", Figure(card.Splice.CeSpliced), "with the reconstruction in place");
        Row("loss ablated", Figure(card.Splice.CeAblated), "with zeros in place");
        Row("loss recovered", Share(card.Splice.LossRecovered), "of what zeros lose");
        Row(
            "first position",
            Figure(card.First.RelativeError),
            $"relative error; its norm is {Number(card.FirstNormRatio)} times that of the others");
        if (card.OtherBos is { } other)
        {
            Row(
                card.Bos ? "FVU without BOS" : "FVU with BOS",
                Figure(other.Fvu),
                $"these figures are {(card.Bos ? "with" : "without")} BOS in front");
        }

        Row("alignment", Figure(card.Alignment), "mean cosine of a latent's encoder and decoder rows");
        terminal.Tables.Write(table);

        Table variants = new Table { Title = new TableTitle("What else was tried") }
            .AddColumn("as").AddColumn(new TableColumn("FVU").RightAligned())
            .AddColumn(new TableColumn("L0").RightAligned());
        foreach (SaeVariant variant in card.Activations.Concat(card.Normalisations.Where(one => one.Name != "none"))
            .Concat(card.HookPoints.Take(ShownHookPoints)))
        {
            variants.AddRow(
                Markup.Escape(variant.Name), Figure(variant.Quality.Fvu), Number(variant.Quality.L0));
        }

        terminal.Tables.Write(variants);
        terminal.Tables.MarkupLine(
            $"{Markup.Escape(card.Point.ToString())}, {card.Activation}: [{Colour(card)}]{Word(card)}[/]");
        foreach (SaeFinding finding in card.Findings)
        {
            terminal.Tables.MarkupLine($"  {Markup.Escape(finding.Evidence)}: {Markup.Escape(finding.Advice)}");
        }

        void Row(string name, string value, string meaning) =>
            table.AddRow(name, value, Markup.Escape(meaning));
    }

    public static JsonObject Json(SaeHealthCard card, string model, string sae) => new()
    {
        ["model"] = model,
        ["sae"] = sae,
        ["hook_point"] = card.Point.ToString(),
        ["activation"] = card.Activation.ToString(),
        ["bos"] = card.Bos ? "one" : "none",
        ["verdict"] = Word(card),
        ["findings"] = new JsonArray([.. card.Findings.Select(finding => new JsonObject
        {
            ["fault"] = FaultName(finding.Fault),
            ["evidence"] = finding.Evidence,
            ["advice"] = finding.Advice,
        })]),
        ["quality"] = Json(card.Quality),
        ["promised_l0"] = card.PromisedL0,
        ["silent_share"] = card.SilentShare,
        ["ce_original"] = JsonValues.Finite(card.Splice.CeOriginal),
        ["ce_spliced"] = JsonValues.Finite(card.Splice.CeSpliced),
        ["ce_ablated"] = JsonValues.Finite(card.Splice.CeAblated),
        ["loss_recovered"] = JsonValues.Finite(card.Splice.LossRecovered),
        ["first_position"] = Json(card.First),
        ["first_norm_ratio"] = JsonValues.Finite(card.FirstNormRatio),
        ["other_bos"] = card.OtherBos is { } other ? Json(other) : null,
        ["alignment"] = JsonValues.Finite(card.Alignment),
        ["activations"] = Json(card.Activations),
        ["normalisations"] = Json(card.Normalisations),
        ["hook_points"] = Json(card.HookPoints),
    };

    private static JsonObject Json(IReadOnlyList<SaeVariant> variants) =>
        new(variants.Select(variant => KeyValuePair.Create(variant.Name, (JsonNode?)Json(variant.Quality))));

    private static JsonObject Json(ReconstructionQuality quality) => new()
    {
        ["tokens"] = quality.Rows,
        ["fvu"] = JsonValues.Finite(quality.Fvu),
        ["l0"] = JsonValues.Finite(quality.L0),
        ["cosine"] = JsonValues.Finite(quality.Cosine),
        ["norm_ratio"] = JsonValues.Finite(quality.NormRatio),
        ["relative_error"] = JsonValues.Finite(quality.RelativeError),
    };

    private static string Word(SaeHealthCard card) => card.Verdict switch
    {
        SaeVerdict.Healthy => "healthy",
        SaeVerdict.Weak => "weak",
        _ => "wrong",
    };

    private static string FaultName(SaeFault fault) => fault switch
    {
        SaeFault.Activation => "activation",
        SaeFault.Normalisation => "normalisation",
        SaeFault.HookPoint => "hook_point",
        SaeFault.Orientation => "orientation",
        SaeFault.OtherModel => "other_model",
        SaeFault.DoubleBos => "double_bos",
        SaeFault.BosPolicy => "bos",
        SaeFault.Sparsity => "sparsity",
        _ => "reconstruction",
    };

    private static string Colour(SaeHealthCard card) => card.Verdict switch
    {
        SaeVerdict.Healthy => "green",
        SaeVerdict.Weak => "yellow",
        _ => "red",
    };

    private static string Figure(double value) =>
        double.IsFinite(value) ? value.ToString("0.000", CultureInfo.InvariantCulture) : "–";

    private static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);

    private static string Share(double value) => value.ToString("P1", CultureInfo.InvariantCulture);
}
