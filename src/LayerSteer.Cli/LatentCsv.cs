using System.Globalization;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>
/// The files that the seed's hooks write: the latents that a method decodes, a row a token. One prompt goes into the
/// folder itself, several into p00, p01, … within it.
/// </summary>
internal static class LatentCsv
{
    public static void Write(
        string folder, Steerer steerer, SteeringPlan plan, int[][] ids, CancellationToken cancellation)
    {
        string method = SteeringMethods.NameOf(plan.Options.Method);
        for (int i = 0; i < ids.Length; i++)
        {
            string target = ids.Length == 1
                ? folder
                : Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"p{i:D2}"));
            Directory.CreateDirectory(target);
            string[] names = [.. ids[i].Select(steerer.Tokenizer.TokenText)];
            foreach ((LayerEdit edit, float[] latents) in EditedLatents.Of(steerer.Decoder, plan, ids[i], cancellation))
            {
                SeedCsv.Write(
                    Path.Combine(target, SeedCsv.MethodLatents(method, edit.Point.Layer)),
                    latents,
                    edit.Autoencoder.DSae,
                    names);
            }
        }
    }
}
