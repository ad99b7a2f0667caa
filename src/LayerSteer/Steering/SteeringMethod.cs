namespace LayerSteer.Steering;

/// <summary>
/// What an edit does at its layer. z are the latents of x, a the pre-activations, w the weights of the latents.
/// </summary>
public enum SteeringMethod
{
    /// <summary><c>orig</c>: x stays as it is.</summary>
    Original,

    /// <summary><c>sae</c>: x becomes its reconstruction, which drops the error of the autoencoder.</summary>
    Reconstruction,

    /// <summary><c>clamp</c>: an amount is added to the latents with the highest scores.</summary>
    Clamp,

    /// <summary><c>weight</c>: latents are selected by a·w and take that value.</summary>
    Weight,

    /// <summary><c>swap</c>: latents are selected by a·w and take their own pre-activation a.</summary>
    Swap,
}

/// <summary>The names of the methods on the command line and in files.</summary>
public static class SteeringMethods
{
    /// <summary>All names: orig, sae, clamp, weight, swap.</summary>
    public static IReadOnlyList<string> Names { get; } = ["orig", "sae", "clamp", "weight", "swap"];

    /// <summary>The method of a name, in any case.</summary>
    /// <exception cref="ArgumentException">There is no such method; the message lists those there are.</exception>
    public static SteeringMethod Parse(string name)
    {
        for (int i = 0; i < Names.Count; i++)
        {
            if (string.Equals(Names[i], name, StringComparison.OrdinalIgnoreCase))
            {
                return (SteeringMethod)i;
            }
        }

        throw new ArgumentException($"no method '{name}'; there are {string.Join(", ", Names)}");
    }

    /// <summary>The name of a method.</summary>
    public static string NameOf(SteeringMethod method) => Names[(int)method];

    /// <summary>Whether a method needs scores.</summary>
    public static bool NeedsScores(SteeringMethod method) => method >= SteeringMethod.Clamp;
}
