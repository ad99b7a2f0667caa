using System.Text.Json.Nodes;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Cli;
using LayerSteer.Tests.Topics;
using Xunit;

namespace LayerSteer.Tests;

public sealed class PocketModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_pocket_model_says_what_lies_where()
    {
        PocketModel pocket = PocketModel.Open(SamplePocket.Folder);
        Assert.Equal(Path.Combine(SamplePocket.Folder, "model"), pocket.Model);
        Assert.Equal(Path.Combine(SamplePocket.Folder, "encoder"), pocket.Encoder);
        Assert.Equal(Path.Combine(SamplePocket.Folder, "index"), pocket.Index);
        Assert.Equal(HookPoint.ResidualPost(2), pocket.DefaultSae.Point);
        Assert.Equal(Path.Combine(SamplePocket.Folder, "sae", SamplePocket.OtherHook), pocket.Saes[0].Path);
        Assert.Equal(["medical", "outdoors"], pocket.Topics.Select(topic => topic.Name));
        Assert.Equal(Path.Combine(SamplePocket.Folder, "topics", "outdoors.json"), pocket.Topic("outdoors").Profile);
        Assert.Equal(new PocketDemo("medical", SteeringMethod.Swap, 2f, 0.8, 0.95, 12), pocket.Demo);
    }

    [Fact]
    public void The_fine_tuned_model_of_a_topic_is_loaded_where_there_is_one()
    {
        PocketModel pocket = PocketModel.Open(SamplePocket.Folder);
        using Decoder? medical = pocket.LoadFineTuned("medical");
        using Steerer steerer = pocket.Load();
        Assert.NotNull(medical);
        Assert.NotEqual(steerer.Decoder.Digest, medical.Digest);
        Assert.Null(pocket.LoadFineTuned("outdoors"));
        Assert.Equal(
            "no topic 'law' in the pocket model; there are medical, outdoors",
            Assert.Throws<ArgumentException>(() => pocket.LoadFineTuned("law")).Message);
    }

    [Fact]
    public void A_folder_without_the_file_or_with_a_broken_one_is_refused()
    {
        Assert.Equal(
            $"'{_folder.Root}': no pocket.json, so this is not a pocket model",
            Assert.Throws<InvalidDataException>(() => PocketModel.Open(_folder.Root)).Message);
        string file = _folder.Write("pocket.json", "{");
        Assert.StartsWith(
            $"'{file}': not valid JSON: ",
            Assert.Throws<InvalidDataException>(() => PocketModel.Open(_folder.Root)).Message,
            StringComparison.Ordinal);
        _folder.Write("pocket.json", """{"model": "model", "model": "other"}""");
        Assert.StartsWith(
            $"'{file}': not valid JSON: ",
            Assert.Throws<InvalidDataException>(() => PocketModel.Open(_folder.Root)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model", null, "no field model")]
    [InlineData("model", "5", "model is 5, expected a string that is not empty")]
    [InlineData("model", "\"\"", "model is \"\", expected a string that is not empty")]
    [InlineData("index", "\"nowhere\"", "index is 'nowhere', but there is no such file or folder in the folder")]
    [InlineData("modle", "\"model\"",
        "the file has a field 'modle'; expected format_version, model, encoder, index, saes, default_sae, topics, demo")]
    [InlineData("format_version", null, "no field format_version")]
    [InlineData("saes", "[]", "saes is [], expected an array of at least one object")]
    [InlineData("saes", "[3]", "saes[0] is 3, expected an object")]
    [InlineData("default_sae", "\"blocks.0.hook_resid_post\"",
        "default_sae is 'blocks.0.hook_resid_post', expected one of blocks.1.hook_resid_post, blocks.2.hook_resid_post")]
    [InlineData("topics.0.profile", "\"topics\"",
        "topics[0].profile is 'topics', but there is no such file in the folder")]
    [InlineData("topics.1.name", "\"medical\"", "topics[1].name is 'medical', expected each once")]
    [InlineData("saes.1.hook", "\"blocks.1.hook_resid_post\"",
        "saes[1].hook is 'blocks.1.hook_resid_post', expected each once")]
    [InlineData("demo.topic", "\"law\"", "demo.topic is 'law', expected one of medical, outdoors")]
    [InlineData("demo.method", "\"Swapp\"",
        "demo.method is 'Swapp', expected one of orig, sae, clamp, weight, swap, add, set, min-clamp, scale, ablate, "
        + "project, diffmean")]
    [InlineData("demo.strength", "-1", "demo.strength is -1, expected a number from 0 to 1000000")]
    [InlineData("demo.temperature", "null", "demo.temperature is null, expected a number from 0 to 1000000")]
    [InlineData("demo.top_p", "0", "demo.top_p is 0, expected a number above 0")]
    [InlineData("demo.tokens", "2.5", "demo.tokens is 2.5, expected a whole number")]
    [InlineData("demo.prompt", "\"Hello\"",
        "demo has a field 'prompt'; expected topic, method, strength, temperature, top_p, tokens")]
    public void What_cannot_be_is_refused_by_the_name_of_its_field(string field, string? value, string expected) =>
        Assert.Equal($"'{File("pocket.json")}': {expected}", Refusal<InvalidDataException>(field, value));

    [Theory]
    [InlineData("/etc")]
    [InlineData("../model")]
    [InlineData("sae/../../model")]
    [InlineData("./model")]
    [InlineData("sae//model")]
    [InlineData("C:model")]
    [InlineData("..\\model")]
    public void A_path_may_not_leave_the_folder(string path) => Assert.Equal(
        $"'{File("pocket.json")}': encoder is '{path}', expected a path within the folder, such as model or sae/name",
        Refusal<InvalidDataException>("encoder", JsonValue.Create(path).ToJsonString()));

    [Fact]
    public void A_hook_point_that_there_is_not_and_another_version_are_refused()
    {
        Assert.StartsWith(
            $"'{File("pocket.json")}': saes[0].hook: no hook point 'blocks.1.resid'; there are ",
            Refusal<InvalidDataException>("saes.0.hook", "\"blocks.1.resid\""),
            StringComparison.Ordinal);
        Assert.Equal(
            $"'{File("pocket.json")}': format_version is 2; this version of LayerSteer reads 1",
            Refusal<NotSupportedException>("format_version", "2"));
    }

    private string File(string name) => Path.Combine(_folder["pocket"], name);

    /// <summary>The message for a field set to a value, or taken away.</summary>
    private string Refusal<TException>(string field, string? value) where TException : Exception
    {
        JsonObject json = SamplePocket.Json();
        string[] names = field.Split('.');
        JsonNode parent = json;
        foreach (string name in names[..^1])
        {
            parent = int.TryParse(name, out int i) ? parent[i]! : parent[name]!;
        }

        parent.AsObject().Remove(names[^1]);
        if (value is not null)
        {
            parent[names[^1]] = JsonNode.Parse(value);
        }

        SamplePocket.Copy(_folder["pocket"], json);
        return Assert.Throws<TException>(() => PocketModel.Open(_folder["pocket"])).Message;
    }
}
