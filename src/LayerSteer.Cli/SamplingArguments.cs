using System.CommandLine;
using LayerSteer.Generation;

namespace LayerSteer.Cli;

/// <summary>The options that say how tokens are chosen and when to stop.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<bool> _greedy = new("--greedy")
    {
        Description = "Take the most likely token at each step (default).",
    };
    private readonly Option<double?> _temperature = ValueOptions.Number<double>(
        "--temperature",
        "Draw from softmax(logits / temperature).",
        "a finite number above 0; --greedy is the limit of 0",
        temperature => temperature > 0 && double.IsFinite(temperature));

    private readonly Option<int?> _topK = ValueOptions.Number<int>(
        "--top-k", "Draw among the k most likely tokens.", "a whole number from 1 on", k => k >= 1);

    private readonly Option<double?> _topP = ValueOptions.Number<double>(
        "--top-p",
        "Draw among the tokens that together reach this probability.",
        "a number above 0 and at most 1",
        p => p is > 0 and <= 1);

    private readonly Option<int?> _uniformTopK = ValueOptions.Number<int>(
        "--uniform-top-k",
        "Draw uniformly among the k most likely tokens; the seed does so with 5.",
        "a whole number from 1 on",
        k => k >= 1);

    private readonly Option<int[]> _picks = ValueOptions.WholeNumbers(
        "--picks",
        "Take the i-th best token at each step, such as 0,3,1; for parity with recorded runs.",
        "ranks from 0, such as 0,3,1");

    private readonly Option<ulong?> _seed = ValueOptions.Number<ulong>(
        "--seed", "Seed of the draws; recorded with the result. Default 0.", "a whole number from 0 on", _ => true);

    private readonly Option<int?> _maxNewTokens;
    private readonly Option<string[]> _stop = new("--stop")
    {
        Description = "End before this text; may be given several times.",
    };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos")
    {
        Description = "Go on after the end-of-text token.",
    };

    private readonly int _tokens;

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="tokens">How many tokens to generate if nothing says so.</param>
    public SamplingArguments(Command command, int tokens = 64)
    {
        _tokens = tokens;
        _maxNewTokens = ValueOptions.Number<int>(
            "--max-new-tokens",
            $"The most tokens to generate. Default {tokens}, or one for each pick.",
            "a whole number from 1 on",
            n => n >= 1,
            null,
            "-n");
        foreach (Option option in new Option[]
        {
            _greedy, _temperature, _topK, _topP, _uniformTopK, _picks, _seed, _maxNewTokens, _stop, _ignoreEos,
        })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The request for a prompt.</summary>
    /// <exception cref="UsageException">Options contradict each other.</exception>
    public GenerationRequest Request(ParseResult parse, string prompt)
    {
        SamplerOptions sampling = Sampling(parse);
        int tokens =
            parse.GetValue(_maxNewTokens) ?? (sampling.Kind == SamplingKind.Picks ? sampling.Picks.Count : _tokens);
        if (sampling.Kind == SamplingKind.Picks && tokens > sampling.Picks.Count)
        {
            throw new UsageException(
                $"--max-new-tokens is {tokens}, but --picks has only {sampling.Picks.Count}; "
                + "give a pick for each token");
        }

        return new GenerationRequest
        {
            Prompt = prompt,
            MaxNewTokens = tokens,
            Sampling = sampling,
            StopTexts = [.. (parse.GetValue(_stop) ?? []).Where(stop => stop.Length > 0)],
            StopAtEos = !parse.GetValue(_ignoreEos),
        };
    }

    private SamplerOptions Sampling(ParseResult parse)
    {
        double? temperature = parse.GetValue(_temperature);
        int? topK = parse.GetValue(_topK);
        double? topP = parse.GetValue(_topP);
        bool draws = temperature is not null || topK is not null || topP is not null;
        bool uniform = parse.GetValue(_uniformTopK) is not null;
        bool[] rules = [parse.GetValue(_greedy), uniform, parse.GetValue(_picks) is { Length: > 0 }, draws];
        if (rules.Count(given => given) > 1)
        {
            throw new UsageException(
                "give one of --greedy, --uniform-top-k, --picks, or --temperature with --top-k and --top-p");
        }

        ulong seed = parse.GetValue(_seed) ?? 0;
        if (parse.GetValue(_picks) is { Length: > 0 } picks)
        {
            return new SamplerOptions { Kind = SamplingKind.Picks, Picks = picks, Seed = seed };
        }

        if (parse.GetValue(_uniformTopK) is { } k)
        {
            return new SamplerOptions { Kind = SamplingKind.UniformTopK, TopK = k, Seed = seed };
        }

        return !draws
            ? new SamplerOptions { Seed = seed }
            : new SamplerOptions
            {
                Kind = SamplingKind.Softmax,
                Temperature = temperature ?? 1.0,
                TopK = topK ?? 0,
                TopP = topP ?? 1.0,
                Seed = seed,
            };
    }
}
