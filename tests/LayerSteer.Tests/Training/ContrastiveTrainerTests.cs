using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using LayerSteer.Text;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

public class ContrastiveTrainerTests
{
    private static readonly ContrastiveOptions Options = new()
    {
        Dimension = 32,
        Steps = 40,
        Batch = 32,
        MinTokens = 8,
        MaxTokens = 40,
        TokenDropout = 0.1,
        Seed = 4,
    };

    [Fact]
    public void Two_planted_topics_separate()
    {
        using var folder = new TempFolder();
        TextTokenizer tokenizer = PlantedTopics.Tokenizer(folder.Path);
        using var pool = new WorkerPool(2);
        using var trainer = new ContrastiveTrainer(
            tokenizer, PlantedTopics.Sources(tokenizer), Options with { Steps = 300 }, pool);
        (double within, double across) = Cosines(tokenizer, trainer.Vectors());
        Assert.True(within < across, $"before: {within:F3} within, {across:F3} across");
        trainer.Run(null, cancellation: TestContext.Current.CancellationToken);
        (within, across) = Cosines(tokenizer, trainer.Vectors());
        Assert.True(within > across + 0.1, $"after: {within:F3} within, {across:F3} across");
        Assert.True(trainer.Loss < Math.Log(Options.Batch) - 0.5, $"loss {trainer.Loss:F3}");
        Assert.InRange(trainer.Accuracy, 0.1, 1);
    }

    [Fact]
    public void The_vectors_are_the_same_to_the_bit_for_any_number_of_threads()
    {
        using var folder = new TempFolder();
        TextTokenizer tokenizer = PlantedTopics.Tokenizer(folder.Path);
        float[] one = Trained(tokenizer, 1, Options);
        Bits.Same(one, Trained(tokenizer, 3, Options), "vectors with three threads");
        Assert.NotEqual(one, Trained(tokenizer, 1, Options with { Seed = 5 }));
    }

    [Fact]
    public void A_run_that_was_cancelled_and_resumed_ends_with_the_same_bits()
    {
        using var folder = new TempFolder();
        TextTokenizer tokenizer = PlantedTopics.Tokenizer(folder.Path);
        IReadOnlyList<TokenSource> sources = PlantedTopics.Sources(tokenizer);
        using var pool = new WorkerPool(2);
        using var whole = new ContrastiveTrainer(tokenizer, sources, Options, pool);
        whole.Run(null, cancellation: TestContext.Current.CancellationToken);
        foreach (int stop in new[] { 1, 17 })
        {
            using (var first = new ContrastiveTrainer(tokenizer, sources, Options, pool))
            {
                using var cancelled = new CancellationTokenSource();
                Assert.False(first.TryResume(folder.Path));
                Assert.ThrowsAny<OperationCanceledException>(() => first.Run(
                    folder.Path, null, now => Cancel(now, stop, cancelled), cancelled.Token));
            }

            using var second = new ContrastiveTrainer(tokenizer, sources, Options, pool);
            Assert.True(second.TryResume(folder.Path));
            Assert.Equal(stop, second.Step);
            second.Run(folder.Path, cancellation: TestContext.Current.CancellationToken);
            Bits.Same(whole.Vectors(), second.Vectors(), "resumed vectors");
            Assert.Equal((whole.Loss, whole.Accuracy), (second.Loss, second.Accuracy));
            File.Delete(folder.File(ContrastiveTrainer.CheckpointName));
        }
    }

    [Fact]
    public void A_checkpoint_written_on_the_way_is_gone_on_from_to_the_same_bits()
    {
        using var folder = new TempFolder();
        TextTokenizer tokenizer = PlantedTopics.Tokenizer(folder.Path);
        IReadOnlyList<TokenSource> sources = PlantedTopics.Sources(tokenizer);
        using var pool = new WorkerPool(1);
        using var whole = new ContrastiveTrainer(tokenizer, sources, Options, pool);
        string kept = folder.File("kept");
        Directory.CreateDirectory(kept);
        whole.Run(
            folder.Path,
            TimeSpan.Zero,
            now =>
            {
                // What is on disk now was written after the step before, as if the process ended here.
                if (now.Step == 24)
                {
                    File.Copy(
                        folder.File(ContrastiveTrainer.CheckpointName),
                        Path.Combine(kept, ContrastiveTrainer.CheckpointName));
                }
            },
            TestContext.Current.CancellationToken);
        using var second = new ContrastiveTrainer(tokenizer, sources, Options, pool);
        Assert.True(second.TryResume(kept));
        Assert.Equal(23, second.Step);
        second.Run(null, cancellation: TestContext.Current.CancellationToken);
        Bits.Same(whole.Vectors(), second.Vectors(), "resumed vectors");
    }

    [Fact]
    public void A_checkpoint_of_another_run_or_a_damaged_one_is_refused()
    {
        using var folder = new TempFolder();
        TextTokenizer tokenizer = PlantedTopics.Tokenizer(folder.Path);
        IReadOnlyList<TokenSource> sources = PlantedTopics.Sources(tokenizer);
        using var pool = new WorkerPool(1);
        using var trainer = new ContrastiveTrainer(tokenizer, sources, Options with { Steps = 2 }, pool);
        trainer.Run(folder.Path, cancellation: TestContext.Current.CancellationToken);
        string path = folder.File(ContrastiveTrainer.CheckpointName);
        Assert.Equal(
            $"'{path}' is the checkpoint of another run: Steps = 2 there, Steps = 3 here; "
            + "give another --out, or the settings and texts of that run",
            Refusal(tokenizer, sources, Options with { Steps = 3 }, folder.Path));
        Assert.StartsWith(
            $"'{path}' is the checkpoint of another run: planted x 1 = ",
            Refusal(tokenizer, PlantedTopics.Sources(tokenizer, 100), Options with { Steps = 2 }, folder.Path),
            StringComparison.Ordinal);

        byte[] bytes = File.ReadAllBytes(path);
        int value = bytes.Length - 4;
        BitConverter.GetBytes(float.NaN).CopyTo(bytes, value);
        File.WriteAllBytes(path, bytes);
        Assert.Contains(
            "tensor vectors holds NaN", Refusal(tokenizer, sources, Options with { Steps = 2 }, folder.Path),
            StringComparison.Ordinal);
        File.WriteAllBytes(path, bytes[..^1]);
        Assert.Contains(
            "the file is cut short", Refusal(tokenizer, sources, Options with { Steps = 2 }, folder.Path),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Dimension is 40, expected a multiple of 16 from 16 to 4096")]
    [InlineData("Batch is 8, expected a multiple of 16 from 16 to 16384")]
    [InlineData("Temperature is 0.01, expected from 0.025 to 100")]
    [InlineData("TokenDropout is 1, expected from 0 to below 1")]
    [InlineData("MaxTokens is 3, expected at least MinTokens = 8")]
    [InlineData("Steps is 0, expected at least 1")]
    public void An_option_out_of_its_range_is_refused_by_name(string message)
    {
        ContrastiveOptions options = message.Split(' ')[0] switch
        {
            "Dimension" => Options with { Dimension = 40 },
            "Batch" => Options with { Batch = 8 },
            "Temperature" => Options with { Temperature = 0.01 },
            "TokenDropout" => Options with { TokenDropout = 1 },
            "MaxTokens" => Options with { MaxTokens = 3 },
            _ => Options with { Steps = 0 },
        };
        Assert.Equal(message, Assert.Throws<ArgumentException>(options.Validate).Message);
    }

    private static void Cancel(ContrastiveProgress now, int stop, CancellationTokenSource source)
    {
        if (now.Step == stop)
        {
            source.Cancel();
        }
    }

    private static string Refusal(
        TextTokenizer tokenizer, IReadOnlyList<TokenSource> sources, ContrastiveOptions options, string folder)
    {
        using var pool = new WorkerPool(1);
        using var trainer = new ContrastiveTrainer(tokenizer, sources, options, pool);
        return Assert.Throws<InvalidDataException>(() => trainer.TryResume(folder)).Message;
    }

    private static float[] Trained(TextTokenizer tokenizer, int threads, ContrastiveOptions options)
    {
        using var pool = new WorkerPool(threads);
        using var trainer = new ContrastiveTrainer(tokenizer, PlantedTopics.Sources(tokenizer), options, pool);
        trainer.Run(null, cancellation: TestContext.Current.CancellationToken);
        return trainer.Vectors();
    }

    /// <summary>
    /// Of documents that were not trained on: the smallest cosine of two of a kind, the largest of two of two kinds.
    /// </summary>
    private static (double Within, double Across) Cosines(TextTokenizer tokenizer, float[] vectors)
    {
        int d = Options.Dimension;
        double[][] units = [.. PlantedTopics.Documents(20, 99).Select(document =>
        {
            double[] sum = new double[d];
            foreach (int token in tokenizer.Encode(document))
            {
                for (int i = 0; i < d; i++)
                {
                    sum[i] += vectors[(token * d) + i];
                }
            }

            double norm = Math.Sqrt(sum.Sum(s => s * s));
            return sum.Select(s => s / norm).ToArray();
        })];
        var pairs = Enumerable.Range(0, 20).SelectMany(a => Enumerable.Range(0, a).Select(b => (A: a, B: b))).ToList();
        IEnumerable<double> Of(int parity) => pairs.Where(p => (p.A + p.B) % 2 == parity)
            .Select(p => units[p.A].Zip(units[p.B]).Sum(u => u.First * u.Second));
        return (Of(0).Min(), Of(1).Max());
    }
}
