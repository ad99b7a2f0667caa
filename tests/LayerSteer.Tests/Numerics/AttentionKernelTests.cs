using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public class AttentionKernelTests
{
    private const float Scale = 0.37f;

    public static TheoryData<int, int, int> Shapes => new()
    {
        { 8, 2, 2 }, { 16, 2, 1 }, { 20, 4, 2 }, { 64, 3, 3 }, { 64, 6, 2 }, { 100, 1, 1 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Heads_attend_as_the_formula_says_at_every_width(int dHead, int heads, int kvHeads)
    {
        const int Capacity = 43;
        using var sequence = new Sequence(dHead, kvHeads, Capacity);
        int[] visible = [.. Enumerable.Range(1, 40)];
        float[] q = RandomFloats.Of(5, visible.Length * heads * dHead, 2f);
        float[] z = Bits.AtEveryWidth(
            $"attention of {heads} heads of {dHead}", pool => sequence.Attend(pool, q, heads, visible));
        for (int row = 0; row < visible.Length; row++)
        {
            for (int head = 0; head < heads; head++)
            {
                double[] expected = sequence.Reference(q, (row * heads) + head, head / (heads / kvHeads), visible[row]);
                for (int i = 0; i < dHead; i++)
                {
                    // Scores reach about 20 in magnitude, so e^s carries up to 40 roundings; the values are below 1.
                    Assert.Equal(expected[i], z[(((row * heads) + head) * dHead) + i], 5e-6);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_row_among_others_has_the_bits_of_the_row_alone(int dHead, int heads, int kvHeads)
    {
        using var sequence = new Sequence(dHead, kvHeads, 64);
        int[] visible = [1, 40, 17, 64, 16, 33];
        float[] q = RandomFloats.Of(5, visible.Length * heads * dHead);
        float[] together = sequence.Attend(WorkerPool.Shared, q, heads, visible);
        int width = heads * dHead;
        for (int row = 0; row < visible.Length; row++)
        {
            float[] query = q[(row * width)..((row + 1) * width)];
            float[] alone = sequence.Attend(WorkerPool.Shared, query, heads, [visible[row]]);
            Bits.Same(alone, together.AsSpan(row * width, width), $"row {row}");
        }
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        using var sequence = new Sequence(20, 6, 90);
        int[] visible = [.. Enumerable.Range(50, 40)];
        float[] q = RandomFloats.Of(5, visible.Length * 6 * 20);
        float[]? alone = null;
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            float[] z = sequence.Attend(pool, q, 6, visible);
            alone ??= z;
            Bits.Same(alone, z, $"{threads} threads");
        }
    }

    [Theory]
    [InlineData(8, 2, 1)]
    [InlineData(20, 4, 2)]
    [InlineData(256, 2, 1)]
    public void Scores_are_capped_and_keys_before_the_first_are_not_seen(int dHead, int heads, int kvHeads)
    {
        const float Cap = 1.5f;
        using var sequence = new Sequence(dHead, kvHeads, 50);
        int[] ends = [1, 7, 23, 40, 50];
        int[] firsts = [0, 3, 0, 39, 17];
        float[] q = RandomFloats.Of(5, ends.Length * heads * dHead, 2f);
        float[] z = Bits.AtEveryWidth(
            "capped attention", pool => sequence.Attend(pool, q, heads, ends, firsts, Cap));
        for (int row = 0; row < ends.Length; row++)
        {
            for (int head = 0; head < heads; head++)
            {
                int queryHead = (row * heads) + head;
                double[] expected =
                    sequence.Reference(q, queryHead, head / (heads / kvHeads), ends[row], firsts[row], Cap);
                for (int i = 0; i < dHead; i++)
                {
                    Assert.Equal(expected[i], z[(queryHead * dHead) + i], 5e-6);
                }
            }
        }
    }

    [Fact]
    public void Large_scores_do_not_overflow()
    {
        using var sequence = new Sequence(16, 1, 8);
        float[] q = RandomFloats.Of(5, 16, 1e4f);
        float[] z = Bits.AtEveryWidth("large scores", pool => sequence.Attend(pool, q, 1, [8]));
        Assert.All(z, value => Assert.InRange(value, -1f, 1f));
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var keys = new NativeBuffer(16 * 4);
        AttentionRow[] rows = [new AttentionRow(keys, keys, 0, 4, 4)];
        float[] sixteen = new float[16];
        Assert.Throws<ArgumentException>(
            () => AttentionKernel.Run(WorkerPool.Shared, rows, new float[15], sixteen, sixteen, 1, 1, 16, Scale));
        Assert.Throws<ArgumentException>(
            () => AttentionKernel.Run(WorkerPool.Shared, rows, sixteen, new float[15], sixteen, 1, 1, 16, Scale));
        Assert.Throws<ArgumentException>(
            () => AttentionKernel.Run(WorkerPool.Shared, rows, sixteen, sixteen, new float[15], 1, 1, 16, Scale));
    }

    /// <summary>Random keys and values of one sequence, padded as the cache holds them.</summary>
    private sealed class Sequence : IDisposable
    {
        private const int Start = 32; // rows need not begin where their buffer does

        private readonly int _dHead;
        private readonly int _kvHeads;
        private readonly int _capacity;
        private readonly NativeBuffer _keys;
        private readonly NativeBuffer _values;

        public Sequence(int dHead, int kvHeads, int capacity)
        {
            _dHead = dHead;
            _kvHeads = kvHeads;
            _capacity = capacity;
            int padded = AttentionKernel.Padded(dHead);
            _keys = new NativeBuffer(Start + (kvHeads * capacity * padded));
            _values = new NativeBuffer(_keys.Length);
            for (int i = 0; i < kvHeads * capacity; i++)
            {
                RandomFloats.Of((ulong)(100 + i), dHead, 2f).CopyTo(_keys.Span(Start + (i * padded), dHead));
                RandomFloats.Of((ulong)(100_000 + i), dHead).CopyTo(_values.Span(Start + (i * padded), dHead));
            }
        }

        public float[] Attend(
            WorkerPool pool, float[] q, int heads, int[] visible, int[]? firsts = null, float cap = 0f)
        {
            int padded = AttentionKernel.Padded(_dHead);
            float[] paddedQ = new float[visible.Length * heads * padded];
            for (int i = 0; i < visible.Length * heads; i++)
            {
                q.AsSpan(i * _dHead, _dHead).CopyTo(paddedQ.AsSpan(i * padded));
            }

            AttentionRow[] rows = [.. visible.Select((end, i) => new AttentionRow(
                _keys, _values, Start + ((firsts?[i] ?? 0) * padded), _capacity, end - (firsts?[i] ?? 0)))];
            float[] z = new float[q.Length];
            Array.Fill(z, float.NaN);
            float[] scratch = new float[AttentionKernel.ScratchLength(heads, visible.Max())];
            AttentionKernel.Run(pool, rows, paddedQ, z, scratch, heads, _kvHeads, _dHead, Scale, cap);
            return z;
        }

        public double[] Reference(float[] q, int queryHead, int kvHead, int visible, int first = 0, double cap = 0)
        {
            int padded = AttentionKernel.Padded(_dHead);
            double[] scores = new double[visible];
            Array.Fill(scores, double.NegativeInfinity, 0, first);
            for (int j = first; j < visible; j++)
            {
                ReadOnlySpan<float> key = _keys.Span(Start + (((kvHead * _capacity) + j) * padded), _dHead);
                for (int i = 0; i < _dHead; i++)
                {
                    scores[j] += (double)q[(queryHead * _dHead) + i] * key[i] * Scale;
                }

                scores[j] = cap > 0 ? cap * Math.Tanh(scores[j] / cap) : scores[j];
            }

            double largest = scores.Max();
            double total = scores.Sum(s => Math.Exp(s - largest));
            double[] z = new double[_dHead];
            for (int j = 0; j < visible; j++)
            {
                ReadOnlySpan<float> value = _values.Span(Start + (((kvHead * _capacity) + j) * padded), _dHead);
                for (int i = 0; i < _dHead; i++)
                {
                    z[i] += Math.Exp(scores[j] - largest) / total * value[i];
                }
            }

            return z;
        }

        public void Dispose()
        {
            _keys.Dispose();
            _values.Dispose();
        }
    }
}
