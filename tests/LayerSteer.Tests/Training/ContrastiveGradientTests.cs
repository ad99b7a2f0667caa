using LayerSteer.Numerics;
using LayerSteer.Tests.Numerics;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

public class ContrastiveGradientTests
{
    private const int Vocabulary = 40;
    private const int Pairs = 32;
    private const float Temperature = 0.1f;

    [Theory]
    [InlineData(16)]
    [InlineData(80)]
    public void The_loss_and_its_gradient_are_those_of_finite_differences_in_double(int d)
    {
        PassagePairs batch = Batch(1);
        float[] vectors = Vectors(d);
        float[] gradient = new float[vectors.Length];
        using var pool = new WorkerPool(2);
        using var trained = new ContrastiveGradient(pool, Pairs, d, Temperature);
        ContrastiveLoss result = trained.Run(batch, vectors, gradient);

        double[] exact = [.. vectors.Select(v => (double)v)];
        (double loss, double accuracy) = Loss(batch, exact, d);
        Assert.Equal(loss, result.Loss, 1e-5);
        Assert.Equal(accuracy, result.Accuracy);
        double largest = gradient.Max(g => Math.Abs(g));
        Assert.True(largest > 0.01);
        for (int i = 0; i < exact.Length; i += 7)
        {
            const double Step = 1e-5;
            double value = exact[i];
            exact[i] = value + Step;
            double above = Loss(batch, exact, d).Loss;
            exact[i] = value - Step;
            double below = Loss(batch, exact, d).Loss;
            exact[i] = value;
            Assert.Equal((above - below) / (2 * Step), gradient[i], 1e-5 * largest + 1e-7);
        }
    }

    [Fact]
    public void It_is_the_same_to_the_bit_for_any_threads_and_register_width()
    {
        const int D = 48;
        float[] expected = Bits.AtEveryWidth("gradient", pool => Run(pool, D));
        using var two = new WorkerPool(2);
        using var five = new WorkerPool(5);
        Bits.Same(expected, Run(two, D), "gradient with two threads");
        Bits.Same(expected, Run(five, D), "gradient with five threads");
    }

    [Fact]
    public void A_gradient_is_added_to_what_was_there()
    {
        const int D = 16;
        float[] vectors = Vectors(D);
        float[] once = new float[vectors.Length];
        float[] twice = new float[vectors.Length];
        using var pool = new WorkerPool(1);
        using var trained = new ContrastiveGradient(pool, Pairs, D, Temperature);
        trained.Run(Batch(1), vectors, once);
        trained.Run(Batch(1), vectors, twice);
        trained.Run(Batch(1), vectors, twice);
        for (int i = 0; i < once.Length; i++)
        {
            Assert.Equal(2 * once[i], twice[i], 1e-6f);
        }
    }

    [Fact]
    public void Vectors_that_are_all_alike_find_nothing_and_lose_the_logarithm_of_the_batch()
    {
        float[] vectors = new float[Vocabulary * 16];
        Array.Fill(vectors, 0.25f);
        using var pool = new WorkerPool(1);
        using var trained = new ContrastiveGradient(pool, Pairs, 16, ContrastKernel.LeastTemperature);
        ContrastiveLoss result = trained.Run(Batch(1), vectors, new float[vectors.Length]);
        Assert.Equal(Math.Log(Pairs), result.Loss, 1e-5);
        Assert.Equal(0, result.Accuracy);
    }

    private static float[] Run(WorkerPool pool, int d)
    {
        float[] vectors = Vectors(d);
        float[] gradient = new float[vectors.Length];
        using var trained = new ContrastiveGradient(pool, Pairs, d, Temperature);
        ContrastiveLoss result = trained.Run(Batch(1), vectors, gradient);
        return [.. gradient, (float)result.Loss, (float)result.Accuracy];
    }

    private static float[] Vectors(int d)
    {
        var random = new SplitMix64(17);
        return [.. Enumerable.Range(0, Vocabulary * d).Select(_ => (float)(random.NextDouble() - 0.5))];
    }

    private static PassagePairs Batch(ulong seed)
    {
        var random = new SplitMix64(seed);
        var batch = new PassagePairs();
        for (int passage = 0; passage < 2 * Pairs; passage++)
        {
            int length = 1 + random.NextInt(9);
            for (int i = 0; i < length; i++)
            {
                batch.Add(random.NextInt(Vocabulary));
            }

            batch.EndPassage();
        }

        return batch;
    }

    /// <summary>The definition, as plainly as it can be written.</summary>
    private static (double Loss, double Accuracy) Loss(PassagePairs batch, double[] vectors, int d)
    {
        double[][] units = [.. Enumerable.Range(0, 2 * Pairs).Select(passage =>
        {
            int[] tokens = batch.Tokens[batch.Starts[passage]..batch.Starts[passage + 1]].ToArray();
            double[] mean = [.. Enumerable.Range(0, d).Select(i => tokens.Average(t => vectors[(t * d) + i]))];
            double norm = Math.Sqrt(mean.Sum(m => m * m));
            return mean.Select(m => m / norm).ToArray();
        })];
        double Cosine(int a, int b) => units[a].Zip(units[Pairs + b]).Sum(p => p.First * p.Second);
        double loss = 0;
        int found = 0;
        for (int i = 0; i < Pairs; i++)
        {
            int own = i;
            double[] row = [.. Enumerable.Range(0, Pairs).Select(j => Cosine(own, j) / Temperature)];
            double[] column = [.. Enumerable.Range(0, Pairs).Select(j => Cosine(j, own) / Temperature)];
            loss += Math.Log(row.Sum(Math.Exp)) - row[i] + Math.Log(column.Sum(Math.Exp)) - column[i];
            found += row.Where((_, j) => j != own).All(other => other < row[own]) ? 1 : 0;
        }

        return (loss / (2 * Pairs), (double)found / Pairs);
    }
}
