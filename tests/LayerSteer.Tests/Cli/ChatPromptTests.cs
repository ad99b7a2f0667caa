using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Tests.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class ChatPromptTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_prompt_becomes_a_users_turn_with_the_BOS_of_the_template_alone()
    {
        string model = Model("{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
            + "{% if add_generation_prompt %}[assistant]{% endif %}");
        string[] rest = ["--model", model, "--method", "orig", "-n", "4", "--json"];
        JsonElement chat = (await CliRun.Of(["generate", "The doctor", "--chat", .. rest])).Json;
        string bos = (string)JsonNode.Parse(File.ReadAllText(Path.Combine(model, "tokenizer_config.json")))!["bos_token"]!;
        JsonElement spelled = (await CliRun.Of(
            ["generate", bos + "[user] The doctor\n[assistant]", "--bos", "none", .. rest])).Json;
        Assert.Equal(spelled.GetProperty("text").GetString(), chat.GetProperty("text").GetString());
        CliRun streamed = await CliRun.Of(["generate", "The doctor", "--chat", .. rest[..^1]]);
        Assert.StartsWith(chat.GetProperty("text").GetString()!, streamed.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_without_a_template_is_refused()
    {
        string model = Model(null);
        Assert.Equal(
            $"'{model}': no chat template, neither chat_template.jinja nor chat_template in tokenizer_config.json; "
            + "leave out --chat, or use a model that was tuned to chat",
            await CliRun.Refused(2, "generate", "Hello", "--chat", "--model", model, "--method", "orig"));
        Assert.Equal(
            "--chat takes neither --bos nor --published-loop",
            await CliRun.Refused(1, "generate", "Hello", "--chat", "--bos", "one", "--model", model, "--method", "orig"));
    }

    private string Model(string? template)
    {
        string folder = _folder["model"];
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(Path.Combine(SamplePocket.Tiny, "model")))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        string path = Path.Combine(folder, "tokenizer_config.json");
        JsonObject config = File.Exists(path) ? JsonNode.Parse(File.ReadAllText(path))!.AsObject() : [];
        config["bos_token"] ??= "<|endoftext|>";
        config["chat_template"] = template;
        File.WriteAllText(path, config.ToJsonString());
        return folder;
    }
}
