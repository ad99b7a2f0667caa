namespace LayerSteer.Evaluation;

/// <summary>A rectangle in pixels, y downward.</summary>
internal readonly record struct LabelBox(double X, double Y, double Width, double Height)
{
    public bool Overlaps(LabelBox other) => X < other.X + other.Width && other.X < X + Width
        && Y < other.Y + other.Height && other.Y < Y + Height;

    public bool IsWithin(LabelBox other) => X >= other.X && Y >= other.Y && X + Width <= other.X + other.Width
        && Y + Height <= other.Y + other.Height;
}

/// <summary>
/// Puts names beside points so that no name lies on another name, on a point or outside: each in turn takes the nearest
/// free place on rings around its point. Where there is none, it takes the place that lies on the fewest others.
/// </summary>
internal static class LabelPlacement
{
    private const double Gap = 7;
    private const int Rings = 14;

    /// <summary>Finds a place for each name.</summary>
    /// <param name="points">The points.</param>
    /// <param name="sizes">The size of each one's name.</param>
    /// <param name="area">What the names must lie within.</param>
    /// <param name="taken">What they must not lie on beside the points.</param>
    public static LabelBox[] Of(
        IReadOnlyList<(double X, double Y)> points,
        IReadOnlyList<(double Width, double Height)> sizes,
        LabelBox area,
        IReadOnlyList<LabelBox>? taken = null)
    {
        const double Radius = 6;
        List<LabelBox> blocked =
            [.. points.Select(p => new LabelBox(p.X - Radius, p.Y - Radius, 2 * Radius, 2 * Radius)), .. taken ?? []];
        var boxes = new LabelBox[points.Count];

        // Those with the most neighbours have the fewest places, so they choose first.
        foreach (int i in Enumerable.Range(0, points.Count)
            .OrderByDescending(i => points.Count(p => Distance(p, points[i]) < 60)).ThenBy(i => i))
        {
            LabelBox best = default;
            int fewest = int.MaxValue;
            foreach (LabelBox box in Places(points[i], sizes[i]).Where(box => box.IsWithin(area)))
            {
                int lying = blocked.Count(other => other.Overlaps(box));
                if (lying < fewest)
                {
                    (best, fewest) = (box, lying);
                }

                if (lying == 0)
                {
                    break;
                }
            }

            boxes[i] = fewest < int.MaxValue ? best : Places(points[i], sizes[i]).First();
            blocked.Add(boxes[i]);
        }

        return boxes;
    }

    private static double Distance((double X, double Y) a, (double X, double Y) b) =>
        Math.Sqrt(((a.X - b.X) * (a.X - b.X)) + ((a.Y - b.Y) * (a.Y - b.Y)));

    private static IEnumerable<LabelBox> Places((double X, double Y) point, (double Width, double Height) size)
    {
        for (int ring = 0; ring < Rings; ring++)
        {
            double gap = Gap + (ring * 11);
            for (int turn = 0; turn < 16; turn++)
            {
                // To the right first, then to the left, then the rest from there.
                double angle = ((turn % 2 == 0 ? turn / 2 : 15 - (turn / 2)) + (turn % 4 == 3 ? 8 : 0)) * Math.PI / 8;
                double x = point.X + (Math.Cos(angle) * gap);
                double y = point.Y + (Math.Sin(angle) * gap);
                yield return new LabelBox(
                    Math.Cos(angle) >= -0.01 ? x : x - size.Width,
                    y - (size.Height / 2) + (Math.Sin(angle) * size.Height / 2),
                    size.Width,
                    size.Height);
            }
        }
    }
}
