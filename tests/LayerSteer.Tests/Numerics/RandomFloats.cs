using LayerSteer.Numerics;

namespace LayerSteer.Tests.Numerics;

/// <summary>Inputs of the kernel tests: uniform in [−1, 1), from a seed.</summary>
internal static class RandomFloats
{
    public static float[] Of(ulong seed, int count, float scale = 1f)
    {
        var generator = new SplitMix64(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (float)((2 * generator.NextDouble()) - 1) * scale;
        }

        return values;
    }
}
