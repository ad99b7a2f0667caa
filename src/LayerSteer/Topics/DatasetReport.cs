namespace LayerSteer.Topics;

/// <summary>What <see cref="DatasetBuilder"/> wrote and what it left out.</summary>
/// <param name="TrainPath">The larger alignment set.</param>
/// <param name="SmallTrainPath">The smaller alignment set.</param>
/// <param name="TestPath">The test set.</param>
/// <param name="Texts">How many texts were read.</param>
/// <param name="Empty">How many of them had nothing left after cleaning.</param>
/// <param name="Repeated">How many were equal to an earlier one after cleaning.</param>
public sealed record DatasetReport(
    string TrainPath, string SmallTrainPath, string TestPath, int Texts, int Empty, int Repeated);
