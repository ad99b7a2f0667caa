using CsCheck;
using LayerSteer.Evaluation;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class ParetoFrontTests
{
    [Fact]
    public void The_front_is_what_a_double_loop_finds() =>
        Gen.Select(Gen.Int[0, 6], Gen.Int[0, 6]).Array[0, 14].Sample(points =>
        {
            (double Cost, double Effect)[] all = [.. points.Select(p => ((double)p.Item1, (double)p.Item2))];
            var expected = new List<int>();
            for (int i = 0; i < all.Length; i++)
            {
                bool beaten = false;
                for (int j = 0; j < all.Length; j++)
                {
                    beaten |= all[j].Cost <= all[i].Cost && all[j].Effect >= all[i].Effect && all[j] != all[i];
                }

                if (!beaten)
                {
                    expected.Add(i);
                }
            }

            IReadOnlyList<int> front = ParetoFront.Of(all);
            Assert.Equal(expected, front.Order());
            Assert.Equal(front.OrderBy(i => all[i].Cost).ThenBy(i => i), front);
        });
}
