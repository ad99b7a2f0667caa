namespace LayerSteer.Models;

/// <summary>Reads or edits the values of one hook point for the rows of one pass.</summary>
/// <param name="rows">The rows; valid during the call only.</param>
public delegate void HookAction(HookRows rows);

/// <summary>
/// The values of a hook point for the rows of a pass: one row a token, rows of several sequences side by side.
/// </summary>
public readonly ref struct HookRows
{
    /// <summary>The values, [rows, width], row-major. Writing changes what the model computes from here on.</summary>
    public required Span<float> Values { get; init; }

    /// <summary>The number of values of a row.</summary>
    public required int Width { get; init; }

    /// <summary>For each row, the index of its sequence among those of the pass, [rows].</summary>
    public required ReadOnlySpan<int> Sequences { get; init; }

    /// <summary>For each row, its position in its sequence, from 0, [rows].</summary>
    public required ReadOnlySpan<int> Positions { get; init; }

    /// <summary>For each row, its token id, [rows].</summary>
    public required ReadOnlySpan<int> Tokens { get; init; }

    /// <summary>The number of rows.</summary>
    public int Count => Positions.Length;

    /// <summary>The values of one row, [width].</summary>
    public Span<float> this[int row] => Values.Slice(row * Width, Width);
}

/// <summary>
/// Actions by hook point. Several at one point run in the order in which they were added. Build it before the passes;
/// reading is thread-safe, but an action runs on the thread of the pass that called it.
/// </summary>
public sealed class HookSet
{
    private readonly List<(HookPoint Point, HookAction Action)> _actions = [];

    /// <summary>Adds an action.</summary>
    /// <returns>This set.</returns>
    public HookSet Add(HookPoint point, HookAction action)
    {
        ArgumentNullException.ThrowIfNull(action);
        _actions.Add((point, action));
        return this;
    }

    /// <summary>Adds the actions of another set after those of this one.</summary>
    /// <returns>This set.</returns>
    public HookSet Add(HookSet? others)
    {
        _actions.AddRange(others?._actions ?? []);
        return this;
    }

    /// <summary>Refuses a hook point that a pass over the first layers of a model does not come by.</summary>
    internal void RequireReached(ArchitectureSpec spec, int layers)
    {
        foreach ((HookPoint point, _) in _actions)
        {
            point.RequireExists(spec);
            bool exists = point.HasLayer ? point.Layer >= 0 && point.Layer < spec.NLayers : point.Layer == -1;
            if (!exists)
            {
                throw new ArgumentException(
                    point.HasLayer
                        ? $"no hook point '{point}'; this model has layers 0 to {spec.NLayers - 1}"
                        : $"hook point '{point}' belongs to no layer; expected -1, found {point.Layer}");
            }

            if (point.HasLayer ? point.Layer >= layers : point.Kind == HookKind.FinalNorm && layers < spec.NLayers)
            {
                throw new ArgumentException($"the pass ends after layer {layers - 1} and does not reach '{point}'");
            }
        }
    }

    internal bool Has(HookPoint point)
    {
        foreach ((HookPoint known, _) in _actions)
        {
            if (known == point)
            {
                return true;
            }
        }

        return false;
    }

    internal void Run(HookPoint point, HookRows rows)
    {
        foreach ((HookPoint known, HookAction action) in _actions)
        {
            if (known == point)
            {
                action(rows);
            }
        }
    }
}
