namespace LayerSteer.Hub;

/// <summary>A failure of the network or the hub that may pass, so that it is worth trying again.</summary>
internal sealed class HubTransientException : IOException
{
    public HubTransientException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>How long the hub asks to wait; null if it does not say.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
