using System.Runtime.InteropServices;
using LayerSteer.Cli;

using var cancellation = new CancellationTokenSource();
Terminal terminal = Terminal.OfProcess();

// The first Ctrl-C (or request to end) asks; what is under way ends at its next safe point. The second ends at once.
// A command that has a smaller thing to end than itself says so.
void Ask(PosixSignalContext signal)
{
    if (signal.Signal == PosixSignal.SIGINT && terminal.OnInterrupt is { } interrupt)
    {
        signal.Cancel = true;
        interrupt();
        return;
    }

    signal.Cancel = !cancellation.IsCancellationRequested;
    cancellation.Cancel();
}

using PosixSignalRegistration interrupts = PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask);
return await CommandLine.RunAsync(args, terminal, cancellation.Token);
