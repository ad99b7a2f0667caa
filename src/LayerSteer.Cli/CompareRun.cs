using System.Globalization;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>One prompt through several arms. Owns nothing of what it is given.</summary>
internal sealed class CompareRun(
    Steerer steerer, GenerationRequest request, BosPolicy bos, string topic, Decoder? fineTuned)
{
    private const int MovesOfToken = 5;
    private const int TokensOfLatent = 5;

    /// <summary>Latents are read off the output head while that takes no more than so many multiplications.</summary>
    private const double LensWork = 4e9;

    private readonly Dictionary<(HookPoint Point, int Latent), string[]> _writes = [];

    /// <summary>What arm hint puts in front if nothing says so.</summary>
    public static string DefaultHint { get; } = new EvaluationOptions().Hint;

    public required string Hint { get; init; }

    /// <summary>Whether what moved latents write is looked up.</summary>
    public required bool ReadsLatents { get; init; }

    /// <summary>Continues the prompt with every arm, the unsteered one first.</summary>
    public Comparison Run(
        IReadOnlyList<(CompareArm Arm, SteeringPlan? Plan)> arms,
        IReadOnlyDictionary<string, string> notRun,
        CancellationToken cancellation)
    {
        GenerationResult[] results = Generate(arms, cancellation);
        var shifts = new List<IReadOnlyList<TokenShift>>();
        for (int i = 0; i < arms.Count; i++)
        {
            shifts.Add(TokenShifts.Of(
                steerer.Decoder,
                new MeasuredContinuation(results[i].PromptIds, results[0].PromptIds, results[i].Ids, arms[i].Plan),
                arms[i].Arm.Kind == CompareArmKind.FineTuned ? fineTuned : null,
                MovesOfToken,
                cancellation));
        }

        if (ReadsLatents)
        {
            Read(shifts.SelectMany(its => its).SelectMany(shift => shift.Moves), arms, cancellation);
        }

        return new Comparison(
            request.Prompt,
            topic,
            [
                .. arms.Select((arm, i) => new ComparedArm(
                    arm.Arm.Name, Describe(arm.Arm, arm.Plan), results[i].Text, [.. shifts[i].Select(Token)])),
            ],
            Made(),
            notRun);
    }

    private GenerationResult[] Generate(
        IReadOnlyList<(CompareArm Arm, SteeringPlan? Plan)> arms, CancellationToken cancellation)
    {
        var results = new GenerationResult[arms.Count];
        foreach (bool tuned in (bool[])[false, true])
        {
            int[] chosen =
            [
                .. Enumerable.Range(0, arms.Count)
                    .Where(i => arms[i].Arm.Kind == CompareArmKind.FineTuned == tuned),
            ];
            if (chosen.Length == 0)
            {
                continue;
            }

            using var generator = new Generator(tuned ? fineTuned! : steerer.Decoder, steerer.Tokenizer, bos);
            IReadOnlyList<GenerationResult> its = generator.Generate(
                [.. chosen.Select(i => Request(arms[i].Arm, arms[i].Plan))], null, cancellation);
            for (int i = 0; i < chosen.Length; i++)
            {
                results[chosen[i]] = its[i];
            }
        }

        return results;
    }

    private GenerationRequest Request(CompareArm arm, SteeringPlan? plan) => request with
    {
        Plan = plan,
        Prompt = arm.Kind == CompareArmKind.Hint ? HintText + request.Prompt : request.Prompt,
    };

    private string HintText =>
        Hint.Replace("{topic}", topic.Replace('_', ' ').Replace('-', ' '), StringComparison.Ordinal);

    private string Describe(CompareArm arm, SteeringPlan? plan) => arm.Kind switch
    {
        CompareArmKind.Hint => $"“{HintText.Trim()}” stands in front of the prompt",
        CompareArmKind.FineTuned => $"the model fine-tuned on {topic}",
        CompareArmKind.Steered when !plan!.Options.IsIdentity => string.Create(
            CultureInfo.InvariantCulture,
            $"{SteeringMethods.NameOf(arm.Method)}, {SteeringModes.NameOf(plan.Options.Mode)} mode, strength "
            + $"{plan.Options.Strength}, at {string.Join(", ", plan.Edits.Select(edit => edit.Point))}"),
        CompareArmKind.Steered => "strength 0: not steered at all",
        _ => "the model as it is",
    };

    /// <summary>Looks up what the latents write that were moved the most in all, as many as are cheap.</summary>
    private void Read(
        IEnumerable<LatentMove> moves,
        IReadOnlyList<(CompareArm Arm, SteeringPlan? Plan)> arms,
        CancellationToken cancellation)
    {
        ArchitectureSpec spec = steerer.Decoder.Spec;
        Dictionary<HookPoint, LayerEdit> edits = arms.SelectMany(arm => arm.Plan?.Edits ?? [])
            .GroupBy(edit => edit.Point).ToDictionary(group => group.Key, group => group.First());
        int cheap = (int)Math.Clamp(LensWork / ((double)spec.Vocabulary * spec.DModel), 16, 1 << 16);
        foreach ((HookPoint point, int latent) in moves.GroupBy(move => (move.Point, move.Latent))
            .OrderByDescending(group => group.Sum(move => Math.Abs(move.Mean)))
            .ThenBy(group => group.Key.Latent).Take(cheap).Select(group => group.Key))
        {
            cancellation.ThrowIfCancellationRequested();
            if (edits[point].Autoencoder.DIn != spec.DModel)
            {
                continue;
            }

            _writes.Add((point, latent),
            [
                .. LogitLens.Top(
                    steerer.Decoder, edits[point].Autoencoder, latent, TokensOfLatent,
                    steerer.Tokenizer.VocabularySize)
                    .Select(token => steerer.Tokenizer.TokenText(token.Token)),
            ]);
        }
    }

    private ComparedToken Token(TokenShift shift) => new(
        steerer.Tokenizer.TokenText(shift.Token),
        shift.Divergence,
        shift.Probability,
        shift.Unsteered,
        [
            .. shift.Moves.Select(move => new ComparedLatent(
                move.Latent, move.Mean, $"{move.Point}", _writes.GetValueOrDefault((move.Point, move.Latent)) ?? [])),
        ]);

    private Dictionary<string, string> Made() => new()
    {
        ["tool_version"] = typeof(Comparison).Assembly.GetName().Version!.ToString(3),
        ["model"] = steerer.Decoder.Digest,
        ["dtype"] = WeightTypes.NameOf(steerer.Decoder.Type),
        ["tokenizer"] = steerer.Tokenizer.Digest,
        ["sae"] = string.Join(", ", steerer.Sites.Select(site => site.Autoencoder.Digest)),
        ["hook_points"] = string.Join(", ", steerer.Sites.Select(site => site.Point)),
        ["bos"] = BosPolicies.NameOf(bos),
        ["tokens"] = string.Create(CultureInfo.InvariantCulture, $"{request.MaxNewTokens}"),
        ["sampling"] = Sampling(request.Sampling),
        ["seed"] = string.Create(CultureInfo.InvariantCulture, $"{request.Sampling.Seed}"),
    };

    private static string Sampling(SamplerOptions options) => options.Kind switch
    {
        SamplingKind.Softmax => string.Create(
            CultureInfo.InvariantCulture,
            $"temperature {options.Temperature}, top-k {options.TopK}, top-p {options.TopP}"),
        SamplingKind.UniformTopK => string.Create(CultureInfo.InvariantCulture, $"uniform top-k {options.TopK}"),
        _ => options.Kind.ToString().ToLowerInvariant(),
    };
}
