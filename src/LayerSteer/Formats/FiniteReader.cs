using LayerSteer.Numerics;

namespace LayerSteer.Formats;

/// <summary>Reads weights and refuses NaN and infinity as they pass.</summary>
internal static class FiniteReader
{
    /// <summary>
    /// A reader of a tensor's elements that throws <see cref="InvalidDataException"/> at one that is not finite.
    /// </summary>
    /// <exception cref="InvalidDataException">The elements are integers or bool, which no weights are.</exception>
    public static ElementReader Of(StoredTensor tensor)
    {
        if (!tensor.Type.IsFloat())
        {
            throw new InvalidDataException(
                $"'{tensor.File}': tensor {tensor.Name} is {tensor.Type}, expected F16, BF16, F32 or F64");
        }

        return (start, destination) =>
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
                $"'{tensor.File}': tensor {tensor.Name} holds {destination[bad]} at element {start + bad}, "
                + "expected finite numbers");
        };
    }
}
