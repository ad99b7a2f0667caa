using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>
/// Writes what happens inside a model under a plan, for token ids of length n:
/// <code>
/// PREFIX.tokens  int32 [n]                       the ids
/// PREFIX.resid   [layers, n, dModel]             the residual stream after each block, unsteered
/// PREFIX.pre_act, .latents [n, dSae], .recon [n, dIn]   of the unsteered pass at the plan's hook point
/// PREFIX.logits  [n, vocabulary]                 of the plan's method, as the model makes them (not centred)
/// </code>
/// With several edits the middle three are PREFIX.L{layer}.pre_act and so on. Does not own what it joins; not
/// thread-safe.
/// </summary>
public sealed class Tracer : IDisposable
{
    private readonly Decoder _decoder;
    private readonly IReadOnlyList<SteeringSite> _sites;
    private readonly SteeringPlan _plan;
    private readonly SteeringPass _steering = new();
    private readonly DecoderRun _run;

    /// <summary>Makes a tracer.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="sites">Where autoencoders read; also for a plan that edits nothing.</param>
    /// <param name="plan">The edits.</param>
    public Tracer(Decoder decoder, IReadOnlyList<SteeringSite> sites, SteeringPlan plan)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(sites);
        ArgumentNullException.ThrowIfNull(plan);
        foreach ((HookPoint point, SparseAutoencoder autoencoder) in sites)
        {
            autoencoder.RequireFits(decoder.Spec, point);
        }

        _decoder = decoder;
        _sites = sites;
        _plan = plan;
        _run = decoder.CreateRun();
    }

    /// <summary>Runs the ids unsteered and steered, and writes all arrays.</summary>
    /// <param name="writer">Receives the arrays.</param>
    /// <param name="prefix">Put before their names, such as <c>p00.</c>.</param>
    /// <param name="ids">The token ids, at least one and at most the context length.</param>
    /// <param name="cancellation">Checked between passes.</param>
    public void Write(TensorWriter writer, string prefix, int[] ids, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(ids);
        writer.Add<int>(prefix + "tokens", [ids.Length], ids);
        WriteUnsteered(writer, prefix, ids, cancellation);
        WriteLogits(writer, prefix, ids, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => _run.Dispose();

    private void WriteUnsteered(TensorWriter writer, string prefix, int[] ids, CancellationToken cancellation)
    {
        ArchitectureSpec spec = _decoder.Spec;
        int n = ids.Length;
        float[][] residuals = [.. Enumerable.Range(0, spec.NLayers).Select(_ => new float[n * spec.DModel])];
        float[][] inputs = [.. _sites.Select(site => new float[n * site.Autoencoder.DIn])];
        var hooks = new HookSet();
        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            Collect(hooks, HookPoint.ResidualPost(layer), residuals[layer]);
        }

        for (int i = 0; i < inputs.Length; i++)
        {
            Collect(hooks, _sites[i].Point, inputs[i]);
        }

        using KvCache cache = _decoder.CreateCache(n);
        _run.Prefill([cache], ids, hooks, LogitRows.None, cancellation: cancellation);
        writer.Begin(prefix + "resid", TensorType.F32, [spec.NLayers, n, spec.DModel]);
        foreach (float[] residual in residuals)
        {
            writer.Append<float>(residual);
        }

        for (int i = 0; i < inputs.Length; i++)
        {
            string site = inputs.Length == 1 ? prefix : $"{prefix}L{_sites[i].Point.Layer}.";
            WriteSite(writer, site, _sites[i].Autoencoder, inputs[i], n);
        }
    }

    private static void WriteSite(
        TensorWriter writer, string prefix, SparseAutoencoder autoencoder, float[] inputs, int n)
    {
        int dSae = autoencoder.DSae;
        var scales = new InputScale[n];
        float[] preActivations = new float[checked(n * dSae)];
        autoencoder.PreActivations(inputs, n, preActivations, scales);
        writer.Add<float>(prefix + "pre_act", [n, dSae], preActivations);

        float[] reconstructions = new float[n * autoencoder.DIn];
        var latents = new SparseLatents();
        for (int row = 0; row < n; row++)
        {
            Span<float> dense = preActivations.AsSpan(row * dSae, dSae);
            autoencoder.Activate(dense, latents);
            autoencoder.Decode(latents, scales[row], reconstructions.AsSpan(row * autoencoder.DIn, autoencoder.DIn));
            latents.CopyTo(dense);
        }

        writer.Add<float>(prefix + "latents", [n, dSae], preActivations);
        writer.Add<float>(prefix + "recon", [n, autoencoder.DIn], reconstructions);
    }

    private void WriteLogits(TensorWriter writer, string prefix, int[] ids, CancellationToken cancellation)
    {
        writer.Begin(prefix + "logits", TensorType.F32, [ids.Length, _decoder.Spec.Vocabulary]);
        HookSet? hooks = _steering.HooksFor([new SteeredSequence(ids.Length, _plan)]);
        using KvCache cache = _decoder.CreateCache(ids.Length);
        _run.Prefill([cache], ids, hooks, LogitRows.All, afterPass: AppendLogits, cancellation: cancellation);

        void AppendLogits()
        {
            for (int row = 0; row < _run.LogitCount; row++)
            {
                writer.Append<float>(_run.Logits(row));
            }
        }
    }

    private static void Collect(HookSet hooks, HookPoint point, float[] target) =>
        hooks.Add(point, rows => rows.Values.CopyTo(target.AsSpan(rows.Positions[0] * rows.Width)));
}
