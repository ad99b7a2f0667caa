using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>The command line as a process of its own, for what only a process can show: signals and pipes.</summary>
internal static class ToolProcess
{
    /// <summary>The tool, built beside the tests.</summary>
    public static string Assembly { get; } = Path.Combine(AppContext.BaseDirectory, "LayerSteer.Cli.dll");

    /// <summary>The dotnet host that runs the tests.</summary>
    public static string Host { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));

    public static Process Start(params string[] args)
    {
        var start = new ProcessStartInfo(Host) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Assembly);
        Array.ForEach(args, start.ArgumentList.Add);
        return Process.Start(start)!;
    }

    /// <summary>Runs a bash script in which TOOL is the command line; returns what it printed.</summary>
    public static async Task<(int Code, string Out, string Error)> Bash(
        string script, params (string Name, string Value)[] variables)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || !File.Exists("/bin/bash"), "there is no /bin/bash");
        var start = new ProcessStartInfo("/bin/bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"TOOL() {{ '{Host}' '{Assembly}' \"$@\"; }}\n{script}");
        foreach ((string name, string value) in variables)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }

    /// <summary>Sends a signal by its name.</summary>
    public static async Task Signal(Process process, string name)
    {
        using Process kill = Process.Start("kill", ["-s", name, process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }
}
