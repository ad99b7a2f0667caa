using System.Text.Json;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Cli;

public class DemoCommandTests
{
    private const string Prompt = "The doctor said that";

    [Fact]
    public async Task A_topic_by_name_gives_three_texts_and_the_latents_that_moved_as_json()
    {
        _ = SamplePocket.Folder;
        JsonElement json = (await CliRun.Of("demo", Prompt, "--topic", "medical", "--json")).Json;
        Console.WriteLine(json);
    }
}
