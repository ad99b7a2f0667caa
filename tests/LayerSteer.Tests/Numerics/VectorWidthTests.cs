using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

/// <summary>
/// The continuous integration runs the kernels again with narrower registers; this says that it did.
/// </summary>
public class VectorWidthTests
{
    [Fact]
    public void Kernels_run_at_the_width_that_the_settings_leave()
    {
        int bits = WorkerPool.VectorBits;
        TestContext.Current.TestOutputHelper?.WriteLine($"{bits}-bit registers");
        if (IsOff("EnableHWIntrinsic"))
        {
            Assert.Equal(32, bits);
        }
        else if (RuntimeInformation.ProcessArchitecture == Architecture.Arm64)
        {
            Assert.Equal(128, bits);
        }
        else if (Avx512F.IsSupported)
        {
            Assert.Equal(512, bits);
        }
        else
        {
            Assert.Equal(Avx2.IsSupported ? 256 : 128, bits);
        }

        Assert.False(IsOff("EnableAVX512") && bits > 256);
    }

    private static bool IsOff(string setting) => Environment.GetEnvironmentVariable("DOTNET_" + setting) == "0";
}
