namespace LayerSteer.Training;

/// <summary>Checks of the options of training.</summary>
internal static class OptionRange
{
    /// <summary>Refuses a number that is out of range.</summary>
    /// <param name="holds">Whether it is in range.</param>
    /// <param name="name">The option.</param>
    /// <param name="value">Its value.</param>
    /// <param name="expected">What would do, in words that follow "expected".</param>
    /// <exception cref="ArgumentException">It is not in range; the message names option, value and range.</exception>
    public static void Require(bool holds, string name, double value, string expected)
    {
        if (!holds)
        {
            throw new ArgumentException(FormattableString.Invariant($"{name} is {value}, expected {expected}"));
        }
    }
}
