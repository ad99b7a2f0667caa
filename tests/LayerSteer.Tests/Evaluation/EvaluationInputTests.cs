using LayerSteer.Evaluation;
using LayerSteer.Steering;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class EvaluationInputTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Splits_say_what_a_text_is_for()
    {
        EvaluationTopic topic = EvaluationTopic.Read(Write(
            "file.jsonl",
            """
            {"topic": "old_boats", "split": "test", "text": "a"}
            {"topic": "old_boats", "split": "align", "text": "b"}

            {"topic": "old_boats", "split": "align_small", "text": "c"}
            {"topic": "old_boats", "split": "align", "text": "d"}
            """));
        Assert.Equal(("old_boats", "old boats"), (topic.Name, topic.Words));
        Assert.Equal(["b", "d"], topic.Align.Texts);
        Assert.Equal(["c"], topic.Extra);
        Assert.Equal(["a"], topic.Test);
    }

    [Fact]
    public void Without_splits_every_fourth_text_is_held_out()
    {
        EvaluationTopic topic = EvaluationTopic.Read(Write("boats.csv", ",0\n0,a\n1,b\n2,c\n3,d\n4,e\n"));
        Assert.Equal("boats", topic.Name);
        Assert.Equal(["a", "b", "c", "e"], topic.Align.Texts);
        Assert.Equal(["d"], topic.Test);
        Assert.Equal(["a", "b", "c"], EvaluationTopic.Read(Write("json.json", """["a", "b", "c", "d"]""")).Align.Texts);
    }

    [Fact]
    public void A_folder_gives_its_topics_by_name()
    {
        Write("z.csv", ",0\n0,a\n1,b\n2,c\n3,d\n");
        Write("y.jsonl", "\"a\"\n\"b\"\n\"c\"\n\"d\"\n");
        Write("readme.txt", "no topic");
        Assert.Equal(["y", "z"], EvaluationTopic.ReadAll([_folder.Path]).Select(topic => topic.Name));
    }

    [Fact]
    public void Topics_that_cannot_be_are_refused()
    {
        string few = Write("few.csv", ",0\n0,a\n1,b\n2,c\n");
        Refused("'few.csv': 3 texts and no \"split\"; expected at least 4, one of which is held out to judge by", few);
        Refused("'s.jsonl': no text with split 'test'; expected at least one", Write(
            "s.jsonl", """{"split": "align", "text": "b"}"""));
        Refused("'t.jsonl' line 2: split is 'train', expected align, align_small, test", Write(
            "t.jsonl", "{\"split\": \"align\", \"text\": \"b\"}\n{\"split\": \"train\", \"text\": \"c\"}\n"));
        Refused("'u.jsonl' line 2: split is missing, expected align, align_small, test", Write(
            "u.jsonl", "{\"split\": \"align\", \"text\": \"b\"}\n{\"text\": \"c\"}\n"));
    }

    [Fact]
    public void One_topic_alone_and_one_twice_are_refused()
    {
        string boats = Write("boats.csv", ",0\n0,a\n1,b\n2,c\n3,d\n");
        Assert.Equal(
            "1 topic in 'boats.csv'; expected at least two, since a text is judged by being nearer to one topic than "
            + "to the others",
            Message(() => EvaluationTopic.ReadAll([boats])));
        Assert.Equal(
            "'boats.csv': topic 'boats' is in 'boats.csv', too; expected each topic once",
            Message(() => EvaluationTopic.ReadAll([boats, boats])));
        Assert.Equal(
            "'empty': no .csv, .json or .jsonl file; expected one a topic",
            Message(() => EvaluationTopic.ReadAll(
                [Directory.CreateDirectory(_folder.File("empty")).FullName])));
    }

    [Fact]
    public void Options_that_contradict_each_other_are_refused()
    {
        var options = new EvaluationOptions();
        options.Validate();
        Assert.Equal(
            "prompt 'Today we' is given twice; expected each once, since strengths must not be chosen on the prompts "
            + "that are reported on",
            Wrong(options with { DevPrompts = ["Today we"] }));
        Assert.Equal("no prompt; expected at least one", Wrong(options with { Prompts = [] }));
        Assert.Equal(
            "perplexity budget is 0.5, expected a finite number from 1 on",
            Wrong(options with { PerplexityBudget = 0.5 }));
        Assert.Equal(
            "strengths of clamp are 2, 1; expected ascending numbers above 0", Wrong(options with
            {
                Strengths = new Dictionary<SteeringMethod, IReadOnlyList<double>>(options.Strengths)
                {
                    [SteeringMethod.Clamp] = [2, 1],
                },
            }));
        Assert.Equal(
            "6 strengths for clamp, but no dev prompt to choose on; give one strength, or prompts",
            Wrong(options with { DevPrompts = [], Arms = EvaluationArm.Parse(["clamp"]) }));
        Assert.Equal(
            "the first arm must be unsteered: the others are compared with it", Wrong(options with { Arms = [] }));
    }

    [Fact]
    public void Arms_come_with_the_unsteered_one_and_an_unknown_one_is_refused()
    {
        Assert.Equal(["unsteered", "swap"], EvaluationArm.Parse(["Swap", "swap"]).Select(arm => arm.Name));
        IEnumerable<string> edited =
            from prefix in new[] { string.Empty, "contrastive-" }
            from method in new[] { "clamp", "weight", "swap", "add", "set", "min-clamp", "scale" }
            from control in new[] { string.Empty, "random-", "wrong-layer-" }
            select control + prefix + method;
        Assert.Equal(
            $"no arm 'prompt'; there are unsteered, hint, example, few-shot, sae, {string.Join(", ", edited)}, diffmean, "
            + "seed-swap, seed-clamp, seed-weight, finetuned",
            Assert.Throws<ArgumentException>(() => EvaluationArm.Parse(["prompt"])).Message);
    }

    [Fact]
    public void The_neutral_prompts_are_enough_and_different()
    {
        Assert.True(NeutralPrompts.All.Count >= 30);
        Assert.Equal(NeutralPrompts.All.Count, NeutralPrompts.All.Distinct().Count());
        Assert.All(NeutralPrompts.All, prompt => Assert.Equal(prompt.Trim(), prompt));
    }

    [Fact]
    public void The_nearest_strength_within_the_budget_is_chosen_otherwise_the_cheapest()
    {
        StrengthPoint Point(double strength, double? gain, double ratio) => new(
            "swap", "t", strength, gain, gain, 0.5, ratio, 0, 0, ratio <= 1.5, false);
        Assert.Equal(2, StrengthSelection.Best([Point(1, 0.1, 1), Point(2, 0.3, 1.4), Point(4, 0.9, 1.6)]).Strength);
        Assert.Equal(1, StrengthSelection.Best([Point(1, 0.3, 1), Point(2, 0.3, 1.4)]).Strength);
        Assert.Equal(2, StrengthSelection.Best([Point(1, null, 1), Point(2, -0.1, 1)]).Strength);
        Assert.Equal(4, StrengthSelection.Best([Point(1, 0.9, 3), Point(4, 0.1, 2)]).Strength);
    }

    [Fact]
    public void A_log_goes_on_after_its_last_whole_line()
    {
        string folder = _folder.File("log");
        var run = new Dictionary<string, string> { ["model"] = "a" };
        using (EvaluationLog log = EvaluationLog.Open(folder, run))
        {
            log.Append([Line("one"), Line("two")]);
        }

        string results = Path.Combine(folder, EvaluationLog.ResultFile);
        byte[] whole = File.ReadAllBytes(results);
        File.WriteAllBytes(results, whole[..^5]);
        using (EvaluationLog log = EvaluationLog.Open(folder, run))
        {
            Assert.Equal((1, true, false), (log.Count, log.Has(Line("one").Cell), log.Has(Line("two").Cell)));
            Assert.Equal(Line("one"), log[Line("one").Cell]);
            log.Append([Line("two")]);
        }

        Assert.Equal(whole, File.ReadAllBytes(results));
    }

    [Fact]
    public void Another_run_is_refused_and_what_is_new_is_added()
    {
        string folder = _folder.File("log");
        EvaluationLog.Open(folder, new Dictionary<string, string> { ["model_digest"] = "a" }).Dispose();
        EvaluationLog.Open(
            folder, new Dictionary<string, string> { ["model_digest"] = "a", ["tuned"] = "t" }).Dispose();
        Assert.Equal(
            "'log': holds an evaluation with tuned 't', here it is 'u'; give another folder, or what that evaluation "
            + "was made with",
            Message(() => EvaluationLog.Open(folder, new Dictionary<string, string> { ["tuned"] = "u" })));
        Assert.Equal(
            "'log': holds an evaluation with model digest 'a', here it is 'b'; give another folder, or what that "
            + "evaluation was made with",
            Message(() => EvaluationLog.Open(folder, new Dictionary<string, string> { ["model_digest"] = "b" })));
    }

    [Fact]
    public void A_folder_of_something_else_is_refused()
    {
        Write("thesis.txt", "mine");
        Assert.Equal(
            $"'{Path.GetFileName(_folder.Path)}': holds 'thesis.txt' but no run.json; give a new or empty folder",
            Assert.Throws<InvalidDataException>(
                () => EvaluationLog.Open(_folder.Path, new Dictionary<string, string>()))
                .Message.Replace(Path.GetDirectoryName(_folder.Path) + "/", string.Empty, StringComparison.Ordinal));
    }

    private static EvaluationLine Line(string prompt) => new()
    {
        Arm = "swap",
        Strength = 0.1,
        Topic = "t",
        Prompt = prompt,
        Draw = 1,
        Text = " \"é\"\n|",
        Tokens = 3,
        Similarity = 1 / 3.0,
        IsNearest = true,
        Probability = null,
        IsMostProbable = null,
        NegativeLogLikelihood = 2.5,
        Divergence = 1e-20,
        Distinct1 = 1,
        Distinct2 = 0.5,
        Repetition = null,
        Adherence = 0.25,
        Leakage = null,
        EditChange = 0,
    };

    private string Write(string name, string text) =>
        _folder.Write(name, System.Text.Encoding.UTF8.GetBytes(text));

    private void Refused(string expected, string path) =>
        Assert.Equal(expected, Message(() => EvaluationTopic.Read(path)));

    private string Message(Func<object> action) => Assert.Throws<InvalidDataException>(action)
        .Message.Replace(_folder.Path + Path.DirectorySeparatorChar, string.Empty, StringComparison.Ordinal);

    private static string Wrong(EvaluationOptions options) =>
        Assert.Throws<ArgumentException>(options.Validate).Message;
}
