using System.Diagnostics;
using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Cli;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Models;
using LayerSteer.Training;
using Xunit;
using XDocument = System.Xml.Linq.XDocument;

namespace LayerSteer.Tests.Training;

public sealed class SaeTrainerTests : IDisposable
{
    private static readonly HookPoint[] Points = [HookPoint.ResidualPost(0), new(HookKind.MlpOut, 1)];

    private readonly TinyModel _model = new();
    private readonly TempFolder _folder = new();
    private readonly TokenSource[] _sources = [new("texts", TinyModel.Ids(5, 3000))];

    private static SaeTrainingOptions Options => new()
    {
        Latents = 100,
        Tokens = 64 * 20,
        K = 5,
        Batch = 64,
        Buffer = 300,
        WarmUp = 3,
        DeadAfter = 64 * 4,
    };

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(SaeTrainingActivation.TopK)]
    [InlineData(SaeTrainingActivation.BatchTopK)]
    [InlineData(SaeTrainingActivation.JumpRelu)]
    public void A_planted_dictionary_is_found(SaeTrainingActivation activation)
    {
        const int DIn = 32;
        const int Planted = 48;
        const int ActiveAtOnce = 3;
        var options = new SaeTrainingOptions
        {
            Latents = 96,
            Tokens = 256 * 2500,
            Activation = activation,
            K = ActiveAtOnce,
            Batch = 256,
            Normalises = false,
            LearningRate = 3e-3,
            DeadAfter = 256 * 20,
        };
        var random = new SplitMix64(11);
        float[] dictionary = new float[Planted * DIn];
        TrainableCheckpoint.Normal(ref random, dictionary, 1);
        NormedRowsKernel.Normalise(WorkerPool.Shared, dictionary, DIn);
        using var pool = new WorkerPool(2);
        using var sae = new SaeInTraining(HookPoint.ResidualPost(0), DIn, options, pool);
        using var buffer = new ActivationBuffer([DIn], 1024, 1);
        float[] batch = new float[options.Batch * DIn];
        for (int row = 0; row < 1024; row++)
        {
            Sample(ref random, buffer.Next(0, row));
        }

        buffer.Add(1024);
        sae.Start(buffer, 0);
        for (int step = 0; step < options.Steps; step++)
        {
            for (int row = 0; row < options.Batch; row++)
            {
                Sample(ref random, batch.AsSpan(row * DIn, DIn));
            }

            sae.Step(batch, options.Batch, step);
        }

        ReadOnlySpan<float> decoder = sae.Parameters[SaeGradient.Decoder];
        int found = 0;
        for (int planted = 0; planted < Planted; planted++)
        {
            float best = 0;
            for (int latent = 0; latent < options.Latents; latent++)
            {
                float cosine = 0;
                for (int i = 0; i < DIn; i++)
                {
                    cosine += dictionary[(planted * DIn) + i] * decoder[(latent * DIn) + i];
                }

                best = Math.Max(best, cosine);
            }

            found += best > 0.9f ? 1 : 0;
        }

        Assert.InRange(found, Planted * 9 / 10, Planted);
        for (int latent = 0; latent < options.Latents; latent++)
        {
            double squares = 0;
            for (int i = 0; i < DIn; i++)
            {
                squares += (double)decoder[(latent * DIn) + i] * decoder[(latent * DIn) + i];
            }

            Assert.Equal(1, Math.Sqrt(squares), 1e-6);
        }

        (_, double fvu, double l0) = sae.TakeMeans();
        Assert.InRange(fvu, 0, 0.5);
        Assert.InRange(l0, 1, 3 * ActiveAtOnce);

        void Sample(ref SplitMix64 generator, Span<float> row)
        {
            row.Clear();
            for (int active = 0; active < ActiveAtOnce; active++)
            {
                int planted = generator.NextInt(Planted);
                float size = 1f + (float)generator.NextDouble();
                for (int i = 0; i < DIn; i++)
                {
                    row[i] += size * dictionary[(planted * DIn) + i];
                }
            }
        }
    }

    [Theory]
    [InlineData(SaeTrainingActivation.TopK, 1)]
    [InlineData(SaeTrainingActivation.TopK, 3)]
    [InlineData(SaeTrainingActivation.BatchTopK, 2)]
    [InlineData(SaeTrainingActivation.JumpRelu, 2)]
    public void A_run_that_was_stopped_again_and_again_ends_in_the_same_bits_with_any_threads(
        SaeTrainingActivation activation, int threads)
    {
        SaeTrainingOptions options = Options with { Activation = activation };
        Directory.CreateDirectory(_folder.File("whole"));
        Directory.CreateDirectory(_folder.File("stopped"));
        using (var two = new WorkerPool(2))
        using (Decoder decoder = _model.Load(new LoadOptions { Pool = two }))
        using (SaeTrainer whole = Create(decoder, options))
        {
            whole.Run(_folder.File("whole"), every: 5, cancellation: TestContext.Current.CancellationToken);
            whole.Write(_folder.File("whole"), "tiny");
        }

        int stops = 0;
        using var pool = new WorkerPool(threads);
        using Decoder other = _model.Load(new LoadOptions { Pool = pool });
        for (bool done = false; !done;)
        {
            using SaeTrainer part = Create(other, options);
            Assert.Equal(stops > 0, part.TryResume(_folder.File("stopped")));
            using var stop = new CancellationTokenSource();
            try
            {
                part.Run(
                    _folder.File("stopped"),
                    every: 5,
                    progress: now => Stop(now.Lines[0].Step),
                    cancellation: stop.Token);
                part.Write(_folder.File("stopped"), "tiny");
                done = true;
            }
            catch (OperationCanceledException)
            {
                stops++;
            }

            void Stop(int step)
            {
                if (step is 5 or 10 or 15)
                {
                    stop.Cancel();
                }
            }
        }

        Assert.Equal(3, stops);
        foreach (HookPoint point in Points)
        {
            string name = $"{point}.safetensors";
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(_folder.File("whole"), name)),
                File.ReadAllBytes(Path.Combine(_folder.File("stopped"), name)));
        }
    }

    [Fact]
    public void A_run_writes_both_layouts_a_table_and_a_chart_and_measures_on_held_out_text()
    {
        using Decoder decoder = _model.Load();
        SaeTrainingOptions options = Options with { Tokens = 64 * 200, LearningRate = 3e-3, Buffer = 1000 };
        using SaeTrainer trainer = Create(decoder, options);
        int length = SaeTrainer.WindowLength(decoder.Spec, TinyModel.Eos);
        IReadOnlyList<int[]> heldOut =
            TrainingTexts.Windows([new TokenSource("held out", TinyModel.Ids(6, 400))], length, 4);
        trainer.Run(_folder.Path, heldOut, every: 10, cancellation: TestContext.Current.CancellationToken);
        trainer.Write(_folder.Path, "tiny", TensorType.BF16);

        Assert.Equal(2 * 20, trainer.Log.Lines.Count);
        for (int site = 0; site < Points.Length; site++)
        {
            SaeTrainingLine[] lines = [.. trainer.Log.Lines.Where(line => line.Site == site)];
            SpliceQuality last = lines[^1].HeldOut;
            Assert.Equal(5, lines[^1].L0, 0.2);
            Assert.InRange(lines[^1].Fvu, 0, 0.8 * lines[0].Fvu);
            Assert.InRange(last.Fvu, 0.001, 1);
            Assert.InRange(last.L0, 4.5, 5);
            Assert.True(last.CeOriginal > 0 && double.IsFinite(last.CeSpliced) && double.IsFinite(last.CeAblated));
            Assert.Equal(2, lines.Count(line => double.IsFinite(line.HeldOut.Fvu)));
            using SparseAutoencoder folder = SparseAutoencoder.Load(_folder.File($"{Points[site]}"));
            using SparseAutoencoder file = SparseAutoencoder.Load(_folder.File($"{Points[site]}.safetensors"));
            Assert.Equal(Points[site], folder.HookPoint);
            Assert.Equal((40, 100, 5), (file.DIn, file.DSae, file.Activation.K));
        }

        string[] table = File.ReadAllLines(_folder.File(SaeTrainer.LogName));
        Assert.Equal(1 + (2 * 20), table.Length);
        Assert.All(table, line => Assert.Equal(16, line.Split(',').Length));
        XDocument chart = XDocument.Load(_folder.File(SaeTrainer.ChartName));
        Assert.Equal(2 * 5, chart.Descendants().Count(element => element.Name.LocalName == "polyline"));
        Assert.Empty(Directory.GetFiles(_folder.Path, ".tmp-*"));
    }

    [Fact]
    public void Activations_are_those_of_the_model_normalised_without_first_positions()
    {
        using Decoder decoder = _model.Load();
        int length = TinyModel.Context - 1;
        var windows = new TokenWindows(_sources, length, 1);
        var same = new TokenWindows(_sources, length, 1);
        using var source = new ActivationSource(
            decoder, Points, windows, TinyModel.Eos, skipsFirst: true, normalises: true);
        using var buffer = new ActivationBuffer([40, 40], 4 * length, 3);
        source.Fill(buffer, TestContext.Current.CancellationToken);
        Assert.Equal((4 * length, 4L), (buffer.Left, source.Windows));

        var expected = new HashSet<(float, float)>();
        int[] window = new int[length + 1];
        using DecoderRun run = decoder.CreateRun(TinyModel.Context);
        for (int i = 0; i < 4; i++)
        {
            same.Next(window);
            using KvCache cache = decoder.CreateCache(TinyModel.Context);
            run.Forward(
                [new SequenceBlock(cache, (int[])[TinyModel.Eos, .. window.AsSpan(0, length)])],
                new HookSet().Add(Points[1], rows =>
                {
                    for (int row = 1; row < rows.Count; row++)
                    {
                        float[] x = rows[row].ToArray();
                        double mean = x.Average();
                        double std = Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)) / 39);
                        expected.Add((Rounded((x[0] - mean) / std), Rounded((x[39] - mean) / std)));
                    }
                }),
                LogitRows.None);
        }

        int found = 0;
        for (int place = 0; place < 4 * length; place++)
        {
            Span<float> row = buffer.Row(1, place);
            found += expected.Contains((Rounded(row[0]), Rounded(row[39]))) ? 1 : 0;
        }

        static float Rounded(double value) => (float)Math.Round(value, 3);

        Assert.InRange(found, (int)(0.97 * 4 * length), 4 * length); // a rounding may fall to the other side
    }

    [Fact]
    public void A_checkpoint_of_another_run_is_refused_with_what_differs()
    {
        using Decoder decoder = _model.Load();
        using (SaeTrainer first = Create(decoder, Options))
        {
            first.Run(_folder.Path, every: 5, cancellation: TestContext.Current.CancellationToken);
        }

        using SaeTrainer other = Create(decoder, Options with { K = 6 });
        Assert.Equal(
            $"'{_folder.File(SaeTrainer.CheckpointName)}' is the checkpoint of another run: K = 5 there, K = 6 here; "
            + "give another --out, or the settings and texts of that run",
            Assert.Throws<InvalidDataException>(() => other.TryResume(_folder.Path)).Message);
    }

    [Fact]
    public void A_checkpoint_that_is_cut_short_is_refused()
    {
        using Decoder decoder = _model.Load();
        using (SaeTrainer first = Create(decoder, Options))
        {
            first.Run(_folder.Path, every: 5, cancellation: TestContext.Current.CancellationToken);
        }

        string path = _folder.File(SaeTrainer.CheckpointName);
        byte[] bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, bytes[..^100]);
        using SaeTrainer again = Create(decoder, Options);
        Assert.EndsWith(
            "the file is cut short", Assert.Throws<InvalidDataException>(() => again.TryResume(_folder.Path)).Message);
    }

    [Fact]
    public void What_cannot_be_trained_is_refused_before_anything_runs()
    {
        using Decoder decoder = _model.Load();
        string Refusal(SaeTrainingOptions options, HookPoint[] points, int tokens = 3000) =>
            Assert.ThrowsAny<Exception>(() => new SaeTrainer(
                decoder, points, [new TokenSource("texts", TinyModel.Ids(5, tokens))], options, null, "test").Dispose())
            .Message;
        Assert.Equal(
            "no hook point 'blocks.3.hook_resid_post'; this model has layers 0 to 2",
            Refusal(Options, [HookPoint.ResidualPost(3)]));
        Assert.Equal(
            "autoencoders are trained at hook points of blocks, not at 'hook_embed'",
            Refusal(Options, [new HookPoint(HookKind.Embed, -1)]));
        Assert.StartsWith(
            "expected at least one hook point, and none twice", Refusal(Options, [Points[0], Points[0]]));
        Assert.StartsWith(
            "the texts are smaller than one window: 40 tokens, expected at least 49; "
            + "give more text or a smaller context",
            Refusal(Options, Points, tokens: 40));
        Assert.Equal(
            "K is 101, expected 1 to 100, the number of latents", Refusal(Options with { K = 101 }, Points));
        Assert.Equal(
            "Buffer is 255, expected at least four batches, 256", Refusal(Options with { Buffer = 255 }, Points));
    }

    [Fact]
    public void Held_out_text_is_cut_from_the_ends_and_never_trained_on()
    {
        TokenSource[] sources =
            [new("a", [.. Enumerable.Range(0, 10_000)]), new("b", [.. Enumerable.Range(20_000, 5000)])];
        (IReadOnlyList<TokenSource> training, IReadOnlyList<int[]> heldOut) = HeldOutTexts.Cut(sources, 9, 100);
        Assert.Equal(30, heldOut.Count); // 2 % of 15,000 tokens
        Assert.All(heldOut, window => Assert.Equal(10, window.Length));
        Assert.Empty(heldOut.SelectMany(w => w).Intersect(training.SelectMany(s => s.Tokens)));
        Assert.Equal(15_000, heldOut.Sum(w => w.Length) + training.Sum(s => s.Tokens.Length));
        Assert.Empty(HeldOutTexts.Cut([new("a", [1, 2, 3])], 9, 100).HeldOut);
    }

    [Fact]
    public async Task The_command_trains_resumes_and_says_what_it_made()
    {
        string[] args = Arguments("cli");
        CliRun run = await CliRun.Done([.. args, "--json"]);
        Assert.Equal(20, run.Json.GetProperty("steps").GetInt32());
        Assert.Equal(
            ["blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"],
            run.Json.GetProperty("autoencoders").EnumerateArray().Select(a => a.GetProperty("hook").GetString()));
        using SparseAutoencoder sae =
            SparseAutoencoder.Load(_folder.File("cli/blocks.0.hook_resid_post.safetensors"));
        Assert.Equal((40, 100), (sae.DIn, sae.DSae));

        CliRun again = await CliRun.Done(args);
        Assert.Contains("going on from step 20 of 20", again.Notes, StringComparison.Ordinal);
        string refused = await CliRun.Refused(2, [.. args, "--seed", "9"]);
        Assert.StartsWith(
            $"'{_folder.File("cli/training.safetensors")}' is the checkpoint of another run: "
            + "Seed = 1 there, Seed = 9 here",
            refused,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_refuses_texts_that_are_empty_or_small_and_hooks_that_are_not_there()
    {
        string[] args = Arguments("cli");
        File.WriteAllText(_folder.File("texts.txt"), " \n");
        Assert.StartsWith(
            $"'{_folder.File("texts.txt")}': no documents; expected",
            await CliRun.Refused(2, args),
            StringComparison.Ordinal);
        File.WriteAllText(_folder.File("texts.txt"), "A few words.");
        Assert.StartsWith(
            "the texts are smaller than one window: ", await CliRun.Refused(2, args), StringComparison.Ordinal);
        args[Array.IndexOf(args, "--hook") + 1] = "blocks.0.hook_nowhere";
        Assert.StartsWith(
            "no hook point 'blocks.0.hook_nowhere'; there are hook_embed,",
            await CliRun.Refused(2, args),
            StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.File("cli")));
    }

    [Fact]
    public async Task A_run_that_was_killed_again_and_again_ends_in_the_same_bytes()
    {
        await CliRun.Done(Arguments("whole"));
        string[] args = [.. Arguments("killed"), "--checkpoint-minutes", "0.00001"];
        string checkpoint = _folder.File("killed/training.safetensors");
        for (int kill = 0; kill < 3; kill++)
        {
            DateTime before = File.GetLastWriteTimeUtc(checkpoint); // of a file that is not there: long ago
            using Process process = ToolProcess.Start(args);
            while (File.GetLastWriteTimeUtc(checkpoint) == before && !process.HasExited)
            {
                await Task.Delay(1, TestContext.Current.CancellationToken);
            }

            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        await CliRun.Done(args);
        foreach (string name in (string[])["blocks.0.hook_resid_post.safetensors", "blocks.1.hook_mlp_out.safetensors"])
        {
            Assert.Equal(
                File.ReadAllBytes(_folder.File($"whole/{name}")), File.ReadAllBytes(_folder.File($"killed/{name}")));
        }
    }

    [Fact]
    public async Task A_full_disk_ends_the_run_with_one_line_and_leaves_the_checkpoint_before()
    {
        string[] args = Arguments("full");
        await CliRun.Done(args);
        string checkpoint = _folder.File("full/training.safetensors");
        byte[] before = File.ReadAllBytes(checkpoint);
        File.Delete(checkpoint);

        // No file may grow beyond 16 KB: as on a full disk, writing fails half way.
        string line = string.Join(' ', args.Select(arg => $"'{arg}'"));
        (int code, string output, string error) = await ToolProcess.Bash(
            $"trap '' XFSZ; ulimit -f 16; TOOL {line}",
            ("DOTNET_EnableWriteXorExecute", "0"),
            ("LAYERSTEER_CACHE", CliRun.Cache));
        Assert.Equal((2, string.Empty), (code, output));
        Assert.StartsWith("error: ", error.TrimEnd('\n').Split('\n')[^1], StringComparison.Ordinal);
        Assert.False(File.Exists(checkpoint));
        Assert.Empty(Directory.GetFiles(_folder.File("full"), ".tmp-*"));

        await CliRun.Done(args);
        Assert.Equal(before.Length, new FileInfo(checkpoint).Length);
    }

    private SaeTrainer Create(Decoder decoder, SaeTrainingOptions options) =>
        new(decoder, Points, _sources, options, TinyModel.Eos, "test");

    private string[] Arguments(string output)
    {
        _model.Load().Dispose();
        _model.LoadTokenizer();
        var words = new SplitMix64(4);
        string[] some = ["the", "an", "then", "other", "hat", "thing"];
        File.WriteAllText(
            _folder.File("texts.txt"),
            string.Join(' ', Enumerable.Range(0, 4000).Select(_ => some[words.NextInt(some.Length)])));
        return
        [
            "sae", "train", "--model", _model.Path, "--hook", "blocks.0.hook_resid_post,blocks.1.hook_mlp_out",
            "--texts", _folder.File("texts.txt"), "--latents", "100", "--k", "5", "--tokens", "1280", "--batch", "64",
            "--buffer", "300", "--log-every", "5", "--out", _folder.File(output),
        ];
    }
}
