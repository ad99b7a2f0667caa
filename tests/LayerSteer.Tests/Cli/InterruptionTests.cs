using System.Diagnostics;
using System.Globalization;
using System.Text;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>
/// A build that is cancelled or killed goes on where it was, and ends in the same scores to the byte.
/// </summary>
public sealed class InterruptionTests : IDisposable
{
    private const int Texts = 100;

    private readonly GoldenCase _golden = GoldenCase.Open("gpt2-topk");
    private readonly TempFolder _folder = new();
    private readonly string _references;

    public InterruptionTests()
    {
        string[] sentences =
            [.. File.ReadAllLines(_golden.References())[1..].Select(line => line[(line.IndexOf(',') + 1)..].Trim('"'))];
        var csv = new StringBuilder(",0\n");
        for (int i = 0; i < Texts; i++)
        {
            csv.Append(CultureInfo.InvariantCulture, $"{i},\"{sentences[i % sentences.Length]} Number {i}.\"\n");
        }

        _references = _folder.Write("references.csv", Encoding.UTF8.GetBytes(csv.ToString()));
    }

    public void Dispose()
    {
        _golden.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_cancelled_build_says_so_and_resumes_to_the_same_scores()
    {
        byte[] expected = await Scores("whole");
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        string index = _folder.File("cancelled");
        Task<CliRun> build =
            Task.Run(() => CliRun.Of(cancellation.Token, Build(index)), TestContext.Current.CancellationToken);
        await FirstPart(index);
        await cancellation.CancelAsync();
        CliRun cancelled = await build;
        Assert.Equal((130, string.Empty), (cancelled.Code, cancelled.Out));
        Assert.Equal(["cancelled"], cancelled.Errors);
        Assert.InRange(Parts(index), 1, (Texts / 32) + 1);
        Assert.Equal(expected, await Scores("cancelled"));
    }

    [Fact]
    public async Task A_build_killed_at_any_moment_resumes_to_the_same_scores()
    {
        byte[] expected = await Scores("whole");
        string index = _folder.File("killed");
        long start = Stopwatch.GetTimestamp();
        using (Process whole = ToolProcess.Start(Build(_folder.File("timed"))))
        {
            await whole.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, whole.ExitCode);
        }

        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        var random = new Random(7);
        for (int kill = 0; kill < 3; kill++)
        {
            using Process process = ToolProcess.Start(Build(index));
            await Task.Delay(
                (int)(milliseconds * (0.4 + (0.6 * random.NextDouble()))), TestContext.Current.CancellationToken);
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Assert.Equal(expected, await Scores("killed"));
        Assert.Empty(Directory.GetFileSystemEntries(index, ".tmp-*"));
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_ends_the_process_with_130_and_one_line(string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no signals");
        string index = _folder.File("signalled");
        using Process process = ToolProcess.Start(Build(index));
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await FirstPart(index);
        await ToolProcess.Signal(process, signal);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((130, string.Empty), (process.ExitCode, await output));
        Assert.Equal("error: cancelled", (await error).TrimEnd('\n').Split('\n')[^1]);
    }

    private string[] Build(string index)
    {
        string[] args = [.. _golden.Index(index), "--threads", "1"];
        args[Array.IndexOf(args, "--reference") + 1] = _references;
        return args;
    }

    /// <summary>The scores of an index, which is built first, or finished.</summary>
    private async Task<byte[]> Scores(string name)
    {
        await CliRun.Done(Build(_folder.File(name)));
        await CliRun.Done([.. _golden.Topic(_folder.File(name)), "--scores-out", _folder.File(name + ".csv")]);
        return await File.ReadAllBytesAsync(_folder.File(name + ".csv"), TestContext.Current.CancellationToken);
    }

    private static int Parts(string index) =>
        Directory.Exists(index) ? Directory.GetDirectories(index, "part-*").Length : 0;

    private static async Task FirstPart(string index)
    {
        while (Parts(index) == 0)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }
}
