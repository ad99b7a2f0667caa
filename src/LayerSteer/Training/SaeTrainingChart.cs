namespace LayerSteer.Training;

/// <summary>
/// A chart of a training run of autoencoders as one SVG: FVU, L0, dead share and held-out loss over tokens, a line a
/// hook point; the loss of the unchanged model is dashed.
/// </summary>
public static class SaeTrainingChart
{
    /// <summary>Draws the chart.</summary>
    /// <param name="log">What was measured.</param>
    /// <returns>The text of an SVG file.</returns>
    public static string Draw(SaeTrainingLog log)
    {
        ArgumentNullException.ThrowIfNull(log);
        return CurveChart.Draw(
            [.. log.Points.Select(point => point.ToString())],
            [
                new("Fraction of variance unexplained (training)", true, Curves(line => line.Fvu)),
                new("L0: active latents a token", true, Curves(line => line.L0)),
                new("Dead latents, %", true, Curves(line => 100 * line.DeadShare)),
                new(
                    "Held-out loss with the reconstruction, nats a token",
                    false,
                    [
                        .. Curves(line => line.HeldOut.CeSpliced),
                        .. Curves(line => line.HeldOut.CeOriginal).Select(curve => curve with { IsDashed = true }),
                    ]),
            ]);

        Curve[] Curves(Func<SaeTrainingLine, double> value) => [.. log.Points.Select((_, site) => new Curve(
            site,
            [.. log.Lines.Where(line => line.Site == site).Select(line => ((double)line.Tokens, value(line)))]))];
    }
}
