using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>
/// The edits of a sequence: one for each steered layer, checked against the model before any text is generated.
/// Immutable; thread-safe; does not own the autoencoders.
/// </summary>
public sealed class SteeringPlan
{
    /// <summary>Joins edits to a model.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="options">How to steer; the same for all edits.</param>
    /// <param name="edits">
    /// The edits, at different hook points; none is needed when <see cref="SteeringOptions.IsIdentity"/>.
    /// </param>
    /// <param name="specialTokens">The ids of special tokens, whose positions the default policy leaves alone.</param>
    /// <exception cref="ArgumentException">
    /// An edit does not fit the model: its layer, or the width of its autoencoder.
    /// </exception>
    public SteeringPlan(
        ArchitectureSpec spec, SteeringOptions options, IReadOnlyList<LayerEdit> edits, IEnumerable<int> specialTokens)
        : this(spec, options, edits, specialTokens, elsewhere: false)
    {
    }

    private SteeringPlan(
        ArchitectureSpec spec,
        SteeringOptions options,
        IReadOnlyList<LayerEdit> edits,
        IEnumerable<int> specialTokens,
        bool elsewhere)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(edits);
        options.Validate();
        foreach (LayerEdit edit in edits)
        {
            if (!elsewhere)
            {
                edit.Autoencoder.RequireFits(spec, edit.Point);
            }
            else if (edit.Point.WidthIn(spec) != edit.Autoencoder.DIn)
            {
                throw new ArgumentException($"{edit.Point} has another width than the autoencoder's {edit.Autoencoder.DIn}");
            }
        }

        if (edits.Select(edit => edit.Point).Distinct().Count() != edits.Count)
        {
            throw new ArgumentException("two edits at one hook point; expected each once");
        }

        if (edits.Count == 0 && !options.IsIdentity)
        {
            throw new ArgumentException(
                $"method {SteeringMethods.NameOf(options.Method)} needs a layer and an autoencoder");
        }

        Spec = spec;
        Options = options;
        Edits = [.. edits];
        SpecialTokens = specialTokens.ToHashSet();
        LayersBeforeEdits = options.IsIdentity ? spec.NLayers : edits.Min(WholeLayersBefore);
    }

    /// <summary>The model that it was checked against.</summary>
    public ArchitectureSpec Spec { get; }

    /// <summary>How to steer.</summary>
    public SteeringOptions Options { get; }

    /// <summary>The edits.</summary>
    public IReadOnlyList<LayerEdit> Edits { get; }

    /// <summary>The ids of special tokens.</summary>
    public IReadOnlySet<int> SpecialTokens { get; }

    /// <summary>
    /// How many of the model's first layers are whole before anything is edited: what they compute is that of the
    /// unsteered model. An edit of the residual stream leaving a layer is after it; with no edit it is every layer.
    /// </summary>
    public int LayersBeforeEdits { get; }

    /// <summary>
    /// A plan whose edits are where their autoencoders were not trained: the control for edits that are where they were.
    /// </summary>
    internal static SteeringPlan Elsewhere(
        ArchitectureSpec spec, SteeringOptions options, IReadOnlyList<LayerEdit> edits, IEnumerable<int> specialTokens) =>
        new(spec, options, edits, specialTokens, elsewhere: true);

    private static int WholeLayersBefore(LayerEdit edit) =>
        edit.Point.Kind == HookKind.ResidualPost ? edit.Point.Layer + 1 : edit.Point.Layer;
}
