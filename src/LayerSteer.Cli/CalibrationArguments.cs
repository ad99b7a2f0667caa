using System.CommandLine;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;

namespace LayerSteer.Cli;

/// <summary>The options that say what a calibration runs over: topics, methods, strengths, prompts.</summary>
internal sealed class CalibrationArguments
{
    private const string FromOne = "a whole number from 1 on";

    private readonly Option<string[]> _topics = ValueOptions.Paths(
        "--topics", "Topics: files of texts, or folders of them, as `evaluate` reads them.");

    private readonly Option<string[]> _texts = SharedOptions.Texts(
        "--texts", "Texts to find further topics in: files or folders, .txt, .jsonl, also as .gz.");

    private readonly Option<int?> _clusters = ValueOptions.Number<int>(
        "--clusters", "How many topics to look for in --texts; those that are small or loose are dropped.",
        FromOne, n => n >= 1, 40);

    private readonly Option<int?> _passages = ValueOptions.Number<int>(
        "--passages", "About how many passages to draw from --texts, one a document.", FromOne, n => n >= 1, 8000);

    private readonly Option<string[]> _methods = new("--methods", "--method")
    {
        Description = "Methods separated by commas. Default: min-clamp,clamp.",
        HelpName = "name,name,…",
    };

    private readonly Option<string[]> _strengths = new("--strengths")
    {
        Description = "Strengths: 1,2,4 for all methods or clamp=0.1,0.3 for one; several times.",
        HelpName = "numbers",
    };

    private readonly Option<string?> _prompts = new("--prompts")
    {
        Description = "Prompts: a JSON list of strings, or a CSV of texts. Default: neutral beginnings of our own.",
        HelpName = "path",
    };

    private readonly Option<int?> _promptCount = ValueOptions.Number<int>(
        "--prompt-count", "How many prompts.", "a whole number from 2 on", n => n >= 2, 8);

    private readonly Option<int?> _draws = ValueOptions.Number<int>(
        "--seeds", "Continuations of each prompt.", FromOne, n => n >= 1, 2);

    private readonly Option<int?> _tokens = ValueOptions.Number<int>(
        "--tokens", "The most tokens of a continuation.", FromOne, n => n >= 1, 48, "-n");

    private readonly Option<int?> _clampCount = ValueOptions.Number<int>(
        "--clamp-count", "How many latents clamp raises.", FromOne, n => n >= 1, 5);

    private readonly Option<int?> _latentCount = SharedOptions.LatentCount();

    private readonly Option<double?> _confidence = ValueOptions.Number<double>(
        "--confidence", "What share of new topics an interval is to hold for.", "a number between 0.5 and 1",
        n => n is > 0.5 and < 1, 0.9);

    private readonly Option<double?> _temperature = ValueOptions.Number<double>(
        "--temperature", "Tokens are drawn from softmax(logits / temperature).", "a finite number above 0",
        n => n > 0 && double.IsFinite(n), 0.8);

    private readonly Option<int?> _topK = ValueOptions.Number<int>(
        "--top-k", "Only the k most likely tokens are drawn; 0 for all.", "a whole number from 0 on", n => n >= 0, 40);

    private readonly Option<ulong?> _seed = ValueOptions.Number<ulong>(
        "--seed", "Seed of everything that is drawn.", "a whole number from 0 on", _ => true, 0);

    private readonly Option<int?> _resamples = ValueOptions.Number<int>(
        "--resamples", "Draws of bootstraps.", "a whole number from 100 on", n => n >= 100, 2000);

    private readonly Option<int?> _batch = ValueOptions.Number<int>(
        "--batch", "Continuations side by side; results do not depend on it.", FromOne, n => n >= 1, 96);

    /// <summary>Adds the options to a command.</summary>
    public CalibrationArguments(Command command)
    {
        _topics.AllowMultipleArgumentsPerToken = true;
        foreach (Option option in new Option[]
        {
            _topics, _texts, _clusters, _passages, _methods, _strengths, _prompts, _promptCount, _draws, _tokens,
            _clampCount, _latentCount, _confidence, _temperature, _topK, _seed, _resamples, _batch,
        })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Refuses a bank that has no source.</summary>
    /// <exception cref="UsageException">Neither topics nor texts are given.</exception>
    public void RequireBank(ParseResult parse)
    {
        if (parse.GetValue(_topics) is not { Length: > 0 } && parse.GetValue(_texts) is not { Length: > 0 })
        {
            throw new UsageException("give --topics, --texts or both: a calibration learns from a bank of topics");
        }
    }

    /// <summary>The topics of files, and those found in texts.</summary>
    /// <exception cref="InvalidDataException">A file is malformed, or topics are not different.</exception>
    public IReadOnlyList<EvaluationTopic> Bank(
        ParseResult parse, SentenceEncoder encoder, Terminal terminal, CancellationToken cancellation)
    {
        var bank = new SortedDictionary<string, EvaluationTopic>(StringComparer.Ordinal);
        if (parse.GetValue(_topics) is { Length: > 0 } files)
        {
            foreach (EvaluationTopic topic in EvaluationTopic.ReadAll(files))
            {
                bank.Add(topic.Name, topic);
            }
        }

        if (parse.GetValue(_texts) is { Length: > 0 } texts)
        {
            terminal.Note("looking for topics in the texts");
            IReadOnlyList<EvaluationTopic> found = TopicClusters.Find(
                TextCorpus.Open(texts),
                encoder,
                new TopicClusterOptions
                {
                    Clusters = parse.GetValue(_clusters)!.Value,
                    Passages = parse.GetValue(_passages)!.Value,
                    Seed = parse.GetValue(_seed)!.Value,
                },
                cancellation);
            foreach (EvaluationTopic topic in found)
            {
                EvaluationTopic own = topic;
                for (int n = 2; !bank.TryAdd(own.Name, own); n++)
                {
                    own = topic with { Name = $"{topic.Name}-{n}" };
                }
            }

            terminal.Note($"{found.Count} topics found: {string.Join(", ", found.Select(topic => topic.Name))}");
        }

        return [.. bank.Values];
    }

    /// <summary>How to run it.</summary>
    /// <exception cref="UsageException">Options contradict each other.</exception>
    public CalibrationOptions Options(ParseResult parse)
    {
        try
        {
            var defaults = new CalibrationOptions();
            string[] names = [.. (parse.GetValue(_methods) ?? []).SelectMany(
                text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
            SteeringMethod[] methods =
                names.Length == 0 ? [.. defaults.Methods] : [.. names.Select(SteeringMethods.Parse).Distinct()];
            int count = parse.GetValue(_promptCount)!.Value;
            string? path = parse.GetValue(_prompts);
            IReadOnlyList<string> prompts = path is null ? NeutralPrompts.All : PromptFile.Read(path);
            if (prompts.Count < count || (path is null && prompts.Count == count))
            {
                throw new UsageException($"--prompt-count is {count}, but there are only {prompts.Count} prompts");
            }

            var options = new CalibrationOptions
            {
                Methods = methods,
                Strengths = StrengthLists.Read(parse.GetValue(_strengths) ?? [], methods, defaults.Strengths),
                Prompts = [.. prompts.Take(count)],
                Draws = parse.GetValue(_draws)!.Value,
                Tokens = parse.GetValue(_tokens)!.Value,
                ClampCount = parse.GetValue(_clampCount)!.Value,
                LatentCount = parse.GetValue(_latentCount)!.Value,
                Confidence = parse.GetValue(_confidence)!.Value,
                Sampling = new SamplerOptions
                {
                    Kind = SamplingKind.Softmax,
                    Temperature = parse.GetValue(_temperature)!.Value,
                    TopK = parse.GetValue(_topK)!.Value,
                    Seed = parse.GetValue(_seed)!.Value,
                },
                Resamples = parse.GetValue(_resamples)!.Value,
                BatchSize = parse.GetValue(_batch)!.Value,
            };
            options.Validate();
            return options;
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }
}
