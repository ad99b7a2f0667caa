using CsCheck;
using LayerSteer.Evaluation;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class LabelPlacementTests
{
    private static readonly LabelBox Area = new(60, 10, 650, 390);

    [Fact]
    public void Names_lie_neither_on_each_other_nor_on_points_nor_outside() =>
        Gen.Select(Gen.Double[70, 700], Gen.Double[20, 390], Gen.Int[3, 12]).Array[1, 14].Sample(points =>
        {
            (double X, double Y)[] at = [.. points.Select(p => (p.Item1, p.Item2))];
            LabelBox[] boxes = LabelPlacement.Of(at, [.. points.Select(p => (p.Item3 * 7.0, 15.0))], Area);
            for (int i = 0; i < boxes.Length; i++)
            {
                Assert.True(boxes[i].IsWithin(Area), $"{boxes[i]}");
                Assert.DoesNotContain(boxes[..i], other => other.Overlaps(boxes[i]));
                Assert.DoesNotContain(at, point => point.X > boxes[i].X && point.X < boxes[i].X + boxes[i].Width
                    && point.Y > boxes[i].Y && point.Y < boxes[i].Y + boxes[i].Height);
            }
        });

    [Fact]
    public void A_name_alone_stands_right_beside_its_point()
    {
        LabelBox box = LabelPlacement.Of([(100, 100)], [(40, 15)], Area)[0];
        Assert.InRange(box.X, 100, 110);
        Assert.InRange(box.Y + 7.5, 95, 105);
    }
}
