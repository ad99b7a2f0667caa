namespace LayerSteer.Cli;

/// <summary>Calls at once, on the reporting thread; <see cref="Progress{T}"/> would post and come late.</summary>
internal sealed class Relay<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
