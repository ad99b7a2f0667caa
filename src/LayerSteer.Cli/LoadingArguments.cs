using System.CommandLine;
using LayerSteer.Hub;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Cli;

/// <summary>The options of a command that loads weights: their type, and whether packed ones are kept.</summary>
internal sealed class LoadingArguments
{
    private readonly Option<WeightType?> _type = ValueOptions.Named(
        "--dtype",
        "Type of the model's weights in memory. Default: lossless, bf16 if they are stored so, otherwise f32.",
        [.. WeightTypes.Names.Select(name => (name, WeightTypes.Parse(name)))]);

    private readonly Option<bool> _noCache = new("--no-cache")
    {
        Description = "Leave the cache of packed weights and digests alone; `layersteer cache` shows it.",
    };

    private bool _noted;

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="loadsModel">Whether it loads a model, and not a sentence encoder alone.</param>
    public LoadingArguments(Command command, bool loadsModel = true)
    {
        if (loadsModel)
        {
            command.Options.Add(_type);
        }

        command.Options.Add(_noCache);
    }

    /// <summary>How to load. Of several files that cannot be kept, one note is printed.</summary>
    public LoadOptions Options(ParseResult parse, Terminal terminal, WorkerPool pool) => new()
    {
        Pool = pool,
        Type = parse.GetValue(_type),
        CacheFolder = parse.GetValue(_noCache) ? null : UserFolders.Cache,
        Note = text =>
        {
            if (!_noted)
            {
                terminal.Note(text);
            }

            _noted = true;
        },
    };
}
