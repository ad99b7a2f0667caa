using System.CommandLine;
using System.CommandLine.Parsing;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>The options of a command that steers: which model, autoencoders, scores, method and how strongly.</summary>
internal sealed class SteeringArguments
{
    private readonly Option<string?> _model = SharedOptions.Model();
    private readonly Option<string[]> _sae = SharedOptions.Sae(required: false);
    private readonly Option<int[]> _layer = SharedOptions.Layers(required: false);
    private readonly Option<HookKind?> _hook = SharedOptions.Hook();
    private readonly Option<string[]> _scores =
        ValueOptions.Paths("--scores", "Scores in the seed's CSV layout; several separated by commas, one a layer.");

    private readonly Option<string?> _topic = new("--topic")
    {
        Description = "Topic profile: a JSON file, or the name of a kept topic.",
    };
    private readonly Option<SteeringMethod?> _method = ValueOptions.Parsed(
        "--method",
        $"One of {string.Join(", ", SteeringMethods.Names)}, in any case. Default: swap.",
        SteeringMethods.Parse);

    private readonly Option<SteeringMode?> _mode = SharedOptions.Mode(
        "corrected (default), or seed: the published formulas. It governs scoring and the edit.");

    private readonly Option<float?> _strength = ValueOptions.Number<float>(
        "--strength",
        "How strongly, from 0 (untouched, to the bit); default 1. Not in seed mode.",
        "a number from 0 on",
        strength => strength >= 0f && float.IsFinite(strength));

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
    public SteeringArguments(
        Command command, LoadingArguments loading, PipelineArguments? pipeline = null, Option<bool>? force = null)
    {
        _force = force;
        _loading = loading;
        _pipeline = pipeline;
        _method.HelpName = string.Join('|', SteeringMethods.Names);
        _method.CompletionSources.Clear();
        _method.CompletionSources.Add([.. SteeringMethods.Names]);
        foreach (Option option in new Option[]
        {
            _model, _sae, _layer, _hook, _scores, _topic, _method, _mode, _strength, _errorTerm, _positions,
            _clampAmount, _clampCount, _bos, _threads,
        })
        {
            command.Options.Add(option);
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
        parse.GetValue(_scores) is { Length: > 0 } || parse.GetValue(_topic) is not null;

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
            Strength = parse.GetValue(_strength) ?? 1f,
            KeepErrorTerm = parse.GetValue(_errorTerm) is { } errorTerm ? errorTerm == ErrorTerm.Keep : null,
            Positions = parse.GetValue(_positions),
            ClampAmount = parse.GetRequiredValue(_clampAmount)!.Value,
            ClampCount = parse.GetRequiredValue(_clampCount)!.Value,
        };
        try
        {
            options.Validate();
            if (options.Method != SteeringMethod.Original)
            {
                RequireSites(parse);
            }

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
        ParseResult parse, Terminal terminal, Steerer steerer, SteeringOptions options, CancellationToken cancellation)
    {
        if (!SteeringMethods.NeedsScores(options.Method))
        {
            return steerer.Plan(options);
        }

        string[] scores = parse.GetValue(_scores) ?? [];
        if (parse.GetValue(_topic) is { } topic)
        {
            TopicProfile profile = TopicFolder.Read(topic, Pocket(parse));
            SteeringPlan plan = steerer.Plan(options, profile); // refuses what does not fit at all, before evidence
            Judge(parse, terminal, options, profile);
            NoteUnsupported(terminal, topic, profile.ToLatentScores());
            string dtype = WeightTypes.NameOf(steerer.Decoder.Type);
            if (profile.Provenance.Dtype != dtype)
            {
                terminal.Note(
                    $"topic '{profile.Name}' was made with a model in {profile.Provenance.Dtype}; here it is {dtype}");
            }

            return plan;
        }

        if (scores.Length == 0)
        {
            TopicProfile profile =
                _pipeline!.Profile(parse, terminal, steerer, options.Mode, Pocket(parse), cancellation);
            Judge(parse, terminal, options, profile);
            return steerer.Plan(options, profile);
        }

        var read = new List<LatentScores>();
        for (int i = 0; i < scores.Length; i++)
        {
            SteeringSite site = steerer.Sites[Math.Min(i, steerer.Sites.Count - 1)];
            read.Add(LatentScores.ReadCsv(scores[i], site.Autoencoder.DSae));
            NoteUnsupported(terminal, scores[i], read[i]);
        }

        return steerer.Plan(options, read);
    }

    /// <summary>Seed mode is the published formulas, which refuse nothing.</summary>
    private void Judge(ParseResult parse, Terminal terminal, SteeringOptions options, TopicProfile profile) =>
        terminal.RequireSteerable(
            profile, _force is null || parse.GetValue(_force) || options.Mode == SteeringMode.Seed);

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

    private void RequireOneSource(ParseResult parse, SteeringMethod method)
    {
        if (!SteeringMethods.NeedsScores(method))
        {
            return;
        }

        bool made = _pipeline?.IsGiven(parse) ?? false;
        int sources = (parse.GetValue(_scores) is { Length: > 0 } ? 1 : 0) + (parse.GetValue(_topic) is null ? 0 : 1);
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
