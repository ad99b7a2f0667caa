namespace LayerSteer.Numerics;

/// <summary>The type in which weight matrices lie in memory; norms, biases and activations are float32.</summary>
public enum WeightType
{
    /// <summary>float32: what parity with the reference is measured in.</summary>
    F32,

    /// <summary>bfloat16: half the bytes; products and sums are float32.</summary>
    BF16,

    /// <summary>
    /// int8 with a scale an output: a quarter of the bytes; activations are 16-bit integers with a scale a token.
    /// </summary>
    I8,
}

/// <summary>The names of <see cref="WeightType"/> that commands and reports use.</summary>
public static class WeightTypes
{
    /// <summary>f32, bf16, int8.</summary>
    public static IReadOnlyList<string> Names { get; } = ["f32", "bf16", "int8"];

    /// <summary>The name of a type.</summary>
    public static string NameOf(WeightType type) => Names[(int)type];

    /// <summary>The type of a name.</summary>
    /// <exception cref="ArgumentException">There is no such name; the message lists them.</exception>
    public static WeightType Parse(string name)
    {
        for (int i = 0; i < Names.Count; i++)
        {
            if (Names[i] == name)
            {
                return (WeightType)i;
            }
        }

        throw new ArgumentException($"no weight type '{name}'; expected {string.Join(", ", Names)}");
    }
}
