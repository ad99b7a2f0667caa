using System.CommandLine;
using LayerSteer.Formats;

namespace LayerSteer.Cli;

/// <summary>Checks of the files that a command will write, made before it computes anything.</summary>
internal static class OutputFiles
{
    /// <summary>Refuses files that cannot be created: nothing is done that could then not be kept.</summary>
    /// <param name="paths">The files; those not asked for are null.</param>
    /// <exception cref="IOException">A folder is not there, or the path is one.</exception>
    public static void Require(params ReadOnlySpan<string?> paths)
    {
        foreach (string? path in paths)
        {
            if (path is null)
            {
                continue;
            }

            string? folder = Path.GetDirectoryName(Path.GetFullPath(path));
            if (folder is not null && !Directory.Exists(folder))
            {
                throw new IOException($"'{path}': there is no folder '{folder}' to write it into");
            }

            if (Directory.Exists(path))
            {
                throw new IOException($"'{path}': is a folder, expected the name of a file to write");
            }
        }
    }

    /// <summary>Refuses a name that says no format of tensors.</summary>
    public static void RequireTensorName(Option<string> output) => output.Validators.Add(result =>
    {
        if (result.Tokens.Count == 1 && Path.GetExtension(result.Tokens[0].Value) is not (".npz" or ".safetensors"))
        {
            result.AddError(
                $"--out is '{result.Tokens[0].Value}', expected a name that ends in .npz or .safetensors");
        }
    });

    /// <summary>A writer of the format that the name says.</summary>
    public static TensorWriter Tensors(string path) =>
        Path.GetExtension(path) == ".npz" ? new NpzWriter(path) : new SafetensorsWriter(path);
}
