using System.IO.Compression;
using LayerSteer.Formats;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Formats;

public class WholeGzipTests
{
    [Fact]
    public void A_file_of_any_length_is_read_whole()
    {
        // Incompressible, so that the file's end falls on every place around the end of a reader's buffer of 8 KiB.
        for (int length = 8100; length < 8300; length++)
        {
            byte[] content = Content(length);
            Assert.Equal(content, Read(Gzip(content)));
        }
        Assert.Empty(Read(Gzip([])));
        Assert.Equal(Content(300_000), Read(Gzip(Content(300_000))));
    }

    [Fact]
    public void Files_that_follow_each_other_are_read_as_one()
    {
        Assert.Equal(
            [.. Content(70_000), .. Content(10)], Read([.. Gzip(Content(70_000)), .. Gzip([]), .. Gzip(Content(10))]));
    }

    [Fact]
    public void A_file_cut_off_anywhere_is_refused()
    {
        byte[] whole = [.. Gzip(Content(700)), .. Gzip(Content(900))];
        int first = Gzip(Content(700)).Length;
        for (int length = 1; length < whole.Length; length++)
        {
            if (length != first)
            {
                Assert.Throws<InvalidDataException>(() => Read(whole[..length]));
            }
        }
    }

    [Fact]
    public void A_changed_byte_and_bytes_after_the_end_are_refused()
    {
        byte[] whole = Gzip(Content(2000));
        byte[] changed = [.. whole];
        changed[1000] ^= 4;

        Assert.Throws<InvalidDataException>(() => Read(changed));
        Assert.Throws<InvalidDataException>(() => Read([.. whole, 1, 2, 3]));
    }

    private static byte[] Content(int length)
    {
        var random = new SplitMix64((ulong)length);
        byte[] content = new byte[length];
        for (int i = 0; i < length; i++)
        {
            content[i] = (byte)random.Next();
        }
        return content;
    }

    private static byte[] Gzip(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }
        return compressed.ToArray();
    }

    private static byte[] Read(byte[] compressed)
    {
        using var gzip = new WholeGzip(new MemoryStream(compressed));
        using var content = new MemoryStream();
        gzip.CopyTo(content);
        return content.ToArray();
    }
}
