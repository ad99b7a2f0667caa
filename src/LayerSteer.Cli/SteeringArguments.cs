using System.CommandLine;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>The options of a command that steers: which model, autoencoders, scores, method and how strongly.</summary>
internal sealed class SteeringArguments
{
    private readonly Option<string> _model = SharedOptions.Model();
    private readonly Option<string[]> _sae = SharedOptions.Sae(required: false);
    private readonly Option<int[]> _layer = SharedOptions.Layers(required: false);
    private readonly Option<string> _hook = SharedOptions.Hook();
    private readonly Option<string[]> _scores = new("--scores")
    {
        Description = "Scores in the seed's CSV layout; several separated by commas, one a layer.",
        CustomParser = result => result.Tokens[0].Value.Split(',', StringSplitOptions.RemoveEmptyEntries),
    };

    private readonly Option<string?> _topic = new("--topic") { Description = "Topic profile: a JSON file, or the name of a kept topic." };
    private readonly Option<string> _method = new("--method")
    {
        Description = $"One of {string.Join(", ", SteeringMethods.Names)}, in any case.",
        DefaultValueFactory = _ => "swap",
    };

    private readonly Option<SteeringMode> _mode = SharedOptions.Mode();
    private readonly Option<float?> _strength = new("--strength")
    {
        Description = "How strongly, from 0 (untouched, to the bit); default 1. Not in seed mode.",
    };

    private readonly Option<string?> _errorTerm = new("--error-term")
    {
        Description = "keep or drop the autoencoder's reconstruction error. Default: keep; drop in seed mode and for sae.",
    };

    private readonly Option<string?> _positions = new("--positions")
    {
        Description = "all-but-special (default), all, prompt, generated, or FROM:TO. In seed mode all.",
    };

    private readonly Option<float> _clampAmount = new("--clamp-amount")
    {
        Description = "What clamp adds to a latent.",
        DefaultValueFactory = _ => 10f,
    };

    private readonly Option<int> _clampCount = new("--clamp-count")
    {
        Description = "How many latents clamp raises.",
        DefaultValueFactory = _ => 5,
    };

    private readonly Option<BosPolicy?> _bos = new("--bos")
    {
        Description = "one: a BOS token in front of each prompt (default); none: no BOS.",
    };

    private readonly Option<int> _threads = SharedOptions.Threads();

    public SteeringArguments(Command command)
    {
        _errorTerm.AcceptOnlyFromAmong("keep", "drop");
        foreach (Option option in new Option[]
        {
            _model, _sae, _layer, _hook, _scores, _topic, _method, _mode, _strength, _errorTerm, _positions, _clampAmount,
            _clampCount, _bos, _threads,
        })
        {
            command.Options.Add(option);
        }
    }

    public BosPolicy Bos(ParseResult parse) => parse.GetValue(_bos) ?? BosPolicy.One;

    public int Threads(ParseResult parse) => parse.GetValue(_threads);

    /// <summary>How to steer, contradictions refused.</summary>
    public SteeringOptions Options(ParseResult parse)
    {
        SteeringMode mode = parse.GetValue(_mode);
        if (mode == SteeringMode.Seed && parse.GetValue(_strength) is not null)
        {
            throw new ArgumentException("seed mode refuses --strength: it is the published formulas; use --mode corrected");
        }

        var options = new SteeringOptions
        {
            Method = SteeringMethods.Parse(parse.GetRequiredValue(_method)),
            Mode = mode,
            Strength = parse.GetValue(_strength) ?? 1f,
            KeepErrorTerm = parse.GetValue(_errorTerm) switch { "keep" => true, "drop" => false, _ => null },
            Positions = parse.GetValue(_positions) is { } positions ? PositionPolicy.Parse(positions) : null,
            ClampAmount = parse.GetValue(_clampAmount),
            ClampCount = parse.GetValue(_clampCount),
        };
        options.Validate();
        return options;
    }

    /// <summary>Loads the model, and the autoencoders if any are named; methods other than orig need them.</summary>
    public Steerer Load(ParseResult parse, SteeringOptions options, WorkerPool pool)
    {
        int[] layers = parse.GetValue(_layer) ?? [];
        string[] saes = parse.GetValue(_sae) ?? [];
        if (options.Method != SteeringMethod.Original && (layers.Length == 0 || saes.Length == 0))
        {
            throw new ArgumentException(
                $"method {SteeringMethods.NameOf(options.Method)} needs --sae and --layer; --method orig is the unsteered model");
        }

        IReadOnlyList<(HookPoint Point, string Sae)> sites =
            layers.Length == 0 || saes.Length == 0 ? [] : SharedOptions.Sites(layers, saes, parse.GetRequiredValue(_hook));
        return Steerer.Load(parse.GetRequiredValue(_model), sites, pool);
    }

    /// <summary>The plan of the scores or the topic that are named.</summary>
    public SteeringPlan Plan(ParseResult parse, Terminal terminal, Steerer steerer, SteeringOptions options)
    {
        if (!SteeringMethods.NeedsScores(options.Method))
        {
            return steerer.Plan(options);
        }

        string[] scores = parse.GetValue(_scores) ?? [];
        string? topic = parse.GetValue(_topic);
        if (scores.Length == 0 == topic is null)
        {
            throw new ArgumentException(
                $"method {SteeringMethods.NameOf(options.Method)} needs scores: give either --scores or --topic");
        }

        if (topic is not null)
        {
            TopicProfile profile = TopicFolder.Read(topic);
            if (profile.Verdict != TopicProfile.Scored)
            {
                terminal.Warn($"topic '{profile.Name}' is {profile.Verdict}: {string.Join("; ", profile.Reasons)}");
            }

            NoteUnsupported(terminal, topic, profile.ToLatentScores());
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

    private static void NoteUnsupported(Terminal terminal, string source, LatentScores scores)
    {
        if (scores.UnsupportedCount > 0)
        {
            terminal.Note($"'{source}': {scores.ScoredCount} latents scored, {scores.UnsupportedCount} unsupported");
        }
    }
}
