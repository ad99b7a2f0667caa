using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public class TopKRowsKernelTests
{
    [Theory]
    [InlineData(40, 4)]
    [InlineData(1000, 7)]
    [InlineData(1000, 300)]
    [InlineData(4096, 32)]
    [InlineData(4099, 1)]
    public void Every_row_keeps_its_k_largest_positive_elements(int width, int k)
    {
        foreach ((string name, Func<int, float, float> change) in Changes)
        {
            float[] matrix = RandomFloats.Of(3, 5 * width);
            for (int i = 0; i < matrix.Length; i++)
            {
                matrix[i] = change(i, matrix[i]);
            }

            foreach (WorkerPool pool in Bits.Pools)
            {
                var selected = new SparseRows();
                TopKRowsKernel.Run(pool, matrix, 5, width, [], k, selected);
                Check(matrix, width, k, [.. Enumerable.Range(0, width)], selected, name);
            }
        }
    }

    [Fact]
    public void Only_the_given_columns_are_chosen_from()
    {
        const int Width = 3000;
        int[] among = [.. Enumerable.Range(0, Width).Where(i => i % 3 != 1)];
        float[] matrix = RandomFloats.Of(3, 5 * Width);
        foreach (int k in (int[])[5, 100, 1500])
        {
            var selected = new SparseRows();
            TopKRowsKernel.Run(Bits.Pools[0], [.. matrix], 5, Width, among, k, selected);
            Check(matrix, Width, k, among, selected, $"k = {k}");
        }
    }

    private static IEnumerable<(string Name, Func<int, float, float> Change)> Changes =>
    [
        ("ordinary", (_, v) => v),
        ("ties", (_, v) => MathF.Round(v * 4)),
        ("all equal", (_, _) => 0.5f),
        ("all negative", (_, v) => -MathF.Abs(v)),
        ("few positive", (i, v) => i % 501 == 0 ? 1f + v : -1f),
        ("ascending", (i, _) => i),
    ];

    private static void Check(float[] matrix, int width, int k, int[] among, SparseRows selected, string name)
    {
        for (int row = 0; row < 5; row++)
        {
            int[] expected =
            [
                .. among.OrderByDescending(c => matrix[(row * width) + c]).ThenBy(c => c).Take(k)
                    .Where(c => matrix[(row * width) + c] > 0).Order(),
            ];
            int start = selected.Starts[row];
            int count = selected.Counts[row];
            Assert.True(
                expected.AsSpan().SequenceEqual(selected.Columns.AsSpan(start, count)), $"{name}, row {row}, k {k}");
            Bits.Same(
                expected.Select(c => matrix[(row * width) + c]).ToArray(), selected.Values.AsSpan(start, count), name);
        }
    }
}
