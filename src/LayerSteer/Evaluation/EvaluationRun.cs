using System.Globalization;
using System.Text;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using Decoder = LayerSteer.Models.Decoder;

namespace LayerSteer.Evaluation;

/// <summary>How far an evaluation is.</summary>
/// <param name="Stage">What is being done, for a person.</param>
/// <param name="Done">Continuations that are there.</param>
/// <param name="Total">Continuations in all.</param>
/// <param name="Tokens">Tokens generated so far in this sitting.</param>
public readonly record struct EvaluationProgress(string Stage, int Done, int Total, long Tokens);

/// <summary>
/// An evaluation of steering: arms × topics × prompts × draws, every arm with the same prompts and the same seeds.
/// Strengths are chosen on prompts of their own (<see cref="StrengthSelection"/>); each continuation is judged and
/// logged as it is made, so that a run goes on where it was; the report follows from the log alone. The same inputs
/// give the same figures, whatever the order of arms, the size of batches, and where it was interrupted.
/// </summary>
public sealed class EvaluationRun
{
    private readonly EvaluatedModel _model;
    private readonly TopicJudge _judge;
    private readonly EvaluationOptions _options;
    private readonly int[] _prefix;
    private readonly Dictionary<string, TextLeakage> _leakage;
    private readonly Dictionary<(string Arm, double Strength, string Topic), SteeringPlan> _plans = [];
    private long _tokens;

    /// <summary>Joins a model, judges and options.</summary>
    /// <exception cref="ArgumentException">Options contradict each other, or a topic has no scores.</exception>
    public EvaluationRun(EvaluatedModel model, TopicJudge judge, EvaluationOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(judge);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (judge.Topics.FirstOrDefault(topic => !model.Scores.ContainsKey(topic.Name)) is { } missing)
        {
            throw new ArgumentException($"topic '{missing.Name}' has no scores");
        }

        if (judge.Topics.FirstOrDefault(
            topic => model.Scores[topic.Name].Semantic.Values.IndexOfAnyExcept(0) < 0) is { } zero)
        {
            throw new ArgumentException(
                $"topic '{zero.Name}' has no latent with a score above 0, so nothing can be steered by it; "
                + "leave it out");
        }

        _model = model;
        _judge = judge;
        _options = options;
        _leakage = judge.Topics.ToDictionary(topic => topic.Name, topic => new TextLeakage(topic.Align.Texts));
        _prefix = BosPolicy.One.Prefix(model.Decoder.Spec, model.Tokenizer);
    }

    /// <summary>Runs what is not in the log of a folder yet, and reports.</summary>
    /// <param name="folder">The folder of the log.</param>
    /// <param name="run">Everything that a result depends on beside the options, by name; kept in the folder.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Checked at each token.</param>
    /// <exception cref="InvalidDataException">The folder is another run's.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; what is done stays.</exception>
    public async Task<EvaluationReport> RunAsync(
        string folder,
        IReadOnlyDictionary<string, string> run,
        IProgress<EvaluationProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        Dictionary<string, string> all = WithSettings(run);
        using EvaluationLog log = EvaluationLog.Open(folder, all);
        List<EvaluationCell> dev = StrengthCells(_options.DevPrompts);
        int total = dev.Count
            + (_options.Arms.Sum(arm => TopicsOf(arm).Count()) * _options.Prompts.Count * _options.Seeds);
        await ProduceAsync(log, dev, "choosing strengths", total, progress, cancellation).ConfigureAwait(false);
        var selection = new StrengthSelection(_options, [.. _judge.Topics.Select(topic => topic.Name)], log);
        List<EvaluationCell> test = TestCells(selection);
        await ProduceAsync(log, test, "evaluating", total, progress, cancellation).ConfigureAwait(false);
        IReadOnlyList<SideEffect> effects = new SideEffectMeter(_model, _options).Measure(
            (arm, topic) => PlanOf(arm, selection.Chosen(arm, topic), topic),
            TopicsOf,
            stage => progress?.Report(new EvaluationProgress(stage, log.Count, log.Count, _tokens)),
            cancellation);
        return ReportBuilder.Build(_options, _judge, selection, log, all, NotRun()) with
        {
            SideEffects = effects,
            Verdicts = _model.Verdicts,
        };
    }

    /// <summary>
    /// Runs the unsteered model and each method of the arms at all of its strengths on the prompts, as far as that is
    /// not in the log of a folder yet, and chooses nothing.
    /// </summary>
    /// <param name="folder">The folder of the log.</param>
    /// <param name="run">Everything that a result depends on beside the options, by name; kept in the folder.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Checked at each token.</param>
    /// <returns>The continuations, in the order of arms, strengths, topics, prompts and draws.</returns>
    /// <exception cref="InvalidDataException">The folder is another run's.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; what is done stays.</exception>
    public async Task<IReadOnlyList<EvaluationLine>> SweepAsync(
        string folder,
        IReadOnlyDictionary<string, string> run,
        IProgress<EvaluationProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        using EvaluationLog log = EvaluationLog.Open(folder, WithSettings(run));
        List<EvaluationCell> cells = StrengthCells(_options.Prompts);
        await ProduceAsync(log, cells, "sweeping strengths", cells.Count, progress, cancellation)
            .ConfigureAwait(false);
        return [.. cells.Select(cell => log[cell])];
    }

    private Dictionary<string, string> WithSettings(IReadOnlyDictionary<string, string> run)
    {
        ArgumentNullException.ThrowIfNull(run);
        var all = new Dictionary<string, string>(run);
        foreach ((string name, string value) in Settings())
        {
            all.Add(name, value);
        }

        return all;
    }

    /// <summary>The options that a continuation depends on.</summary>
    private IEnumerable<(string Name, string Value)> Settings()
    {
        SamplerOptions sampling = _options.Sampling;
        yield return ("tokens", string.Create(CultureInfo.InvariantCulture, $"{_options.Tokens}"));
        yield return ("sampling", string.Create(
            CultureInfo.InvariantCulture,
            $"{sampling.Kind.ToString().ToLowerInvariant()}, temperature {sampling.Temperature}, "
            + $"top-k {sampling.TopK}, top-p {sampling.TopP}"));
        yield return ("seed", string.Create(CultureInfo.InvariantCulture, $"{sampling.Seed}"));
        yield return ("clamp_count", string.Create(CultureInfo.InvariantCulture, $"{_options.ClampCount}"));
        yield return ("latent_count", string.Create(CultureInfo.InvariantCulture, $"{_options.LatentCount}"));
        yield return ("hint", _options.Hint);
        yield return (
            "example_length", string.Create(CultureInfo.InvariantCulture, $"{_options.ExampleLength}"));
        yield return ("topics", string.Join(
            ", ", _judge.Topics.Select(topic => $"{topic.Name} {topic.Digest[..12]}")));
    }

    private Dictionary<string, string> NotRun()
    {
        var reasons = new Dictionary<string, string>();
        foreach (EvaluationArm arm in _options.Arms)
        {
            string[] left = [.. _judge.Topics.Select(topic => topic.Name).Except(TopicsOf(arm))];
            if (left.Length > 0)
            {
                reasons.Add(arm.Name, left.Length == _judge.Topics.Count
                    ? "no checkpoint was given"
                    : $"no checkpoint was given for {string.Join(", ", left)}");
            }
        }

        return reasons;
    }

    private IEnumerable<string> TopicsOf(EvaluationArm arm) => _judge.Topics.Select(topic => topic.Name)
        .Where(topic => arm.Kind != ArmKind.FineTuned || _model.FineTuned.ContainsKey(topic));

    /// <summary>The unsteered model and every strength of every method that has one.</summary>
    private List<EvaluationCell> StrengthCells(IReadOnlyList<string> prompts)
    {
        EvaluationArm[] arms = [.. _options.ArmsWithStrength];
        if (arms.Length == 0 || prompts.Count == 0)
        {
            return [];
        }

        var cells = new List<EvaluationCell>(Cells(EvaluationArm.Unsteered, _ => 0, prompts));
        foreach (EvaluationArm arm in arms)
        {
            foreach (double strength in _options.Strengths[arm.Method])
            {
                cells.AddRange(Cells(arm, _ => strength, prompts));
            }
        }

        return cells;
    }

    private List<EvaluationCell> TestCells(StrengthSelection selection) =>
    [
        .. _options.Arms.SelectMany(arm => Cells(arm, topic => selection.Chosen(arm, topic), _options.Prompts)),
    ];

    private IEnumerable<EvaluationCell> Cells(
        EvaluationArm arm, Func<string, double> strength, IReadOnlyList<string> prompts) =>
        from topic in TopicsOf(arm)
        from prompt in prompts
        from draw in Enumerable.Range(0, _options.Seeds)
        select new EvaluationCell(arm.Name, strength(topic), topic, prompt, draw);

    private async Task ProduceAsync(
        EvaluationLog log,
        List<EvaluationCell> cells,
        string stage,
        int total,
        IProgress<EvaluationProgress>? progress,
        CancellationToken cancellation)
    {
        // What does not depend on the topic is written once and judged by each.
        Work[] works =
        [
            .. cells.Where(cell => !log.Has(cell)).GroupBy(cell => (
                    cell.Arm, cell.Strength, Topic: ArmOf(cell).DependsOnTopic ? cell.Topic : string.Empty, cell.Prompt,
                    cell.Draw))
                .Select(group => new Work(ArmOf(group.First()), group.First(), [.. group])),
        ];
        using var fitter = new ContinuationFitter(_model.Decoder);
        foreach (IGrouping<string, Work> group in works.GroupBy(
            work => work.Arm.Kind == ArmKind.FineTuned ? work.Cell.Topic : string.Empty))
        {
            using Decoder? tuned = group.Key.Length > 0 ? _model.FineTuned[group.Key]() : null;
            Decoder writer = tuned ?? _model.Decoder;
            using var generator = new Generator(writer, _model.Tokenizer);
            foreach (Work[] batch in group.Chunk(_options.BatchSize))
            {
                progress?.Report(new EvaluationProgress(stage, log.Count, Math.Max(total, log.Count), _tokens));
                log.Append(await RunAsync(batch, generator, fitter, tuned, cancellation).ConfigureAwait(false));
            }
        }

        progress?.Report(new EvaluationProgress(stage, log.Count, Math.Max(total, log.Count), _tokens));
    }

    private async Task<IReadOnlyList<EvaluationLine>> RunAsync(
        Work[] batch,
        Generator generator,
        ContinuationFitter fitter,
        Decoder? tuned,
        CancellationToken cancellation)
    {
        IReadOnlyList<GenerationResult> results =
            generator.Generate([.. batch.Select(Request)], cancellation: cancellation);
        IReadOnlyList<ContinuationFit> fits = fitter.Measure(
            [.. results.Select((result, i) => new MeasuredContinuation(
                result.PromptIds,
                [.. _prefix, .. _model.Tokenizer.Encode(batch[i].Cell.Prompt)],
                result.Ids,
                PlanOf(batch[i].Arm, batch[i].Cell.Strength, batch[i].Cell.Topic)))],
            tuned,
            cancellation);
        JudgedText?[] judged = await _judge.OfAsync(
            [.. results.Select(result => result.Text)], [.. batch.Select(work => work.Cell.Prompt)], cancellation)
            .ConfigureAwait(false);
        var lines = new List<EvaluationLine>();
        for (int i = 0; i < batch.Length; i++)
        {
            _tokens += results[i].Ids.Length;
            lines.AddRange(batch[i].Cells.Select(cell => Line(cell, results[i], fits[i], judged[i])));
        }

        return lines;
    }

    private EvaluationLine Line(
        EvaluationCell cell, GenerationResult result, ContinuationFit fit, JudgedText? judged)
    {
        int topic = _judge.Topics.Select(topic => topic.Name).ToList().IndexOf(cell.Topic);
        Judgement? judgement = judged?.Topics[topic];
        return new EvaluationLine
        {
            Arm = cell.Arm,
            Strength = cell.Strength,
            Topic = cell.Topic,
            Prompt = cell.Prompt,
            Draw = cell.Draw,
            Text = result.Text,
            Tokens = result.Ids.Length,
            Similarity = judgement?.Similarity,
            IsNearest = judgement?.IsNearest,
            Probability = judgement?.Probability,
            IsMostProbable = judgement?.IsMostProbable,
            NegativeLogLikelihood = fit.NegativeLogLikelihood,
            Divergence = fit.Divergence,
            Distinct1 = TextDiversity.Distinct(result.Ids, 1),
            Distinct2 = TextDiversity.Distinct(result.Ids, 2),
            Repetition = TextDiversity.Repetition(result.Ids, 4),
            Adherence = judged?.Adherence,
            Leakage = _leakage[cell.Topic].ShareOf(result.Text),
            EditChange = result.Edits.MeanRelativeChange,
        };
    }

    private GenerationRequest Request(Work work) => new()
    {
        Prompt = work.Arm.Kind switch
        {
            ArmKind.Hint =>
                _options.Hint.Replace("{topic}", Topic(work).Words, StringComparison.Ordinal) + work.Cell.Prompt,
            ArmKind.Example => WithPassages(Topic(work).Align.Texts.Take(work.Arm.Passages), work.Cell.Prompt),
            _ => work.Cell.Prompt,
        },
        Plan = PlanOf(work.Arm, work.Cell.Strength, work.Cell.Topic),
        MaxNewTokens = _options.Tokens,
        Sampling = _options.Sampling with { Seed = SeedOf(work.Cell.Prompt, work.Cell.Draw) },
    };

    private EvaluationTopic Topic(Work work) => _judge.Topics.First(topic => topic.Name == work.Cell.Topic);

    private SteeringPlan? PlanOf(EvaluationArm arm, double strength, string name)
    {
        if (!arm.Edits)
        {
            return null;
        }

        string? topic = arm.DependsOnTopic ? name : null;
        (string, double, string) key = (arm.Name, strength, topic ?? string.Empty);
        if (!_plans.TryGetValue(key, out SteeringPlan? plan))
        {
            plan = _model.Plan(
                arm, strength, _options, topic, _options.Sampling.Seed ^ Hash(topic ?? string.Empty));
            _plans.Add(key, plan);
        }

        return plan;
    }

    /// <summary>The seed of a continuation depends on its prompt and draw alone, so that arms are paired.</summary>
    private ulong SeedOf(string prompt, int draw)
    {
        var generator = new SplitMix64(_options.Sampling.Seed ^ Hash(prompt));
        ulong seed = generator.Next();
        for (int i = 0; i < draw; i++)
        {
            seed = generator.Next();
        }

        return seed;
    }

    /// <summary>FNV-1a of the UTF-8 bytes.</summary>
    private static ulong Hash(string text)
    {
        ulong hash = 0xCBF29CE484222325UL;
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            hash = unchecked((hash ^ b) * 0x100000001B3UL);
        }

        return hash;
    }

    /// <summary>Passages in front of a prompt, shortened until the continuation has room in the context.</summary>
    private string WithPassages(IEnumerable<string> passages, string prompt)
    {
        const int Least = 20;
        int room = _model.Decoder.Spec.ContextLength - _options.Tokens;
        for (int length = _options.ExampleLength; ; length = length * 3 / 4)
        {
            string text = string.Concat(passages.Select(passage => $"{Beginning(passage, length)}\n\n")) + prompt;
            if (length <= Least || _prefix.Length + _model.Tokenizer.Encode(text).Length <= room)
            {
                return text;
            }
        }
    }

    /// <summary>The first words of a text, about as many characters as asked for.</summary>
    private static string Beginning(string text, int length)
    {
        if (text.Length <= length)
        {
            return text;
        }

        int end = text.LastIndexOf(' ', length);
        return text[..(end > 0 ? end : length)];
    }

    private static EvaluationArm ArmOf(EvaluationCell cell) =>
        EvaluationArm.All.First(arm => arm.Name == cell.Arm);

    private sealed record Work(EvaluationArm Arm, EvaluationCell Cell, EvaluationCell[] Cells);
}
