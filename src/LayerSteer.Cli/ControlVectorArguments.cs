using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>The options of `convert` that make a control vector of a topic.</summary>
internal sealed class ControlVectorArguments
{
    private readonly Option<string?> _gguf = new("--gguf")
    {
        Description = "The .gguf control vector to write; --sae and --topic or --scores say of what.",
        HelpName = "path",
    };

    private readonly Option<string?> _topic = new("--topic")
    {
        Description = "Topic profile: a JSON file, or the name of a kept topic.",
    };

    private readonly Option<string?> _scores = new("--scores")
    {
        Description = "Scores in the seed's CSV layout, in place of a topic.",
        HelpName = "path",
    };

    private readonly Option<int?> _layer = ValueOptions.Number<int>(
        "--layer",
        "The autoencoder's layer, from 0. Default: what the topic or the autoencoder's file says.",
        "a layer from 0",
        layer => layer >= 0);

    private readonly Option<HookKind?> _hook = SharedOptions.Hook();

    private readonly Option<string?> _method = new("--method")
    {
        Description = "direction (default): the topic's direction, of a chosen norm; clamp: what our clamp adds. "
            + "The other methods are not one vector and are refused with the reason.",
        HelpName = "direction|clamp",
    };

    private readonly Option<float?> _norm = ValueOptions.Number<float>(
        "--norm",
        "The norm of a direction. Default: 1.",
        "a number above 0",
        norm => norm > 0f && float.IsFinite(norm));

    private readonly Option<float?> _strength = ValueOptions.Number<float>(
        "--strength", "Of clamp. Default: 1.", "a number above 0", s => s > 0f && float.IsFinite(s));

    private readonly Option<float?> _amount = ValueOptions.Number<float>(
        "--clamp-amount", "What clamp adds to a latent. Default: 10.", "a finite number", float.IsFinite);

    private readonly Option<int?> _count = ValueOptions.Number<int>(
        "--clamp-count", "How many latents clamp raises. Default: 5.", "a whole number from 1 on", count => count >= 1);

    private readonly Option<string?> _hint = new("--model-hint")
    {
        Description = "The model's architecture as its GGUF calls it: gpt2, llama, gemma2, qwen2, …",
        HelpName = "name",
    };

    public ControlVectorArguments(Command command)
    {
        foreach (Option option in All.Prepend(_gguf))
        {
            command.Options.Add(option);
        }
    }

    private Option[] All => [_topic, _scores, _layer, _hook, _method, _norm, _strength, _amount, _count, _hint];

    /// <summary>The file to write; null if none is asked for.</summary>
    public string? Target(ParseResult parse) => parse.GetValue(_gguf);

    /// <summary>Refuses options that say nothing without --gguf.</summary>
    /// <exception cref="UsageException">One is given.</exception>
    public void RefuseAll(ParseResult parse)
    {
        if (Array.Find(All, option => parse.GetResult(option) is { Implicit: false }) is { } given)
        {
            throw new UsageException($"{given.Name} goes with --gguf only");
        }
    }

    /// <summary>Makes the vector and writes it.</summary>
    /// <exception cref="UsageException">An option is missing or contradicts another.</exception>
    /// <exception cref="NotSupportedException">The edit is not one vector; the message says why.</exception>
    public JsonObject Write(ParseResult parse, Terminal terminal, SparseAutoencoder autoencoder, string path)
    {
        if ((parse.GetValue(_topic) is null) == (parse.GetValue(_scores) is null))
        {
            throw new UsageException("--gguf needs scores: give --topic or --scores");
        }

        string hint = parse.GetValue(_hint) is { Length: > 0 } given
            ? given
            : throw new UsageException("--gguf needs --model-hint, such as gpt2, llama or gemma2");
        TopicProfile? profile = parse.GetValue(_topic) is { } topic ? TopicFolder.Read(topic, pocket: null) : null;
        HookPoint point = Point(parse, autoencoder, profile);
        LatentScores scores = profile?.ToLatentScores()
            ?? LatentScores.ReadCsv(parse.GetValue(_scores)!, autoencoder.DSae);
        if (profile is not null)
        {
            terminal.WarnOfDoubts(profile);
            if (profile.Provenance.Sae.Digest != autoencoder.Digest)
            {
                throw new ArgumentException(
                    $"topic '{profile.Name}' was made with autoencoder digest {profile.Provenance.Sae.Digest}, here it "
                    + $"is {autoencoder.Digest}; make the topic again or use what it was made with");
            }
        }

        ControlVector vector = Make(parse, autoencoder, point, scores);
        vector.Write(path, hint, new Dictionary<string, string>
        {
            ["scores"] = scores.Name,
            ["sae_digest"] = autoencoder.Digest,
        });
        terminal.Note(
            "llama.cpp adds it at every position, BOS too; our own edits leave special tokens alone unless --positions "
            + "says otherwise");
        return new JsonObject
        {
            ["out"] = path,
            ["tensor"] = string.Create(CultureInfo.InvariantCulture, $"direction.{vector.Layer}"),
            ["method"] = vector.Method,
            ["d_model"] = vector.Values.Length,
            ["norm"] = Math.Sqrt(vector.Values.ToArray().Sum(value => (double)value * value)),
        };
    }

    private ControlVector Make(
        ParseResult parse, SparseAutoencoder autoencoder, HookPoint point, LatentScores scores)
    {
        string method = parse.GetValue(_method) ?? "direction";
        if (method.Equals("direction", StringComparison.OrdinalIgnoreCase))
        {
            RefuseWith(parse, method, _strength, _amount, _count);
            return ControlVector.OfScores(point, autoencoder, scores, parse.GetValue(_norm) ?? 1f);
        }

        RefuseWith(parse, method, _norm);
        SteeringMethod known = Known(method);
        if (known == SteeringMethod.Original)
        {
            throw new NotSupportedException("method orig adds nothing, so there is no vector to write");
        }

        var options = new SteeringOptions
        {
            Method = known,
            Strength = known == SteeringMethod.Reconstruction ? 1f : parse.GetValue(_strength) ?? 1f,
            ClampAmount = parse.GetValue(_amount) ?? 10f,
            ClampCount = parse.GetValue(_count) ?? 5,
        };
        return ControlVector.OfEdit(new LayerEdit(point, autoencoder, scores, options), known);
    }

    private static SteeringMethod Known(string method)
    {
        try
        {
            return SteeringMethods.Parse(method);
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"{e.Message}, direction");
        }
    }

    private static void RefuseWith(ParseResult parse, string method, params ReadOnlySpan<Option> options)
    {
        foreach (Option option in options)
        {
            if (parse.GetResult(option) is { Implicit: false })
            {
                throw new UsageException($"{option.Name} does not go with method {method}");
            }
        }
    }

    private HookPoint Point(ParseResult parse, SparseAutoencoder autoencoder, TopicProfile? profile)
    {
        HookPoint? said = parse.GetValue(_layer) is { } layer
            ? new HookPoint(parse.GetValue(_hook) ?? HookKind.ResidualPost, layer)
            : null;
        HookPoint point = said
            ?? (profile is null ? (HookPoint?)null : HookPoint.Parse(profile.HookPoint))
            ?? autoencoder.HookPoint
            ?? throw new UsageException("--gguf needs --layer: neither scores nor the autoencoder's file says one");
        string? other = profile is not null && profile.HookPoint != point.ToString() ? profile.HookPoint
            : autoencoder.HookPoint is { } own && profile is null && own != point ? own.ToString()
            : null;
        return other is null
            ? point
            : throw new ArgumentException(
                $"--layer says {point}, but {(profile is null ? "the autoencoder's file" : "the topic")} says {other}");
    }
}
