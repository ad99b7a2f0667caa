using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace LayerSteer.Cli;

/// <summary>
/// Options whose values are read by us, so that a wrong one is refused while parsing, with a line that says what was
/// found and what is expected. The values are null where the option is not given and has no default.
/// </summary>
internal static class ValueOptions
{
    /// <summary>An option that is read by a function; its <see cref="ArgumentException"/> becomes the error.</summary>
    public static Option<T?> Parsed<T>(string name, string description, Func<string, T> read, params string[] aliases)
        where T : struct => new(name, aliases)
        {
            Description = description,
            Arity = ArgumentArity.ExactlyOne,
            CustomParser = result =>
            {
                try
                {
                    return result.Tokens.Count == 0 ? null : read(result.Tokens[^1].Value);
                }
                catch (ArgumentException e)
                {
                    result.AddError(e.Message);
                    return null;
                }
            },
        };

    /// <summary>A number, digits with a point in every locale.</summary>
    /// <param name="name">The option's name.</param>
    /// <param name="description">What it is.</param>
    /// <param name="expected">What <paramref name="accepts"/> accepts, in words that follow "expected".</param>
    /// <param name="accepts">Whether a number will do.</param>
    /// <param name="fallback">The default; shown by --help.</param>
    /// <param name="aliases">Other names.</param>
    public static Option<T?> Number<T>(
        string name, string description, string expected, Func<T, bool> accepts, T? fallback =
            null, params string[] aliases)
        where T : struct, INumberBase<T>
    {
        Option<T?> option = Parsed(
            name,
            description,
            text => T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out T number) && accepts(number)
                ? number
                : throw new ArgumentException($"{name} is '{text}', expected {expected}"),
            aliases);
        option.HelpName = "number";
        if (fallback is not null)
        {
            option.DefaultValueFactory = _ => fallback;
        }

        return option;
    }

    /// <summary>One of several names, in any case.</summary>
    public static Option<T?> Named<T>(string name, string description, params (string Name, T Value)[] values)
        where T : struct
    {
        string[] names = [.. values.Select(value => value.Name)];
        Option<T?> option = Parsed(name, description, text =>
        {
            int at = Array.FindIndex(names, known => known.Equals(text, StringComparison.OrdinalIgnoreCase));
            return at >= 0
                ? values[at].Value
                : throw new ArgumentException($"{name} is '{text}'; there are {string.Join(", ", names)}");
        });
        option.HelpName = string.Join('|', names);
        option.CompletionSources.Clear();
        option.CompletionSources.Add(names);
        return option;
    }

    /// <summary>Numbers separated by commas; the option may also be given several times.</summary>
    public static Option<int[]> WholeNumbers(
        string name, string description, string expected, params string[] aliases) => new(name, aliases)
        {
            Description = description,
            HelpName = "n,n,…",
            Arity = ArgumentArity.OneOrMore,
            CustomParser = result =>
            {
                var numbers = new List<int>();
                foreach (string part in result.Tokens.SelectMany(token => token.Value.Split(',')))
                {
                    if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                    {
                        string given = string.Join(',', result.Tokens.Select(token => token.Value));
                        result.AddError($"{name} is '{given}', expected {expected}");
                        return [];
                    }

                    numbers.Add(number);
                }

                return [.. numbers];
            },
        };

    /// <summary>
    /// Paths separated by commas; the option may also be given several times. A path that exists is not split.
    /// </summary>
    public static Option<string[]> Paths(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "path",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result =>
        [
            .. result.Tokens.SelectMany(token => Path.Exists(token.Value)
                ? [token.Value]
                : token.Value.Split(',', StringSplitOptions.RemoveEmptyEntries)),
        ],
    };

    /// <summary>A path that must be given.</summary>
    public static Option<string> RequiredPath(
        string name, string description, params string[] aliases) => new(name, aliases)
        {
            Description = description,
            HelpName = "path",
            Required = true,
        };
}
