using LayerSteer.Generation;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Text;
using Xunit;

namespace LayerSteer.Tests.Generation;

public sealed class ContinuationTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>
    /// Decoders of SentencePiece's vocabularies drop the space that a text begins with; what follows a prompt begins no
    /// text. The model's own continuation is that of weights/README.md.
    /// </summary>
    [Fact]
    public void What_follows_a_prompt_keeps_its_first_space()
    {
        string? source = TestFiles.Shared is null
            ? null
            : Path.Combine(TestFiles.Shared, "weights", "stories260K", "hf");
        Assert.SkipWhen(!Directory.Exists(source), "../shared/weights/stories260K is not here");
        foreach (string name in new[] { "config.json", "model.safetensors" })
        {
            File.Copy(Path.Combine(source!, name), _folder.File(name));
        }

        File.WriteAllBytes(
            _folder.File("tokenizer.model"),
            SentencePieceModels.Stories(Path.Combine(source!, "pieces.json")).ToBytes());
        using Steerer steerer = Steerer.Load(_folder.Path, []);
        var streamed = new System.Text.StringBuilder();
        GenerationResult result = steerer.Generate(
            "Once upon a time, there was a little girl named",
            maxNewTokens: 12,
            onText: text => streamed.Append(text),
            cancellation: TestContext.Current.CancellationToken);
        Assert.StartsWith(" Lily. She loved", result.Text, StringComparison.Ordinal);
        Assert.Equal(result.Text, streamed.ToString());
    }
}
