using LayerSteer.Steering;

namespace LayerSteer;

/// <summary>What the demo does with a pocket model unless told otherwise.</summary>
/// <param name="Topic">The topic, one of the pocket model's.</param>
/// <param name="Method">How it steers.</param>
/// <param name="Strength">How strongly, with that method; from 0.</param>
/// <param name="Temperature">Of the draws; 0 takes the most likely token at each step.</param>
/// <param name="TopP">Only the most probable tokens that together reach this take part, above 0 to 1.</param>
/// <param name="Tokens">How many tokens each text goes on for at most; from 1.</param>
public sealed record PocketDemo(
    string Topic, SteeringMethod Method, float Strength, double Temperature, double TopP, int Tokens);
