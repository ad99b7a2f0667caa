using System.CommandLine;
using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Cli;

/// <summary>`layersteer check`: whether a model and an autoencoder belong together.</summary>
internal static class CheckCommand
{
    public static Command Create(Terminal terminal)
    {
        var defaults = new SaeHealthOptions();
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string[]> texts = SharedOptions.Texts(
            "--texts", "Texts to measure on: .txt, .jsonl, also as .gz. Default: neutral paragraphs of our own.");
        Option<int?> tokens = ValueOptions.Number<int>(
            "--tokens", "The most tokens that are read.", "a whole number from 64", n => n >= 64, defaults.Tokens);
        Option<int?> window = ValueOptions.Number<int>(
            "--window", "Tokens of a window.", "a whole number from 8", n => n >= 8, defaults.Window);
        Option<int?> scan = ValueOptions.Number<int>(
            "--scan-tokens",
            "Tokens on which every hook point of the autoencoder's width is tried; 0 for none.",
            "a whole number from 0", n => n >= 0, defaults.ScanTokens);
        Option<BosPolicy?> bos = SharedOptions.Bos(
            "one: BOS in front of each window; none. Default: as the autoencoder's file says, otherwise one.");
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "check",
            "Check that a model and an autoencoder belong together: reconstruction, sparsity, loss, BOS, and whether "
            + "another activation, normalisation, layer or hook point fits better.")
        {
            model, sae, layer, hook, texts, tokens, window, scan, bos, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.SetAction((parse, cancellation) =>
        {
            string? given = parse.GetValue(model);
            PocketModel? pocket = SharedOptions.PocketUnless(given);
            (HookPoint point, string path) = SharedOptions.OneSite(
                pocket,
                parse.GetValue(layer) ?? [],
                parse.GetValue(sae) ?? [],
                parse.GetValue(hook),
                "a check is of one layer");
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions options = loading.Options(parse, terminal, pool);
            string folder = given ?? pocket!.Model;
            using Decoder decoder = Decoder.Load(folder, options);
            TextTokenizer tokenizer = TextTokenizer.Load(folder);
            using SparseAutoencoder autoencoder = SparseAutoencoder.Load(path, options);
            bool inFront = parse.GetValue(bos) is { } policy
                ? policy == BosPolicy.One
                : autoencoder.Config?.PrependBos ?? true;
            int most = parse.GetRequiredValue(tokens)!.Value;
            SaeHealthCard card = SaeHealth.Measure(
                decoder,
                autoencoder,
                point,
                Tokens(tokenizer, parse.GetValue(texts) ?? [], most),
                decoder.Spec.BosId,
                inFront,
                defaults with
                {
                    Tokens = most,
                    Window = parse.GetRequiredValue(window)!.Value,
                    ScanTokens = parse.GetRequiredValue(scan)!.Value,
                },
                cancellation);
            if (parse.GetValue(json))
            {
                terminal.WriteJson(CheckReport.Json(card, decoder.Digest, autoencoder.Digest));
            }
            else
            {
                CheckReport.Show(terminal, card);
            }

            return Task.FromResult(0);
        });
        return command;
    }

    /// <summary>The tokens of texts, one after the other, up to a number.</summary>
    private static int[] Tokens(TextTokenizer tokenizer, string[] paths, int most)
    {
        var ids = new List<int>();
        if (paths.Length == 0)
        {
            foreach (string paragraph in NeutralText.Paragraphs)
            {
                ids.AddRange(tokenizer.Encode(paragraph.ReplaceLineEndings(" ")));
            }

            return [.. ids.Take(most)];
        }

        TextCorpus corpus = TextCorpus.Open(paths);
        foreach (string file in corpus.Files)
        {
            foreach (CorpusDocument document in corpus.Documents(file))
            {
                ids.AddRange(tokenizer.Encode(document.Text));
                if (ids.Count >= most)
                {
                    return [.. ids.Take(most)];
                }
            }
        }

        return [.. ids];
    }
}
