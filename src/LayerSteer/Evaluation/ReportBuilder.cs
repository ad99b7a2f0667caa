using System.Globalization;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>From the log of an evaluation to its report.</summary>
internal static class ReportBuilder
{
    private const double Significance = 0.05;

    public static EvaluationReport Build(
        EvaluationOptions options,
        TopicJudge judge,
        StrengthSelection selection,
        EvaluationLog log,
        IReadOnlyDictionary<string, string> run,
        IReadOnlyDictionary<string, string> notRun)
    {
        string[] topics = [.. judge.Topics.Select(topic => topic.Name)];
        var table = new Results(options, topics, selection, log);
        EvaluationArm[] arms = [.. options.Arms.Where(arm => table.TopicsOf(arm).Any())];
        var bootstrap = new PairedBootstrap(options.Resamples, options.Confidence, options.Sampling.Seed);
        MetricReport[][] against =
            [.. arms.Select(arm => Compare(table, bootstrap, arm, EvaluationArm.Unsteered, topics))];
        Correct(against);
        ControlReport[] controls = [.. Controls(arms).Select(pair => new ControlReport(
            pair.Arm.Name, pair.Control.Name, Compare(table, bootstrap, pair.Arm, pair.Control, topics)))];
        return new EvaluationReport
        {
            Run = run,
            Topics = topics,
            Prompts = options.Prompts,
            DevPrompts = options.DevPrompts,
            Draws = options.Seeds,
            PerplexityBudget = options.PerplexityBudget,
            Confidence = options.Confidence,
            Resamples = options.Resamples,
            Judge = judge.Quality,
            Metrics =
            [
                .. EvaluationMetric.All.Select(
                    metric => new MetricDescription(metric.Name, metric.Title, metric.Description)),
            ],
            Arms = [.. arms.Select((arm, i) => Arm(table, bootstrap, arm, against[i], controls))],
            Controls = controls,
            Strengths = selection.Points,
            NotRun = notRun,
            Examples =
            [
                .. topics.SelectMany(topic => arms.Where(arm => table.TopicsOf(arm).Contains(topic))
                    .Select(arm => table.Line(arm, topic, options.Prompts[0], 0))),
            ],
        };
    }

    private static ArmReport Arm(
        Results table, PairedBootstrap bootstrap, EvaluationArm arm, MetricReport[] metrics, ControlReport[] controls)
    {
        TopicReport[] topics =
        [
            .. table.TopicsOf(arm).Select(topic => new TopicReport(
                topic,
                arm.HasStrength ? table.StrengthOf(arm, topic) : null,
                Compare(table, bootstrap, arm, EvaluationArm.Unsteered, [topic]))),
        ];
        string similarity = EvaluationMetric.Similarity.Name;
        return new ArmReport(
            arm.Name,
            arm.Description,
            Verdict(arm, metrics, controls),
            metrics,
            topics,
            topics.Count(topic => topic.Metrics.First(metric => metric.Metric == similarity).Low > 0),
            table.TopicsOf(arm).SelectMany(topic => table.Lines(arm, topic)).Average(line => line.EditChange));
    }

    /// <summary>Each steered arm against its own controls, the published ones against the reconstruction that they are
    /// built on, and all of them against the hint and the difference of means.</summary>
    private static IEnumerable<(EvaluationArm Arm, EvaluationArm Control)> Controls(EvaluationArm[] arms)
    {
        foreach (EvaluationArm arm in arms.Where(
            arm => arm.Kind == ArmKind.Steered && SteeringMethods.NeedsScores(arm.Method)))
        {
            bool published = arm.Mode == SteeringMode.Seed;
            foreach (EvaluationArm control in arms.Where(other => other != arm
                && (other.Kind == ArmKind.Hint || other.Method == SteeringMethod.DiffMean || other.Base == arm.Name
                || (published && other.Method == SteeringMethod.Reconstruction))))
            {
                yield return (arm, control);
            }
        }
    }

    private static MetricReport[] Compare(
        Results table,
        PairedBootstrap bootstrap,
        EvaluationArm arm,
        EvaluationArm other,
        IReadOnlyList<string> topics)
    {
        string[] both = [.. topics.Intersect(table.TopicsOf(arm)).Intersect(table.TopicsOf(other))];
        return [.. EvaluationMetric.All.Select(metric => Metric(metric))];

        MetricReport Metric(EvaluationMetric metric)
        {
            double?[] means =
                [.. both.Select(topic => table.Lines(arm, topic).Average(metric.Of)).Where(mean => mean is not null)];
            PairedUnit[] units =
            [
                .. from topic in both
                from pair in table.Lines(arm, topic).Zip(table.Lines(other, topic))
                let difference = metric.Of(pair.First) - metric.Of(pair.Second)
                where difference is not null
                select new PairedUnit(topic, pair.First.Prompt, difference.Value),
            ];
            if (arm.Name == other.Name || units.Length == 0)
            {
                return new MetricReport(metric.Name, means.Average(), null, null, null, null, null, units.Length);
            }

            PairedDifference found = bootstrap.Of(units);
            return new MetricReport(
                metric.Name, means.Average(), found.Mean, found.Low, found.High, found.P, null, units.Length);
        }
    }

    /// <summary>Corrects the p-values of each metric for the number of arms.</summary>
    private static void Correct(MetricReport[][] arms)
    {
        for (int metric = 0; metric < EvaluationMetric.All.Count; metric++)
        {
            int[] tested = [.. Enumerable.Range(0, arms.Length).Where(arm => arms[arm][metric].P is not null)];
            double[] corrected = HolmCorrection.Adjust([.. tested.Select(arm => arms[arm][metric].P!.Value)]);
            for (int i = 0; i < tested.Length; i++)
            {
                arms[tested[i]][metric] = arms[tested[i]][metric] with { PHolm = corrected[i] };
            }
        }
    }

    private static string Verdict(EvaluationArm arm, MetricReport[] metrics, ControlReport[] controls)
    {
        if (arm.Kind == ArmKind.Unsteered)
        {
            return "what the others are compared with";
        }

        MetricReport similarity = Of(metrics, EvaluationMetric.Similarity);
        MetricReport surprise = Of(metrics, EvaluationMetric.Surprise);
        string cost = string.Create(
            CultureInfo.InvariantCulture, $"at {Math.Exp(surprise.Difference ?? 0):F2} times the perplexity");
        if (similarity.Difference is not { } gain || !(similarity.PHolm < Significance))
        {
            return $"no change of topic shown, {cost}";
        }

        if (gain < 0)
        {
            return $"turns away from the topic, {cost}";
        }

        ControlReport? random = controls.FirstOrDefault(
            control => control.Arm == arm.Name && control.Control == $"random-{arm.Name}");
        MetricReport? more = random is null ? null : Of([.. random.Metrics], EvaluationMetric.Similarity);
        return more is not null && !(more.Low > 0)
            ? $"turns to the topic, {cost}, but no more than random latents"
            : $"turns to the topic, {cost}{(more is null ? string.Empty : ", more than random latents")}";
    }

    private static MetricReport Of(MetricReport[] metrics, EvaluationMetric metric) =>
        metrics.First(report => report.Metric == metric.Name);

    /// <summary>The lines of the reported prompts.</summary>
    private sealed class Results(
        EvaluationOptions options, string[] topics, StrengthSelection selection, EvaluationLog log)
    {
        private readonly Dictionary<(string Arm, string Topic), EvaluationLine[]> _lines = [];

        public double StrengthOf(EvaluationArm arm, string topic) =>
            selection.Chosen(arm, topic);

        public IEnumerable<string> TopicsOf(EvaluationArm arm) =>
            topics.Where(topic => log.Has(Cell(arm, topic, options.Prompts[0], 0)));

        public EvaluationLine Line(EvaluationArm arm, string topic, string prompt, int draw) =>
            log[Cell(arm, topic, prompt, draw)];

        /// <summary>By prompt and draw, so that two arms' lines are pairs.</summary>
        public EvaluationLine[] Lines(EvaluationArm arm, string topic)
        {
            if (!_lines.TryGetValue((arm.Name, topic), out EvaluationLine[]? lines))
            {
                lines =
                [
                    .. from prompt in options.Prompts
                    from draw in Enumerable.Range(0, options.Seeds)
                    select Line(arm, topic, prompt, draw),
                ];
                _lines.Add((arm.Name, topic), lines);
            }

            return lines;
        }

        private EvaluationCell Cell(EvaluationArm arm, string topic, string prompt, int draw) =>
            new(arm.Name, StrengthOf(arm, topic), topic, prompt, draw);
    }
}
