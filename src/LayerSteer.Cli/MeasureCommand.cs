using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer measure`: what a model card says of a model.</summary>
internal static class MeasureCommand
{
    private const int SampleTokens = 200;
    private const int SampleBatch = 16;
    private static readonly int[] RunLengths = [8, 13, 20];

    public static Command Create(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string[]> texts = SharedOptions.Texts("--texts", "Held-out texts: bits a byte of each file.");
        Option<string?> pairs = new("--pairs")
        {
            Description = "Minimal pairs as BLiMP stores them (.jsonl): how often the good sentence is more probable.",
            HelpName = "path",
        };
        Option<string[]> corpus = SharedOptions.Texts(
            "--overlap", "The training texts: how much of what the model writes stands there word for word.");
        Option<string[]> topics = SharedOptions.Texts(
            "--topics", "Topics, as for evaluate: how often --encoder places a held-out text nearest its own topic.");
        Option<string?> encoder = SharedOptions.Encoder("Default: the pocket model's, where that is the model.");
        Option<int?> samples = ValueOptions.Number<int>(
            "--samples", $"Texts of {SampleTokens} tokens to write for --overlap.", "at least 1", n => n >= 1, 200);
        Option<ulong?> seed =
            ValueOptions.Number<ulong>("--seed", "Seed of these texts.", "a whole number from 0", _ => true, 1);
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "measure",
            "Measure a model: bits a byte, acceptability, verbatim overlap with its training texts; and its encoder.")
        {
            model, texts, pairs, corpus, samples, seed, topics, encoder, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.SetAction(async (parse, cancellation) =>
        {
            string[] held = parse.GetValue(texts) ?? [];
            string[] trained = parse.GetValue(corpus) ?? [];
            string[] named = parse.GetValue(topics) ?? [];
            if (held.Length == 0 && trained.Length == 0 && named.Length == 0 && parse.GetValue(pairs) is null)
            {
                throw new UsageException("nothing to measure; give --texts, --pairs, --overlap or --topics");
            }

            PocketModel? pocket = SharedOptions.PocketUnless(parse.GetValue(model));
            string? encoderFolder = SharedOptions.EncoderFolder(parse.GetValue(encoder)) ?? pocket?.Encoder;
            if (named.Length > 0 && encoderFolder is null)
            {
                throw new UsageException("--topics needs --encoder, the folder of a sentence encoder");
            }

            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions options = loading.Options(parse, terminal, pool);
            using Steerer steerer = Steerer.Load(SharedOptions.ModelFolder(parse.GetValue(model)), [], options);
            using var likelihood = new LogLikelihood(steerer.Decoder);
            var result = new JsonObject { ["model"] = steerer.Decoder.Digest };
            if (held.Length > 0)
            {
                result["texts"] = Predict(likelihood, steerer.Tokenizer, held, cancellation);
            }

            if (parse.GetValue(pairs) is { } path)
            {
                result["pairs"] = Compare(likelihood, steerer.Tokenizer, MinimalPairs.Read(path), cancellation);
            }

            if (trained.Length > 0)
            {
                result["overlap"] = Overlap(
                    steerer,
                    TextCorpus.Open(trained),
                    parse.GetRequiredValue(samples)!.Value,
                    parse.GetRequiredValue(seed)!.Value,
                    terminal,
                    cancellation);
            }

            if (named.Length > 0)
            {
                using SentenceEncoder sentences = SentenceEncoder.Load(encoderFolder!, options);
                result["topics"] = await Topics(sentences, EvaluationTopic.ReadAll(named), cancellation);
            }

            if (parse.GetValue(json))
            {
                terminal.WriteJson(result);
            }
            else
            {
                Show(terminal, result);
            }

            return 0;
        });
        return command;
    }

    private static JsonArray Predict(
        LogLikelihood likelihood, TextTokenizer tokenizer, string[] paths, CancellationToken cancellation)
    {
        var array = new JsonArray();
        TextCorpus corpus = TextCorpus.Open(paths);
        foreach (string file in corpus.Files)
        {
            var figures = default(PredictionFigures);
            foreach (CorpusDocument document in corpus.Documents(file))
            {
                cancellation.ThrowIfCancellationRequested();
                figures += LanguageMeasures.Predict(likelihood, tokenizer, document.Text);
            }

            array.Add(new JsonObject
            {
                ["file"] = Path.GetFileName(file),
                ["documents"] = figures.Documents,
                ["bytes"] = figures.Bytes,
                ["tokens"] = figures.Tokens,
                ["bits_per_byte"] = figures.BitsPerByte,
                ["perplexity"] = figures.Perplexity,
            });
        }

        return array;
    }

    private static JsonObject Compare(
        LogLikelihood likelihood,
        TextTokenizer tokenizer,
        IReadOnlyList<MinimalPair> pairs,
        CancellationToken cancellation)
    {
        var right = new SortedDictionary<string, (int Right, int Count)>(StringComparer.Ordinal);
        foreach (MinimalPair pair in pairs)
        {
            cancellation.ThrowIfCancellationRequested();
            (int hits, int count) = right.GetValueOrDefault(pair.Phenomenon);
            bool prefers = LanguageMeasures.Prefers(likelihood, tokenizer, pair);
            right[pair.Phenomenon] = (hits + (prefers ? 1 : 0), count + 1);
        }

        var phenomena = new JsonArray();
        foreach ((string phenomenon, (int hits, int count)) in right)
        {
            phenomena.Add(new JsonObject
            {
                ["phenomenon"] = phenomenon,
                ["pairs"] = count,
                ["accuracy"] = (double)hits / count,
            });
        }

        return new JsonObject
        {
            ["pairs"] = pairs.Count,
            ["accuracy"] = (double)right.Values.Sum(v => v.Right) / pairs.Count,
            ["phenomena"] = phenomena,
        };
    }

    private static JsonObject Overlap(
        Steerer steerer, TextCorpus corpus, int samples, ulong seed, Terminal terminal, CancellationToken cancellation)
    {
        var texts = new List<string>();
        using (var generator = new Generator(steerer.Decoder, steerer.Tokenizer))
        {
            for (int first = 0; first < samples; first += SampleBatch)
            {
                GenerationRequest[] requests =
                    [
                        .. Enumerable.Range(first, Math.Min(SampleBatch, samples - first)).Select(i =>
                            new GenerationRequest
                            {
                                Prompt = NeutralPrompts.All[i % NeutralPrompts.All.Count],
                                Sampling = new SamplerOptions { Kind = SamplingKind.Softmax, Seed = seed + (ulong)i },
                                MaxNewTokens = Math.Min(SampleTokens, steerer.Decoder.Spec.ContextLength * 3 / 4),
                            }),
                    ];
                texts.AddRange(generator.Generate(requests, cancellation: cancellation).Select(result => result.Text));
                terminal.Note($"wrote {texts.Count} of {samples} texts");
            }
        }

        VerbatimOverlap[] overlaps = [.. RunLengths.Select(n => new VerbatimOverlap(texts, n))];
        foreach (CorpusDocument document in corpus.Documents())
        {
            cancellation.ThrowIfCancellationRequested();
            Array.ForEach(overlaps, overlap => overlap.Look(document.Text));
        }

        var runs = new JsonArray();
        for (int i = 0; i < overlaps.Length; i++)
        {
            runs.Add(new JsonObject
            {
                ["words"] = RunLengths[i],
                ["runs"] = overlaps[i].Count,
                ["share"] = double.IsNaN(overlaps[i].Share) ? null : overlaps[i].Share,
                ["longest"] = overlaps[i].Longest,
            });
        }

        return new JsonObject { ["samples"] = samples, ["runs"] = runs };
    }

    private static async Task<JsonObject> Topics(
        SentenceEncoder encoder, IReadOnlyList<EvaluationTopic> topics, CancellationToken cancellation)
    {
        IReadOnlyList<TopicAccuracy> figures = await TopicAccuracy.MeasureAsync(encoder, topics, cancellation);
        return new JsonObject
        {
            ["encoder"] = encoder.Digest,
            ["texts"] = figures.Sum(topic => topic.Texts),
            ["accuracy"] = (double)figures.Sum(topic => topic.Right) / figures.Sum(topic => topic.Texts),
            ["topics"] = new JsonArray([.. figures.Select(topic => new JsonObject
            {
                ["topic"] = topic.Topic,
                ["texts"] = topic.Texts,
                ["accuracy"] = (double)topic.Right / topic.Texts,
            })]),
        };
    }

    private static void Show(Terminal terminal, JsonObject result)
    {
        if (result["topics"] is JsonObject topics)
        {
            Table table = Titled("Held-out texts nearest to their own topic", "topic", "texts", "accuracy");
            foreach (JsonNode? line in topics["topics"]!.AsArray())
            {
                string name = Markup.Escape(line!["topic"]!.GetValue<string>());
                table.AddRow(name, $"{line["texts"]}", Number(line["accuracy"], "P1"));
            }

            table.AddRow("all", $"{topics["texts"]}", Number(topics["accuracy"], "P2"));
            terminal.Tables.Write(table);
        }

        if (result["texts"] is JsonArray texts)
        {
            Table table = Titled("Held-out texts", "file", "documents", "bytes", "tokens", "bits a byte", "perplexity");
            foreach (JsonNode? line in texts)
            {
                table.AddRow(
                    Markup.Escape(line!["file"]!.GetValue<string>()),
                    $"{line["documents"]}",
                    $"{line["bytes"]}",
                    $"{line["tokens"]}",
                    Number(line["bits_per_byte"], "F3"),
                    Number(line["perplexity"], "F1"));
            }

            terminal.Tables.Write(table);
        }

        if (result["pairs"] is JsonObject pairs)
        {
            Table table = Titled("Minimal pairs", "phenomenon", "pairs", "accuracy");
            foreach (JsonNode? line in pairs["phenomena"]!.AsArray())
            {
                table.AddRow(
                    Markup.Escape(line!["phenomenon"]!.GetValue<string>()),
                    $"{line["pairs"]}",
                    Number(line["accuracy"], "P1"));
            }

            table.AddRow("all", $"{pairs["pairs"]}", Number(pairs["accuracy"], "P1"));
            terminal.Tables.Write(table);
        }

        if (result["overlap"] is JsonObject overlap)
        {
            Table table = Titled(
                "Runs of words that the training texts have", "words", "runs", "found there", "longest, in words");
            foreach (JsonNode? line in overlap["runs"]!.AsArray())
            {
                table.AddRow(
                    $"{line!["words"]}", $"{line["runs"]}", Number(line["share"], "P2"), $"{line["longest"]}");
            }

            terminal.Tables.Write(table);
        }
    }

    private static Table Titled(string title, params string[] columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.Title = new TableTitle(title);
        for (int i = 0; i < columns.Length; i++)
        {
            var column = new TableColumn(columns[i]);
            table.AddColumn(i == 0 ? column : column.RightAligned());
        }

        return table;
    }

    private static string Number(JsonNode? value, string format) =>
        value is null ? "-" : value.GetValue<double>().ToString(format, CultureInfo.InvariantCulture);
}
