using LayerSteer.Evaluation;

namespace LayerSteer.Tests.Evaluation;

/// <summary>A report of made-up figures and of names and texts that try to get out of a page.</summary>
internal static class SampleReport
{
    public const string Hostile =
        "<script>alert('1')</script> \"quoted\" & ]]> \u0001\u001b[31m\u202e\uD800 --> </style>";

    public static EvaluationReport Create() => new()
    {
        Run = new Dictionary<string, string> { ["tool_version"] = "0.1.0", ["hint"] = Hostile },
        Topics = ["harbour", Hostile],
        Prompts = ["I went to", Hostile],
        DevPrompts = ["There is"],
        Draws = 2,
        PerplexityBudget = 1.5,
        Confidence = 0.95,
        Resamples = 100,
        Judge = new JudgeQuality(
            ["harbour", Hostile], new ClassifierAccuracy(0.9, 0.9, 0.3, 20),
            new ClassifierAccuracy(0.8, 0.8, 0.5, 20), 0.95),
        Metrics =
        [
            new("similarity", "topic similarity", "how near " + Hostile),
            new("nll", "nats a token", "the cost"),
            new("of a later day", "a metric of a later day", "what nobody has thought of yet"),
        ],
        Arms =
        [
            Arm("unsteered", null, null),
            Arm("hint", 0.1, 0.2),
            Arm("random-twist", 0.001, 0.1),
            Arm("twist", 0.2, 0.3),
            Arm(Hostile, 0.05, 7),
        ],
        Controls =
        [
            new("twist", "hint", Figures(0.1, 0.1)),
            new("twist", "random-twist", Figures(0.19, 0.2)),
            new(Hostile, "hint", Figures(-0.05, 6)),
        ],
        Strengths =
        [
            .. from method in (string[])["twist", Hostile]
            from topic in (string[])["harbour", Hostile]
            from strength in (double[])[0.5, 1, 2]
            select new StrengthPoint(
                method, topic, strength, 0.1 * strength, 0.1 * strength, 0.2, 1 + strength, strength, 0, strength < 1,
                strength == 1),
        ],
        NotRun = new Dictionary<string, string> { ["finetuned"] = "no checkpoint: " + Hostile },
        Examples =
        [
            .. from topic in (string[])["harbour", Hostile]
            from arm in (string[])["unsteered", "twist", Hostile]
            select Line(arm, topic, arm == "unsteered" ? "the boat was old" : "the ferry was " + Hostile),
        ],
        Latents = [new("harbour", [new(7, 0.9, ["boat", Hostile]), new(3, 0.5, [])])],
    };

    private static ArmReport Arm(string name, double? gain, double? cost) => new(
        name, "what it is: " + name, "turns to the topic", Figures(gain, cost),
        [
            new("harbour", gain is null ? null : 2, Figures(gain, cost)),
            new(Hostile, null, Figures(-gain, cost)),
        ],
        1, 0.1);

    private static MetricReport[] Figures(double? gain, double? cost) =>
        [Figure("similarity", gain), Figure("nll", cost), Figure("of a later day", -gain)];

    private static MetricReport Figure(string name, double? value) => new(
        name, value ?? 0, value, value - 0.03, value + 0.03, value is null ? null : 0.01, value is null ? null : 0.02,
        8);

    private static EvaluationLine Line(string arm, string topic, string text) => new()
    {
        Arm = arm,
        Strength = arm == "twist" ? 2 : 0,
        Topic = topic,
        Prompt = "I went to",
        Draw = 0,
        Text = text,
        Tokens = 4,
        Similarity = 0.1,
        IsNearest = true,
        Probability = 0.5,
        IsMostProbable = true,
        NegativeLogLikelihood = 2,
        Divergence = 0.1,
        Distinct1 = 1,
        Distinct2 = 1,
        Repetition = 0,
        Adherence = 0.25,
        Leakage = null,
        EditChange = 0.1,
    };
}
