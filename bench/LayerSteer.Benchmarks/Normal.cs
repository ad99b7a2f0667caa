using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>Roughly normal numbers: the sum of four uniform ones, brought to mean 0 and deviation 1.</summary>
internal sealed class Normal(ulong seed)
{
    private SplitMix64 _generator = new(seed);

    public float Next()
    {
        ulong bits = _generator.Next();
        float sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
        return ((sum / 65536f) - 2f) * 1.7320508f;
    }
}
