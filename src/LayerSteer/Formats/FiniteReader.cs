using LayerSteer.Numerics;

namespace LayerSteer.Formats;

/// <summary>Reads weights and refuses NaN and infinity as they pass.</summary>
internal static class FiniteReader
{
    /// <summary>A reader of a tensor's elements that throws <see cref="InvalidDataException"/> at one that is not finite.</summary>
    public static ElementReader Of(StoredTensor tensor) => (start, destination) =>
    {
        tensor.Read(start, destination);
        if (StatisticsKernel.AllFinite(destination))
        {
            return;
        }

        int bad = 0;
        while (float.IsFinite(destination[bad]))
        {
            bad++;
        }

        throw new InvalidDataException(
            $"'{tensor.File}': tensor {tensor.Name} holds {destination[bad]} at element {start + bad}, expected finite numbers");
    };
}
