using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;

namespace LayerSteer.Generation;

/// <summary>Which of the seed's two loops to repeat.</summary>
public enum PublishedLoopKind
{
    /// <summary>
    /// <c>generate_mainpulated_output</c>: from the second step on there are two BOS tokens; the text returned holds
    /// BOS and prompt.
    /// </summary>
    Generate,

    /// <summary><c>swap_demo</c>: one BOS throughout; the text returned holds the prompt.</summary>
    Demo,
}

/// <summary>One step of a published loop.</summary>
/// <param name="ModelInput">The ids that the model read.</param>
/// <param name="Top">The ids of the five largest logits, descending.</param>
/// <param name="Token">The id that was taken.</param>
public sealed record PublishedStep(int[] ModelInput, int[] Top, int Token);

/// <summary>
/// The generation loops of IBM/sae-steering, exactly: at each step the tokens so far are decoded to text and that text
/// is tokenised again, so ids can change under way and BOS can double (seed-system defects 9 and 11). For comparison
/// with the published code only. Everything is recomputed at each step, and text beyond the context is cut at its end.
/// </summary>
public static class PublishedLoop
{
    private const int TopCount = 5;

    /// <summary>Runs a loop.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="kind">Which loop.</param>
    /// <param name="request">
    /// Prompt, plan, sampling and number of tokens; stop texts and EOS do not end this loop.
    /// </param>
    /// <param name="cancellation">Checked before each token.</param>
    /// <returns>The text and the steps.</returns>
    public static (string Text, IReadOnlyList<PublishedStep> Steps) Run(
        Decoder decoder,
        TextTokenizer tokenizer,
        PublishedLoopKind kind,
        GenerationRequest request,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(request);
        int[] bos = BosPolicy.One.Prefix(decoder.Spec, tokenizer);
        var sampler = new Sampler(request.Sampling);
        var steps = new List<PublishedStep>();
        using DecoderRun run = decoder.CreateRun(decoder.Spec.ContextLength);
        var steering = new SteeringPass();

        List<int> tokens = [.. kind == PublishedLoopKind.Generate ? bos : [], .. tokenizer.Encode(request.Prompt)];
        string text = request.Prompt;
        for (int step = 0; step < request.MaxNewTokens; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            int[] input = [.. bos, .. tokenizer.Encode(text)];
            input = input[..Math.Min(input.Length, decoder.Spec.ContextLength)];
            using KvCache cache = decoder.CreateCache(decoder.Spec.ContextLength);
            HookSet? hooks = steering.HooksFor([new SteeredSequence(input.Length, request.Plan)]);
            run.Forward([new SequenceBlock(cache, input)], hooks, LogitRows.Last);
            ReadOnlySpan<float> logits = run.Logits(0);
            int[] top = new int[Math.Min(TopCount, logits.Length)];
            Numerics.TopK.SelectSorted(logits, top);
            int token = sampler.Next(logits, step);
            steps.Add(new PublishedStep(input, top, token));
            tokens.Add(token);
            text = tokenizer.Decode([.. tokens]);
        }

        return (text, steps);
    }
}
