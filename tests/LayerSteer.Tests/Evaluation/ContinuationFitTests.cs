using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class ContinuationFitTests : IDisposable
{
    private static readonly int[] Prompt = [TinyModel.Eos, 3, 70];
    private static readonly int[] Hinted = [TinyModel.Eos, 12, 5, 3, 70];
    private static readonly int[] Written = [8, 8, 9, 200];

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly SparseAutoencoder _sae = TinyAutoencoder.Create(SaeActivationKind.TopK);

    public ContinuationFitTests() => _decoder = _tiny.Load();

    public void Dispose()
    {
        _sae.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Likelihood_is_that_of_the_logits_one_after_the_other()
    {
        double expected = -Logs(_decoder, Prompt, null).Select((log, t) => log[Written[t]]).Average();
        using var fitter = new ContinuationFitter(_decoder);
        ContinuationFit fit = fitter.Measure([new(Prompt, Prompt, Written, null)], null, Cancellation)[0];
        Assert.Equal(expected, fit.NegativeLogLikelihood, 1e-12);
        Assert.Equal(0, fit.Divergence);
    }

    [Fact]
    public void Divergence_is_that_of_the_edited_model_from_the_unsteered_one()
    {
        SteeringPlan plan = Plan();
        using var fitter = new ContinuationFitter(_decoder);
        ContinuationFit fit = fitter.Measure([new(Prompt, Prompt, Written, plan)], null, Cancellation)[0];
        double[][] unsteered = Logs(_decoder, Prompt, null);
        Assert.Equal(Divergence(Logs(_decoder, Prompt, plan), unsteered), fit.Divergence, 1e-12);
        Assert.Equal(-unsteered.Select((log, t) => log[Written[t]]).Average(), fit.NegativeLogLikelihood, 1e-12);
        Assert.True(fit.Divergence > 1e-3, $"{fit.Divergence}");
    }

    [Fact]
    public void A_hint_is_judged_by_the_bare_prompt()
    {
        using var fitter = new ContinuationFitter(_decoder);
        ContinuationFit fit = fitter.Measure([new(Hinted, Prompt, Written, null)], null, Cancellation)[0];
        double[][] bare = Logs(_decoder, Prompt, null);
        Assert.Equal(-bare.Select((log, t) => log[Written[t]]).Average(), fit.NegativeLogLikelihood, 1e-12);
        Assert.Equal(Divergence(Logs(_decoder, Hinted, null), bare), fit.Divergence, 1e-12);
    }

    [Fact]
    public void Another_model_is_judged_by_the_unsteered_one()
    {
        using var other = new TinyModel(77);
        using Decoder tuned = other.Load();
        using var fitter = new ContinuationFitter(_decoder);
        ContinuationFit fit = fitter.Measure([new(Prompt, Prompt, Written, null)], tuned, Cancellation)[0];
        double[][] unsteered = Logs(_decoder, Prompt, null);
        Assert.Equal(-unsteered.Select((log, t) => log[Written[t]]).Average(), fit.NegativeLogLikelihood, 1e-12);
        Assert.Equal(Divergence(Logs(tuned, Prompt, null), unsteered), fit.Divergence, 1e-12);
    }

    [Fact]
    public void Many_continuations_give_what_each_gives_alone()
    {
        SteeringPlan plan = Plan();
        int[] longer = [.. Enumerable.Range(20, 30)];
        MeasuredContinuation[] all =
        [
            .. Enumerable.Range(0, 12).SelectMany(i => (MeasuredContinuation[])
            [
                new(Prompt, Prompt, longer, i % 2 == 0 ? plan : null), new(Hinted, Prompt, Written, plan),
                new(Prompt, Prompt, Written[..1], null),
            ]),
        ];
        using var fitter = new ContinuationFitter(_decoder);
        IReadOnlyList<ContinuationFit> together = fitter.Measure(all, null, Cancellation);
        for (int i = 0; i < all.Length; i++)
        {
            Assert.Equal(fitter.Measure([all[i]], null, Cancellation)[0], together[i]);
        }
    }

    private SteeringPlan Plan()
    {
        double[] values = [.. Enumerable.Range(0, _sae.DSae).Select(i => i % 3 == 0 ? 1.0 : 0.1)];
        var options = new SteeringOptions { Method = SteeringMethod.Swap, Strength = 2 };
        var scores = new LatentScores(values, [.. values.Select(_ => true)]);
        return new SteeringPlan(
            _decoder.Spec, options, [new LayerEdit(HookPoint.ResidualPost(1), _sae, scores, options)], [TinyModel.Eos]);
    }

    /// <summary>Token after token, with a cache.</summary>
    private static double[][] Logs(Decoder decoder, int[] prompt, SteeringPlan? plan)
    {
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(TinyModel.Context);
        HookSet? hooks = new SteeringPass().HooksFor([new SteeredSequence(prompt.Length, plan)]);
        var logs = new List<double[]>();
        run.Prefill([cache], prompt, hooks);
        logs.Add(LogSoftmax(run.Logits(0)));
        foreach (int id in Written[..^1])
        {
            run.Forward([new SequenceBlock(cache, new[] { id })], hooks);
            logs.Add(LogSoftmax(run.Logits(0)));
        }

        return [.. logs];
    }

    private static double[] LogSoftmax(ReadOnlySpan<float> logits)
    {
        double[] values = [.. logits.ToArray().Select(logit => (double)logit)];
        double log = Math.Log(values.Sum(value => Math.Exp(value - values.Max()))) + values.Max();
        return [.. values.Select(value => value - log)];
    }

    private static double Divergence(double[][] own, double[][] unsteered) => own.Select(
        (log, t) => log.Select((value, v) => Math.Exp(value) * (value - unsteered[t][v])).Sum()).Average();
}
