using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>The options of a command that steers: which model, autoencoders, scores, method and how strongly.</summary>
internal sealed class SteeringArguments
{
    /// <summary>The perplexity ratio of --strength auto if no budget is given.</summary>
    private const double DefaultPerplexityBudget = 1.2;

    /// <summary>How many neutral paragraphs a strength is measured on; about 500 tokens.</summary>
    private const int NeutralParagraphs = 5;

    private readonly Option<string?> _model = SharedOptions.Model();
    private readonly Option<string[]> _sae = SharedOptions.Sae(required: false);
    private readonly Option<int[]> _layer = SharedOptions.Layers(required: false);
    private readonly Option<HookKind?> _hook = SharedOptions.Hook();
    private readonly Option<string[]> _scores =
        ValueOptions.Paths("--scores", "Scores in the seed's CSV layout; several separated by commas, one a layer.");

    private readonly Option<string[]> _topic = new("--topic")
    {
        Description = "Topic profile: a JSON file, or the name of a kept topic. Several separated by commas, each as "
            + "TOPIC or TOPIC:WEIGHT; they share the strength, and a weight below 0 steers away.",
        HelpName = "topic[:weight],…",
    };

    private readonly Option<bool> _away = new("--away") { Description = "Steer away from the topics, not toward them." };
    private readonly Option<ScoringKind?> _scoring = ValueOptions.Named(
        "--scoring",
        "semantic: by the references near the topic; contrastive: by the topic's own texts. Default: semantic; contrastive "
        + "for add, set, min-clamp, scale, ablate and project, where the topic has it.",
        ("semantic", ScoringKind.Semantic),
        ("contrastive", ScoringKind.Contrastive));

    private readonly Option<SteeringGate?> _gate = ValueOptions.Parsed(
        "--gate",
        "Steer only where the topic is present, absent, present:SHARE or absent:SHARE of its latents' largest activations, "
        + "or cosine-above:VALUE or cosine-below:VALUE.",
        SteeringGate.Parse);

    private readonly Option<double?> _halfLife = ValueOptions.Number<double>(
        "--half-life", "Generated tokens over which the edit loses half of its size. Default: it stays.",
        "a finite number above 0", tokens => tokens > 0 && double.IsFinite(tokens));

    private readonly Option<double?> _budgetKl = ValueOptions.Number<double>(
        "--budget-kl", "With --strength auto: the most KL(unsteered ‖ steered) on neutral text, nats a token.",
        "a finite number above 0", nats => nats > 0 && double.IsFinite(nats));

    private readonly Option<double?> _budgetPerplexity = ValueOptions.Number<double>(
        "--budget-ppl",
        "With --strength auto: how many times the perplexity of neutral text. Default: 1.2 if --budget-kl is not given.",
        "a finite number above 1", ratio => ratio > 1 && double.IsFinite(ratio));
    private readonly Option<SteeringMethod?> _method = ValueOptions.Parsed(
        "--method",
        $"One of {string.Join(", ", SteeringMethods.Names)}, in any case. Default: swap.",
        SteeringMethods.Parse);

    private readonly Option<SteeringMode?> _mode = SharedOptions.Mode(
        "corrected (default), or seed: the published formulas. It governs scoring and the edit.");

    private readonly Option<ChosenStrength?> _strength = ValueOptions.Parsed(
        "--strength",
        "How strongly, from 0 (untouched, to the bit), or auto: as strongly as the budget allows; default 1. Not in seed "
        + "mode.",
        ChosenStrength.Parse);

    private readonly Option<ErrorTerm?> _errorTerm = ValueOptions.Named(
        "--error-term",
        "keep or drop the autoencoder's reconstruction error. Default: keep; drop in seed mode and for sae.",
        ("keep", ErrorTerm.Keep),
        ("drop", ErrorTerm.Drop));

    private readonly Option<PositionPolicy?> _positions = ValueOptions.Parsed(
        "--positions",
        "all-but-special (default), all, prompt, generated, or FROM:TO. In seed mode all.",
        PositionPolicy.Parse);

    private readonly Option<float?> _clampAmount =
        ValueOptions.Number<float>(
            "--clamp-amount", "What clamp adds to a latent.", "a finite number", float.IsFinite, 10f);

    private readonly Option<int?> _clampCount =
        ValueOptions.Number<int>(
            "--clamp-count", "How many latents clamp raises.", "a whole number from 1 on", count => count >= 1, 5);

    private readonly Option<int?> _latentCount = SharedOptions.LatentCount();

    private readonly Option<BosPolicy?> _bos = SharedOptions.Bos(
        "one: a BOS token in front of each prompt (default); none: no BOS.");

    private readonly Option<int?> _threads = SharedOptions.Threads();
    private readonly LoadingArguments _loading;
    private readonly PipelineArguments? _pipeline;
    private readonly Option<bool>? _force;
    private PocketModel? _pocket;

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="loading">How it loads.</param>
    /// <param name="pipeline">The options that may stand in place of scores; null if the command has none.</param>
    /// <param name="force">
    /// The option that steers toward a topic without evidence; null if the command only warns of one.
    /// </param>
    /// <param name="oneMethod">Whether the command has one method, which --method names.</param>
    public SteeringArguments(
        Command command,
        LoadingArguments loading,
        PipelineArguments? pipeline = null,
        Option<bool>? force = null,
        bool oneMethod = true)
    {
        _force = force;
        _loading = loading;
        _pipeline = pipeline;
        _method.HelpName = string.Join('|', SteeringMethods.Names);
        _method.CompletionSources.Clear();
        _method.CompletionSources.Add([.. SteeringMethods.Names]);
        foreach (Option option in new Option[]
        {
            _model, _sae, _layer, _hook, _scores, _topic, _scoring, _away, _method, _mode, _strength, _budgetPerplexity,
            _budgetKl, _errorTerm, _positions, _gate, _halfLife, _clampAmount, _clampCount, _latentCount, _bos, _threads,
        })
        {
            if (oneMethod || option != _method)
            {
                command.Options.Add(option);
            }
        }
    }

    public BosPolicy Bos(ParseResult parse) => parse.GetValue(_bos) ?? BosPolicy.One;

    /// <summary>Whether --bos is given.</summary>
    public bool NamesBos(ParseResult parse) => parse.GetValue(_bos) is not null;

    /// <inheritdoc cref="NamesBos(ParseResult)"/>
    public bool NamesBos(CommandResult result) => result.GetResult(_bos) is not null;

    public int Threads(ParseResult parse) => SharedOptions.OrAll(parse.GetValue(_threads));

    /// <summary>The pocket model; null where --model is given.</summary>
    /// <exception cref="UsageException">No model is named and there is no pocket model.</exception>
    public PocketModel? Pocket(ParseResult parse) =>
        _pocket ??= SharedOptions.PocketUnless(parse.GetValue(_model));

    /// <summary>Whether --scores or --topic is given.</summary>
    public bool NamesScores(ParseResult parse) =>
        parse.GetValue(_scores) is { Length: > 0 } || parse.GetValue(_topic) is { Length: > 0 };

    /// <summary>Whether --strength is given.</summary>
    public bool NamesStrength(ParseResult parse) => parse.GetValue(_strength) is not null;

    /// <summary>The one topic that --topic names, by name or file; null if it names none or several.</summary>
    public string? Topic(ParseResult parse) => Topics(parse) is [var one] ? one.Name : null;

    /// <summary>Whether what is steered toward has a name: all but scores in files do.</summary>
    public bool HasTopic(ParseResult parse) => parse.GetValue(_scores) is not { Length: > 0 };

    /// <summary>How to steer.</summary>
    /// <exception cref="UsageException">Options contradict each other, or one is missing.</exception>
    public SteeringOptions Options(ParseResult parse)
    {
        SteeringMode mode = parse.GetValue(_mode) ?? SteeringMode.Corrected;
        if (mode == SteeringMode.Seed && parse.GetValue(_strength) is not null)
        {
            throw new UsageException(
                "seed mode refuses --strength: it is the published formulas; use --mode corrected");
        }

        var options = new SteeringOptions
        {
            Method = parse.GetValue(_method) ?? SteeringMethod.Swap,
            Mode = mode,
            Strength = parse.GetValue(_strength)?.Value ?? 1f,
            KeepErrorTerm = parse.GetValue(_errorTerm) is { } errorTerm ? errorTerm == ErrorTerm.Keep : null,
            Positions = parse.GetValue(_positions),
            Gate = parse.GetValue(_gate),
            HalfLife = parse.GetValue(_halfLife),
            ClampAmount = parse.GetRequiredValue(_clampAmount)!.Value,
            ClampCount = parse.GetRequiredValue(_clampCount)!.Value,
            LatentCount = parse.GetRequiredValue(_latentCount)!.Value,
        };
        try
        {
            options.Validate();
            if (options.Method != SteeringMethod.Original)
            {
                RequireSites(parse);
            }

            Topics(parse);
            CheckAuto(parse, options);
            _pipeline?.Check(parse, Pocket(parse));
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }

        RequireOneSource(parse, options.Method);
        return options;
    }

    /// <summary>Loads the model, and the autoencoders if any are named.</summary>
    public Steerer Load(ParseResult parse, Terminal terminal, WorkerPool pool) =>
        Steerer.Load(
            SharedOptions.ModelFolder(parse.GetValue(_model)),
            Sites(parse),
            _loading.Options(parse, terminal, pool));

    /// <summary>The plan of what is named: scores, a topic, or the texts to make one of.</summary>
    public SteeringPlan Plan(
        ParseResult parse,
        Terminal terminal,
        Steerer steerer,
        SteeringOptions options,
        CancellationToken cancellation) => SteeringMethods.NeedsScores(options.Method)
            ? Source(parse, terminal, steerer, options.Mode, cancellation).Plan(options, true)
            : steerer.Plan(options);

    /// <summary>What is named, read once.</summary>
    public SteeringSource Source(
        ParseResult parse, Terminal terminal, Steerer steerer, SteeringMode mode, CancellationToken cancellation)
    {
        string[] scores = parse.GetValue(_scores) ?? [];
        if (scores.Length > 0)
        {
            LatentScores[] read = [.. scores.Select((path, i) => Read(terminal, steerer, path, i))];
            return new SteeringSource(
                null,
                (options, finds) => Plan(options, finds, some => steerer.Plan(some, read), read[0]),
                method => SteeringMethods.Missing(method, [.. read.Select(its => new SteeringTopic(its))]));
        }

        WeighedTopic[] named = Topics(parse);
        (TopicProfile Profile, double Weight)[] topics = named.Length > 0
            ? [.. named.Select(topic => (TopicFolder.Read(topic.Name, Pocket(parse)), topic.Weight))]
            : [(_pipeline!.Profile(parse, terminal, steerer, mode, Pocket(parse), cancellation), 1.0)];
        if (parse.GetValue(_away))
        {
            topics = [.. topics.Select(topic => (topic.Profile, -topic.Weight))];
        }

        foreach ((TopicProfile profile, _) in topics)
        {
            steerer.RequireMatch(mode, profile); // what does not fit at all is refused before what lacks evidence
            Judge(parse, terminal, mode, profile);
            NoteProfile(terminal, steerer, profile);
        }

        WarnOfConflicts(terminal, steerer, topics);
        string? only = topics is [{ Weight: > 0 }] ? topics[0].Profile.Name : null;
        return new SteeringSource(
            only,
            Toward,
            method => SteeringMethods.Missing(
                method,
                [.. topics.Select(topic => SteeringTopic.Of(topic.Profile, Scoring(parse, method, topics), topic.Weight))]));

        SteeringPlan Toward(SteeringOptions options, bool finds)
        {
            ScoringKind scoring = Scoring(parse, options.Method, topics);
            LatentScores first = topics[0].Profile.ToLatentScores(scoring);
            return Plan(options, finds, some => steerer.Plan(some, topics, scoring), first);
        }

        SteeringPlan Plan(
            SteeringOptions options, bool finds, Func<SteeringOptions, SteeringPlan> plan, LatentScores first) =>
            !SteeringMethods.NeedsScores(options.Method) ? steerer.Plan(options)
                : finds ? AtStrength(parse, terminal, steerer, options, plan, first, cancellation)
                : plan(options);
    }

    private static LatentScores Read(Terminal terminal, Steerer steerer, string path, int i)
    {
        SteeringSite site = steerer.Sites[Math.Min(i, steerer.Sites.Count - 1)];
        LatentScores scores = LatentScores.ReadCsv(path, site.Autoencoder.DSae);
        NoteUnsupported(terminal, path, scores);
        return scores;
    }

    private static void NoteProfile(Terminal terminal, Steerer steerer, TopicProfile profile)
    {
        NoteUnsupported(terminal, profile.Name, profile.ToLatentScores());
        string dtype = WeightTypes.NameOf(steerer.Decoder.Type);
        if (profile.Provenance.Dtype != dtype)
        {
            terminal.Note(
                $"topic '{profile.Name}' was made with a model in {profile.Provenance.Dtype}; here it is {dtype}");
        }
    }

    private static void WarnOfConflicts(
        Terminal terminal, Steerer steerer, (TopicProfile Profile, double Weight)[] topics)
    {
        SteeringTopic[] all = [.. topics.Select(topic => SteeringTopic.Of(topic.Profile, weight: topic.Weight))];
        foreach (TopicConflict conflict in all.Length < 2
            ? [] : TopicConflict.Among(steerer.Sites[0].Autoencoder, all, new SteeringOptions()))
        {
            string cosine = conflict.Cosine.ToString("F2", CultureInfo.InvariantCulture);
            terminal.Warn(
                $"topics '{conflict.First}' and '{conflict.Second}' work against each other: the cosine of their directions "
                + $"is {cosine} and they share {conflict.SharedLatents} latents");
        }
    }

    /// <summary>The topics that --topic names.</summary>
    /// <exception cref="ArgumentException">A weight is none.</exception>
    private WeighedTopic[] Topics(ParseResult parse) => [.. (parse.GetValue(_topic) ?? []).SelectMany(
        text => File.Exists(text) ? [text] : text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        .Select(WeighedTopic.Parse)];

    /// <summary>The scores that are asked for, or those that suit the method.</summary>
    private ScoringKind Scoring(
        ParseResult parse, SteeringMethod method, (TopicProfile Profile, double Weight)[] topics) =>
        parse.GetValue(_scoring) ?? SteeringTopic.Suiting(method, topics.Select(topic => topic.Profile));

    /// <summary>The plan at the strength that is given, or at the largest that the budget allows.</summary>
    private SteeringPlan AtStrength(
        ParseResult parse,
        Terminal terminal,
        Steerer steerer,
        SteeringOptions options,
        Func<SteeringOptions, SteeringPlan> plan,
        LatentScores scores,
        CancellationToken cancellation)
    {
        if (parse.GetValue(_strength) is not { IsAuto: true })
        {
            return plan(options);
        }

        double? nats = parse.GetValue(_budgetKl);
        var budget = new StrengthBudget(
            nats, parse.GetValue(_budgetPerplexity) ?? (nats is null ? DefaultPerplexityBudget : null));
        IReadOnlyList<int[]> neutral =
            InterventionFidelity.NeutralIds(steerer.Decoder, steerer.Tokenizer, NeutralParagraphs);
        FoundStrength found = StrengthSearch.Find(
            strength => InterventionFidelity.Measure(
                steerer.Decoder, plan(options with { Strength = strength }), neutral, scores, cancellation),
            budget);
        if (found.Strength == 0f)
        {
            InterventionFidelity least = found.Tried[0].Fidelity;
            throw new InvalidDataException(string.Create(
                CultureInfo.InvariantCulture,
                $"--strength auto: even strength {found.Tried[0].Strength:G3} costs {least.PerplexityRatio:F2} times the "
                + $"perplexity and {least.Divergence:F3} nats on neutral text; raise the budget, or use another method"));
        }

        InterventionFidelity cost = found.Tried.Last(tried => tried.Strength == found.Strength).Fidelity;
        terminal.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"strength {found.Strength:G3}: {cost.PerplexityRatio:F2} times the perplexity of neutral text, KL "
            + $"{cost.Divergence:F3} nats, {cost.Change:P0} change of x ({found.Tried.Count} strengths tried)"));
        if (found.ReachedLimit)
        {
            terminal.Warn(string.Create(
                CultureInfo.InvariantCulture,
                $"the budget is not used up at strength {found.Strength:G3}, the largest that is looked at"));
        }

        return plan(options with { Strength = found.Strength });
    }

    /// <summary>Seed mode is the published formulas, which refuse nothing.</summary>
    private void Judge(ParseResult parse, Terminal terminal, SteeringMode mode, TopicProfile profile) =>
        terminal.RequireSteerable(
            profile, _force is null || parse.GetValue(_force) || mode == SteeringMode.Seed);

    /// <summary>Refuses layers and autoencoders that do not fit together; reads no autoencoder.</summary>
    private void RequireSites(ParseResult parse)
    {
        int[] layers = parse.GetValue(_layer) ?? [];
        string[] saes = parse.GetValue(_sae) ?? [];
        if (saes.Length > 0)
        {
            SharedOptions.RequireOneEach(layers, saes);
        }
        else if (Pocket(parse) is { } pocket)
        {
            SharedOptions.Sites(pocket, layers, saes, parse.GetValue(_hook));
        }
        else
        {
            throw new ArgumentException(
                $"method {SteeringMethods.NameOf(parse.GetValue(_method) ?? SteeringMethod.Swap)} needs --sae; "
                + "--method orig is the unsteered model");
        }
    }

    private IReadOnlyList<(HookPoint Point, string Sae)> Sites(ParseResult parse)
    {
        int[] layers = parse.GetValue(_layer) ?? [];
        string[] saes = parse.GetValue(_sae) ?? [];
        return Pocket(parse) is { } pocket
            ? SharedOptions.Sites(pocket, layers, saes, parse.GetValue(_hook))
            : saes.Length == 0 ? [] : SharedOptions.Sites(layers, saes, parse.GetValue(_hook));
    }

    private void CheckAuto(ParseResult parse, SteeringOptions options)
    {
        bool auto = parse.GetValue(_strength) is { IsAuto: true };
        if (!auto && (parse.GetValue(_budgetKl) is not null || parse.GetValue(_budgetPerplexity) is not null))
        {
            throw new ArgumentException("--budget-ppl and --budget-kl go with --strength auto");
        }

        if (auto && !SteeringMethods.NeedsScores(options.Method))
        {
            throw new ArgumentException($"method {SteeringMethods.NameOf(options.Method)} has no strength to find");
        }
    }

    private void RequireOneSource(ParseResult parse, SteeringMethod method)
    {
        if (!SteeringMethods.NeedsScores(method))
        {
            return;
        }

        bool made = _pipeline?.IsGiven(parse) ?? false;
        int sources = (parse.GetValue(_scores) is { Length: > 0 } ? 1 : 0)
            + (parse.GetValue(_topic) is { Length: > 0 } ? 1 : 0);
        if (parse.GetValue(_scores) is { Length: > 0 } && (parse.GetValue(_away) || parse.GetValue(_scoring) is not null))
        {
            throw new UsageException("--away and --scoring need --topic or --align: --scores are scores toward one topic");
        }

        string topic = Pocket(parse) is { } pocket
            ? $"--topic ({string.Join(", ", pocket.Topics.Select(known => known.Name))})"
            : "--topic";
        string choice = _pipeline is null ? $"--scores or {topic}"
            : Pocket(parse) is not null ? $"--scores, {topic}, or --align"
            : $"--scores, {topic}, or --reference with --align and --encoder";
        if (sources > 1 || (sources > 0 && made && !_pipeline!.IsRequired))
        {
            throw new UsageException($"give only one of {choice}");
        }

        if (sources == 0 && !made)
        {
            throw new UsageException($"method {SteeringMethods.NameOf(method)} needs scores: give {choice}");
        }
    }

    private static void NoteUnsupported(Terminal terminal, string source, LatentScores scores)
    {
        if (scores.UnsupportedCount > 0)
        {
            terminal.Note($"'{source}': {scores.ScoredCount} latents scored, {scores.UnsupportedCount} unsupported");
        }
    }

    /// <summary>Not a bool: the parser takes an option of that type for a switch.</summary>
    private enum ErrorTerm
    {
        Keep,
        Drop,
    }
}
