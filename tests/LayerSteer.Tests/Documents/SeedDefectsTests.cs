using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace LayerSteer.Tests.Documents;

public sealed partial class SeedDefectsTests
{
    [Fact]
    public void Every_defect_has_a_row_and_every_test_that_is_named_exists()
    {
        HashSet<string> tests = [.. typeof(SeedDefectsTests).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods())
            .Where(method => method.GetCustomAttribute<FactAttribute>() is not null)
            .Select(method => method.Name)];
        string[] rows = [.. File.ReadLines(Path.Combine(TestFiles.Root, "docs", "seed-defects.md"))
            .Where(line => Row().IsMatch(line))];
        Assert.Equal(Enumerable.Range(1, 25), rows.Select(row => int.Parse(row.Split('|')[1], provider: null)));
        foreach (string row in rows)
        {
            string[] named = [.. TestName().Matches(row.Split('|')[^2]).Select(match => match.Groups[1].Value)];
            Assert.NotEmpty(named);
            Assert.All(named, name => Assert.Contains(name, tests));
        }
    }

    [GeneratedRegex(@"^\| \d+ \|")]
    private static partial Regex Row();

    [GeneratedRegex("`([A-Z][A-Za-z0-9_]+)`")]
    private static partial Regex TestName();
}
