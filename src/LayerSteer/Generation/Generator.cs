using System.Diagnostics;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;

namespace LayerSteer.Generation;

/// <summary>
/// Continues texts with a model, each under a steering plan of its own or none. Ids are appended, never tokenised
/// again; keys and values are cached. A request gives the same ids alone or in a batch, streamed or not, with any
/// number of threads. Does not own the decoder; not thread-safe: one generator for each thread, which may share a
/// decoder and plans.
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly Decoder _decoder;
    private readonly TextTokenizer _tokenizer;
    private readonly DecoderRun _run;
    private readonly SteeringPass _steering = new();
    private readonly int[] _prefix;

    /// <summary>Makes a generator.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="bos">Whether prompts begin with BOS.</param>
    /// <exception cref="ArgumentException">
    /// The tokenizer does not fit the model, or BOS is wanted and unknown.
    /// </exception>
    public Generator(Decoder decoder, TextTokenizer tokenizer, BosPolicy bos = BosPolicy.One)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.VocabularySize > decoder.Spec.Vocabulary)
        {
            throw new ArgumentException(
                $"the tokenizer has {tokenizer.VocabularySize} ids, the model only {decoder.Spec.Vocabulary}; "
                + "they do not belong together");
        }

        _decoder = decoder;
        _tokenizer = tokenizer;
        _prefix = bos.Prefix(decoder.Spec, tokenizer);
        _run = decoder.CreateRun();
    }

    /// <summary>Continues one text.</summary>
    /// <param name="request">The text and how to continue it.</param>
    /// <param name="onText">Called with each piece of text as it is complete; null for none.</param>
    /// <param name="cancellation">Checked before each token.</param>
    /// <exception cref="ArgumentException">
    /// The prompt is empty or leaves no room, the plan is of another model, or an option is out of range.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public GenerationResult Generate(
        GenerationRequest request, Action<string>? onText = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Generate([request], (_, text) => onText?.Invoke(text), cancellation)[0];
    }

    /// <summary>
    /// Continues several texts side by side: the weights are read once for all of them at each step. Requests of one
    /// prompt go through the layers below the first edit of any of them together, at the cost of one.
    /// </summary>
    /// <param name="requests">
    /// The texts; each has its own plan, its own draws and its own cache, all of which are in memory at once.
    /// </param>
    /// <param name="onText">Called with the index of a request and its next piece of text; null for none.</param>
    /// <param name="cancellation">Checked before each token.</param>
    /// <returns>The results, in the order of the requests.</returns>
    /// <exception cref="ArgumentException">
    /// A prompt is empty or leaves no room, a plan is of another model, or an option is out of range.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IReadOnlyList<GenerationResult> Generate(
        IReadOnlyList<GenerationRequest> requests,
        Action<int, string>? onText = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        int[][] prompts = [.. requests.Select(Admit)];
        var continuations = new List<Continuation>();
        try
        {
            for (int i = 0; i < requests.Count; i++)
            {
                continuations.Add(new Continuation(i, requests[i], prompts[i], _decoder, _tokenizer));
            }

            foreach (IGrouping<string, Continuation> alike in continuations.GroupBy(c => string.Join(' ', c.PromptIds)))
            {
                foreach (Continuation[] group in alike.Chunk(_run.MaxRows))
                {
                    Prefill(group, onText, cancellation);
                }
            }

            Decode(continuations, onText, cancellation);
            return [.. continuations.Select(continuation => continuation.Result(continuations.Count))];
        }
        finally
        {
            continuations.ForEach(continuation => continuation.Dispose());
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _run.Dispose();

    /// <summary>The ids of a request's prompt, checked.</summary>
    private int[] Admit(GenerationRequest request)
    {
        if (string.IsNullOrEmpty(request.Prompt))
        {
            throw new ArgumentException("the prompt is empty; give at least one character");
        }

        if (request.StopTexts.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("a stop text is empty and would end every text at once; leave it out");
        }

        if (request.Plan is { } plan && plan.Spec != _decoder.Spec)
        {
            throw new ArgumentException("the plan was made for another model");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(request.MaxNewTokens, 1);
        int[] ids = [.. _prefix, .. _tokenizer.Encode(request.Prompt)];
        if (ids.Length == 0)
        {
            throw new ArgumentException("the prompt has no tokens in this vocabulary");
        }

        int context = _decoder.Spec.ContextLength;
        return ids.Length < context
            ? ids
            : throw new ArgumentException(
                $"the prompt has {ids.Length} tokens{(_prefix.Length > 0 ? " with BOS" : string.Empty)} "
                + "and the model's context is "
                + $"{context}, which leaves no room for a new one; expected at most {context - 1}");
    }

    /// <summary>Reads the prompt that the continuations of a group have in common.</summary>
    private void Prefill(Continuation[] group, Action<int, string>? onText, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        _run.Prefill(
            [.. group.Select(c => c.Cache)],
            group[0].PromptIds,
            HooksFor(group),
            sharedLayers: group.Min(c => c.Steered.Plan?.LayersBeforeEdits ?? _decoder.Spec.NLayers),
            cancellation: cancellation);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        for (int i = 0; i < group.Length; i++)
        {
            group[i].PrefillTime = elapsed;
            group[i].Take(_run.Logits(i), onText);
        }
    }

    private void Decode(List<Continuation> continuations, Action<int, string>? onText, CancellationToken cancellation)
    {
        var active = new List<Continuation>(continuations.Where(c => !c.IsDone));
        while (active.Count > 0)
        {
            // What a step reads stays the same until a request ends, so steps in between allocate nothing here.
            Continuation[][] groups = [.. active.Chunk(_run.MaxRows)];
            SequenceBlock[][] blocks =
                [.. groups.Select(g => g.Select(c => new SequenceBlock(c.Cache, c.LastToken)).ToArray())];
            HookSet?[] hooks = [.. groups.Select(HooksFor)];
            while (!active.Exists(c => c.IsDone))
            {
                cancellation.ThrowIfCancellationRequested();
                for (int i = 0; i < groups.Length; i++)
                {
                    Step(groups[i], blocks[i], hooks[i], onText);
                }
            }

            active.RemoveAll(c => c.IsDone);
        }
    }

    private HookSet? HooksFor(Continuation[] group) => _steering.HooksFor([.. group.Select(c => c.Steered)]);

    private void Step(Continuation[] group, SequenceBlock[] blocks, HookSet? hooks, Action<int, string>? onText)
    {
        long start = Stopwatch.GetTimestamp();
        _run.Forward(blocks, hooks, LogitRows.Last);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        for (int i = 0; i < group.Length; i++)
        {
            group[i].DecodeTime += elapsed;
            group[i].Take(_run.Logits(i), onText);
        }
    }
}
