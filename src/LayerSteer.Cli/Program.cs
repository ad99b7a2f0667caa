using LayerSteer.Cli;

using var cancellation = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    // The first Ctrl-C asks; what is under way ends at its next safe point. The second ends the process at once.
    pressed.Cancel = !cancellation.IsCancellationRequested;
    cancellation.Cancel();
};
return await CommandLine.RunAsync(args, Terminal.OfProcess(), cancellation.Token);
