using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public unsafe class LanesTests
{
    private static readonly float[] Values =
    [
        0f, -0f, 1f, -1f, 0.1f, -3.3f, 1e-40f, -1e-40f, 1e30f, -1e30f, 7f, 0.5f, 2.5f, -2.5f, 1.0000001f, 123456.7f,
    ];

    [Fact]
    public void Every_width_computes_what_the_scalar_lanes_do()
    {
        float[] scalar = Operations<ScalarLanes>();
        Bits.Same(scalar, Operations<Lanes128>(), "128 bits");
        Bits.Same(scalar, Operations<Lanes256>(), "256 bits");
        Bits.Same(scalar, Operations<Lanes512>(), "512 bits");
    }

    [Fact]
    public void Scalar_lanes_are_plain_arithmetic()
    {
        float[] expected =
            [.. Values.Select((a, i) => MathF.FusedMultiplyAdd(a, Values[15 - i], Values[(i + 3) % 16]))];
        Bits.Same(expected, Operations<ScalarLanes>().AsSpan(0, 16), "a·b + c");
    }

    [Fact]
    public void Partial_loads_and_stores_touch_only_their_lanes()
    {
        float* memory = stackalloc float[16];
        for (int count = 0; count <= 16; count++)
        {
            new Span<float>(memory, 16).Fill(7f);
            fixed (float* source = Values)
            {
                Lanes.StoreFirst(Lanes.LoadFirst<Lanes256>(source, count) + Lanes256.Broadcast(1f), memory, count);
            }

            float[] expected = [.. Values.Select((v, i) => i < count ? v + 1f : 7f)];
            Bits.Same(expected, new ReadOnlySpan<float>(memory, 16), $"first {count}");
        }
    }

    private static float[] Operations<T>() where T : struct, ILanes<T>
    {
        float[] reversed = [.. Values.Reverse()];
        float[] turned = [.. Values[3..], .. Values[..3]];
        fixed (float* pa = Values, pb = reversed, pc = turned)
        {
            T a = T.Load(pa);
            T b = T.Load(pb);
            T c = T.Load(pc);
            T three = T.Broadcast(12582912f + 3f); // 1.5·2^23 + 3: three steps of the exponent
            T[] results =
            [
                T.Fma(a, b, c), a + b, a - b, a * b, a / T.Max(b, T.Broadcast(0.5f)), T.Max(a, b), T.Min(a, b),
                T.Sqrt(T.Max(a, T.Broadcast(0f))),
                T.AddExponent(T.Broadcast(1.25f), three), Lanes.KeepFirst(a, 5), Lanes.LoadFirst<T>(pa, 11),
            ];
            T[] integers = IntegerOperations<T>(pa, pb);
            return [.. results.SelectMany(Lane), .. integers.SelectMany(Lane), a.Sum(), b.Sum(), c.Sum(), a.Largest(), c.Largest()];
        }
    }

    private static T[] IntegerOperations<T>(float* pa, float* pb) where T : struct, ILanes<T>
    {
        T bytes = T.LoadBytePairs((sbyte*)pa);
        T others = T.LoadBytePairs((sbyte*)pb + 32);
        T joined = T.JoinPairs(T.Load(pa), T.Load(pb));
        T sums = T.MultiplyAddPairs(bytes, joined, T.BroadcastBits(-5));
        return
        [
            T.LoadBFloat16((ushort*)pa), T.FromIntegers(bytes), T.FromIntegers(joined), T.FromIntegers(sums),
            T.FromIntegers(T.MultiplyAddPairs(others, bytes, sums)), T.FromIntegers(T.BroadcastBits(int.MinValue)),
        ];
    }

    private static float[] Lane<T>(T value) where T : struct, ILanes<T>
    {
        float[] lanes = new float[Lanes.Count];
        fixed (float* p = lanes)
        {
            value.Store(p);
        }

        return lanes;
    }
}
