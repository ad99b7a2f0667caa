using System.CommandLine;
using System.Globalization;
using LayerSteer.Models;
using LayerSteer.Text;
using LayerSteer.Training;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>The options of `layersteer sae train`, and the run itself with its progress.</summary>
internal sealed class SaeTrainingArguments
{
    private const int HeldOutWindows = 32;

    private readonly Option<string[]> _hooks = new("--hook")
    {
        Description = "Hook points, such as blocks.3.hook_resid_post; several, by commas, are trained together.",
        HelpName = "name,name,…",
        Required = true,
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result =>
            [.. result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.RemoveEmptyEntries))],
    };

    private readonly Option<string[]> _texts = SharedOptions.Texts();

    private readonly Option<string[]> _evalTexts = SharedOptions.Texts(
        "--eval-texts", "Texts to measure on while training; like --texts. Default: the last 2 % of --texts at most.");

    private readonly Option<BosPolicy?> _bos = SharedOptions.Bos(
        "one: each context begins with BOS; none: with text. Default: one, if there is a BOS token.");

    private readonly Option<bool> _keepFirst = new("--keep-first")
    {
        Description = "Train on position 0 of each context too; it is left out by default.",
    };

    private readonly Option<int?> _latents = Positive("--latents", "Latents of each autoencoder.", null);
    private readonly Option<int?> _k = Positive("--k", "Latents that a token keeps: exactly, or in the mean.", 32);

    private readonly Option<SaeTrainingActivation?> _activation = ValueOptions.Named(
        "--activation",
        "Which latents are kept: topk (default), batchtopk, or jumprelu.",
        ("topk", SaeTrainingActivation.TopK),
        ("batchtopk", SaeTrainingActivation.BatchTopK),
        ("jumprelu", SaeTrainingActivation.JumpRelu));

    private readonly Option<bool?> _normalise = ValueOptions.Named(
        "--normalise",
        "layernorm (default): each token to mean 0 and standard deviation 1; none: as it is.",
        ("layernorm", true),
        ("none", false));

    private readonly Option<long?> _tokens = ValueOptions.Number<long>(
        "--tokens", "Tokens to train on; texts are read again when they end.", "at least 1", n => n >= 1);

    private readonly Option<int?> _batch = Positive("--batch", "Tokens of one step.", 2048);

    private readonly Option<int?> _buffer =
        Positive("--buffer", "Tokens that are shuffled together; memory and checkpoint grow with it.", 1 << 16);

    private readonly Option<double?> _learningRate = ValueOptions.Number<double>(
        "--learning-rate",
        "Largest learning rate. Default: 2e-4·√(16384 / latents).",
        "above 0, at most 1",
        n => n is > 0 and <= 1);

    private readonly Option<int?> _warmUp = ValueOptions.Number<int>(
        "--warm-up", "Steps over which the learning rate rises.", "at least 0", n => n >= 0, 200);

    private readonly Option<long?> _deadAfter = ValueOptions.Number<long>(
        "--dead-after",
        "Tokens without firing after which a latent is dead. Default: a tenth of --tokens, at most 1000000.",
        "at least 1",
        n => n >= 1);

    private readonly Option<int?> _auxK = ValueOptions.Number<int>(
        "--aux-k",
        "Dead latents that explain the error of a token; 0 for none. Default: half the width.",
        "at least 0",
        n => n >= 0);

    private readonly Option<double?> _bandwidth = ValueOptions.Number<double>(
        "--bandwidth", "Of jumprelu: the width of the kernel.", "above 0, at most 10", n => n is > 0 and <= 10, 0.1);

    private readonly Option<double?> _penalty = ValueOptions.Number<double>(
        "--sparsity", "Of jumprelu: the weight of (L0 / k - 1)^2.", "from 0 to 1000", n => n is >= 0 and <= 1000, 1);

    private readonly Option<ulong?> _seed = ValueOptions.Number<ulong>(
        "--seed", "Order of the texts, shuffling, first weights.", "a whole number from 0", _ => true, 1);

    private readonly Option<int?> _every = Positive("--log-every", "Steps from line to line of the log.", 50);

    private readonly Option<double?> _checkpointMinutes = ValueOptions.Number<double>(
        "--checkpoint-minutes", "Time from checkpoint to checkpoint.", "above 0", n => n > 0, 3);

    public SaeTrainingArguments(Command command)
    {
        _latents.Required = true;
        _tokens.Required = true;
        foreach (Option option in (Option[])
            [_hooks, _texts, _evalTexts, _latents, _k, _activation, _normalise, _tokens, _bos, _keepFirst, _batch,
             _buffer, _learningRate, _warmUp, _deadAfter, _auxK, _bandwidth, _penalty, _seed, _every,
             _checkpointMinutes])
        {
            command.Options.Add(option);
        }
    }

    public SaeTrainingOptions Options(ParseResult parse) => new()
    {
        Latents = parse.GetRequiredValue(_latents)!.Value,
        Tokens = parse.GetRequiredValue(_tokens)!.Value,
        K = parse.GetRequiredValue(_k)!.Value,
        Activation = parse.GetValue(_activation) ?? SaeTrainingActivation.TopK,
        Normalises = parse.GetValue(_normalise) ?? true,
        Batch = parse.GetRequiredValue(_batch)!.Value,
        Buffer = parse.GetRequiredValue(_buffer)!.Value,
        SkipsFirst = !parse.GetValue(_keepFirst),
        LearningRate = parse.GetValue(_learningRate),
        WarmUp = parse.GetRequiredValue(_warmUp)!.Value,
        DeadAfter = parse.GetValue(_deadAfter),
        AuxK = parse.GetValue(_auxK),
        Bandwidth = parse.GetRequiredValue(_bandwidth)!.Value,
        SparsityWeight = parse.GetRequiredValue(_penalty)!.Value,
        Seed = parse.GetRequiredValue(_seed)!.Value,
    };

    public IReadOnlyList<HookPoint> Points(ParseResult parse) =>
        [.. parse.GetRequiredValue(_hooks).Select(HookPoint.Parse)];

    /// <summary>The BOS token of each context; null for none.</summary>
    public int? Bos(ParseResult parse, ArchitectureSpec spec, TextTokenizer tokenizer)
    {
        BosPolicy? asked = parse.GetValue(_bos);
        bool has = (spec.BosId ?? tokenizer.BosId) is not null;
        int[] prefix = (asked ?? (has ? BosPolicy.One : BosPolicy.None)).Prefix(spec, tokenizer);
        return prefix.Length == 0 ? null : prefix[0];
    }

    /// <summary>The texts to train on, and windows to measure on.</summary>
    public (IReadOnlyList<TokenSource> Training, IReadOnlyList<int[]> HeldOut) Texts(
        ParseResult parse,
        Terminal terminal,
        TextTokenizer tokenizer,
        int length,
        CancellationToken cancellation)
    {
        TextCorpus corpus = TextCorpus.Open(parse.GetRequiredValue(_texts));
        string[] own = parse.GetValue(_evalTexts) ?? [];
        IReadOnlyList<TokenSource>? held = own.Length == 0
            ? null
            : TrainingTexts.Encode(TextCorpus.Open(own), tokenizer, null, null, cancellation);
        IReadOnlyList<TokenSource> sources = TrainingTexts.Encode(
            corpus, tokenizer, null, name => terminal.Note($"reading {name}"), cancellation);
        return held is null
            ? HeldOutTexts.Cut(sources, length, HeldOutWindows)
            : (sources, TrainingTexts.Windows(held, length, HeldOutWindows));
    }

    /// <summary>Runs all steps with a progress bar.</summary>
    public void Run(
        ParseResult parse,
        Terminal terminal,
        SaeTrainer trainer,
        string folder,
        IReadOnlyList<int[]> heldOut,
        CancellationToken cancellation) => terminal.Progress()
            .Start(display =>
            {
                ProgressTask task = display.AddTask("training", maxValue: 1);
                trainer.Run(
                    folder,
                    heldOut,
                    parse.GetRequiredValue(_every)!.Value,
                    TimeSpan.FromMinutes(parse.GetRequiredValue(_checkpointMinutes)!.Value),
                    now => Report(terminal, task, trainer, now),
                    cancellation);
            });

    private static void Report(Terminal terminal, ProgressTask task, SaeTrainer trainer, SaeTrainingProgress now)
    {
        SaeTrainingLine first = now.Lines[0];
        task.MaxValue = now.Steps;
        task.Value = first.Step;
        task.Description = string.Create(
            CultureInfo.InvariantCulture,
            $"step {first.Step}/{now.Steps}, FVU {string.Join(", ", now.Lines.Select(line => Text(line.Fvu)))}, "
            + $"{first.TokensPerSecond:F0} tokens/s");
        foreach (SaeTrainingLine line in now.Lines.Where(line => double.IsFinite(line.HeldOut.Fvu)))
        {
            terminal.Note(string.Create(
                CultureInfo.InvariantCulture,
                $"step {line.Step}, {trainer.Log.Points[line.Site]}: FVU {line.Fvu:F3}, L0 {line.L0:F1}, dead "
                + $"{line.DeadShare:P1}, held-out FVU {line.HeldOut.Fvu:F3}, CE {line.HeldOut.CeOriginal:F3} to "
                + $"{line.HeldOut.CeSpliced:F3}, {line.TokensPerSecond:F0} tokens/s, "
                + $"{now.Remaining:hh\\:mm\\:ss} left"));
        }
    }

    private static string Text(double value) => value.ToString("F3", CultureInfo.InvariantCulture);

    private static Option<int?> Positive(string name, string description, int? fallback) =>
        ValueOptions.Number<int>(name, description, "a whole number from 1", n => n >= 1, fallback);
}
