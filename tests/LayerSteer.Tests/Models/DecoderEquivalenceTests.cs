using CsCheck;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Models;

public sealed class F32DecoderEquivalenceTests() : DecoderEquivalenceTests(WeightType.F32);

public sealed class BF16DecoderEquivalenceTests() : DecoderEquivalenceTests(WeightType.BF16);

public sealed class Int8DecoderEquivalenceTests() : DecoderEquivalenceTests(WeightType.I8);

/// <summary>The same tokens give the same bits however they are cut, joined, cached and shared out.</summary>
public abstract class DecoderEquivalenceTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly WeightType _type;
    private readonly Decoder _decoder;

    protected DecoderEquivalenceTests(WeightType type)
    {
        _type = type;
        _decoder = _tiny.Load(new LoadOptions { Type = type });
    }

    [Fact]
    public void One_block_and_any_blocks_give_the_same_logits() => Gen
        .Select(Gen.Int[1, TinyModel.Context], Gen.Int[1, 20], Gen.ULong)
        .Sample(
            (length, largest, seed) =>
            {
                int[] ids = TinyModel.Ids(seed, length);
                float[] whole = Passes.Logits(_decoder, ids);
                int[] blocks = Passes.Cut(length, largest, seed);
                Bits.Same(whole, Passes.Logits(_decoder, ids, blocks: blocks), string.Join('+', blocks));
            },
            iter: 60,
            threads: 1);

    [Fact]
    public void One_block_and_token_by_token_give_the_same_logits()
    {
        int[] ids = TinyModel.Ids(3, TinyModel.Context);
        float[] whole = Passes.Logits(_decoder, ids);
        Bits.Same(whole, Passes.Logits(_decoder, ids, blocks: Enumerable.Repeat(1, ids.Length)), "token by token");
    }

    [Fact]
    public void Sequences_side_by_side_have_the_logits_that_they_have_alone() => Gen
        .Select(Gen.Int[1, TinyModel.Context].Array[1, 6], Gen.ULong)
        .Sample(
            (lengths, seed) =>
            {
                int[][] ids = [.. lengths.Select((length, i) => TinyModel.Ids(seed + (ulong)i, length))];
                float[][] alone = [.. ids.Select(sequence => Passes.Logits(_decoder, sequence))];
                float[][] together = RaggedBatch(ids, seed);
                for (int i = 0; i < ids.Length; i++)
                {
                    Bits.Same(alone[i], together[i], $"sequence {i} of lengths {string.Join(", ", lengths)}");
                }
            },
            iter: 30,
            threads: 1);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Any_number_of_threads_gives_the_same_logits(int threads)
    {
        int[] ids = TinyModel.Ids(4, TinyModel.Context);
        using var one = new WorkerPool(1);
        using var many = new WorkerPool(threads);
        using Decoder alone = Decoder.Load(_tiny.Path, new LoadOptions { Pool = one, Type = _type });
        using Decoder shared = Decoder.Load(_tiny.Path, new LoadOptions { Pool = many, Type = _type });
        Bits.Same(Passes.Logits(alone, ids), Passes.Logits(shared, ids), "in one block");
        int[] single = [.. Enumerable.Repeat(1, ids.Length)];
        Bits.Same(Passes.Logits(alone, ids), Passes.Logits(shared, ids, blocks: single), "token by token");
    }

    [Theory]
    [InlineData(512)]
    [InlineData(256)]
    [InlineData(128)]
    [InlineData(32)]
    public void Any_register_width_gives_the_same_logits(int vectorBits)
    {
        int[] ids = TinyModel.Ids(5, 20);
        using var pool = new WorkerPool(1, vectorBits);
        using Decoder decoder = Decoder.Load(_tiny.Path, new LoadOptions { Pool = pool, Type = _type });
        Bits.Same(Passes.Logits(_decoder, ids), Passes.Logits(decoder, ids), $"{vectorBits} bits");
    }

    [Fact]
    public void Logits_of_the_last_rows_are_those_of_all_rows()
    {
        int[][] ids = [TinyModel.Ids(6, 9), TinyModel.Ids(7, 1), TinyModel.Ids(8, 30)];
        using DecoderRun run = _decoder.CreateRun();
        KvCache[] caches = [.. ids.Select(_ => _decoder.CreateCache(TinyModel.Context))];
        run.Forward([.. ids.Select((tokens, i) => new SequenceBlock(caches[i], tokens))]);
        Assert.Equal(3, run.LogitCount);
        for (int i = 0; i < ids.Length; i++)
        {
            float[] all = Passes.Logits(_decoder, ids[i]);
            Bits.Same(all.AsSpan(all.Length - TinyModel.Vocabulary), run.Logits(i), $"sequence {i}");
            caches[i].Dispose();
        }
    }

    [Fact]
    public void A_cache_cut_short_goes_on_as_if_the_rest_had_never_been_read()
    {
        int[] ids = TinyModel.Ids(9, 20);
        float[] expected = Passes.Logits(_decoder, ids);
        using DecoderRun run = _decoder.CreateRun();
        using KvCache cache = _decoder.CreateCache(TinyModel.Context);
        run.Forward([new SequenceBlock(cache, ids.AsMemory(0, 12))], null, LogitRows.None);
        run.Forward([new SequenceBlock(cache, TinyModel.Ids(10, 30))], null, LogitRows.None);
        cache.Truncate(12);
        Assert.Equal(12, cache.Length);
        run.Forward([new SequenceBlock(cache, ids.AsMemory(12))], null, LogitRows.All);
        for (int row = 12; row < 20; row++)
        {
            Bits.Same(
                expected.AsSpan(row * TinyModel.Vocabulary, TinyModel.Vocabulary), run.Logits(row - 12), $"row {row}");
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Truncate(21));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Truncate(-1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_pass_that_stops_early_has_the_residuals_of_the_whole_pass(int layer)
    {
        int[] ids = TinyModel.Ids(11, 30);
        foreach (HookPoint point in new[] { HookPoint.ResidualPost(layer), new HookPoint(HookKind.MlpPost, layer) })
        {
            float[] whole = Passes.Values(_decoder, ids, point);
            Bits.Same(whole, Passes.Values(_decoder, ids, point, lastLayer: layer), point.ToString());
        }
    }

    [Fact]
    public void Two_runs_at_once_over_one_decoder_do_not_disturb_each_other()
    {
        int[][] ids = [.. Enumerable.Range(0, 4).Select(i => TinyModel.Ids((ulong)i, 40))];
        float[][] alone = [.. ids.Select(sequence => Passes.Logits(_decoder, sequence))];
        var together = new float[ids.Length][];
        Parallel.For(0, ids.Length, i => together[i] = Passes.Logits(_decoder, ids[i], blocks: [8, 8, 8, 8, 8]));
        for (int i = 0; i < ids.Length; i++)
        {
            Bits.Same(alone[i], together[i], $"run {i}");
        }
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _tiny.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Logits of all positions; each pass takes a few tokens of each sequence that has any left.</summary>
    private float[][] RaggedBatch(int[][] ids, ulong seed)
    {
        using DecoderRun run = _decoder.CreateRun(ids.Length * 10);
        KvCache[] caches = [.. ids.Select(sequence => _decoder.CreateCache(sequence.Length))];
        int[][] cuts = [.. ids.Select((sequence, i) => Passes.Cut(sequence.Length, 10, seed + (ulong)i))];
        List<float>[] logits = [.. ids.Select(_ => new List<float>())];
        for (int step = 0; cuts.Any(cut => step < cut.Length); step++)
        {
            int[] active = [.. Enumerable.Range(0, ids.Length).Where(i => step < cuts[i].Length)];
            SequenceBlock[] blocks =
                [.. active.Select(i => new SequenceBlock(caches[i], ids[i].AsMemory(caches[i].Length, cuts[i][step])))];
            run.Forward(blocks, null, LogitRows.All);
            int row = 0;
            foreach (int i in active)
            {
                for (int k = 0; k < cuts[i][step]; k++)
                {
                    logits[i].AddRange(run.Logits(row++));
                }
            }
        }

        Array.ForEach(caches, cache => cache.Dispose());
        return [.. logits.Select(list => list.ToArray())];
    }
}
