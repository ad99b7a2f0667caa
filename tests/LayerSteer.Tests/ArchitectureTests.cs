using System.Text.RegularExpressions;
using Xunit;

namespace LayerSteer.Tests;

public partial class ArchitectureTests
{
    /// <summary>From the ground up: a folder uses only those before it.</summary>
    private static readonly string[] Rooms =
    [
        "Numerics", "Formats", "Text", "Models", "Autoencoders", "Topics", "Steering", "Generation", "Evaluation",
        "Training", "Hub",
    ];

    [Fact]
    public void A_folder_uses_only_those_before_it()
    {
        var wrong = new List<string>();
        foreach ((string room, string file) in SourceFiles())
        {
            foreach (Match match in Reference().Matches(File.ReadAllText(file)))
            {
                string used = match.Groups["room"].Value;
                if (Array.IndexOf(Rooms, used) > Array.IndexOf(Rooms, room))
                {
                    wrong.Add($"{room}/{Path.GetFileName(file)} uses {used}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_folder_of_the_library_is_a_room_and_every_file_is_in_its_namespace()
    {
        foreach ((string room, string file) in SourceFiles())
        {
            Assert.Contains(room, Rooms);
            Assert.Contains($"\nnamespace LayerSteer.{room};\n", "\n" + File.ReadAllText(file));
        }
    }

    private static IEnumerable<(string Room, string File)> SourceFiles()
    {
        string library = Path.Combine(TestFiles.Root, "src", "LayerSteer");
        return Directory.EnumerateDirectories(library)
            .Where(folder => Path.GetFileName(folder) is not ("bin" or "obj"))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
                .Select(file => (Path.GetFileName(folder), file)));
    }

    /// <summary>A using directive, an alias or a full name.</summary>
    [GeneratedRegex(@"\bLayerSteer\.(?<room>[A-Z]\w*)")]
    private static partial Regex Reference();
}
