using LayerSteer.Models;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>
/// Damaged checkpoints of every family: what comes of them is a model that runs or one line that says what is wrong,
/// soon and without much memory. LAYERSTEER_FUZZ=N runs N rounds of each.
/// </summary>
public class CheckpointFuzzTests
{
    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Damaged_files_are_refused_or_run(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        tiny.Write();
        FileDamage.Check(
            [tiny.File("config.json"), tiny.File("model.safetensors")],
            815,
            () =>
            {
                using Decoder decoder = Decoder.Load(tiny.Path);
                Passes.Logits(decoder, [1, 0, 2]);
            },
            IsOfTokens);
    }

    /// <summary>A damaged vocabulary may have one id or two.</summary>
    private static bool IsOfTokens(Exception e) =>
        e is ArgumentException && e.Message.StartsWith("token id", StringComparison.Ordinal);
}
