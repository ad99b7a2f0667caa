using LayerSteer.Topics;
using Spectre.Console;
using static System.FormattableString;

namespace LayerSteer.Cli;

/// <summary>
/// The uncertainty card for a person. Green holds, yellow is a reason to doubt, red a reason to refuse; figures without
/// a threshold have no colour.
/// </summary>
internal static class UncertaintyReport
{
    private const int ShownLatents = 8;

    /// <summary>The verdict as it is said.</summary>
    public static string Words(TopicProfile profile) =>
        profile.Verdict == TopicProfile.NotSteerable && profile.Uncertainty is not null
            ? "not steerable with evidence"
            : profile.Verdict;

    public static string Colour(TopicProfile profile) => profile.Verdict switch
    {
        TopicProfile.NotSteerable => "red",
        TopicProfile.Weak => "yellow",
        _ => "green",
    };

    public static void Show(Terminal terminal, ProfileUncertainty card, ProfileRepresentation? representation)
    {
        terminal.Tables.Write(Figures(card));
        if (representation is not null)
        {
            terminal.Tables.Write(Represented(representation, card.Options));
        }

        terminal.Tables.Write(Latents(card));
    }

    /// <summary>What the model and the autoencoder say of the topic's own texts.</summary>
    private static Table Represented(ProfileRepresentation found, UncertaintyOptions limits)
    {
        Table table = new Table { Title = new TableTitle("Can the autoencoder represent it") }
            .AddColumn("figure")
            .AddColumn(new TableColumn("value").RightAligned().NoWrap())
            .AddColumn("what it says");
        Row(
            "unexplained variance",
            Number(found.Fvu),
            Invariant($"of x on {found.Tokens} tokens of {found.Texts} texts, {Number(found.FvuLow)} to {Number(found.FvuHigh)}; ")
                + Invariant($"{Number(found.OtherFvu)} on other texts; weak above {limits.UnexplainedVariance}"),
            found.Fvu > limits.UnexplainedVariance ? "yellow" : found.Fvu is null ? "grey" : "green");
        Row("loss", Number(found.LossChange), Invariant($"nats a token more with x̂ in place; {Share(found.LossRecovered)} of the loss recovered"));
        Row("divergence", Number(found.Divergence), "nats a token, of next tokens with x̂ in place");
        Row(
            "supported mass",
            Share(found.SupportedMass5),
            Invariant($"of what the topic activates is on latents of 5 effective prompts, {Share(found.SupportedMass1)} on 1; weak below ")
                + Invariant($"{limits.SupportedMass:P0}"),
            found.SupportedMass5 is not { } mass ? "grey" : mass < limits.SupportedMass ? "yellow" : "green");
        Row(
            "topic mass",
            Share(found.TopMass),
            Invariant($"is on the best 1 % of latents, {Number(found.TopMassLift)} times as much as on the references"));
        Row(
            "use",
            Number(found.UseCorrelation),
            Invariant($"rank correlation of scores with use on the topic's texts, {Number(found.UseLow)} to {Number(found.UseHigh)}"));
        Row("x̂", Number(found.Cosine), Invariant($"cosine with x, {found.NormRatio:F2} of its norm, from {found.L0:F1} latents"));
        return table;

        void Row(string name, string value, string meaning, string colour = "default") =>
            table.AddRow(name, $"[{colour}]{Markup.Escape(value)}[/]", Markup.Escape(meaning));
    }

    private static Table Figures(ProfileUncertainty card)
    {
        UncertaintyOptions limits = card.Options;
        DictionaryCoverage coverage = card.Coverage;
        ReferenceKnowledge known = card.Knowledge;
        Table table = new Table { Title = new TableTitle("How far it can be trusted") }
            .AddColumn("figure")
            .AddColumn(new TableColumn("value").RightAligned().NoWrap())
            .AddColumn("what it says");
        Row(
            "global p",
            Number(card.Separation.GlobalP),
            Invariant($"of latents that differ as much by chance; evidence is at most {limits.GlobalP}"),
            card.Separation.GlobalP <= limits.GlobalP ? "green" : "red");
        Row(
            "significant latents",
            Invariant($"{card.Separation.Significant}"),
            Invariant($"with q below {limits.QValue}, of {card.Separation.Tested} on at least ")
                + Invariant($"{limits.EffectivePrompts} effective prompts; evidence is at least 1"),
            card.Separation.Significant > 0 ? "green" : "red");
        Row(
            "variance between",
            Number(card.Shrinkage.Between),
            "of latents in d², beyond their errors; 0 ranks by plain scores",
            card.Shrinkage.Between > 0 ? "green" : "yellow");
        Row("within", Number(card.Shrinkage.Within), "of a latent's prompts in d²");
        Row("shrinkage", Number(card.Shrinkage.Kappa), "prompts that the mean of all latents counts as");
        Row(
            "spread",
            Number(card.Separation.Spread),
            Invariant($"in d²: the mean less that of the {TopicSeparation.Top} nearest; z {Number(card.Separation.TopZ)}"));
        Row(
            "in support",
            Share(known.InSupportShare),
            "of the topic is as near a reference as references are to each other; weak below "
                + Share(limits.InSupportShare),
            known.InSupportShare is not { } share ? "grey" : share < limits.InSupportShare ? "yellow" : "green");
        Row("distance ratio", Number(known.MedianRatio), "of topic to reference, over reference to reference");
        Row(
            "near references",
            Whole(known.TopicPrompts),
            Invariant($"as near the topic as the nearest quarter of its own pairs; weak below {limits.TopicPrompts}"),
            known.TopicPrompts is not { } near ? "grey" : near < limits.TopicPrompts ? "yellow" : "green");
        Row(
            "energy p",
            Number(known.EnergyP),
            Invariant($"of texts no different from the references; weak above {limits.EnergyP}; ")
                + $"energy distance {Number(known.EnergyDistance)}",
            known.EnergyP is not { } energy ? "grey" : energy > limits.EnergyP ? "yellow" : "green");
        Row(
            "own cosine",
            Number(known.InternalCosine),
            Invariant($"of the topic's {known.Texts} texts in {known.Windows} windows; low is several topics"));
        Row(
            "coverage",
            Share(coverage.Observed),
            Invariant($"of latents seen, {coverage.AtLeastTwo:P1} on 2, {coverage.AtLeastFive:P1} on 5, ")
                + Invariant($"{coverage.AtLeastTen:P1} on 10 effective prompts"));
        Row(
            "completeness",
            Share(coverage.Completeness),
            Invariant($"of activity is on latents seen; at least {coverage.Chao2:F0} would ever be"));
        Row(
            "half the references",
            coverage.Rarefaction.Length > 3 ? Share(coverage.Rarefaction[3]) : "–",
            "of latents would be seen on so many");
        Row(
            "dead",
            Share(card.Density.Dead),
            Invariant($"of latents on {card.Density.Tokens} tokens; {Share(card.Density.AboveOnePercent)} above 1 %, ")
                + $"{Share(card.Density.AboveTenPercent)} above 10 % of them");
        Row(
            "unstable",
            Share(card.UnstableShare),
            Invariant($"of scored latents have no prompt in more than {limits.MissingShare:P0} of reference samples"));
        return table;

        void Row(string name, string value, string meaning, string colour = "default") =>
            table.AddRow(name, $"[{colour}]{Markup.Escape(value)}[/]", Markup.Escape(meaning));
    }

    private static Table Latents(ProfileUncertainty card)
    {
        Table table = new Table
        {
            Title = new TableTitle(
                $"Nearest latents, d² (median {Number(card.NearestEffectivePrompts)} effective prompts of "
                + Invariant($"{card.Nearest.Count})")),
        };
        string[] columns =
            ["latent", "prompts", "effective", "mean", "interval", "± references", "± texts", "shrunk", "q"];
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(column).RightAligned().NoWrap());
        }

        foreach (ProfileLatent latent in card.Nearest.Take(ShownLatents))
        {
            string colour = latent.QValue is not { } q ? "yellow" : q < card.Options.QValue ? "green" : "default";
            table.AddRow(
                Invariant($"{latent.Latent}"),
                Invariant($"{latent.Prompts}"),
                $"[{(latent.Unstable ? "yellow" : "default")}]" + Invariant($"{latent.EffectivePrompts:F1}[/]"),
                Fixed(latent.Mean),
                latent.Lower is null ? "–" : $"{Fixed(latent.Lower)} – {Fixed(latent.Upper)}",
                Fixed(latent.ErrorFromReferences),
                Fixed(latent.ErrorFromTexts),
                Fixed(latent.ShrunkMean),
                $"[{colour}]{Number(latent.QValue)}[/]");
        }

        return table;
    }

    private static string Number(double? value) => value is { } number ? Invariant($"{number:G3}") : "–";

    private static string Fixed(double? value) => value is { } number ? Invariant($"{number:F3}") : "–";

    private static string Share(double? value) => value is { } number ? Invariant($"{number:P1}") : "–";

    private static string Whole(int? value) => value is { } number ? Invariant($"{number}") : "–";
}
