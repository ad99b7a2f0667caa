using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Models;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

public sealed class DecoderTrainerTests : IDisposable
{
    private static readonly ArchitectureSpec Spec = new()
    {
        Family = "gpt2",
        NLayers = 2,
        DModel = 24,
        NHeads = 2,
        NKeyValueHeads = 2,
        DHead = 12,
        DMlp = 40,
        Vocabulary = 29,
        ContextLength = 16,
        NormEpsilon = 1e-5f,
        Activation = Activation.GeluTanh,
        AttentionScale = 0.3f,
        TiedUnembedding = true,
    };

    private static readonly TrainingOptions Options =
        new() { Steps = 12, Batch = 5, MicroBatch = 2, LearningRate = 3e-3, WarmUp = 3, Seed = 4, Dropout = 0.1 };

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static TokenSource Text(int count = 600)
    {
        // Two tokens in turn with a third after every seventh: there is something to learn.
        return new TokenSource("text", [.. Enumerable.Range(0, count).Select(i => i % 7 == 6 ? 11 : 3 + (i % 2))]);
    }

    private static float[] All(ParameterSet set) => [.. set.Layout.SelectMany(p => set.Of(p).ToArray())];

    private static DecoderTrainer Trainer(ParameterSet model, TrainingOptions options, string origin = "test") =>
        new(Spec, model, [Text()], options, WorkerPool.Shared, origin);

    public static TheoryData<int> Ranks => [0, 3];

    [Theory]
    [MemberData(nameof(Ranks))]
    public void A_run_that_is_cancelled_at_any_step_and_resumed_ends_in_the_same_bits(int rank)
    {
        TrainingOptions options = Options with { LoraRank = rank };
        using ParameterSet whole = TrainableCheckpoint.Initialise(Spec, 1);
        using (DecoderTrainer trainer = Trainer(whole, options))
        {
            trainer.Run(null, every: 4, cancellation: TestContext.Current.CancellationToken);
        }

        var log = new List<TrainingLine>();
        for (int sitting = 0; sitting < 20; sitting++)
        {
            using ParameterSet part = TrainableCheckpoint.Initialise(Spec, 1);
            using DecoderTrainer trainer = Trainer(part, options);
            using var cancellation = new CancellationTokenSource();
            Assert.Equal(sitting > 0, trainer.TryResume(_folder.Path));
            Assert.Equal(sitting, trainer.Step);
            if (sitting < 11)
            {
                cancellation.Cancel();
                Assert.Throws<OperationCanceledException>(
                    () => trainer.Run(_folder.Path, every: 4, cancellation: cancellation.Token));
                continue;
            }

            trainer.Run(_folder.Path, every: 4, cancellation: TestContext.Current.CancellationToken);
            log.AddRange(trainer.Log.Lines);
            Assert.Equal(All(whole), All(part));
            break;
        }

        Assert.Equal([4, 8, 12], log.Select(line => line.Step));
        Assert.All(log, line => Assert.InRange(line.Loss, 0.1, 4));
        Assert.Empty(Directory.GetFiles(_folder.Path, ".tmp-*"));
        string chart = File.ReadAllText(_folder.File("losses.svg"));
        Assert.Contains("Loss, nats a token", chart, StringComparison.Ordinal);
        Assert.Equal(3, chart.Split("<polyline").Length - 1);
        Assert.DoesNotContain("NaN", chart, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_learns_what_is_there_to_learn()
    {
        using ParameterSet model = TrainableCheckpoint.Initialise(Spec, 1);
        using DecoderTrainer trainer = Trainer(model, Options with { Steps = 400, Dropout = 0 });
        trainer.Run(null, every: 100, cancellation: TestContext.Current.CancellationToken);

        Assert.InRange(trainer.Log.Lines[0].Loss, 0.5, Math.Log(29));
        Assert.InRange(trainer.Log.Lines[^1].Loss, 0, 0.4); // the first tokens of a window cannot be known
    }

    [Fact]
    public void One_step_is_that_of_AdamW_written_plainly()
    {
        TrainingOptions options = Options with { Dropout = 0, ClipNorm = 0.05, Batch = 4, MicroBatch = 4 };
        using ParameterSet model = TrainableCheckpoint.Initialise(Spec, 1);
        using var before = new ParameterSet(model.Layout);
        before.CopyFrom(model);
        using var gradients = new ParameterSet(model.Layout);
        var windows = new TokenWindows([Text()], 16, options.Seed);
        int[] ids = new int[4 * 17];
        for (int i = 0; i < 4; i++)
        {
            windows.Next(ids.AsSpan(i * 17, 17));
        }

        using var gradient = new DecoderGradient(Spec, WorkerPool.Shared, 4, 16);
        gradient.Accumulate(before, gradients, ids, 1f / 64);
        double norm = Math.Sqrt(All(gradients).Sum(g => (double)g * g));
        using (DecoderTrainer trainer = Trainer(model, options))
        {
            Assert.Equal(norm, trainer.RunStep().Norm, 1e-9);
        }

        foreach (Parameter parameter in model.Layout)
        {
            for (int i = 0; i < parameter.Length; i++)
            {
                // After one step both moments, corrected, are those of the gradient itself.
                double g = gradients.Of(parameter)[i] * (0.05 / norm);
                double rate = options.LearningRate / options.WarmUp;
                double w = before.Of(parameter)[i];
                double expected = w - (rate * (parameter.Decays ? 0.1 : 0) * w) - (rate * g / (Math.Abs(g) + 1e-8));

                Assert.Equal(expected, model.Of(parameter)[i], 2e-6);
            }
        }
    }

    [Fact]
    public void The_learning_rate_rises_in_a_line_and_falls_in_half_a_cosine()
    {
        var options = new TrainingOptions { Steps = 110, WarmUp = 10, LearningRate = 2, FinalRate = 0.1 };

        Assert.Equal(0.2, options.LearningRateOf(0), 12);
        Assert.Equal(2, options.LearningRateOf(9), 12);
        Assert.Equal(2, options.LearningRateOf(10), 12);
        Assert.Equal(1.1, options.LearningRateOf(60), 12);
        Assert.Equal(0.2, options.LearningRateOf(110), 12);
    }

    [Fact]
    public void A_checkpoint_of_another_run_is_refused_by_what_differs()
    {
        using (ParameterSet model = TrainableCheckpoint.Initialise(Spec, 1))
        using (DecoderTrainer trainer = Trainer(model, Options with { Steps = 1 }))
        {
            trainer.Run(_folder.Path, cancellation: TestContext.Current.CancellationToken);
        }

        using ParameterSet other = TrainableCheckpoint.Initialise(Spec, 1);
        string path = _folder.File(DecoderTrainer.CheckpointName);
        Assert.Equal(
            $"'{path}' is the checkpoint of another run: Steps = 1 there, Steps = 2 here; "
            + "give another --out, or the settings and texts of that run",
            Refusal(Options with { Steps = 2 }, "test"));
        Assert.Contains("test there, ours here", Refusal(Options with { Steps = 1 }, "ours"), StringComparison.Ordinal);

        string Refusal(TrainingOptions options, string origin)
        {
            using DecoderTrainer trainer = Trainer(other, options, origin);
            return Assert.Throws<InvalidDataException>(() => trainer.TryResume(_folder.Path)).Message;
        }
    }

    [Fact]
    public void A_loss_that_is_not_finite_ends_the_run_before_anything_is_changed()
    {
        using ParameterSet model = TrainableCheckpoint.Initialise(Spec, 1);
        model["ln_f.weight"][0] = float.NaN;
        using DecoderTrainer trainer = Trainer(model, Options);
        float[] before = All(model);

        var refusal = Assert.Throws<InvalidDataException>(
            () => trainer.Run(_folder.Path, cancellation: TestContext.Current.CancellationToken));

        Assert.Equal(
            "the loss is not finite at step 1: try a smaller learning rate; the last checkpoint is from before",
            refusal.Message);
        Assert.True(before.AsSpan().SequenceEqual(All(model)));
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_written_checkpoint_loads_with_the_same_weights_and_the_same_loss()
    {
        using ParameterSet model = TrainableCheckpoint.Initialise(Spec, 1);
        TrainableCheckpoint.Write(_folder.Path, Spec, model, TensorType.F32);
        using ParameterSet read = TrainableCheckpoint.Read(_folder.Path, out ArchitectureSpec spec);
        using Decoder decoder = Decoder.Load(_folder.Path);

        Assert.Equal(Spec with { AttentionScale = spec.AttentionScale }, spec);
        Assert.Equal(All(model), All(read));
        Assert.Equal(decoder.Digest, TrainableCheckpoint.DigestOf(_folder.Path));
    }

    [Fact]
    public void The_loss_of_training_is_the_loss_of_the_decoder_that_generates()
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using ParameterSet parameters = TrainableCheckpoint.Read(tiny.Path, out ArchitectureSpec spec);
        int[] ids = TinyModel.Ids(5, 31);
        using var gradient = new DecoderGradient(spec, WorkerPool.Shared, 1, 30);
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(30);
        run.Forward([new SequenceBlock(cache, ids.AsMemory(0, 30))], null, LogitRows.All);
        double expected = 0;
        for (int i = 0; i < 30; i++)
        {
            double largest = run.Logits(i).ToArray().Max();
            double total = run.Logits(i).ToArray().Sum(l => Math.Exp(l - largest));
            expected += Math.Log(total) + largest - run.Logits(i)[ids[i + 1]];
        }

        Assert.Equal(expected / 30, gradient.Loss(parameters, ids), 1e-5);
    }
}
