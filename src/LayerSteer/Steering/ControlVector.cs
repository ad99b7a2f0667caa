using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>
/// An edit that is one vector added behind one layer, as llama.cpp's control vectors are. Of our edits these are: clamp
/// and add that keep the error term, where the autoencoder does not normalise its inputs, and diffmean:
/// <code>
/// clamp:      v = amount · strength · Σ_top rows of W_dec         x' = x + v, exactly what our clamp adds
/// add:        v = strength · Σ_top M_f · row f of W_dec
/// diffmean:   v = strength · (mean x of the topic − mean x of other texts)
/// direction:  v = norm · d / ‖d‖,  d = Σ_f s_f · row f of W_dec   a topic's direction, of a norm that is chosen
/// </code>
/// Immutable.
/// </summary>
public sealed class ControlVector
{
    private const string Reader = "llama.cpp adds one vector to the residual stream behind a layer";

    private readonly float[] _values;

    private ControlVector(HookPoint point, string method, float[] values)
    {
        Layer = LayerOf(point);
        Method = method;
        _values = values;
        if (!Array.TrueForAll(values, float.IsFinite))
        {
            throw new ArgumentException("the vector is not finite in float32; choose a lower strength or norm");
        }

        if (Array.TrueForAll(values, value => value == 0f))
        {
            throw new ArgumentException("the vector is all zeros, so there is nothing to add");
        }
    }

    /// <summary>
    /// N of <c>direction.N</c>: the block, from 0, behind which the vector is added. llama.cpp reads none for block 0.
    /// </summary>
    public int Layer { get; }

    /// <summary>clamp, add, diffmean or direction.</summary>
    public string Method { get; }

    /// <summary>The vector, [dModel], in the units of the residual stream.</summary>
    public ReadOnlySpan<float> Values => _values;

    /// <summary>The vector that an edit adds.</summary>
    /// <param name="edit">The edit.</param>
    /// <param name="method">Its method, for the message of a refusal.</param>
    /// <exception cref="NotSupportedException">
    /// It is not one vector that is added behind one layer, from layer 1 on; the message says why.
    /// </exception>
    /// <exception cref="ArgumentException">The vector is all zeros.</exception>
    public static ControlVector OfEdit(LayerEdit edit, SteeringMethod method)
    {
        ArgumentNullException.ThrowIfNull(edit);
        if (edit.DependsOnPosition)
        {
            throw new NotSupportedException(
                $"a gate or a half-life makes what is added differ from token to token; {Reader}; leave them out");
        }

        if (edit.Encodes || method == SteeringMethod.Project)
        {
            string why = method switch
            {
                SteeringMethod.Original or SteeringMethod.Reconstruction =>
                    "replaces each token's input by a reconstruction of it",
                SteeringMethod.Clamp or SteeringMethod.Add =>
                    "without the error term replaces each token's input by a reconstruction of it",
                SteeringMethod.Swap or SteeringMethod.Weight =>
                    "selects latents by what each token's input is, so what it adds differs from token to token",
                _ => "changes each token by what it finds there, so what it adds differs from token to token",
            };
            throw new NotSupportedException(
                $"method {SteeringMethods.NameOf(method)} {why}; {Reader}; supported: clamp or add with the error term "
                + "kept, diffmean, or a direction");
        }

        if (!edit.Vector.IsEmpty)
        {
            float strength = edit.Strength;
            return new ControlVector(
                edit.Point, SteeringMethods.NameOf(method), [.. edit.Vector.ToArray().Select(value => strength * value)]);
        }

        SparseAutoencoder autoencoder = edit.Autoencoder;
        if (autoencoder.Normalisation != InputNormalisation.None)
        {
            throw new NotSupportedException(
                $"'{autoencoder.Path}': the autoencoder normalises its inputs, so what {SteeringMethods.NameOf(method)} adds is scaled by each "
                + $"token's own deviation; {Reader}; supported: a direction");
        }

        float[] values = new float[autoencoder.DIn];
        autoencoder.AddChange(edit.ConstantChange, new InputScale(0f, 1f), values);
        return new ControlVector(edit.Point, SteeringMethods.NameOf(method), values);
    }

    /// <summary>The direction of a topic's scores.</summary>
    /// <param name="point">The hook point of the autoencoder.</param>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="scores">The scores; gaps take no part.</param>
    /// <param name="norm">The vector's norm, above 0.</param>
    /// <exception cref="NotSupportedException">The hook point is none where a vector can be added.</exception>
    /// <exception cref="ArgumentException">The scores do not fit, or no score is above 0.</exception>
    public static ControlVector OfScores(
        HookPoint point, SparseAutoencoder autoencoder, LatentScores scores, float norm)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(scores);
        if (!(norm > 0f) || !float.IsFinite(norm))
        {
            throw new ArgumentOutOfRangeException(nameof(norm), norm, "expected a number above 0");
        }

        if (scores.Count != autoencoder.DSae)
        {
            throw new ArgumentException(
                $"{scores.Count} scores for an autoencoder of {autoencoder.DSae} latents; expected one a latent");
        }

        var latents = new SparseLatents();
        for (int latent = 0; latent < scores.Count; latent++)
        {
            if (scores.Supported[latent] && scores.Values[latent] > 0)
            {
                latents.Add(latent, (float)scores.Values[latent]);
            }
        }

        float[] values = new float[autoencoder.DIn];
        autoencoder.AddChange(latents, new InputScale(0f, 1f), values);
        double length = Math.Sqrt(values.Sum(value => (double)value * value));
        if (length > 0)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = (float)(values[i] * (norm / length));
            }
        }

        return new ControlVector(point, "direction", values);
    }

    /// <summary>
    /// Writes a GGUF control vector: general.architecture "controlvector", controlvector.model_hint,
    /// controlvector.layer_count, direction.N [dModel] in float32, and entries of our own that say what it is.
    /// </summary>
    /// <param name="path">The file; an existing one is replaced. Its folder must exist.</param>
    /// <param name="modelHint">The architecture of the model, as its GGUF calls it: gpt2, llama, gemma2, …</param>
    /// <param name="about">More entries, under <c>layersteer.</c>; null for none.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Write(string path, string modelHint, IReadOnlyDictionary<string, string>? about = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelHint);
        var entries = new List<(string, object)>
        {
            ("general.architecture", "controlvector"),
            ("controlvector.model_hint", modelHint),
            ("controlvector.layer_count", 1u),
            ("layersteer.operation", "add"),
            ("layersteer.method", Method),
            ("layersteer.hook_point", HookPoint.ResidualPost(Layer).ToString()),
            ("layersteer.positions", "all"),
        };
        entries.AddRange((about ?? new Dictionary<string, string>())
            .OrderBy(entry => entry.Key, StringComparer.Ordinal)
            .Select(entry => ("layersteer." + entry.Key, (object)entry.Value)));
        GgufWriter.Write(path, entries, [($"direction.{Layer}", _values)]);
    }

    /// <summary>The residual stream that enters a block is that which leaves the one before.</summary>
    private static int LayerOf(HookPoint point)
    {
        int layer = point.Kind switch
        {
            HookKind.ResidualPost => point.Layer,
            HookKind.ResidualPre => point.Layer - 1,
            _ => throw new NotSupportedException(
                $"the autoencoder sits at {point}; {Reader}; supported: hook_resid_post, hook_resid_pre"),
        };
        return layer >= 1
            ? layer
            : throw new NotSupportedException(
                $"the autoencoder sits at {point}; llama.cpp reads no direction for the output of block 0 and none "
                + "before it; supported: the output of blocks from 1 on");
    }
}
