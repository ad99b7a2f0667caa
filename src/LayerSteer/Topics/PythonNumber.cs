using System.Globalization;

namespace LayerSteer.Topics;

/// <summary>
/// Numbers as Python's repr and numpy's str write them: the shortest digits that read back to the same bits, in
/// scientific form below 1e-4 and from 1e16, with at least two digits of exponent and ".0" on whole numbers.
/// </summary>
internal static class PythonNumber
{
    // .NET 10's shortest form of some powers of two (2^-25) reads back as their lower neighbour: there, all digits.
    public static string Format(double value)
    {
        if (!double.IsFinite(value))
        {
            return NotFinite(value);
        }
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        return Layout(double.Parse(shortest, CultureInfo.InvariantCulture) == value
            ? shortest
            : value.ToString("E16", CultureInfo.InvariantCulture));
    }

    public static string Format(float value)
    {
        if (!float.IsFinite(value))
        {
            return NotFinite(value);
        }
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        return Layout(float.Parse(shortest, CultureInfo.InvariantCulture) == value
            ? shortest
            : value.ToString("E8", CultureInfo.InvariantCulture));
    }

    private static string NotFinite(double value) => double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";

    // .NET finds the shortest digits; only its layout of them (1E-05, 1E+16, 2) differs from Python's.
    private static string Layout(string dotnet)
    {
        string sign = dotnet[0] == '-' ? "-" : string.Empty;
        string[] parts = dotnet[sign.Length..].Split('E');
        int dot = parts[0].IndexOf('.', StringComparison.Ordinal);
        int point = (dot < 0 ? parts[0].Length : dot)
            + (parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        string all = parts[0].Replace(".", string.Empty, StringComparison.Ordinal);
        string significant = all.TrimStart('0');
        point -= all.Length - significant.Length;
        string digits = significant.TrimEnd('0');
        if (digits.Length == 0)
        {
            return sign + "0.0";
        }

        int exponent = point - 1;
        if (exponent < -4 || exponent >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : string.Empty;
            string power = Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture);
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{power}";
        }
        if (point <= 0)
        {
            return sign + "0." + new string('0', -point) + digits;
        }
        return point >= digits.Length
            ? sign + digits.PadRight(point, '0') + ".0"
            : sign + digits[..point] + "." + digits[point..];
    }
}
