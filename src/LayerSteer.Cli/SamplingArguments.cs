using System.CommandLine;
using System.Globalization;
using LayerSteer.Generation;

namespace LayerSteer.Cli;

/// <summary>The options that say how tokens are chosen and when to stop.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<bool> _greedy = new("--greedy") { Description = "Take the most likely token at each step (default)." };
    private readonly Option<double?> _temperature = new("--temperature") { Description = "Draw from softmax(logits / temperature)." };
    private readonly Option<int?> _topK = new("--top-k") { Description = "Draw among the k most likely tokens." };
    private readonly Option<double?> _topP = new("--top-p") { Description = "Draw among the tokens that together reach this probability." };
    private readonly Option<int?> _uniformTopK = new("--uniform-top-k")
    {
        Description = "Draw uniformly among the k most likely tokens; the seed does so with 5.",
    };

    private readonly Option<int[]?> _picks = new("--picks")
    {
        Description = "Take the i-th best token at each step, such as 0,3,1; for parity with recorded runs.",
        CustomParser = result =>
        {
            var picks = new List<int>();
            foreach (string part in result.Tokens[0].Value.Split(','))
            {
                if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int pick))
                {
                    result.AddError($"--picks is '{result.Tokens[0].Value}', expected ranks from 0, such as 0,3,1");
                    return null;
                }

                picks.Add(pick);
            }

            return [.. picks];
        },
    };

    private readonly Option<ulong> _seed = new("--seed") { Description = "Seed of the draws; recorded with the result. Default 0." };
    private readonly Option<int?> _maxNewTokens = new("--max-new-tokens", "-n")
    {
        Description = "The most tokens to generate. Default 64, or one for each pick.",
    };

    private readonly Option<string[]> _stop = new("--stop") { Description = "End before this text; may be given several times." };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Go on after the end-of-text token." };

    public SamplingArguments(Command command)
    {
        foreach (Option option in new Option[]
        {
            _greedy, _temperature, _topK, _topP, _uniformTopK, _picks, _seed, _maxNewTokens, _stop, _ignoreEos,
        })
        {
            command.Options.Add(option);
        }

        command.Validators.Add(result =>
        {
            int rules = (result.GetValue(_greedy) ? 1 : 0) + (result.GetValue(_uniformTopK) is null ? 0 : 1)
                + (result.GetResult(_picks) is null ? 0 : 1)
                + (result.GetValue(_temperature) is null && result.GetValue(_topK) is null && result.GetValue(_topP) is null ? 0 : 1);
            if (rules > 1)
            {
                result.AddError("give one of --greedy, --uniform-top-k, --picks, or --temperature with --top-k and --top-p");
            }

            if (result.GetValue(_maxNewTokens) is < 1)
            {
                result.AddError("--max-new-tokens must be at least 1");
            }
        });
    }

    /// <summary>The request for a prompt.</summary>
    public GenerationRequest Request(ParseResult parse, string prompt)
    {
        SamplerOptions sampling = Sampling(parse);
        sampling.Validate();
        return new GenerationRequest
        {
            Prompt = prompt,
            MaxNewTokens = parse.GetValue(_maxNewTokens) ?? (sampling.Kind == SamplingKind.Picks ? sampling.Picks.Count : 64),
            Sampling = sampling,
            StopTexts = [.. (parse.GetValue(_stop) ?? []).Where(stop => stop.Length > 0)],
            StopAtEos = !parse.GetValue(_ignoreEos),
        };
    }

    private SamplerOptions Sampling(ParseResult parse)
    {
        ulong seed = parse.GetValue(_seed);
        if (parse.GetValue(_picks) is { Length: > 0 } picks)
        {
            return new SamplerOptions { Kind = SamplingKind.Picks, Picks = picks, Seed = seed };
        }

        if (parse.GetValue(_uniformTopK) is { } k)
        {
            return new SamplerOptions { Kind = SamplingKind.UniformTopK, TopK = k, Seed = seed };
        }

        double? temperature = parse.GetValue(_temperature);
        int? topK = parse.GetValue(_topK);
        double? topP = parse.GetValue(_topP);
        return temperature is null && topK is null && topP is null
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
