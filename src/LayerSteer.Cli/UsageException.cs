namespace LayerSteer.Cli;

/// <summary>
/// Options that are right one by one and wrong together; <see cref="CommandLine"/> reports it as it does a parse error.
/// </summary>
internal sealed class UsageException(string message) : Exception(message);
