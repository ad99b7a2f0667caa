using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>Measures what `claims` prints. Does not own the model.</summary>
internal sealed class ClaimsRun(Terminal terminal, CancellationToken cancellation)
{
    private const int PromptTokens = 32;
    private const int NewTokens = 64;

    private static readonly (SteeringMethod Method, ScoringKind Scoring)[] Methods =
    [
        (SteeringMethod.Swap, ScoringKind.Semantic),
        (SteeringMethod.Clamp, ScoringKind.Semantic),
        (SteeringMethod.MinClamp, ScoringKind.Contrastive),
        (SteeringMethod.Add, ScoringKind.Contrastive),
    ];

    /// <summary>T11 at each autoencoder.</summary>
    public IEnumerable<ClaimFigure> Errors(Steerer steerer, IReadOnlyList<int[]> texts, int draws, ulong seed)
    {
        var layers = new List<ErrorPathology>();
        foreach (SteeringSite site in steerer.Sites)
        {
            terminal.Note($"T11: errors of {site.Point}, {texts.Sum(ids => ids.Length)} tokens, {draws} draws");
            layers.Add(ErrorPathology.Measure(
                steerer.Decoder, site.Autoencoder, site.Point, texts, Special(steerer), draws, seed, cancellation));
        }

        return ClaimFigures.Of(layers);
    }

    /// <summary>T9 at each autoencoder with another one layer on.</summary>
    public IEnumerable<ClaimFigure> SideEffects(
        Steerer steerer, IReadOnlyList<int[]> texts, IReadOnlyList<ReferenceIndex> indexes, SideEffectOptions options)
    {
        var figures = new List<ClaimFigure>();
        foreach (SteeringSite site in steerer.Sites.Where(site => site.Point.Kind == HookKind.ResidualPost))
        {
            HookPoint next = HookPoint.ResidualPost(site.Point.Layer + 1);
            SteeringSite? downstream = steerer.Sites.FirstOrDefault(other => other.Point == next);
            if (downstream is null)
            {
                continue;
            }

            ReferenceIndex? index = indexes.FirstOrDefault(one => IsOf(one, site));
            terminal.Note(
                $"T9: side effects of {site.Point} at {next}, {texts.Sum(ids => ids.Length)} tokens"
                + (index is null ? "; no index of it, so no frequencies" : string.Empty));
            figures.AddRange(ClaimFigures.Of(SideEffectPredictors.Measure(
                steerer.Decoder,
                site.Autoencoder,
                site.Point,
                downstream.Autoencoder,
                next,
                texts,
                Special(steerer),
                index,
                options,
                null,
                cancellation)));
        }

        return figures.Count > 0
            ? figures
            : [ClaimFigures.NotRun("T9", "-", "no autoencoders of two layers in a row")];
    }

    /// <summary>T4, each method with a topic's scores; the model has the topic's autoencoder alone.</summary>
    public IEnumerable<ClaimFigure> Overhead(Steerer steerer, TopicProfile profile, int runs)
    {
        int[] words = [.. InterventionFidelity.NeutralIds(steerer.Decoder, steerer.Tokenizer).SelectMany(ids => ids)
            .Where(id => !Special(steerer).Contains(id))];
        int count = Math.Min(PromptTokens, steerer.Decoder.Spec.ContextLength / 2)
            - BosPolicy.One.Prefix(steerer.Decoder.Spec, steerer.Tokenizer).Length;
        string prompt = steerer.Tokenizer.Decode(words.AsSpan(0, count));
        int newTokens = Math.Min(NewTokens, steerer.Decoder.Spec.ContextLength / 2);
        using var generator = new Generator(steerer.Decoder, steerer.Tokenizer);
        var figures = new List<ClaimFigure>();
        foreach ((SteeringMethod method, ScoringKind scoring) in Methods)
        {
            string name = $"{SteeringMethods.NameOf(method)}{(scoring == ScoringKind.Contrastive ? ", contrastive" : "")}";
            if (scoring == ScoringKind.Contrastive && profile.Contrast is null)
            {
                figures.Add(ClaimFigures.NotRun("T4", name, $"topic '{profile.Name}' has no contrastive scores"));
                continue;
            }

            SteeringPlan plan = steerer.Plan(new SteeringOptions { Method = method }, profile, scoring);
            terminal.Note($"T4: {name}, {runs} runs of {newTokens} tokens");
            foreach (SteeringOverhead one in SteeringOverhead.Measure(
                generator, prompt, [(name, plan)], runs, newTokens, cancellation))
            {
                figures.AddRange(ClaimFigures.Of(one));
            }
        }

        return figures;
    }

    /// <summary>Refuses an index of none of the autoencoders.</summary>
    public static void RequireUsed(IReadOnlyList<ReferenceIndex> indexes, Steerer steerer)
    {
        foreach (ReferenceIndex index in indexes)
        {
            if (!steerer.Sites.Any(site => IsOf(index, site)))
            {
                throw new InvalidDataException(
                    $"'{index.Folder}': made with autoencoder {index.Manifest.Sae.Digest} at {index.Manifest.HookPoint}; "
                    + $"loaded are {string.Join(", ", steerer.Sites.Select(s => $"{s.Autoencoder.Digest} at {s.Point}"))}");
            }
        }
    }

    /// <summary>Whole texts up to a number of tokens, the last cut off there.</summary>
    public static IReadOnlyList<int[]> Beginning(IReadOnlyList<int[]> texts, int tokens)
    {
        var taken = new List<int[]>();
        foreach (int[] ids in texts)
        {
            int left = tokens - taken.Sum(one => one.Length);
            if (left <= ErrorPathology.FewestTokens)
            {
                break;
            }

            taken.Add(ids[..Math.Min(left, ids.Length)]);
        }

        return taken;
    }

    /// <summary>The documents of files as the model reads them, with its BOS where it has one.</summary>
    public static IReadOnlyList<int[]> Read(Steerer steerer, string[] paths, int tokens)
    {
        ArchitectureSpec spec = steerer.Decoder.Spec;
        int[] prefix = (spec.BosId ?? steerer.Tokenizer.BosId) is { } bos ? [bos] : [];
        var texts = new List<int[]>();
        TextCorpus corpus = TextCorpus.Open(paths);
        foreach (CorpusDocument document in corpus.Files.SelectMany(corpus.Documents))
        {
            texts.Add(
                [.. prefix, .. steerer.Tokenizer.Encode(document.Text).Take(spec.ContextLength - prefix.Length)]);
            if (texts.Sum(ids => ids.Length) >= tokens)
            {
                break;
            }
        }

        return Beginning(texts, tokens);
    }

    private static bool IsOf(ReferenceIndex index, SteeringSite site) =>
        index.Manifest.Sae.Digest == site.Autoencoder.Digest && index.Manifest.HookPoint == site.Point.ToString();

    private static IReadOnlySet<int> Special(Steerer steerer) =>
        BosPolicies.SpecialTokens(steerer.Decoder.Spec, steerer.Tokenizer);
}
