using LayerSteer.Formats;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_mapping_stays_until_the_last_of_its_buffers_is_disposed(bool storeFirst)
    {
        using var folder = new TempFolder();
        var pieces = new SortedDictionary<string, NativeBuffer>(StringComparer.Ordinal);
        using var source = new WeightStore();
        pieces["a"] = source.Take("a", 16, buffer => buffer.Span(0, 16).Fill(1f));
        pieces["b"] = source.Take("b", 40, buffer => buffer.Span(0, 40).Fill(2f));
        var metadata = new Dictionary<string, string> { ["what"] = "a test" };
        PackedFile.Write(folder.File("packed"), metadata, pieces);

        IReadOnlyDictionary<string, NativeBuffer> kept = PackedFile.Open(folder.File("packed"), metadata);
        var store = new WeightStore(kept);
        NativeBuffer a = store.Take("a", 16, _ => Assert.Fail("it was kept"));
        File.Delete(folder.File("packed"));
        Assert.False(store.IsAsKept);
        Assert.Equal((16, 48), (a.Length, kept["b"].Length));
        Assert.Equal((0, 0), ((nint)a.Pointer % 64, (nint)kept["b"].Pointer % 64));
        (storeFirst ? a : kept["b"]).Dispose();
        Assert.Equal(storeFirst ? 2f : 1f, (storeFirst ? kept["b"] : a).Span(0, 1)[0]);
        Assert.Equal(2f, storeFirst ? kept["b"].Span(39, 1)[0] : 2f);
        store.Dispose();
        store.Dispose();
        Assert.True(a.IsClosed);
        Assert.True(kept["b"].IsClosed);
    }
}
