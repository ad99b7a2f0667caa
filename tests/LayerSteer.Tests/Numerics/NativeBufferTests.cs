using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public unsafe class NativeBufferTests
{
    [Fact]
    public void Memory_is_zero_and_aligned()
    {
        using var buffer = new NativeBuffer(1001);
        Assert.Equal(0, (nint)buffer.Pointer % 64);
        Assert.All(buffer.Span(0, 1001).ToArray(), value => Assert.Equal(0, BitConverter.SingleToInt32Bits(value)));
    }

    [Fact]
    public void A_span_outside_is_refused()
    {
        using var buffer = new NativeBuffer(10);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Span(5, 6).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Span(-1, 2).Length);
        Assert.Equal(0, buffer.Span(10, 0).Length);
    }

    [Fact]
    public void Memory_cannot_be_reached_after_it_is_freed()
    {
        var buffer = new NativeBuffer(10);
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.Span(0, 1).Length);
    }

    [Fact]
    public void A_store_frees_what_it_gave()
    {
        var store = new WeightStore();
        NativeBuffer first = store.Take("a", 3, _ => { });
        NativeBuffer second = store.Take("b", 4, _ => { });
        store.Dispose();
        Assert.True(first.IsClosed);
        Assert.True(second.IsClosed);
    }
}
