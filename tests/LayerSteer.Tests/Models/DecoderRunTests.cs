using LayerSteer.Models;
using Xunit;

namespace LayerSteer.Tests.Models;

public sealed class DecoderRunTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly DecoderRun _run;
    private readonly KvCache _cache;

    public DecoderRunTests()
    {
        _decoder = _tiny.Load();
        _run = _decoder.CreateRun(8);
        _cache = _decoder.CreateCache(10);
    }

    [Fact]
    public void A_pass_that_does_not_fit_is_refused_by_name()
    {
        using KvCache early = _decoder.CreateCache(10, lastLayer: 1);
        Assert.Equal("a pass needs at least one sequence (Parameter 'blocks')", Refusal());
        Assert.Equal(
            "a pass takes 1 to 8 tokens; sequence 0 brings 0 after 0 (Parameter 'blocks')", Refusal(Block(_cache)));
        Assert.Equal(
            "a pass takes 1 to 8 tokens; sequence 0 brings 9 after 0 (Parameter 'blocks')",
            Refusal(Block(_cache, new int[9])));
        Assert.Equal(
            "token id 263 at position 1; the vocabulary has ids 0 to 262 (Parameter 'blocks')",
            Refusal(Block(_cache, 5, 263)));
        Assert.Equal(
            "token id -1 at position 0; the vocabulary has ids 0 to 262 (Parameter 'blocks')",
            Refusal(Block(_cache, -1)));
        Assert.Equal("logits need all 3 layers; the cache holds 2 (Parameter 'logits')", Refusal(Block(early, 1)));
        Assert.Equal(
            "caches of 3 and 2 layers in one pass (Parameter 'blocks')", Refusal(Block(_cache, 1), Block(early, 1)));
        Assert.Equal(
            "the cache of sequence 1 is in the pass twice (Parameter 'blocks')",
            Refusal(Block(_cache, 1), Block(_cache, 2)));
        Assert.Equal(0, _cache.Length);
    }

    [Fact]
    public void A_cache_holds_no_more_than_its_capacity()
    {
        _run.Forward([Block(_cache, 1, 2, 3, 4, 5, 6, 7, 8)]);
        Assert.Equal("8 + 3 positions, but the cache holds 10 (Parameter 'blocks')", Refusal(Block(_cache, 1, 2, 3)));
        _run.Forward([Block(_cache, 1, 2)]);
        Assert.Equal(10, _cache.Length);
    }

    [Fact]
    public void A_cache_of_another_model_is_refused()
    {
        using Decoder twin = Decoder.Load(_tiny.Path);
        using KvCache other = twin.CreateCache(10);
        Assert.Equal(
            "the cache of sequence 0 was made for another model (Parameter 'blocks')", Refusal(Block(other, 1)));
    }

    [Fact]
    public void A_refused_pass_leaves_no_logits()
    {
        _run.Forward([Block(_cache, 1)]);
        Assert.Equal(1, _run.LogitCount);
        Refusal(Block(_cache, 1, 263));
        Assert.Equal(0, _run.LogitCount);
        Assert.Throws<ArgumentOutOfRangeException>(() => _run.Logits(0).Length);
    }

    [Fact]
    public void A_pass_without_logits_makes_none()
    {
        _run.Forward([Block(_cache, 1)], null, LogitRows.None);
        Assert.Equal(0, _run.LogitCount);
    }

    [Fact]
    public void Sizes_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _decoder.CreateRun(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _decoder.CreateCache(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _decoder.CreateCache(TinyModel.Context + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => _decoder.CreateCache(1, lastLayer: 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => _decoder.CreateCache(1, lastLayer: -1));
    }

    [Fact]
    public void A_decoder_that_was_disposed_is_not_read()
    {
        Decoder decoder = Decoder.Load(_tiny.Path);
        using DecoderRun run = decoder.CreateRun(2);
        using KvCache cache = decoder.CreateCache(2);
        decoder.Dispose();
        Assert.Throws<ObjectDisposedException>(() => run.Forward([Block(cache, 1)]));
    }

    [Fact]
    public void A_step_in_steady_state_allocates_nothing()
    {
        using KvCache first = _decoder.CreateCache(TinyModel.Context);
        using KvCache second = _decoder.CreateCache(TinyModel.Context);
        SequenceBlock[] blocks = [Block(first, 1), Block(second, 2)];
        Assert.Equal(0, SteadyState.BytesAllocated(TinyModel.Context, () => _run.Forward(blocks)));
    }

    [Fact]
    public void The_bytes_of_a_token_are_those_of_every_weight_but_the_embeddings()
    {
        long floats = _tiny.Tensors.Where(t => t.Key != "wpe.weight").Sum(t => (long)t.Value.Values.Length);
        Assert.Equal(4 * floats, _decoder.BytesPerToken);
    }

    public void Dispose()
    {
        _run.Dispose();
        _cache.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    private static SequenceBlock Block(KvCache cache, params int[] tokens) => new(cache, tokens);

    private string Refusal(params SequenceBlock[] blocks) =>
        Assert.Throws<ArgumentException>(() => _run.Forward(blocks)).Message;
}

/// <summary>Counts what a repeated step allocates on this thread once it has warmed up.</summary>
internal static class SteadyState
{
    public static long BytesAllocated(int steps, Action step)
    {
        const int WarmUp = 4;
        for (int i = 0; i < WarmUp; i++)
        {
            step();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = WarmUp; i < steps; i++)
        {
            step();
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
