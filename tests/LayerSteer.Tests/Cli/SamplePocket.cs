using System.Text.Json.Nodes;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Tests.Numerics;
using LayerSteer.Topics;

namespace LayerSteer.Tests.Cli;

/// <summary>
/// A pocket model of samples/tiny, where the runs of <see cref="CliRun"/> look for it: two autoencoders, topics "medical"
/// (with a fine-tuned model, which is the model with noise on its embeddings) and "outdoors" (without one).
/// </summary>
internal static class SamplePocket
{
    public const string DefaultHook = "blocks.2.hook_resid_post";
    public const string OtherHook = "blocks.1.hook_resid_post";

    private static readonly Lazy<string> Built = new(Build);

    public static string Folder => Built.Value;

    public static string Tiny { get; } = Path.Combine(TestFiles.Root, "samples", "tiny");

    public static string Medical { get; } = Path.Combine(Tiny, "medical.csv");

    /// <summary>A fresh <c>pocket.json</c> to change.</summary>
    public static JsonObject Json() => new()
    {
        ["format_version"] = 1,
        ["model"] = "model",
        ["encoder"] = "encoder",
        ["index"] = "index",
        ["saes"] = new JsonArray(
            new JsonObject { ["path"] = "sae/" + OtherHook, ["hook"] = OtherHook },
            new JsonObject { ["path"] = "sae/" + DefaultHook, ["hook"] = DefaultHook }),
        ["default_sae"] = DefaultHook,
        ["topics"] = new JsonArray(
            new JsonObject
            {
                ["name"] = "medical",
                ["profile"] = "topics/medical.json",
                ["adapter"] = "finetuned/medical",
            },
            new JsonObject { ["name"] = "outdoors", ["profile"] = "topics/outdoors.json" }),
        ["demo"] = new JsonObject
        {
            ["topic"] = "medical",
            ["method"] = "swap",
            ["strength"] = 2,
            ["temperature"] = 0.8,
            ["top_p"] = 0.95,
            ["tokens"] = 12,
        },
    };

    /// <summary>A folder of its own with the files of the sample and another <c>pocket.json</c>.</summary>
    public static string Copy(string folder, JsonNode json)
    {
        CopyFolder(Folder, folder);
        File.WriteAllText(Path.Combine(folder, PocketModel.FileName), json.ToJsonString());
        return folder;
    }

    private static string Build()
    {
        string pocket = CliRun.Pocket;
        CopyFolder(Path.Combine(Tiny, "model"), Path.Combine(pocket, "model"));
        CopyFolder(Path.Combine(Tiny, "encoder"), Path.Combine(pocket, "encoder"));
        CopyFolder(Path.Combine(Tiny, "sae"), Path.Combine(pocket, "sae", OtherHook));
        CopyFolder(Path.Combine(Tiny, "sae"), Path.Combine(pocket, "sae", DefaultHook));
        string fineTuned = Path.Combine(pocket, "finetuned", "medical");
        CopyFolder(Path.Combine(Tiny, "model"), fineTuned);
        AddNoise(Path.Combine(Tiny, "model", "model.safetensors"), Path.Combine(fineTuned, "model.safetensors"));

        using Steerer steerer = Steerer.Load(Path.Combine(pocket, "model"), Path.Combine(pocket, "sae", DefaultHook), 2);
        using SentenceEncoder encoder = SentenceEncoder.Load(Path.Combine(pocket, "encoder"));
        ReferenceIndex index = steerer.BuildIndex(
            Path.Combine(pocket, "index"), TextTable.Read(Path.Combine(Tiny, "reference.csv")), encoder);
        Directory.CreateDirectory(Path.Combine(pocket, "topics"));
        Profile("medical", TextTable.Read(Medical));
        Profile("outdoors", new TextTable(["A walk up the hill in the rain.", "The lake at the bridge, and a boat."]));
        File.WriteAllText(Path.Combine(pocket, PocketModel.FileName), Json().ToJsonString());
        return pocket;

        void Profile(string name, TextTable texts) => TopicProfiler.Profile(
            name, index, encoder, texts, level: UncertaintyLevel.Scores).Profile
            .Write(Path.Combine(pocket, "topics", name + ".json"));
    }

    private static void AddNoise(string source, string target)
    {
        using TensorFile file = TensorFile.Open(source);
        using var writer = new SafetensorsWriter(target);
        foreach ((string name, StoredTensor tensor) in file.Tensors)
        {
            float[] values = tensor.ToFloats();
            float[] noise = RandomFloats.Of(77, values.Length, name.EndsWith("wte.weight", StringComparison.Ordinal) ? 0.5f : 0f);
            writer.Add<float>(name, [.. tensor.Shape], [.. values.Zip(noise, (value, more) => value + more)]);
        }

        writer.Complete();
    }

    private static void CopyFolder(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy, overwrite: true);
        }
    }
}
