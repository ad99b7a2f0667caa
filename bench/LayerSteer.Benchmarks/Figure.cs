using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>One line of a benchmark: times of alternating rounds beside their floor in the same round.</summary>
internal sealed record Figure(string Name, WeightType Type, int Threads, int Batch, int Context)
{
    /// <summary>Milliseconds a token.</summary>
    public Measured Time { get; } = new();

    /// <summary>The least milliseconds a token could take at what the machine did in the same round.</summary>
    public Measured Floor { get; } = new();

    /// <summary>Time over floor, round by round.</summary>
    public Measured Ratio { get; } = new();

    public void Add(double milliseconds, double floor)
    {
        Time.Add(milliseconds);
        Floor.Add(floor);
        Ratio.Add(milliseconds / floor);
    }

    /// <summary>Prints medians: a table with the range of the ratio, or an array for machines.</summary>
    public static void Print(IReadOnlyList<Figure> figures, bool json)
    {
        if (json)
        {
            var array = new JsonArray();
            foreach (Figure figure in figures)
            {
                array.Add(new JsonObject
                {
                    ["name"] = figure.Name,
                    ["dtype"] = WeightTypes.NameOf(figure.Type),
                    ["threads"] = figure.Threads,
                    ["batch"] = figure.Batch,
                    ["context"] = figure.Context,
                    ["ms_per_token"] = Math.Round(figure.Time.Median, 4),
                    ["floor_ms"] = Math.Round(figure.Floor.Median, 4),
                    ["ratio"] = Math.Round(figure.Ratio.Median, 4),
                });
            }

            Console.WriteLine(array.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
            return;
        }

        Console.WriteLine($"{Measured.Machine}; medians, in brackets the least and the most");
        Console.WriteLine("name       dtype threads batch context   ms/token      floor  ratio");
        foreach (Figure f in figures)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{f.Name,-10} {WeightTypes.NameOf(f.Type),-5} {f.Threads,7} {f.Batch,5} {f.Context,7} "
                + $"{f.Time.Median,10:F3} {f.Floor.Median,10:F3}  {f.Ratio}"));
        }
    }
}
