using System.Runtime.InteropServices;
using LayerSteer.Formats;

namespace LayerSteer.Training;

/// <summary>What the checkpoints of all training runs have in common: whose they are, and numbers kept exactly.</summary>
internal static class RunCheckpoint
{
    private const string RunEntry = "run";

    /// <summary>The header of a checkpoint, with more entries if there are any.</summary>
    /// <param name="run">All that decides the run.</param>
    public static Dictionary<string, string> HeaderOf(string run) => new() { [RunEntry] = run };

    /// <summary>Refuses the checkpoint of another run, by the first thing that differs.</summary>
    /// <param name="path">The file, for the message.</param>
    /// <param name="file">The checkpoint.</param>
    /// <param name="run">All that decides this run.</param>
    /// <exception cref="InvalidDataException">It is of another run.</exception>
    public static void RequireSameRun(string path, TensorFile file, string run)
    {
        string theirs = file.Values.GetValueOrDefault(RunEntry) as string ?? string.Empty;
        if (theirs != run)
        {
            throw new InvalidDataException(
                $"'{path}' is the checkpoint of another run: {FirstDifference(theirs, run)}; "
                + "give another --out, or the settings and texts of that run");
        }
    }

    /// <summary>Writes doubles by their bits, for tensors are read as float32.</summary>
    public static void Write(TensorWriter writer, string name, double[] values) =>
        writer.Add<long>(name, [values.Length], MemoryMarshal.Cast<double, long>(values));

    /// <summary>Reads what <see cref="Write"/> wrote; of a given length, if one is given.</summary>
    public static double[] ReadDoubles(TensorFile file, string name, int? length = null) =>
        MemoryMarshal.Cast<long, double>((ReadOnlySpan<long>)ReadLongs(file, name, length)).ToArray();

    /// <summary>Reads whole numbers; of a given length, if one is given.</summary>
    public static long[] ReadLongs(TensorFile file, string name, int? length = null)
    {
        StoredTensor tensor = file[name];
        if (length is { } expected)
        {
            tensor.ExpectShape(expected);
        }

        long[] values = new long[tensor.Length];
        tensor.ReadInt64(0, values);
        return values;
    }

    /// <summary>The first part of two descriptions that differs, as "theirs there, ours here".</summary>
    private static string FirstDifference(string theirs, string ours)
    {
        string[] a = theirs.Split(", ");
        string[] b = ours.Split(", ");
        int i = 0;
        while (i < a.Length && i < b.Length && a[i] == b[i])
        {
            i++;
        }

        return $"{Display.Name(i < a.Length ? a[i] : "nothing")} there, "
            + $"{Display.Name(i < b.Length ? b[i] : "nothing")} here";
    }
}
