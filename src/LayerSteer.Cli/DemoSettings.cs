using LayerSteer.Generation;
using LayerSteer.Steering;

namespace LayerSteer.Cli;

/// <summary>How the demo generates and steers; the same draws for every arm.</summary>
internal sealed record DemoSettings
{
    public required SteeringMethod Method { get; init; }

    public required float Strength { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>0 takes the most likely token at each step.</summary>
    public required double Temperature { get; init; }

    public required double TopP { get; init; }

    public required int Tokens { get; init; }

    public SamplerOptions Sampling => Temperature == 0
        ? new SamplerOptions { Seed = Seed }
        : new SamplerOptions { Kind = SamplingKind.Softmax, Temperature = Temperature, TopP = TopP, Seed = Seed };

    public SteeringOptions Steering => new() { Method = Method, Strength = Strength };

    /// <summary>What is asked for, and otherwise what the pocket model says is good.</summary>
    public static DemoSettings Of(
        PocketDemo demo, SteeringMethod? method, float? strength, ulong? seed, double? temperature, int? tokens) => new()
        {
            Method = method ?? demo.Method,
            Strength = strength ?? StrengthOf(demo, method ?? demo.Method),
            Seed = seed ?? 0,
            Temperature = temperature ?? demo.Temperature,
            TopP = demo.TopP,
            Tokens = tokens ?? demo.Tokens,
        };

    /// <summary>The strength of a method where none is asked for: the pocket model's is for its own method.</summary>
    public static float StrengthOf(PocketDemo demo, SteeringMethod method) =>
        method == demo.Method ? demo.Strength : 1f;
}
