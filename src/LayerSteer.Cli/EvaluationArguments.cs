using System.CommandLine;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>The options that say what is evaluated and how: topics, prompts, arms, strengths.</summary>
internal sealed class EvaluationArguments
{
    private const string FromOne = "a whole number from 1 on";

    private readonly Option<string[]> _topics = ValueOptions.Paths(
        "--topics",
        "Topics: files of texts, or folders of them, separated by commas or spaces. In JSON Lines \"split\" says "
        + "align, align_small or test; without it every fourth text is held out.");

    private readonly Option<string> _output =
        ValueOptions.RequiredPath("--out", "Folder of the evaluation; an unfinished one goes on.", "-o");

    private readonly Option<string?> _general = new("--general")
    {
        Description = "Texts of no topic: a class of their own for the classifier. Default: none.",
        HelpName = "path",
    };

    private readonly Option<string?> _prompts = new("--prompts")
    {
        Description = "Prompts: a JSON list of strings, or a CSV of texts. Default: neutral beginnings of our own.",
        HelpName = "path",
    };

    private readonly Option<int?> _promptCount = ValueOptions.Number<int>(
        "--prompt-count", "How many prompts results are reported on. Default: 12, or those of --prompts that are left.",
        FromOne, n => n >= 1);

    private readonly Option<int?> _devCount = ValueOptions.Number<int>(
        "--dev-prompts",
        "How many further prompts strengths are chosen on. Default: 6, or a third of --prompts if that is fewer.",
        "a whole number from 0 on", n => n >= 0);

    private readonly Option<int?> _seeds = ValueOptions.Number<int>(
        "--seeds", "Continuations of each prompt.", FromOne, n => n >= 1, 2);

    private readonly Option<int?> _tokens = ValueOptions.Number<int>(
        "--tokens", "The most tokens of a continuation.", FromOne, n => n >= 1, 48, "-n");

    private readonly Option<string[]> _arms = new("--arms")
    {
        Description = $"Arms separated by commas: {string.Join(", ", EvaluationArm.All.Select(arm => arm.Name))}. "
            + $"Default: {string.Join(",", EvaluationArm.Default.Select(arm => arm.Name))}.",
        HelpName = "name,name,…",
    };

    private readonly Option<string[]> _strengths = new("--strengths")
    {
        Description = "Strengths to choose from: 1,2,4 for all methods or clamp=0.1,0.3 for one; several times.",
        HelpName = "numbers",
    };

    private readonly Option<double?> _budget = ValueOptions.Number<double>(
        "--budget", "How many times the unsteered perplexity a chosen strength may have.", "a number from 1 on",
        n => n >= 1 && double.IsFinite(n), 1.5);

    private readonly Option<int?> _clampCount = ValueOptions.Number<int>(
        "--clamp-count", "How many latents clamp raises.", FromOne, n => n >= 1, 5);

    private readonly Option<int?> _latentCount = SharedOptions.LatentCount();

    private readonly Option<string?> _pairs = new("--pairs")
    {
        Description = "Minimal pairs as BLiMP stores them (.jsonl): how often each arm prefers the acceptable sentence.",
        HelpName = "path",
    };

    private readonly Option<int?> _pairCount = ValueOptions.Number<int>(
        "--pair-count", "How many of the pairs are used, spread evenly.", FromOne, n => n >= 1, 670);

    private readonly Option<CausalFilter?> _filter = SharedOptions.Filter();

    private readonly Option<string> _hint = new("--hint")
    {
        Description = "What arm hint puts in front of a prompt; {topic} stands for the topic's name.",
        DefaultValueFactory = _ => new EvaluationOptions().Hint,
    };

    private readonly Option<string[]> _fineTuned = new("--finetuned")
    {
        Description = "TOPIC=FOLDER of a checkpoint or adapter trained on a topic, for arm finetuned; several times. "
            + "Default: the pocket model's, where that is the model.",
        HelpName = "topic=path",
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<double?> _temperature = ValueOptions.Number<double>(
        "--temperature", "Tokens are drawn from softmax(logits / temperature).", "a finite number above 0",
        n => n > 0 && double.IsFinite(n), 0.8);

    private readonly Option<int?> _topK = ValueOptions.Number<int>(
        "--top-k", "Only the k most likely tokens are drawn; 0 for all.", "a whole number from 0 on", n => n >= 0, 40);

    private readonly Option<ulong?> _seed = ValueOptions.Number<ulong>(
        "--seed", "Seed of everything that is drawn.", "a whole number from 0 on", _ => true, 0);

    private readonly Option<int?> _resamples = ValueOptions.Number<int>(
        "--resamples", "Draws of the bootstrap.", "a whole number from 100 on", n => n >= 100, 2000);

    private readonly Option<int?> _batch = ValueOptions.Number<int>(
        "--batch", "Continuations side by side; results do not depend on it.", FromOne, n => n >= 1, 96);

    /// <summary>Adds the options to a command.</summary>
    public EvaluationArguments(Command command)
    {
        _topics.Required = true;
        _topics.AllowMultipleArgumentsPerToken = true;
        foreach (Option option in new Option[]
        {
            _topics, _output, _general, _prompts, _promptCount, _devCount, _seeds, _tokens, _arms, _strengths, _budget,
            _clampCount, _latentCount, _filter, _pairs, _pairCount, _hint, _fineTuned, _temperature, _topK, _seed, _resamples, _batch,
        })
        {
            command.Options.Add(option);
        }
    }

    public string Output(ParseResult parse) => parse.GetRequiredValue(_output);

    public IReadOnlyList<EvaluationTopic> Topics(ParseResult parse) =>
        EvaluationTopic.ReadAll(parse.GetRequiredValue(_topics));

    public CausalFilter Filter(ParseResult parse) => parse.GetValue(_filter) ?? CausalFilter.None;

    public IReadOnlyList<string> General(ParseResult parse) =>
        parse.GetValue(_general) is { } path ? TextTable.Read(path).Texts : [];

    /// <summary>The folders of --finetuned, or the pocket model's adapters.</summary>
    /// <exception cref="UsageException">One is not TOPIC=FOLDER of a topic.</exception>
    public IReadOnlyList<(string Topic, string Folder)> FineTuned(
        ParseResult parse, IReadOnlyList<EvaluationTopic> topics, PocketModel? pocket)
    {
        if (pocket is not null && parse.GetResult(_fineTuned) is null)
        {
            return
            [
                .. pocket.Topics.Where(own => own.Adapter is not null && topics.Any(topic => topic.Name == own.Name))
                    .Select(own => (own.Name, own.Adapter!)),
            ];
        }

        var folders = new List<(string, string)>();
        foreach (string text in parse.GetValue(_fineTuned) ?? [])
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            string topic = equals < 0 ? string.Empty : text[..equals];
            if (!topics.Any(known => known.Name == topic))
            {
                throw new UsageException(
                    $"--finetuned is '{text}', expected TOPIC=FOLDER with one of the topics "
                    + string.Join(", ", topics.Select(known => known.Name)));
            }

            if (folders.Any(folder => folder.Item1 == topic))
            {
                throw new UsageException($"--finetuned names topic '{topic}' twice; give each once");
            }

            folders.Add((topic, text[(equals + 1)..]));
        }

        return folders;
    }

    /// <summary>How to run it.</summary>
    /// <exception cref="UsageException">Options contradict each other.</exception>
    public EvaluationOptions Options(ParseResult parse)
    {
        (IReadOnlyList<string> prompts, IReadOnlyList<string> dev) = Prompts(parse);
        try
        {
            var defaults = new EvaluationOptions();
            string[] arms = [.. (parse.GetValue(_arms) ?? []).SelectMany(
                names => names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
            var options = new EvaluationOptions
            {
                Arms = arms.Length == 0 ? EvaluationArm.Default : EvaluationArm.Parse(arms),
                Prompts = prompts,
                DevPrompts = dev,
                Seeds = parse.GetValue(_seeds)!.Value,
                Tokens = parse.GetValue(_tokens)!.Value,
                Sampling = new SamplerOptions
                {
                    Kind = SamplingKind.Softmax,
                    Temperature = parse.GetValue(_temperature)!.Value,
                    TopK = parse.GetValue(_topK)!.Value,
                    Seed = parse.GetValue(_seed)!.Value,
                },
                Strengths = StrengthLists.Read(
                    parse.GetValue(_strengths) ?? [], defaults.Strengths.Keys, defaults.Strengths),
                PerplexityBudget = parse.GetValue(_budget)!.Value,
                ClampCount = parse.GetValue(_clampCount)!.Value,
                LatentCount = parse.GetValue(_latentCount)!.Value,
                Hint = parse.GetRequiredValue(_hint),
                Resamples = parse.GetValue(_resamples)!.Value,
                BatchSize = parse.GetValue(_batch)!.Value,
                Pairs = Pairs(parse.GetValue(_pairs), parse.GetValue(_pairCount)!.Value),
            };
            options.Validate();
            return options;
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    /// <summary>As many pairs as asked for, spread evenly over the file, so that all phenomena are among them.</summary>
    private static IReadOnlyList<MinimalPair> Pairs(string? path, int count)
    {
        IReadOnlyList<MinimalPair> all = path is null ? [] : MinimalPairs.Read(path);
        return all.Count <= count ? all
            : [.. Enumerable.Range(0, count).Select(i => all[(int)((long)i * all.Count / count)])];
    }

    private (IReadOnlyList<string> Prompts, IReadOnlyList<string> Dev) Prompts(ParseResult parse)
    {
        string? path = parse.GetValue(_prompts);
        IReadOnlyList<string> all = path is null ? NeutralPrompts.All : PromptFile.Read(path);
        int dev = parse.GetValue(_devCount) ?? Math.Min(6, all.Count / 3);
        int count = parse.GetValue(_promptCount) ?? (path is null ? 12 : Math.Max(1, all.Count - dev));
        return count + dev <= all.Count
            ? ([.. all.Take(count)], [.. all.Skip(count).Take(dev)])
            : throw new UsageException(
                $"{count} prompts and {dev} to choose strengths on, but there are only {all.Count}; "
                + "lower --prompt-count or --dev-prompts, or give more --prompts");
    }
}
