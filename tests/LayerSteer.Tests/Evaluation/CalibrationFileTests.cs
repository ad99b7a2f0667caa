using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class CalibrationFileTests : IDisposable
{
    private const string Place = "blocks.3.hook_resid_post";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_calibration_reads_back_and_forecasts_the_same()
    {
        Calibration calibration = Sample();
        string path = _folder.File("calibration.json");
        calibration.Write(path);
        byte[] once = File.ReadAllBytes(path);
        Calibration read = Calibration.Read(path);
        read.Write(path);
        Assert.Equal(once, File.ReadAllBytes(path));
        double?[] predictors = Predictors(99, 0.4);
        Forecast first = calibration.Forecast("boats", Place, "clamp", 0.2, predictors);
        Forecast second = read.Forecast("boats", Place, "clamp", 0.2, predictors);
        Assert.Equal((first.Effect, first.Cost), (second.Effect, second.Cost));
        Assert.Equal(!(first.Effect.Low > 0), first.Abstains);
        Assert.True(first.UsesTexts);
    }

    [Fact]
    public void A_strong_topic_is_promised_an_effect_and_a_weak_one_is_not()
    {
        Calibration calibration = Sample();
        Forecast strong = calibration.Forecast("strong", Place, "clamp", 0.2, Predictors(5, 3));
        Forecast weak = calibration.Forecast("weak", Place, "clamp", 0.2, Predictors(5, -1));
        Assert.False(strong.Abstains);
        Assert.True(weak.Abstains);
        Assert.StartsWith("clamp at 0.2 steers to the topic: similarity +", strong.InWords);
        Assert.Contains("word_lift", calibration.Forecast("far", Place, "clamp", 0.2, Predictors(5, 90)).Unlike);
    }

    [Theory]
    [InlineData("topics", "1", "topics is 1")]
    [InlineData("confidence", "1.5", "confidence is 1.5, expected between 0.5 and 1")]
    [InlineData("sites", "[]", "sites or forecasters is empty")]
    [InlineData("sites", "[null]", "sites[0] lacks a hook point or a digest")]
    [InlineData("forecasters", "[null]", "forecasters[0] is null")]
    [InlineData("forecasters/0/method", "\"push\"", "forecasters[0].method is unknown; expected one of")]
    [InlineData("forecasters/0/strengths", "[2,1]", "forecasters[0].strengths are not ascending numbers above 0")]
    [InlineData("forecasters/0/strengths", "[1e999]", "forecasters[0].strengths are not ascending numbers above 0")]
    [InlineData("forecasters/0/columns/1/name", "\"magic\"", "forecasters[0].columns[1] is no predictor")]
    [InlineData("forecasters/0/columns/1/scale", "0", "forecasters[0].columns[1]")]
    [InlineData("forecasters/0/columns", "[]", "forecasters[0].effect.model is not of 0 finite coefficients")]
    [InlineData("forecasters/0/effect/penalty", "-1", "forecasters[0].effect.penalty is -1, expected a number above 0")]
    [InlineData("forecasters/0/effect/left_out", "[]", "forecasters[0].effect.left_out has 0 topics, expected 12")]
    [InlineData("forecasters/0/cost/left_out/3/scores/0", "-1", "forecasters[0].cost.left_out[3].scores")]
    [InlineData("forecasters/0/cost/left_out/3/scores/0", "1e999", "forecasters[0].cost.left_out[3].scores")]
    [InlineData("forecasters/0/cost/left_out/3/scores", "[]", "forecasters[0].cost.left_out[3].scores")]
    [InlineData("forecasters/0/cost/model/mean/intercept", "1e999", "forecasters[0].cost.model is not of")]
    [InlineData("forecasters/0/cost/model/mean", "null", "")]
    [InlineData("model", "7", "")]
    public void What_cannot_be_is_refused_by_field(string field, string value, string expected)
    {
        string path = _folder.File("calibration.json");
        Sample().Write(path);
        JsonNode root = JsonNode.Parse(File.ReadAllText(path))!;
        JsonNode node = root;
        string[] steps = field.Split('/');
        foreach (string step in steps[..^1])
        {
            node = int.TryParse(step, out int i) ? node[i]! : node[step]!;
        }

        string marker = "\"@here@\"";
        if (int.TryParse(steps[^1], out int last))
        {
            node[last] = "@here@";
        }
        else
        {
            node[steps[^1]] = "@here@";
        }

        File.WriteAllText(path, root.ToJsonString().Replace(marker, value, StringComparison.Ordinal));
        InvalidDataException refused = Assert.Throws<InvalidDataException>(() => Calibration.Read(path));
        Assert.StartsWith($"'{path}': {expected}", refused.Message);
    }

    [Fact]
    public void Another_version_is_refused()
    {
        string path = _folder.File("calibration.json");
        (Sample() with { FormatVersion = 7 }).Write(path);
        Assert.Throws<NotSupportedException>(() => Calibration.Read(path));
    }

    [Fact]
    public void Damaged_files_are_refused_in_one_way()
    {
        string path = _folder.File("calibration.json");
        Sample().Write(path);
        byte[] whole = File.ReadAllBytes(path);
        var random = new SplitMix64(3);
        for (int i = 0; i < 200; i++)
        {
            byte[] damaged = [.. whole];
            damaged[random.NextInt(damaged.Length)] = (byte)random.Next();
            File.WriteAllBytes(path, i % 3 == 0 ? damaged[..random.NextInt(damaged.Length)] : damaged);
            Exception? refused = Record.Exception(() => Calibration.Read(path));
            Assert.True(refused is null or InvalidDataException or NotSupportedException, $"{refused}");
        }
    }

    /// <summary>A bank in which one predictor is the effect, but for noise.</summary>
    private static Calibration Sample()
    {
        var random = new SplitMix64(8);
        var points = new List<CalibrationPoint>();
        for (int topic = 0; topic < 12; topic++)
        {
            foreach (double strength in (double[])[0.1, 0.2, 0.4])
            {
                double agreement = (random.NextDouble() * 4) - 1;
                points.Add(new CalibrationPoint
                {
                    Topic = $"topic {topic}",
                    HookPoint = Place,
                    Method = "clamp",
                    Strength = strength,
                    Predictors = Predictors(random.Next(), agreement),
                    Effect = agreement + (0.1 * random.NextDouble()),
                    EffectLow = null,
                    EffectHigh = null,
                    Cost = strength + (0.1 * random.NextDouble()),
                    Texts = 4,
                });
            }
        }

        return new Calibration
        {
            Model = "model",
            Tokenizer = "tokenizer",
            Encoder = "encoder",
            Judge = "judge",
            Bank = "bank",
            Topics = 12,
            Texts = 4,
            Tokens = 8,
            ClampCount = 5,
            LatentCount = 10,
            Confidence = 0.9,
            Sites = [new CalibrationSite(Place, "sae")],
            Forecasters = Calibration.Fit(points),
        };
    }

    private static double?[] Predictors(ulong seed, double agreement)
    {
        var random = new SplitMix64(seed);
        return
        [
            .. ForecastPredictor.All.Select(predictor => (double?)(
                predictor.Name == "word_lift" ? agreement : random.NextDouble())),
        ];
    }
}
