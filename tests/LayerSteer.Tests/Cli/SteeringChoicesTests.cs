using System.Text.Json;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Steering;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Topics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`generate` toward several topics, away from one, through a gate, and as far as a budget goes.</summary>
public sealed class SteeringChoicesTests : IDisposable
{
    private const string Prompt = "The doctor said that";

    private readonly TemporaryFolder _folder = new();
    private readonly PocketModel _pocket = PocketModel.Open(SamplePocket.Folder);
    private readonly Steerer _steerer;

    public SteeringChoicesTests() => _steerer = _pocket.Load();

    public void Dispose()
    {
        _steerer.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("medical:1,outdoors:-0.5", false, 1, -0.5)]
    [InlineData("medical,outdoors:2", false, 1, 2)]
    [InlineData("medical:1,outdoors:-0.5", true, -1, 0.5)]
    public async Task Several_topics_share_the_strength_by_their_weights(
        string topics, bool away, double medical, double outdoors)
    {
        var options = new SteeringOptions { Method = SteeringMethod.Add, Strength = 3f };
        await IsThatOf(
            _steerer.Plan(options, [(Topic("medical"), medical), (Topic("outdoors"), outdoors)]),
            ["--topic", topics, "--method", "add", "--strength", "3", .. away ? new[] { "--away" } : []]);
    }

    [Fact]
    public async Task Away_is_a_weight_below_0()
    {
        var options = new SteeringOptions { Method = SteeringMethod.Clamp };
        await IsThatOf(
            _steerer.Plan(options, [(Topic("medical"), -1)]), ["--topic", "medical", "--method", "clamp", "--away"]);
        CliRun toward = await Generate("--topic", "medical", "--method", "clamp");
        CliRun away = await Generate("--topic", "medical:-1", "--method", "clamp");
        Assert.NotEqual(Change(toward.Json), Change(away.Json));
    }

    [Fact]
    public async Task A_gate_and_a_half_life_are_those_of_the_plan()
    {
        var options = new SteeringOptions
        {
            Method = SteeringMethod.Clamp,
            Gate = new SteeringGate(GateKind.Cosine, Above: true, 0.05f),
            HalfLife = 1.5,
        };
        await IsThatOf(
            _steerer.Plan(options, Topic("medical")),
            ["--topic", "medical", "--method", "clamp", "--gate", "cosine-above:0.05", "--half-life", "1.5"]);
        CliRun shut = await Generate("--topic", "medical", "--gate", "cosine-above:1");
        Assert.Equal(0, Change(shut.Json));
    }

    [Fact]
    public async Task Scores_are_contrastive_for_methods_of_the_best_latents_unless_told_otherwise()
    {
        string topic = _folder["medical.json"];
        await CliRun.Done("topic", "--align", SamplePocket.Medical, "--out", topic);
        TopicProfile profile = TopicProfile.Read(topic);
        var add = new SteeringOptions { Method = SteeringMethod.Add };
        var clamp = new SteeringOptions { Method = SteeringMethod.Clamp };
        await IsThatOf(
            _steerer.Plan(add, profile, ScoringKind.Contrastive), ["--topic", topic, "--force", "--method", "add"]);
        await IsThatOf(
            _steerer.Plan(add, profile, ScoringKind.Semantic),
            ["--topic", topic, "--force", "--method", "add", "--scoring", "semantic"]);
        await IsThatOf(_steerer.Plan(clamp, profile), ["--topic", topic, "--force", "--method", "clamp"]);
        await IsThatOf(
            _steerer.Plan(clamp, profile, ScoringKind.Contrastive),
            ["--topic", topic, "--force", "--method", "clamp", "--scoring", "contrastive"]);
        Assert.NotEqual(
            Change((await Generate("--topic", topic, "--force", "--method", "add")).Json),
            Change((await Generate("--topic", topic, "--force", "--method", "add", "--scoring", "semantic")).Json));
        Assert.Equal(
            "topic 'medical' has no contrastive scores; make it with `layersteer topic --model MODEL --sae SAE`",
            await CliRun.Refused(2, "generate", Prompt, "--topic", "medical", "--scoring", "contrastive"));
    }

    [Theory]
    [InlineData("--budget-ppl", 1.3)]
    [InlineData("--budget-kl", 0.05)]
    [InlineData(null, 1.2)]
    public async Task Auto_is_the_largest_strength_that_a_budget_on_neutral_text_allows(string? budget, double most)
    {
        CliRun run = await Generate(
            ["--topic", "medical", "--method", "clamp", "--strength", "auto",
                .. budget is null ? [] : new[] { budget, $"{most}" }]);
        float strength = run.Json.GetProperty("steering").GetProperty("strength").GetSingle();
        IReadOnlyList<int[]> neutral = InterventionFidelity.NeutralIds(_steerer.Decoder, _steerer.Tokenizer, 5);
        double Cost(float g)
        {
            InterventionFidelity fidelity = InterventionFidelity.Measure(
                _steerer.Decoder,
                _steerer.Plan(new SteeringOptions { Method = SteeringMethod.Clamp, Strength = g }, Topic("medical")),
                neutral,
                cancellation: TestContext.Current.CancellationToken);
            return budget == "--budget-kl" ? fidelity.Divergence : fidelity.PerplexityRatio;
        }

        Assert.InRange(Cost(strength), 0, most);
        Assert.True(strength == StrengthSearch.Most || Cost(strength * 4f) > most, $"{strength}");
        Assert.Contains("times the perplexity of neutral text, KL ", run.Notes, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_even_the_least_strength_is_too_dear_nothing_is_generated() => Assert.StartsWith(
        "--strength auto: even strength 0.0156 costs ",
        await CliRun.Refused(
            2, "generate", Prompt, "--topic", "medical", "--method", "clamp", "--clamp-amount", "1e7", "--strength",
            "auto", "--budget-kl", "1e-6"),
        StringComparison.Ordinal);

    [Theory]
    [InlineData("--budget-ppl and --budget-kl go with --strength auto", "--topic", "medical", "--budget-ppl", "1.2")]
    [InlineData(
        "--budget-ppl and --budget-kl go with --strength auto",
        "--topic", "medical", "--budget-kl", "1", "--strength", "2")]
    [InlineData("method orig has no strength to find", "--method", "orig", "--strength", "auto")]
    [InlineData("method sae has no strength to find", "--method", "sae", "--strength", "auto")]
    [InlineData(
        "seed mode refuses --strength: it is the published formulas; use --mode corrected",
        "--topic", "medical", "--mode", "seed", "--strength", "auto")]
    [InlineData(
        "--budget-ppl is '1', expected a finite number above 1",
        "--topic", "medical", "--strength", "auto", "--budget-ppl", "1")]
    [InlineData(
        "--budget-kl is '0', expected a finite number above 0",
        "--topic", "medical", "--strength", "auto", "--budget-kl", "0")]
    [InlineData("--topic is 'medical:0', expected a weight that is finite and not 0", "--topic", "medical:0")]
    [InlineData(
        "--topic is 'medical:NaN', expected a weight that is finite and not 0", "--topic", "outdoors,medical:NaN")]
    [InlineData(
        "--away and --scoring need --topic or --align: --scores are scores toward one topic",
        "--scores", "s.csv", "--away")]
    [InlineData(
        "--away and --scoring need --topic or --align: --scores are scores toward one topic",
        "--scores", "s.csv", "--scoring", "semantic")]
    [InlineData(
        "no gate 'near'; there are present, absent, present:SHARE, absent:SHARE, cosine-above:VALUE, "
        + "cosine-below:VALUE",
        "--topic", "medical", "--gate", "near")]
    [InlineData("--half-life is '0', expected a finite number above 0", "--topic", "medical", "--half-life", "0")]
    [InlineData(
        "a half-life needs the error term kept: what is replaced does not fade",
        "--topic", "medical", "--half-life", "2", "--error-term", "drop")]
    [InlineData("--scoring is 'best'; there are semantic, contrastive", "--topic", "medical", "--scoring", "best")]
    public async Task What_cannot_be_is_refused(string expected, params string[] more) =>
        Assert.Equal(expected, await CliRun.Refused(1, ["generate", Prompt, .. more]));

    private static Task<CliRun> Generate(params string[] more) =>
        CliRun.Of(["generate", Prompt, "--greedy", "-n", "5", "--json", .. more]);

    private static double Change(JsonElement json) =>
        json.GetProperty("edits").GetProperty("mean_relative_change").GetDouble();

    private async Task IsThatOf(SteeringPlan plan, string[] more)
    {
        GenerationResult expected = _steerer.Generate(
            Prompt, plan, 5, cancellation: TestContext.Current.CancellationToken);
        CliRun run = await Generate(more);
        Assert.Equal(expected.Ids, GoldenCase.Ints(run.Json.GetProperty("ids")));
        Assert.Equal(expected.Edits.MeanRelativeChange, Change(run.Json));
        Assert.True(Change(run.Json) > 0);
    }

    private TopicProfile Topic(string name) => TopicProfile.Read(_pocket.Topic(name).Profile);
}
