using System.Globalization;
using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// Makes the seed's three sets of a topic from a file of texts: train_20.csv, train_6.csv and test.csv, disjoint by
/// text, cleaned as the seed cleans them and shuffled the same way on every machine.
/// </summary>
public static class DatasetBuilder
{
    private static readonly string[] Removed = ["\n", ",", "Title:", "Review:", "Answer:"];

    /// <summary>
    /// Reads texts, cleans, shuffles and writes the three sets, in the layout of <see cref="TextTable.WriteCsv"/>.
    /// </summary>
    /// <param name="input">
    /// A file that <see cref="TextTable"/> reads, or a JSON array of questions with answer_matching_behavior (CAA).
    /// </param>
    /// <param name="folder">Where the three files go; created if it is not there.</param>
    /// <param name="options">Sizes and seed; null for the defaults.</param>
    /// <param name="testInput">Another file for the test set; null takes it from <paramref name="input"/>.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="InvalidDataException">A bad file, or too few texts; nothing is written.</exception>
    /// <exception cref="NotSupportedException">A file of another kind.</exception>
    public static DatasetReport Build(
        string input, string folder, DatasetOptions? options = null, string? testInput = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(input);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new DatasetOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Train, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.SmallTrain, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Test, 1, nameof(options));
        if (options.Train == options.SmallTrain)
        {
            throw new ArgumentException("the two alignment sets would have the same file name", nameof(options));
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        var generator = new SplitMix64(options.Seed);
        int train = options.Train + options.SmallTrain;
        Pool first = Shuffled(input, seen, ref generator);
        Require(input, first, testInput is null ? train + options.Test : train);
        Pool second = testInput is null
            ? new Pool(first.Texts[train..], 0, 0, 0)
            : Shuffled(testInput, seen, ref generator);
        Require(testInput ?? input, second, options.Test);

        Directory.CreateDirectory(folder);
        return new DatasetReport(
            Write(folder, TrainName(options.Train), first.Texts[..options.Train]),
            Write(folder, TrainName(options.SmallTrain), first.Texts[options.Train..train]),
            Write(folder, "test.csv", second.Texts[..options.Test]),
            first.Read + second.Read,
            first.Empty + second.Empty,
            first.Repeated + second.Repeated);
    }

    /// <summary>
    /// The seed's cleaning: "\n", ",", "Title:", "Review:" and "Answer:" are removed, with nothing in their place.
    /// </summary>
    /// <param name="text">A text.</param>
    /// <returns>The text without them.</returns>
    public static string Clean(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Removed.Aggregate(
            text, (rest, removed) => rest.Replace(removed, string.Empty, StringComparison.Ordinal));
    }

    private static Pool Shuffled(string path, HashSet<string> seen, ref SplitMix64 generator)
    {
        // The seed cleans a question with its answer of commas only; its lines are joined already.
        IReadOnlyList<string> texts = CaaFile.Is(path)
            ? [.. CaaFile.Read(path).Select(text => text.Replace(",", string.Empty, StringComparison.Ordinal))]
            : [.. TextTable.Read(path).Texts.Select(Clean)];
        int empty = texts.Count(string.IsNullOrWhiteSpace);
        string[] kept = [.. texts.Where(text => !string.IsNullOrWhiteSpace(text) && seen.Add(text))];
        generator.Shuffle<string>(kept);
        return new Pool(kept, texts.Count, empty, texts.Count - empty - kept.Length);
    }

    private static void Require(string path, Pool pool, int needed)
    {
        if (pool.Texts.Length < needed)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"'{path}': {pool.Texts.Length} different texts after cleaning, expected at least {needed}; ")
                + "ask for smaller sets");
        }
    }

    private static string TrainName(int count) => string.Create(CultureInfo.InvariantCulture, $"train_{count}.csv");

    private static string Write(string folder, string name, string[] texts)
    {
        string path = Path.Combine(folder, name);
        new TextTable(texts).WriteCsv(path);
        return path;
    }

    private readonly record struct Pool(string[] Texts, int Read, int Empty, int Repeated);
}
