namespace LayerSteer.Evaluation;

/// <summary>One cell of a calibration: a topic, steered at one place by one method at one strength.</summary>
public sealed record CalibrationPoint
{
    /// <summary>The topic.</summary>
    public required string Topic { get; init; }

    /// <summary>The hook point.</summary>
    public required string HookPoint { get; init; }

    /// <summary>The method.</summary>
    public required string Method { get; init; }

    /// <summary>The strength, above 0.</summary>
    public required double Strength { get; init; }

    /// <summary>The values of <see cref="ForecastPredictor.All"/>, known before a text is generated.</summary>
    public required IReadOnlyList<double?> Predictors { get; init; }

    /// <summary>Mean paired difference of topic similarity to the unsteered model.</summary>
    public required double Effect { get; init; }

    /// <summary>The effect's own interval over prompts.</summary>
    public required double? EffectLow { get; init; }

    /// <summary>The effect's own interval over prompts.</summary>
    public required double? EffectHigh { get; init; }

    /// <summary>Mean paired difference of nats a token, unsteered model: the log of the perplexity ratio.</summary>
    public required double Cost { get; init; }

    /// <summary>How many continuations stand behind it.</summary>
    public required int Texts { get; init; }

    /// <summary>Whether steering did nothing or the wrong thing: an effect that is not above 0.</summary>
    internal bool DidNothing => Effect <= 0;

    /// <summary>Whether the effect cannot be told from nothing: its own interval does not lie above 0.</summary>
    internal bool IsNotShown => !(EffectLow > 0);
}
