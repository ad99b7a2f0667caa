namespace LayerSteer.Steering;

/// <summary>
/// What the edits of one sequence did. Written by the pass that owns the sequence; read it afterwards.
/// </summary>
public sealed class EditStatistics
{
    /// <summary>The number of edits: positions times layers.</summary>
    public int Edits { get; private set; }

    /// <summary>The mean of ‖x' − x‖ / ‖x‖ over the edits; 0 without edits.</summary>
    public double MeanRelativeChange => Edits == 0 ? 0 : _relativeChange / Edits;

    /// <summary>
    /// Of the summed activations of the unedited latents at the edited positions, the share on latents without a score:
    /// what the scores cannot speak for. Null if no latents were computed (clamp in corrected mode needs none) or none
    /// was active.
    /// </summary>
    public double? UnsupportedShare => _activation > 0 ? _unsupported / _activation : null;

    private double _relativeChange;
    private double _activation;
    private double _unsupported;

    internal void Count(double relativeChange)
    {
        Edits++;
        _relativeChange += relativeChange;
    }

    internal void CountActivation(float activation, bool supported)
    {
        _activation += activation;
        _unsupported += supported ? 0 : activation;
    }
}
