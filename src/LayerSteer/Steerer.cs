using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer;

/// <summary>
/// The main path: load a model and its autoencoders, index reference texts, profile a topic, generate steered text.
/// Everything is checked when it is joined, before a text is generated. Owns what it loads; thread-safe but for
/// building an index.
/// </summary>
public sealed class Steerer : IDisposable
{
    private readonly TextTokenizer? _tokenizer;

    private Steerer(Decoder decoder, TextTokenizer? tokenizer, IReadOnlyList<SteeringSite> sites)
    {
        Decoder = decoder;
        _tokenizer = tokenizer;
        Sites = sites;
    }

    /// <summary>The model.</summary>
    public Decoder Decoder { get; }

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="InvalidDataException">The model's folder has no tokenizer; the message names its files.</exception>
    public TextTokenizer Tokenizer => _tokenizer ?? TextTokenizer.Load(Decoder.Path);

    /// <summary>Whether the model's folder has a tokenizer; without one, only token ids can be run.</summary>
    public bool HasTokenizer => _tokenizer is not null;

    /// <summary>The autoencoders, in the order in which they were named.</summary>
    public IReadOnlyList<SteeringSite> Sites { get; }

    /// <summary>Loads a model and one autoencoder for the residual stream after a layer.</summary>
    /// <param name="model">The folder of the checkpoint.</param>
    /// <param name="sae">The file of the autoencoder, or the folder that holds it.</param>
    /// <param name="layer">The layer, from 0.</param>
    /// <param name="options">How to load; the defaults if null.</param>
    /// <exception cref="InvalidDataException">A file is missing or damaged.</exception>
    /// <exception cref="ArgumentException">The autoencoder does not fit the model at that layer.</exception>
    public static Steerer Load(string model, string sae, int layer, LoadOptions? options = null) =>
        Load(model, [(HookPoint.ResidualPost(layer), sae)], options);

    /// <summary>
    /// Loads a model and an autoencoder for each hook point; a file named twice is loaded once. A folder without any file
    /// of a tokenizer loads too: see <see cref="HasTokenizer"/>.
    /// </summary>
    /// <param name="model">The folder of the checkpoint.</param>
    /// <param name="sites">The hook points with their autoencoder files; none for a model alone.</param>
    /// <param name="options">How to load; the defaults if null.</param>
    /// <exception cref="InvalidDataException">A file is missing or damaged.</exception>
    /// <exception cref="ArgumentException">An autoencoder does not fit the model at its hook point.</exception>
    public static Steerer Load(
        string model, IReadOnlyList<(HookPoint Point, string Sae)> sites, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(sites);
        var loaded = new Dictionary<string, SparseAutoencoder>(StringComparer.Ordinal);
        Decoder? decoder = null;
        try
        {
            // Side by side: with packed weights at hand, a vocabulary takes as long as the model.
            Task<TextTokenizer?> reading = Task.Run(() => HoldsTokenizer(model) ? TextTokenizer.Load(model) : null);
            decoder = Decoder.Load(model, options);
            TextTokenizer? tokenizer = reading.GetAwaiter().GetResult();
            if (tokenizer?.VocabularySize > decoder.Spec.Vocabulary)
            {
                throw new InvalidDataException(
                    $"'{model}': the tokenizer has {tokenizer.VocabularySize} ids, "
                    + $"config.json's vocab_size is {decoder.Spec.Vocabulary}");
            }

            var joined = new List<SteeringSite>();
            foreach ((HookPoint point, string path) in sites)
            {
                if (!loaded.TryGetValue(path, out SparseAutoencoder? autoencoder))
                {
                    autoencoder = SparseAutoencoder.Load(path, options);
                    loaded.Add(path, autoencoder);
                }

                autoencoder.RequireFits(decoder.Spec, point);
                joined.Add(new SteeringSite(point, autoencoder));
            }

            var steerer = new Steerer(decoder, tokenizer, joined);
            decoder = null;
            loaded.Clear();
            return steerer;
        }
        finally
        {
            decoder?.Dispose();
            foreach (SparseAutoencoder autoencoder in loaded.Values)
            {
                autoencoder.Dispose();
            }
        }
    }

    /// <summary>
    /// Runs reference texts through the model and the first autoencoder once, into an index folder; resumes an
    /// unfinished one.
    /// </summary>
    /// <param name="folder">The folder of the index.</param>
    /// <param name="references">The reference texts.</param>
    /// <param name="encoder">The sentence encoder.</param>
    /// <param name="mode">The mode.</param>
    /// <param name="progress">Told after each part.</param>
    /// <param name="cancellation">Checked between passes.</param>
    public ReferenceIndex BuildIndex(
        string folder,
        TextTable references,
        SentenceEncoder encoder,
        SteeringMode mode = SteeringMode.Corrected,
        IProgress<IndexProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ReferenceIndexer indexer = Indexer(encoder, mode);
        indexer.Build(folder, indexer.Manifest(references), references, progress, cancellation);
        return ReferenceIndex.Open(folder);
    }

    /// <summary>What builds an index with the first autoencoder.</summary>
    /// <param name="encoder">The sentence encoder.</param>
    /// <param name="mode">The mode.</param>
    /// <param name="bos">The BOS policy; the mode's own if null.</param>
    public ReferenceIndexer Indexer(SentenceEncoder encoder, SteeringMode mode, BosPolicy? bos = null) =>
        Sites.Count == 1
            ? new ReferenceIndexer(Decoder, Tokenizer, Sites[0].Autoencoder, Sites[0].Point, encoder, mode, bos)
            : throw new ArgumentException($"an index is of one layer and one autoencoder; {Sites.Count} are loaded");

    /// <summary>What the model and its first autoencoder do on texts.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="mostTokens">How many tokens are read at most.</param>
    /// <param name="cancellation">Checked between passes.</param>
    public TopicActivations Activations(
        IReadOnlyList<string> texts,
        int mostTokens = TopicActivations.DefaultTokens,
        CancellationToken cancellation = default) => TopicActivations.Measure(
            Decoder, Tokenizer, Sites[0].Autoencoder, Sites[0].Point, texts, mostTokens: mostTokens,
            cancellation: cancellation);

    /// <summary>
    /// A topic's profile with what the model says of its own texts: contrastive scores, the difference of means, and
    /// whether the autoencoder can represent it.
    /// </summary>
    /// <param name="profile">The profile, made with this model and its first autoencoder.</param>
    /// <param name="index">The index that it was made from.</param>
    /// <param name="texts">The topic's texts.</param>
    /// <param name="other">The texts that means are compared with; neutral ones of our own if null.</param>
    /// <param name="filter">How latents are filtered by what they do to the next token.</param>
    /// <param name="mostTokens">How many tokens of the texts are read at most.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <exception cref="ArgumentException">The profile was made with something else; the message names it.</exception>
    public TopicProfile Read(
        TopicProfile profile,
        ReferenceIndex index,
        IReadOnlyList<string> texts,
        IReadOnlyList<string>? other = null,
        CausalFilter filter = CausalFilter.None,
        int mostTokens = TopicActivations.DefaultTokens,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(index);
        RequireMatch(profile.Mode, profile);
        other ??= NeutralText.Paragraphs;
        TopicActivations own = Activations(texts, mostTokens, cancellation);
        TopicActivations there = Activations(other, mostTokens, cancellation);
        return profile.With(
            ProfileContrast.From(
                FilterByEffect(ContrastiveScorer.Score(index, own), filter, cancellation),
                own,
                there,
                ReferenceSource.DigestOf(other.Select(ReferenceSource.DigestOfText)),
                CausalFilters.NameOf(filter)),
            TopicRepresentation.Measure(
                Decoder, Tokenizer, Sites[0], index, profile, texts, own, there, cancellation: cancellation));
    }

    /// <summary>Scores of which only latents that move the output keep theirs; see <see cref="OutputEffect"/>.</summary>
    /// <param name="scores">The scores, with largest activations.</param>
    /// <param name="filter">By which figure.</param>
    /// <param name="cancellation">Checked between passes.</param>
    public LatentScores FilterByEffect(
        LatentScores scores, CausalFilter filter, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(scores);
        if (filter == CausalFilter.None)
        {
            return scores;
        }

        int[] best = [.. scores.Top(CausalFilters.Candidates).Where(latent => scores.Values[latent] > 0)];
        int? bos = Decoder.Spec.BosId ?? Tokenizer.BosId;
        int[] ids = [.. bos is { } id ? new[] { id } : [], .. Tokenizer.Encode(CausalFilters.Beginning)];
        IReadOnlyList<LatentEffect> effects = OutputEffect.Of(
            Decoder, Sites[0], scores, best, ids, Tokenizer.VocabularySize, cancellation);
        return OutputEffect.Filter(
            scores,
            effects,
            effect => filter == CausalFilter.Output ? effect.OutputScore : effect.ConfidenceChange);
    }

    /// <summary>A plan that steers every site by scores.</summary>
    /// <param name="options">How to steer.</param>
    /// <param name="scores">The scores: none for methods orig and sae, one for all sites, or one a site.</param>
    /// <exception cref="ArgumentException">Options contradict each other, or scores do not fit.</exception>
    public SteeringPlan Plan(SteeringOptions options, params IReadOnlyList<LatentScores> scores)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(scores);
        if (scores.Count > 1 && scores.Count != Sites.Count)
        {
            throw new ArgumentException(
                $"{scores.Count} score sets for {Sites.Count} layers; expected one for all or one each");
        }

        return Plan(options, [.. Sites.Select((_, i) => (IReadOnlyList<SteeringTopic>)(
            scores.Count == 0 ? [] : [new SteeringTopic(scores[scores.Count == 1 ? 0 : i])]))]);
    }

    /// <summary>A plan that steers by a topic's profile, which must be of this model, autoencoder and layer.</summary>
    /// <param name="options">How to steer.</param>
    /// <param name="profile">The topic.</param>
    /// <param name="scoring">Which of its scores; those that suit the method if null.</param>
    /// <exception cref="ArgumentException">The profile was made with something else; the message names it.</exception>
    public SteeringPlan Plan(SteeringOptions options, TopicProfile profile, ScoringKind? scoring = null) =>
        Plan(options, [(profile, 1.0)], scoring);

    /// <summary>A plan that steers by the profiles of several topics.</summary>
    /// <param name="options">How to steer.</param>
    /// <param name="topics">The topics with their weights, below 0 for away from one.</param>
    /// <param name="scoring">Which of their scores; those that suit the method if null.</param>
    /// <exception cref="ArgumentException">A profile was made with something else; the message names it.</exception>
    public SteeringPlan Plan(
        SteeringOptions options,
        IReadOnlyList<(TopicProfile Profile, double Weight)> topics,
        ScoringKind? scoring = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(topics);
        foreach ((TopicProfile profile, _) in topics)
        {
            RequireMatch(options.Mode, profile);
        }

        ScoringKind kind = scoring ?? SteeringTopic.Suiting(options.Method, topics.Select(topic => topic.Profile));
        return Plan(options, [[.. topics.Select(topic => SteeringTopic.Of(topic.Profile, kind, topic.Weight))]]);
    }

    private SteeringPlan Plan(SteeringOptions options, IReadOnlyList<IReadOnlyList<SteeringTopic>> topics)
    {
        LayerEdit[] edits = options.IsIdentity ? [] : [.. Sites.Select(
            (site, i) => new LayerEdit(site.Point, site.Autoencoder, topics[i], options))];
        return new SteeringPlan(Decoder.Spec, options, edits, BosPolicies.SpecialTokens(Decoder.Spec, _tokenizer));
    }

    /// <summary>Refuses a topic that was made with another model, autoencoder, layer or mode.</summary>
    /// <param name="mode">The mode that it is to be used in.</param>
    /// <param name="profile">The topic.</param>
    /// <exception cref="ArgumentException">It was; the message names what differs.</exception>
    public void RequireMatch(SteeringMode mode, TopicProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        if (Sites.Count != 1)
        {
            throw new ArgumentException(
                $"topic '{profile.Name}' is of one layer; {Sites.Count} are steered, so give --scores for each");
        }

        SteeringSite site = Sites[0];
        (string Field, string Topic, string Here)[] fields =
        [
            ("mode", SteeringModes.NameOf(profile.Mode), SteeringModes.NameOf(mode)),
            ("hook point", profile.HookPoint, site.Point.ToString()),
            ("autoencoder digest", profile.Provenance.Sae.Digest, site.Autoencoder.Digest),
            ("model digest", profile.Provenance.Model.Digest, Decoder.Digest),
            ("tokenizer digest", profile.Provenance.TokenizerDigest, Tokenizer.Digest),
        ];
        foreach ((string field, string topic, string here) in fields)
        {
            if (topic != here)
            {
                throw new ArgumentException(
                    $"topic '{profile.Name}' was made with {field} {topic}, here it is {here}; "
                    + "make the topic again or use what it was made with");
            }
        }
    }

    /// <summary>Continues a prompt under a plan.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="plan">The edits; null for the unsteered model.</param>
    /// <param name="maxNewTokens">The most tokens to generate.</param>
    /// <param name="sampling">How tokens are chosen; greedy if null.</param>
    /// <param name="onText">Called with each piece of text as it is complete.</param>
    /// <param name="cancellation">Checked before each token.</param>
    public GenerationResult Generate(
        string prompt,
        SteeringPlan? plan = null,
        int maxNewTokens = 64,
        SamplerOptions? sampling = null,
        Action<string>? onText = null,
        CancellationToken cancellation = default)
    {
        using var generator = new Generator(Decoder, Tokenizer);
        var request = new GenerationRequest
        {
            Prompt = prompt,
            Plan = plan,
            MaxNewTokens = maxNewTokens,
            Sampling = sampling ?? new SamplerOptions(),
        };
        return generator.Generate(request, onText, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Decoder.Dispose();
        foreach (SparseAutoencoder autoencoder in Sites.Select(site => site.Autoencoder).Distinct())
        {
            autoencoder.Dispose();
        }
    }

    /// <summary>
    /// Whether a folder has any file of a tokenizer; one that is incomplete or damaged is refused when it is read.
    /// </summary>
    private static bool HoldsTokenizer(string model) => Directory.Exists(model)
        && Directory.EnumerateFiles(model).Select(Path.GetFileName).Any(name =>
            name is "vocab.json" or "merges.txt" or "vocab.txt" || name!.EndsWith(".model", StringComparison.Ordinal)
            || name.StartsWith("tokenizer", StringComparison.Ordinal));
}
