using System.CommandLine;
using System.Globalization;
using LayerSteer.Text;
using LayerSteer.Training;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>The options of commands that train a decoder, and the run itself with its progress.</summary>
internal sealed class TrainingArguments
{
    private const int ValidationWindows = 128;

    private readonly Option<string[]> _texts = SharedOptions.Texts();
    private readonly Option<int?> _steps;
    private readonly Option<int?> _batch;
    private readonly Option<int?> _microBatch = ValueOptions.Number<int>(
        "--micro-batch", "Windows through the model at once; memory grows with it.", "at least 1", n => n >= 1, 8);

    private readonly Option<double?> _learningRate;
    private readonly Option<int?> _warmUp;
    private readonly Option<double?> _weightDecay = ValueOptions.Number<double>(
        "--weight-decay", "Weight decay of matrices.", "from 0 to 10", n => n is >= 0 and <= 10, 0.1);

    private readonly Option<double?> _dropout = ValueOptions.Number<double>(
        "--dropout", "Probability of dropout.", "from 0 to below 1", n => n is >= 0 and < 1, 0);

    private readonly Option<ulong?> _seed = ValueOptions.Number<ulong>(
        "--seed", "Order of the windows, new weights, dropout.", "a whole number from 0", _ => true, 1);

    private readonly Option<string[]> _validation =
        SharedOptions.Texts("--validation", "Texts to measure the loss on while training; like --texts.");

    private readonly Option<string[]> _weights = WeightOption();

    private readonly Option<int?> _every =
        ValueOptions.Number<int>("--log-every", "Steps from line to line of the log.", "at least 1", n => n >= 1, 10);

    private readonly Option<double?> _checkpointMinutes = ValueOptions.Number<double>(
        "--checkpoint-minutes", "Time from checkpoint to checkpoint.", "above 0", n => n > 0, 3);

    public TrainingArguments(Command command, int? steps, int batch, double learningRate, int warmUp)
    {
        _steps = ValueOptions.Number<int>(
            "--steps", "Steps of the optimiser.", "at least 1", n => n >= 1, steps);
        _steps.Required = steps is null;
        _batch = ValueOptions.Number<int>("--batch", "Windows of one step.", "at least 1", n => n >= 1, batch);
        _learningRate = ValueOptions.Number<double>(
            "--learning-rate", "Largest learning rate.", "above 0, at most 1", n => n is > 0 and <= 1, learningRate);
        _warmUp = ValueOptions.Number<int>(
            "--warm-up", "Steps over which the learning rate rises.", "at least 0", n => n >= 0, warmUp);
        foreach (Option option in (Option[])
            [_texts, _weights, _validation, _steps, _batch, _microBatch, _learningRate, _warmUp, _weightDecay, _dropout,
             _seed, _every, _checkpointMinutes])
        {
            command.Options.Add(option);
        }
    }

    public TrainingOptions Options(ParseResult parse, int? context) => new()
    {
        Steps = parse.GetRequiredValue(_steps)!.Value,
        Batch = parse.GetRequiredValue(_batch)!.Value,
        MicroBatch = parse.GetRequiredValue(_microBatch)!.Value,
        Context = context,
        LearningRate = parse.GetRequiredValue(_learningRate)!.Value,
        WarmUp = parse.GetRequiredValue(_warmUp)!.Value,
        WeightDecay = parse.GetRequiredValue(_weightDecay)!.Value,
        Dropout = parse.GetRequiredValue(_dropout)!.Value,
        Seed = parse.GetRequiredValue(_seed)!.Value,
    };

    /// <summary>The texts to train on, and those to measure on, none if none are named.</summary>
    /// <exception cref="UsageException">A --weight is not NAME=FACTOR.</exception>
    public (IReadOnlyList<TokenSource> Training, IReadOnlyList<TokenSource> Validation) Read(
        ParseResult parse, Terminal terminal, TextTokenizer tokenizer, CancellationToken cancellation)
    {
        TextCorpus corpus = TextCorpus.Open(parse.GetRequiredValue(_texts));
        string[] held = parse.GetValue(_validation) ?? [];
        IReadOnlyList<TokenSource> validation = held.Length == 0
            ? []
            : TrainingTexts.Encode(TextCorpus.Open(held), tokenizer, null, null, cancellation);
        IReadOnlyList<TokenSource> training = TrainingTexts.Encode(
            corpus,
            tokenizer,
            WeightsOf(parse.GetValue(_weights)),
            name => terminal.Note($"reading {name}"),
            cancellation);
        return (training, validation);
    }

    /// <summary>--weight, for any command that trains on texts.</summary>
    public static Option<string[]> WeightOption() => new("--weight")
    {
        Description = "NAME=FACTOR: files whose name contains NAME are drawn from so much more often than by size.",
        HelpName = "name=factor",
    };

    /// <summary>The weights that an option of <see cref="WeightOption"/> gives.</summary>
    /// <exception cref="UsageException">One is not NAME=FACTOR.</exception>
    public static IReadOnlyList<(string Part, double Factor)> WeightsOf(string[]? values) =>
        [.. (values ?? []).Select(text =>
        {
            string[] parts = text.Split('=');
            return parts.Length == 2 && parts[0].Length > 0
                && double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double factor)
                && double.IsFinite(factor) && factor >= 0
                ? (parts[0], factor)
                : throw new UsageException($"--weight is '{text}', expected NAME=FACTOR, such as medical=2");
        })];

    /// <summary>Runs all steps that are left in a folder, with a progress bar.</summary>
    /// <returns>The seconds of this sitting.</returns>
    public double Run(
        ParseResult parse,
        Terminal terminal,
        DecoderTrainer trainer,
        string folder,
        IReadOnlyList<TokenSource> validation,
        int context,
        CancellationToken cancellation)
    {
        IReadOnlyList<int[]>? windows =
            validation.Count == 0 ? null : TrainingTexts.Windows(validation, context, ValidationWindows);
        if (trainer.TryResume(folder))
        {
            terminal.Note($"going on from step {trainer.Step} of {parse.GetRequiredValue(_steps)}");
        }

        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        terminal.Progress()
            .Start(display =>
            {
                ProgressTask task = display.AddTask("training", maxValue: 1);
                trainer.Run(
                    folder,
                    windows,
                    parse.GetRequiredValue(_every)!.Value,
                    TimeSpan.FromMinutes(parse.GetRequiredValue(_checkpointMinutes)!.Value),
                    now =>
                    {
                        task.MaxValue = now.Steps;
                        task.Value = now.Line.Step;
                        task.Description = string.Create(
                            CultureInfo.InvariantCulture,
                            $"step {now.Line.Step}/{now.Steps}, loss {now.Line.Loss:F3}, "
                            + $"{now.TokensPerSecond:F0} tokens/s");
                        if (!double.IsNaN(now.Line.ValidationLoss))
                        {
                            terminal.Note(string.Create(
                                CultureInfo.InvariantCulture,
                                $"step {now.Line.Step}: loss {now.Line.Loss:F3}, validation "
                                + $"{now.Line.ValidationLoss:F3} nats a token, {now.TokensPerSecond:F0} tokens/s, "
                                + $"{now.Remaining:hh\\:mm\\:ss} left"));
                        }
                    },
                    cancellation);
            });
        return System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
