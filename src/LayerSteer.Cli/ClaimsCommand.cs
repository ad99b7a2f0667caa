using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer claims`: figures of the literature, measured on a model and its autoencoders.</summary>
internal static class ClaimsCommand
{
    private static readonly (string Target, string Title)[] Targets =
    [
        ("T11", "T11  Is an autoencoder's error worse than its size? (Gurnee 2024; Lee and Heimersheim 2024) ± standard error "
            + "over draws"),
        ("T9", "T9  Can a latent's side effects be told beforehand? (Duan 2026) Spearman's rho [95 % interval]"),
        ("T4", "T4  What does steering add to a token? (arXiv 2506.12576) median [quartiles]"),
    ];

    public static Command Create(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string[]> index = ValueOptions.Paths(
            "--index",
            "Reference indexes of the autoencoders, for how often latents are active. Beside the pocket model's own, where "
            + "that is the model.");
        Option<string?> topic = new("--topic")
        {
            Description = "The topic whose scores T4 steers by: its name or file. Default: the pocket model's demo topic.",
            HelpName = "name|path",
        };
        Option<string[]> texts = SharedOptions.Texts(
            "--texts", "Texts to measure on: .txt, .jsonl, also as .gz. Default: neutral paragraphs of our own.");
        Option<int?> tokens = Whole("--tokens", "The most tokens that T11 reads.", 16, 4096);
        Option<int?> steered = Whole("--side-effect-tokens", "The most tokens that T9 steers each latent on.", 16, 512);
        Option<int?> latents = Whole(
            "--latents", "How many latents T9 steers.", SideEffectOptions.FewestLatents, new SideEffectOptions().Latents);
        Option<int?> draws = Whole("--draws", "How many random vectors a position T11 draws.", 1, 5);
        Option<int?> runs = Whole("--runs", "How many pairs of runs T4 times.", 1, 9);
        Option<ulong?> seed = ValueOptions.Number<ulong>(
            "--seed", "The seed of draws, samples and resamples.", "a whole number from 0", _ => true, 0);
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "claims",
            "Measure claims of the literature on a model: the error's pathology, predictors of side effects, the overhead of "
            + "steering; each beside the claimed figure.")
        {
            model, sae, layer, hook, index, topic, texts, tokens, steered, latents, draws, runs, seed, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.SetAction((parse, cancellation) =>
        {
            string? given = parse.GetValue(model);
            PocketModel? pocket = SharedOptions.PocketUnless(given);
            string[] saes = parse.GetValue(sae) ?? [];
            int[] layers = parse.GetValue(layer) ?? [];
            HookKind? kind = parse.GetValue(hook);
            if (pocket is null && saes.Length == 0)
            {
                throw new UsageException("--sae is needed, one autoencoder or more");
            }

            IReadOnlyList<(HookPoint Point, string Sae)> sites = pocket is null ? SharedOptions.Sites(layers, saes, kind)
                : saes.Length == 0 && layers.Length == 0 && kind is null ? [.. pocket.Saes.Select(one => (one.Point, one.Path))]
                : SharedOptions.Sites(pocket, layers, saes, kind);
            string[] folders = parse.GetValue(index) ?? [];
            TopicProfile? profile = (parse.GetValue(topic) ?? pocket?.Demo.Topic) is { } named
                ? TopicFolder.Read(named, pocket)
                : null;
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions options = loading.Options(parse, terminal, pool);
            string folder = SharedOptions.ModelFolder(given);
            var run = new ClaimsRun(terminal, cancellation);
            var figures = new List<ClaimFigure>();
            int measured;
            string digest;
            using (Steerer steerer = Steerer.Load(folder, sites, options))
            {
                digest = steerer.Decoder.Digest;
                List<ReferenceIndex> indexes = [.. folders.Select(path => ReferenceIndex.Open(path))];
                ClaimsRun.RequireUsed(indexes, steerer);
                if (pocket is not null)
                {
                    indexes.Add(ReferenceIndex.Open(pocket.Index));
                }

                int most = Value(parse, tokens);
                IReadOnlyList<int[]> read = parse.GetValue(texts) is { Length: > 0 } paths
                    ? ClaimsRun.Read(steerer, paths, most)
                    : ClaimsRun.Beginning(InterventionFidelity.NeutralIds(steerer.Decoder, steerer.Tokenizer), most);
                measured = read.Sum(ids => ids.Length);
                ulong start = parse.GetRequiredValue(seed)!.Value;
                figures.AddRange(run.Errors(steerer, read, Value(parse, draws), start));
                figures.AddRange(run.SideEffects(
                    steerer,
                    ClaimsRun.Beginning(read, Value(parse, steered)),
                    indexes,
                    new SideEffectOptions { Latents = Value(parse, latents), Seed = start }));
            }

            figures.AddRange(Overhead(run, folder, sites, options, profile, Value(parse, runs)));
            if (parse.GetValue(json))
            {
                terminal.WriteJson(Json(figures, digest, measured, pool));
            }
            else
            {
                Show(terminal, figures, pool);
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static Option<int?> Whole(string name, string description, int least, int fallback) =>
        ValueOptions.Number<int>(name, description, $"a whole number from {least}", n => n >= least, fallback);

    private static int Value(ParseResult parse, Option<int?> option) => parse.GetRequiredValue(option)!.Value;

    /// <summary>A topic is of one autoencoder, so the model is loaded with that alone.</summary>
    private static IEnumerable<ClaimFigure> Overhead(
        ClaimsRun run,
        string folder,
        IReadOnlyList<(HookPoint Point, string Sae)> sites,
        LoadOptions options,
        TopicProfile? profile,
        int runs)
    {
        if (profile is null)
        {
            return [ClaimFigures.NotRun("T4", "-", "no --topic is given")];
        }

        (HookPoint Point, string Sae)[] own = [.. sites.Where(site => site.Point.ToString() == profile.HookPoint)];
        if (own.Length == 0)
        {
            return [ClaimFigures.NotRun("T4", "-", $"topic '{profile.Name}' is of {profile.HookPoint}, which is not loaded")];
        }

        using Steerer steerer = Steerer.Load(folder, [own[0]], options);
        return run.Overhead(steerer, profile, runs);
    }

    private static void Show(Terminal terminal, List<ClaimFigure> figures, WorkerPool pool)
    {
        foreach ((string target, string title) in Targets)
        {
            Table table = new Table { Title = new TableTitle(Markup.Escape(title)) }
                .AddColumn("where").AddColumn("what").AddColumn(new TableColumn("measured").RightAligned())
                .AddColumn("claimed").AddColumn("reproduced if").AddColumn("verdict");
            foreach (ClaimFigure one in figures.Where(figure => figure.Target == target))
            {
                table.AddRow(
                    Markup.Escape(one.Where.Replace(".hook_resid_post", string.Empty, StringComparison.Ordinal)),
                    Markup.Escape(one.What),
                    Markup.Escape(Measured(one)),
                    Markup.Escape(one.Claimed),
                    Markup.Escape(one.Criterion),
                    one.Word);
            }

            terminal.Tables.Write(table);
        }

        terminal.Note($"claims are of other models; measured with {pool.Threads} of {Environment.ProcessorCount} threads, "
            + $"{WorkerPool.VectorBits}-bit vectors, {RuntimeInformation.FrameworkDescription}");
    }

    private static string Measured(ClaimFigure one)
    {
        if (one.Value is not { } value)
        {
            return "–";
        }

        string spread = one.StandardError is { } error ? $" ± {Number(error)}"
            : one is { Low: { } low, High: { } high } ? $" [{Number(low)}, {Number(high)}]" : string.Empty;
        return Number(value) + spread;

        // An exact 0 stands out from a small number.
        static string Number(double number) => number == 0 ? "0"
            : number.ToString(Math.Abs(number) < 0.01 ? "0.000000" : "0.000", CultureInfo.InvariantCulture);
    }

    private static JsonObject Json(List<ClaimFigure> figures, string digest, int tokens, WorkerPool pool) => new()
    {
        ["model"] = digest,
        ["tokens"] = tokens,
        ["figures"] = new JsonArray([.. figures.Select(figure => figure.ToJson())]),
        ["machine"] = new JsonObject
        {
            ["vector_bits"] = WorkerPool.VectorBits,
            ["threads"] = pool.Threads,
            ["processors"] = Environment.ProcessorCount,
            ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString(),
            ["system"] = RuntimeInformation.OSDescription,
            ["runtime"] = RuntimeInformation.FrameworkDescription,
        },
    };
}
