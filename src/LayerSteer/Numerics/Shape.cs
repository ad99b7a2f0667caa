using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>Guards the kernels' borders: inside, pointers trust the shapes.</summary>
internal static class Shape
{
    /// <exception cref="ArgumentException">
    /// The condition does not hold; a fault of the calling code, not of user data.
    /// </exception>
    public static void Require(bool condition, [CallerArgumentExpression(nameof(condition))] string expression = "")
    {
        if (!condition)
        {
            throw new ArgumentException($"shapes do not fit: {expression}");
        }
    }
}
