using System.Runtime.InteropServices;
using LayerSteer.Cli;

using var cancellation = new CancellationTokenSource();

// The first Ctrl-C (or request to end) asks; what is under way ends at its next safe point. The second ends at once.
void Ask(PosixSignalContext signal)
{
    signal.Cancel = !cancellation.IsCancellationRequested;
    cancellation.Cancel();
}

using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask);
return await CommandLine.RunAsync(args, Terminal.OfProcess(), cancellation.Token);
