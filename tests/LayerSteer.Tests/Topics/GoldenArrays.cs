using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace LayerSteer.Tests.Topics;

/// <summary>The arrays of a golden.npz, read with the few lines that the reference files need.</summary>
internal sealed partial class GoldenArrays : IDisposable
{
    private readonly ZipArchive _archive;

    public GoldenArrays(string gptCase) => _archive = ZipFile.OpenRead(TestFiles.Golden($"{gptCase}/golden.npz"));

    /// <summary>
    /// The values in row-major order and the shape, of a float32 or float64 array of one or two dimensions.
    /// </summary>
    public (double[] Values, int[] Shape) Read(string name)
    {
        using var memory = new MemoryStream();
        using (Stream stream = (_archive.GetEntry(name + ".npy") ?? throw new FileNotFoundException(name)).Open())
        {
            stream.CopyTo(memory);
        }
        byte[] bytes = memory.ToArray();
        int start = 10 + BitConverter.ToUInt16(bytes, 8);
        string header = Encoding.ASCII.GetString(bytes, 10, start - 10);
        int[] shape =
        [
            .. ShapePattern().Match(header).Groups[1].Value
                .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(part => int.Parse(part, CultureInfo.InvariantCulture)),
        ];
        double[] values = header.Contains("'<f8'", StringComparison.Ordinal)
            ? MemoryMarshal.Cast<byte, double>(bytes.AsSpan(start)).ToArray()
            : [.. MemoryMarshal.Cast<byte, float>(bytes.AsSpan(start)).ToArray().Select(value => (double)value)];
        if (header.Contains("'fortran_order': True", StringComparison.Ordinal) && shape.Length == 2)
        {
            double[] columns = values;
            values = [.. columns.Select((_, i) => columns[((i % shape[1]) * shape[0]) + (i / shape[1])])];
        }
        return (values, shape);
    }

    public float[] Floats(string name) => [.. Read(name).Values.Select(value => (float)value)];

    public void Dispose() => _archive.Dispose();

    [GeneratedRegex(@"'shape': \(([^)]*)\)")]
    private static partial Regex ShapePattern();
}
