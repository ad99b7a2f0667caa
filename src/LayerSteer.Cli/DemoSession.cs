using System.Diagnostics;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>
/// The demo with all it needs loaded: continues prompts with the original, the fine-tuned and the steered model, each
/// alone so that its time is its own. Not thread-safe.
/// </summary>
internal sealed class DemoSession : IDisposable
{
    private const int LatentsShown = 5;
    private const int TokensOfLatent = 5;
    private const int WarmUpTokens = 8;

    private readonly PocketModel _pocket;
    private readonly Terminal _terminal;
    private readonly LoadOptions _options;
    private readonly bool _trains;
    private readonly bool _force;
    private readonly Steerer _steerer;
    private readonly Generator _generator;
    private Decoder? _fineTunedModel;
    private Generator? _fineTuned;
    private Task<ReferenceIndex>? _index;
    private DemoTopic? _topic;
    private SteeringPlan? _plan;
    private bool _isWarm;

    /// <summary>Loads the pocket model.</summary>
    /// <param name="pocket">The pocket model.</param>
    /// <param name="settings">How to begin.</param>
    /// <param name="aligns">Whether <see cref="Align"/> comes next.</param>
    /// <param name="trains">Whether a model is fine-tuned on the texts of <see cref="Align"/>.</param>
    /// <param name="force">Whether topics that are not steerable with evidence are steered toward.</param>
    /// <param name="terminal">Where notes go.</param>
    /// <param name="options">How to load; its pool outlives the session.</param>
    public DemoSession(
        PocketModel pocket,
        DemoSettings settings,
        bool aligns,
        bool trains,
        bool force,
        Terminal terminal,
        LoadOptions options)
    {
        _force = force;
        _pocket = pocket;
        Settings = settings;
        _trains = trains;
        _terminal = terminal;
        _options = options;
        if (aligns)
        {
            // Beside the model: the index takes as long to read the first time.
            _ = OpenIndex();
        }

        _steerer = pocket.Load(options);
        _generator = new Generator(_steerer.Decoder, _steerer.Tokenizer);
    }

    /// <summary>How the next prompt is continued.</summary>
    public DemoSettings Settings
    {
        get;
        set
        {
            field = value;
            _plan = null;
        }
    }

    /// <summary>The topic; one must have been chosen.</summary>
    public DemoTopic Topic => _topic ?? throw new InvalidOperationException("no topic yet");

    private TextTokenizer Tokenizer => _steerer.Tokenizer;

    /// <summary>The fine-tuned model in the original's type: their times are compared.</summary>
    private LoadOptions TunedOptions => _options with { Type = _steerer.Decoder.Type };

    /// <summary>Steers toward a ready topic.</summary>
    public void Choose(string name)
    {
        TopicProfile profile = TopicProfile.Read(_pocket.Topic(name).Profile);
        _terminal.RequireSteerable(profile, _force);
        Take(new DemoTopic(name, profile, null), () => _pocket.LoadFineTuned(name, TunedOptions));
    }

    /// <summary>Steers toward the topic of a file or a folder of texts.</summary>
    public void Align(string path, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        AlignmentTexts read = AlignmentTexts.Read(path);
        using SentenceEncoder encoder = _pocket.LoadEncoder(_options);
        ReferenceIndex index = OpenIndex().GetAwaiter().GetResult();
        string name = Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        TopicProfile profile = TopicProfiler.Profile(
            name.Length > 0 ? name : "texts", index, encoder, read.Texts, cancellation: cancellation).Profile;
        TimeSpan scoring = Stopwatch.GetElapsedTime(start);
        profile = _steerer.Read(profile, index, read.Texts.Texts, cancellation: cancellation);
        if (read.LeftOut.Count > 0)
        {
            _terminal.Note(
                $"{read.Texts.Count} texts from {read.Files} files; {read.LeftOut.Count} files of other kinds left out, "
                + $"such as '{read.LeftOut[0]}'");
        }

        _terminal.RequireSteerable(profile, _force);
        Take(
            new DemoTopic(profile.Name, profile, scoring),
            () => _trains ? FineTunedArm.Train(_pocket, read.Texts, TunedOptions, _terminal, cancellation) : null);
    }

    /// <summary>Continues a prompt.</summary>
    public DemoResult Run(string prompt, CancellationToken cancellation)
    {
        SteeringPlan plan = _plan ??= _steerer.Plan(Settings.Steering, Topic.Profile);
        var original = new GenerationRequest
        {
            Prompt = prompt,
            MaxNewTokens = Settings.Tokens,
            Sampling = Settings.Sampling,
        };
        GenerationRequest steered = original with { Plan = plan };
        WarmUp(original, steered, cancellation);
        GenerationResult first = _generator.Generate(original, null, cancellation);
        GenerationResult? second = _fineTuned?.Generate(original, null, cancellation);
        GenerationResult third = _generator.Generate(steered, null, cancellation);
        return new DemoResult(
            prompt, Topic, Settings, first, second, third, Moved(plan, third, cancellation));
    }

    public void Dispose()
    {
        _fineTuned?.Dispose();
        _fineTunedModel?.Dispose();
        _generator.Dispose();
        _steerer.Dispose();
    }

    private Task<ReferenceIndex> OpenIndex() => _index ??= Task.Run(() => ReferenceIndex.Open(_pocket.Index));

    /// <summary>The arm that runs first would otherwise pay for what the runtime compiles.</summary>
    private void WarmUp(GenerationRequest original, GenerationRequest steered, CancellationToken cancellation)
    {
        int tokens = Math.Min(WarmUpTokens, original.MaxNewTokens);
        if (!_isWarm)
        {
            _generator.Generate(original with { MaxNewTokens = tokens }, null, cancellation);
            _fineTuned?.Generate(original with { MaxNewTokens = tokens }, null, cancellation);
            _generator.Generate(steered with { MaxNewTokens = tokens }, null, cancellation);
        }

        _isWarm = true;
    }

    /// <summary>Changes the topic; one that does not fit is refused before the one that does is gone.</summary>
    private void Take(DemoTopic topic, Func<Decoder?> fineTuned)
    {
        SteeringPlan plan = _steerer.Plan(Settings.Steering, topic.Profile);
        Decoder? model = fineTuned();
        _fineTuned?.Dispose();
        _fineTunedModel?.Dispose();
        _fineTunedModel = model;
        _fineTuned = model is null ? null : new Generator(model, Tokenizer);
        (_topic, _plan, _isWarm) = (topic, plan, false);
    }

    private MovedLatent[] Moved(SteeringPlan plan, GenerationResult result, CancellationToken cancellation)
    {
        int[] read = [.. result.PromptIds, .. result.Ids[..^1]];
        return
        [
            .. LatentMoves.Of(_steerer.Decoder, plan, read, result.PromptIds.Length, cancellation)
                .Take(LatentsShown)
                .Select(move => new MovedLatent(move.Latent, move.Mean, Tokens(plan, move.Latent))),
        ];
    }

    private string[] Tokens(SteeringPlan plan, int latent) =>
    [
        .. LogitLens.Top(
            _steerer.Decoder, plan.Edits[0].Autoencoder, latent, TokensOfLatent, Tokenizer.VocabularySize)
            .Select(token => Tokenizer.TokenText(token.Token)),
    ];
}
