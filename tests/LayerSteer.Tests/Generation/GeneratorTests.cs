using System.Text;
using LayerSteer.Autoencoders;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;
using Xunit;
using Decoder = LayerSteer.Models.Decoder;

namespace LayerSteer.Tests.Generation;

public sealed class GeneratorTests : IDisposable
{
    private static readonly GenerationRequest[] Requests =
    [
        new() { Prompt = "the", MaxNewTokens = 12 },
        new() { Prompt = "a longer prompt than that", MaxNewTokens = 9, Sampling = Softmax(5) },
        new() { Prompt = "x", MaxNewTokens = 60, Sampling = Softmax(6) },
        new() { Prompt = "the end", MaxNewTokens = 1, Sampling = Softmax(7) },
        new() { Prompt = "any", Sampling = new() { Kind = SamplingKind.UniformTopK, TopK = 5, Seed = 8 } },
    ];

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly TextTokenizer _tokenizer;
    private readonly SparseAutoencoder _sae = TinyAutoencoder.Create(SaeActivationKind.TopK);

    public GeneratorTests()
    {
        _decoder = _tiny.Load();
        _tokenizer = _tiny.LoadTokenizer();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Requests_side_by_side_give_what_each_gives_alone(bool steered)
    {
        using var generator = new Generator(_decoder, _tokenizer);
        GenerationRequest[] requests = With(steered ? Plan(_decoder, _sae) : null);
        IReadOnlyList<GenerationResult> together = generator.Generate(requests, null, Cancellation);
        Assert.Equal(requests.Length, together.Count);
        for (int i = 0; i < requests.Length; i++)
        {
            AssertSame(generator.Generate(requests[i], null, Cancellation), together[i]);
        }
    }

    [Fact]
    public void More_requests_than_a_pass_has_rows_give_what_each_gives_alone()
    {
        using var generator = new Generator(_decoder, _tokenizer);
        GenerationRequest[] many =
        [
            .. Enumerable.Range(0, DecoderRun.DefaultRows + 4)
                .Select(i => new GenerationRequest { Prompt = $"{i}", MaxNewTokens = 1 + (i % 4) }),
        ];
        IReadOnlyList<GenerationResult> together = generator.Generate(many, null, Cancellation);
        foreach (int i in new[] { 0, 3, 200, many.Length - 1 })
        {
            AssertSame(generator.Generate(many[i], null, Cancellation), together[i]);
        }
    }

    [Theory]
    [InlineData("the")]
    [InlineData("a prompt that takes more rows than a pass has")]
    public void Requests_of_one_prompt_with_plans_of_their_own_give_what_each_gives_alone(string prompt)
    {
        using var generator = new Generator(_decoder, _tokenizer);
        var request = new GenerationRequest { Prompt = prompt, MaxNewTokens = 6, Sampling = Softmax(3) };
        var other = new GenerationRequest { Prompt = "another", MaxNewTokens = 8 };
        SteeringPlan?[] plans =
        [
            null,
            Plan(_decoder, _sae, strength: 0f),
            .. Enum.GetValues<SteeringMethod>().SelectMany(method => Enumerable.Range(1, TinyModel.Layers - 1).Select(
                layer => Plan(HookPoint.ResidualPost(layer), new SteeringOptions { Method = method }))),
            Plan(HookPoint.ResidualPost(1), new SteeringOptions { Mode = SteeringMode.Seed }),
            Plan(new HookPoint(HookKind.MlpOut, 2), new SteeringOptions()),
        ];
        GenerationRequest[] requests =
        [
            .. plans.Select(plan => request with { Plan = plan }),
            other with { Plan = plans[^1] },
            request with { Plan = plans[^2], Sampling = Softmax(4) },
            other,
        ];
        IReadOnlyList<GenerationResult> together = generator.Generate(requests, null, Cancellation);
        for (int i = 0; i < requests.Length; i++)
        {
            AssertSame(generator.Generate(requests[i], null, Cancellation), together[i]);
            Assert.Equal(requests.Length, together[i].BatchSize);
            Assert.Equal(together[requests[i].Prompt == prompt ? 0 : ^1].PrefillTime, together[i].PrefillTime);
        }

        AssertSame(generator.Generate(request, null, Cancellation), together[1]);
        Assert.Contains(together.Take(plans.Length), result => !result.Ids.SequenceEqual(together[0].Ids));
    }

    [Fact]
    public void More_requests_of_one_prompt_than_a_pass_has_rows_give_what_each_gives_alone()
    {
        using var generator = new Generator(_decoder, _tokenizer);
        SteeringPlan plan = Plan(_decoder, _sae);
        GenerationRequest[] many =
        [
            .. Enumerable.Range(0, DecoderRun.DefaultRows + 3).Select(i => new GenerationRequest
            {
                Prompt = "the", Plan = i % 3 == 0 ? null : plan, MaxNewTokens = 2, Sampling = Softmax((ulong)i),
            }),
        ];
        IReadOnlyList<GenerationResult> together = generator.Generate(many, null, Cancellation);
        foreach (int i in new[] { 0, 1, 200, DecoderRun.DefaultRows - 1, many.Length - 2, many.Length - 1 })
        {
            AssertSame(generator.Generate(many[i], null, Cancellation), together[i]);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Streaming_gives_the_same_ids_and_its_pieces_are_the_text(bool steered)
    {
        using var generator = new Generator(_decoder, _tokenizer);
        GenerationRequest[] requests = With(steered ? Plan(_decoder, _sae) : null);
        StringBuilder[] streamed = [.. requests.Select(_ => new StringBuilder())];
        IReadOnlyList<GenerationResult> results =
            generator.Generate(requests, (request, text) => streamed[request].Append(text), Cancellation);
        IReadOnlyList<GenerationResult> silent = generator.Generate(requests, null, Cancellation);
        for (int i = 0; i < requests.Length; i++)
        {
            AssertSame(silent[i], results[i]);
            Assert.Equal(results[i].Text, streamed[i].ToString());
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_number_of_threads_gives_the_same_ids(int threads)
    {
        using var pool = new WorkerPool(threads);
        using Decoder decoder = Decoder.Load(_tiny.Path, new LoadOptions { Pool = pool });
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK, pool);
        using var shared = new Generator(_decoder, _tokenizer);
        using var own = new Generator(decoder, _tokenizer);
        IReadOnlyList<GenerationResult> expected = shared.Generate(With(Plan(_decoder, _sae)), null, Cancellation);
        IReadOnlyList<GenerationResult> actual = own.Generate(With(Plan(decoder, sae)), null, Cancellation);
        for (int i = 0; i < Requests.Length; i++)
        {
            AssertSame(expected[i], actual[i]);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void With_the_cache_the_ids_are_those_of_reading_everything_again(bool steered)
    {
        SteeringPlan? plan = steered ? Plan(_decoder, _sae) : null;
        using var generator = new Generator(_decoder, _tokenizer);
        GenerationResult result = generator.Generate(With(plan)[0], null, Cancellation);
        List<int> ids = [.. result.PromptIds];
        Assert.Equal(TinyModel.Eos, ids[0]);
        foreach (int expected in result.Ids)
        {
            HookSet? hooks = new SteeringPass().HooksFor([new SteeredSequence(result.PromptIds.Length, plan)]);
            float[] logits = Passes.Logits(_decoder, [.. ids], hooks)[^TinyModel.Vocabulary..];
            Assert.Equal(Array.IndexOf(logits, logits.Max()), expected);
            ids.Add(expected);
        }
    }

    [Fact]
    public void Strength_zero_gives_what_the_unsteered_model_gives()
    {
        using var generator = new Generator(_decoder, _tokenizer);
        SteeringPlan zero = Plan(_decoder, _sae, strength: 0f);
        SteeringPlan steered = Plan(_decoder, _sae);
        bool differs = false;
        foreach (GenerationRequest request in Requests)
        {
            GenerationResult expected = generator.Generate(request, null, Cancellation);
            AssertSame(expected, generator.Generate(request with { Plan = zero }, null, Cancellation));
            int[] other = generator.Generate(request with { Plan = steered }, null, Cancellation).Ids;
            differs |= !expected.Ids.SequenceEqual(other);
        }

        Assert.True(differs);
    }

    [Fact]
    public void Edits_are_counted_for_each_request()
    {
        using var generator = new Generator(_decoder, _tokenizer);
        foreach (GenerationResult result in generator.Generate(With(Plan(_decoder, _sae)), null, Cancellation))
        {
            // BOS is left alone, and the last token is not read any more.
            int special = result.PromptIds.Concat(result.Ids.SkipLast(1)).Count(id => id == TinyModel.Eos);
            Assert.Equal(result.PromptIds.Length + result.Ids.Length - 1 - special, result.Edits.Edits);
        }
    }

    [Fact]
    public void A_text_ends_at_its_length_at_eos_and_at_the_end_of_the_context()
    {
        using TinyModel tiny = Scripted("hello", end: true);
        GenerationResult Run(int tokens, bool stopAtEos = true) =>
            Generate(tiny, new GenerationRequest { Prompt = "a", MaxNewTokens = tokens, StopAtEos = stopAtEos });

        Assert.Equal(("hel", StopReason.Length, 3), Outcome(Run(3)));
        Assert.Equal(("hello", StopReason.Length, 5), Outcome(Run(5)));
        Assert.Equal(("hello", StopReason.EndOfText, 6), Outcome(Run(6)));
        Assert.Equal(("hello", StopReason.EndOfText, 6), Outcome(Run(100)));
        Assert.Equal(StopReason.Length, Run(10, stopAtEos: false).StopReason);
        GenerationResult full = Run(100, stopAtEos: false);
        Assert.Equal((StopReason.ContextFull, TinyModel.Context - 2), (full.StopReason, full.Ids.Length));
    }

    [Theory]
    [InlineData("one two three", "two", "one ")]
    [InlineData("one two three", "o", "")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("one two three", "three!", "one two three")]
    [InlineData("abcdef", "cd|bcde", "ab")]
    [InlineData("abcdef", "f|def|e", "abcd")]
    [InlineData("naïve café 😀 end", "é 😀", "naïve caf")]
    [InlineData("😀😀😀", "zz", "😀😀😀")]
    public void A_text_ends_before_the_first_stop_text_and_never_shows_it(string script, string stops, string expected)
    {
        using TinyModel tiny = Scripted(script, end: true);
        var pieces = new List<string>();
        var request = new GenerationRequest { Prompt = "a", StopTexts = stops.Split('|') };
        GenerationResult result = Generate(tiny, request, pieces.Add);
        Assert.Equal(expected, result.Text);
        Assert.Equal(expected, string.Concat(pieces));
        Assert.Equal(expected == script ? StopReason.EndOfText : StopReason.StopText, result.StopReason);
        Assert.DoesNotContain(
            pieces, piece => piece.Length == 0 || char.IsLowSurrogate(piece[0]) || char.IsHighSurrogate(piece[^1]));
    }

    [Fact]
    public void A_character_that_is_never_completed_shows_as_the_replacement_character()
    {
        using TinyModel tiny = Scripted([.. "ok"u8, 0xE2, 0x82], end: true);
        var pieces = new List<string>();
        GenerationResult result = Generate(tiny, new GenerationRequest { Prompt = "a" }, pieces.Add);
        Assert.Equal("ok\uFFFD", result.Text);
        Assert.Equal(["o", "k", "\uFFFD"], pieces);
    }

    [Fact]
    public void Cancelling_ends_a_generation_between_tokens()
    {
        using var generator = new Generator(_decoder, _tokenizer);
        using var source = new CancellationTokenSource();
        int pieces = 0;
        var request = new GenerationRequest { Prompt = "the", MaxNewTokens = 40, StopAtEos = false };
        Assert.Throws<OperationCanceledException>(() => generator.Generate(
            request,
            _ =>
            {
                if (++pieces == 3)
                {
                    source.Cancel();
                }
            },
            source.Token));
        Assert.Equal(3, pieces);
        Assert.Throws<OperationCanceledException>(() => generator.Generate(request, null, source.Token));
        Assert.Equal(40, generator.Generate(request, null, Cancellation).Ids.Length);
    }

    [Fact]
    public void A_request_that_cannot_be_met_is_refused()
    {
        using var generator = new Generator(_decoder, _tokenizer);
        string Refusal(GenerationRequest request) =>
            Assert.Throws<ArgumentException>(() => generator.Generate(request, null, Cancellation)).Message;

        Assert.Equal("the prompt is empty; give at least one character", Refusal(new() { Prompt = "" }));
        Assert.Equal(
            "the prompt has 48 tokens with BOS and the model's context is 48, which leaves no room for "
            + "a new one; expected at most 47",
            Refusal(new() { Prompt = new string('x', 47) }));
        Assert.Equal(
            "a stop text is empty and would end every text at once; leave it out",
            Refusal(new() { Prompt = "a", StopTexts = ["b", ""] }));
        Assert.Equal(
            "top-p is 7, expected a number above 0 and at most 1",
            Refusal(new() { Prompt = "a", Sampling = new() { TopP = 7 } }));
        using var model = new TinyModel();
        model.Config["n_positions"] = 40;
        model.Tensors["wpe.weight"] = ([40, TinyModel.DModel], new float[40 * TinyModel.DModel]);
        using Decoder shorter = model.Load();
        Assert.Equal(
            "the plan was made for another model", Refusal(new() { Prompt = "a", Plan = Plan(shorter, _sae) }));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => generator.Generate(new GenerationRequest { Prompt = "a", MaxNewTokens = 0 }, null, Cancellation));
        Assert.Single(
            generator.Generate(new GenerationRequest { Prompt = new string('x', 46) }, null, Cancellation).Ids);
    }

    [Fact]
    public void Without_bos_the_prompt_stands_alone()
    {
        using var generator = new Generator(_decoder, _tokenizer, BosPolicy.None);
        Assert.Equal(['a'], generator.Generate(new GenerationRequest { Prompt = "a" }, null, Cancellation).PromptIds);
    }

    [Fact]
    public void A_tokenizer_of_a_larger_vocabulary_is_refused()
    {
        using var small = new TinyModel();
        small.Config["vocab_size"] = 200;
        small.Config["bos_token_id"] = 7;
        small.Tensors["wte.weight"] = ([200, TinyModel.DModel], new float[200 * TinyModel.DModel]);
        using Decoder decoder = small.Load();
        Assert.Equal(
            "the tokenizer has 263 ids, the model only 200; they do not belong together",
            Assert.Throws<ArgumentException>(() => new Generator(decoder, _tokenizer)).Message);
    }

    public void Dispose()
    {
        _sae.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    private static GenerationRequest[] With(SteeringPlan? plan) =>
        [.. Requests.Select(request => request with { Plan = plan })];

    private static SamplerOptions Softmax(ulong seed) =>
        new() { Kind = SamplingKind.Softmax, Temperature = 2, TopP = 0.9, Seed = seed };

    private static SteeringPlan Plan(Decoder decoder, SparseAutoencoder sae, float strength = 1f)
    {
        var options = new SteeringOptions { Strength = strength };
        var edit = new LayerEdit(HookPoint.ResidualPost(1), sae, LayerEditTests.RandomScores(), options);
        return new SteeringPlan(decoder.Spec, options, [edit], [TinyModel.Eos]);
    }

    private SteeringPlan Plan(HookPoint point, SteeringOptions options) => new(
        _decoder.Spec,
        options,
        [new LayerEdit(point, _sae, [LayerEditTests.RandomTopic()], options)],
        [TinyModel.Eos]);

    private static TinyModel Scripted(string text, bool end) => Scripted(Encoding.UTF8.GetBytes(text), end);

    /// <summary>A model that continues BOS and a prompt of one token with these bytes, and then EOS.</summary>
    private static TinyModel Scripted(byte[] text, bool end) =>
        TinyModel.Scripted([0, .. text.Select(b => (int)b), .. end ? [TinyModel.Eos] : Array.Empty<int>()]);

    private static GenerationResult Generate(TinyModel tiny, GenerationRequest request, Action<string>? onText = null)
    {
        using Decoder decoder = tiny.Load();
        using var generator = new Generator(decoder, tiny.LoadTokenizer());
        return generator.Generate(request, onText, Cancellation);
    }

    private static (string Text, StopReason Reason, int Ids) Outcome(GenerationResult result) =>
        (result.Text, result.StopReason, result.Ids.Length);

    private static void AssertSame(GenerationResult expected, GenerationResult actual)
    {
        Assert.Equal(expected.PromptIds, actual.PromptIds);
        Assert.Equal(expected.Ids, actual.Ids);
        Assert.Equal(expected.Text, actual.Text);
        Assert.Equal(expected.StopReason, actual.StopReason);
        Assert.Equal(expected.Edits.Edits, actual.Edits.Edits);
        Assert.Equal(expected.Edits.MeanRelativeChange, actual.Edits.MeanRelativeChange);
        Assert.Equal(expected.Edits.UnsupportedShare, actual.Edits.UnsupportedShare);
    }
}
