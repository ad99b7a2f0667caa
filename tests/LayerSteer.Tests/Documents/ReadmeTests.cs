using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Documents;

/// <summary>The README's C# is this file's, and runs on the sample model.</summary>
public sealed class ReadmeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("layersteer-readme-").FullName;

    [Fact]
    public void The_toy_example_runs()
    {
        string tiny = Path.Combine(TestFiles.Root, "samples", "tiny");
        using var output = new StringWriter();
        Toy(
            Path.Combine(tiny, "model"),
            Path.Combine(tiny, "sae", "autoencoder.safetensors"),
            layer: 2,
            Path.Combine(tiny, "encoder"),
            Path.Combine(tiny, "reference.csv"),
            Path.Combine(tiny, "medical.csv"),
            Path.Combine(_folder, "index"),
            output);
        Assert.True(output.ToString().Length > 10);
    }

    [Fact]
    public void The_toy_example_is_the_one_in_the_readme()
    {
        string readme = File.ReadAllText(Path.Combine(TestFiles.Root, "README.md"));
        int start = readme.IndexOf("```csharp\n", StringComparison.Ordinal) + "```csharp\n".Length;
        string shown = readme[start..readme.IndexOf("```", start, StringComparison.Ordinal)];
        string source = File.ReadAllText(
            Path.Combine(TestFiles.Root, "tests", "LayerSteer.Tests", "Documents", "ReadmeTests.cs"));
        int body = source.IndexOf("// begin\n", StringComparison.Ordinal) + "// begin\n".Length;
        string[] lines = source[body..source.IndexOf("// end\n", body, StringComparison.Ordinal)].Split('\n');
        string run = string.Join(
            '\n',
            lines.Select(line => line.StartsWith("        ", StringComparison.Ordinal) ? line[8..] : line.Trim()));
        Assert.Equal(
            run.Trim(),
            shown.Trim()
                .Replace("\"gpt2\"", "model", StringComparison.Ordinal)
                .Replace("\"v5_32k/layer_9.pt\", layer: 9", "sae, layer", StringComparison.Ordinal)
                .Replace("\"all-MiniLM-L6-v2\"", "encoderFolder", StringComparison.Ordinal)
                .Replace("\"d_ref_prompts.csv\"", "referenceCsv", StringComparison.Ordinal)
                .Replace("\"d_align_prompts.csv\"", "alignCsv", StringComparison.Ordinal)
                .Replace("\"index\"", "indexFolder", StringComparison.Ordinal)
                .Replace("Console.", "output.", StringComparison.Ordinal));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static void Toy(
        string model,
        string sae,
        int layer,
        string encoderFolder,
        string referenceCsv,
        string alignCsv,
        string indexFolder,
        StringWriter output)
    {
        // begin
        using Steerer steerer = Steerer.Load(model, sae, layer);
        using SentenceEncoder encoder = SentenceEncoder.Load(encoderFolder);

        ReferenceIndex index = steerer.BuildIndex(indexFolder, TextTable.Read(referenceCsv), encoder);
        TextTable texts = TextTable.Read(alignCsv);
        TopicProfile topic = TopicProfiler.Profile("medical", index, encoder, texts).Profile;
        topic = steerer.Read(topic, index, texts.Texts); // contrastive scores, for the methods beyond the published ones

        foreach (SteeringMethod method in Enum.GetValues<SteeringMethod>())
        {
            SteeringPlan plan = steerer.Plan(new SteeringOptions { Method = method }, topic);
            output.WriteLine($"{method}: {steerer.Generate("I think the best science is", plan, maxNewTokens: 10).Text}");
        }

        // end
    }
}
