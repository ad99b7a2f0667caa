using System.Text.Json;
using LayerSteer.Cli;
using Spectre.Console.Testing;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>One run of the command line in this process, with what it printed.</summary>
internal sealed record CliRun(int Code, string Out, string Notes)
{
    private const int OneLine = 1 << 16;

    static CliRun()
    {
        // Named topics and packed weights of a test must not land among the user's own.
        string home = Directory.CreateTempSubdirectory("layersteer-home-").FullName;
        Environment.SetEnvironmentVariable("LAYERSTEER_HOME", home);
        Environment.SetEnvironmentVariable("LAYERSTEER_CACHE", Cache = Path.Combine(home, "cache"));
        Environment.SetEnvironmentVariable("LAYERSTEER_POCKET", Pocket = Path.Combine(home, "pocket"));
        Environment.SetEnvironmentVariable("HF_HUB_CACHE", Path.Combine(home, "hub"));
        Environment.SetEnvironmentVariable("HF_HUB_OFFLINE", "1");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(home, recursive: true);
    }

    /// <summary>The cache folder of all runs.</summary>
    public static string Cache { get; }

    /// <summary>Where all runs look for the pocket model; <see cref="SamplePocket"/> puts one there.</summary>
    public static string Pocket { get; }

    /// <summary>The lines on stderr that begin with "error: ", without that.</summary>
    public string[] Errors => [.. Lines("error: ")];

    public string[] Warnings => [.. Lines("warning: ")];

    /// <summary>What a run that must succeed printed as JSON: one value, and nothing else on stdout.</summary>
    public JsonElement Json
    {
        get
        {
            Assert.True(Code == 0, $"exit code {Code}: {Notes}");
            using JsonDocument document = JsonDocument.Parse(Out);
            return document.RootElement.Clone();
        }
    }

    public static Task<CliRun> Of(params string[] args) => Of(TestContext.Current.CancellationToken, args);

    public static async Task<CliRun> Of(CancellationToken cancellation, params string[] args)
    {
        using var output = new StringWriter();
        using var tables = new TestConsole();
        using var notes = new TestConsole();
        tables.Width(OneLine);
        notes.Width(OneLine);
        int code = await CommandLine.RunAsync(args, new Terminal(output, () => tables, () => notes), cancellation);
        return new CliRun(code, output + tables.Output, notes.Output);
    }

    /// <summary>Runs what must succeed.</summary>
    public static async Task<CliRun> Done(params string[] args)
    {
        CliRun run = await Of(args);
        Assert.True(run.Code == 0, $"exit code {run.Code}: {run.Notes}");
        return run;
    }

    /// <summary>Runs what must be refused with exactly one line and nothing on stdout.</summary>
    public static async Task<string> Refused(int code, params string[] args)
    {
        CliRun run = await Of(args);
        Assert.Equal((code, string.Empty), (run.Code, run.Out));
        return Assert.Single(run.Errors);
    }

    private IEnumerable<string> Lines(string prefix) => Notes.Split('\n')
        .Where(line => line.StartsWith(prefix, StringComparison.Ordinal))
        .Select(line => line[prefix.Length..].TrimEnd());
}
