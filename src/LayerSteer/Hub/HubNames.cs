using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>
/// What names mean: short names of models and encoders (<see cref="KnownModels"/>), names of autoencoders
/// (<see cref="KnownSaes"/>), <c>org/name</c>, and <c>hf://org/name/path@revision</c>. A revision may follow any name
/// after '@'. Nothing is read or fetched.
/// </summary>
public static class HubNames
{
    private const string Scheme = "hf://";
    private const int Longest = 1024;

    /// <summary>
    /// Whether a text is written as a path of this machine, so that it is no name even if nothing is there.
    /// </summary>
    /// <param name="text">The text.</param>
    public static bool IsPath(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return !text.StartsWith(Scheme, StringComparison.Ordinal) && (text.Length == 0 || text[0] is '/' or '.' or '~'
            || Path.IsPathRooted(text) || text.Contains('\\', StringComparison.Ordinal)
            || text.EndsWith('/')
            || Path.GetExtension(text) is ".safetensors" or ".npz" or ".pt" or ".pth" or ".bin");
    }

    /// <summary>What a name stands for.</summary>
    /// <param name="name">The name.</param>
    /// <param name="kind">What it must be; null if it may be anything.</param>
    /// <exception cref="ArgumentException">The name is not known and cannot be that of a repository.</exception>
    /// <exception cref="NotSupportedException">It is known, and is a transcoder.</exception>
    public static HubTarget Resolve(string name, HubKind? kind = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length > Longest)
        {
            throw new ArgumentException($"a name of {name.Length} characters; expected at most {Longest}");
        }

        if (name.StartsWith(Scheme, StringComparison.Ordinal))
        {
            return OfAddress(name, kind);
        }

        int at = name.LastIndexOf('@');
        string bare = at > 0 ? name[..at] : name;
        string? revision = at > 0 ? name[(at + 1)..] : null;
        if (kind is null or HubKind.Autoencoder && KnownSaes.Find(bare) is { } sae)
        {
            return OfSae(name, sae, revision);
        }

        if (KnownModels.Find(bare) is { } model && (kind is null || kind == model.Kind))
        {
            return new HubTarget
            {
                Name = name,
                Kind = model.Kind,
                Repository = HubRepository.Parse(model.Repository, revision),
                Aliases = [.. model.Aliases.Select(alias => HubRepository.Parse(alias, revision))],
            };
        }

        bool couldBeRepository = bare.Count(c => c == '/') == 1 && HubRepository.IsName(bare);
        if (!couldBeRepository || (kind is null or HubKind.Autoencoder && KnownSaes.BeginsAsKnown(bare)))
        {
            throw Unknown(name, kind);
        }

        return new HubTarget { Name = name, Kind = kind, Repository = HubRepository.Parse(bare, revision) };
    }

    /// <summary>The known names nearest to one; three at most.</summary>
    /// <param name="name">The name.</param>
    /// <param name="kind">What is meant; null for anything.</param>
    public static IReadOnlyList<string> Nearest(string name, HubKind? kind = null)
    {
        IEnumerable<string> models = KnownModels.All
            .Where(model => kind is null || model.Kind == kind)
            .SelectMany(model => model.Names.Append(model.Repository));
        return NearestNames.Of(name, kind switch
        {
            HubKind.Autoencoder => KnownSaes.NamesNear(name),
            null => models.Concat(KnownSaes.NamesNear(name)),
            _ => models,
        });
    }

    /// <summary>A path in front of which a revision may stand as well as behind it: both are written.</summary>
    private static HubTarget OfAddress(string name, HubKind? kind)
    {
        string[] parts = name[Scheme.Length..].TrimEnd('/').Split('/');
        string? revision = null;
        for (int i = 0; i < parts.Length; i++)
        {
            int at = parts[i].LastIndexOf('@');
            if (at > 0 && revision is null && (i == 1 || i == parts.Length - 1))
            {
                revision = parts[i][(at + 1)..];
                parts[i] = parts[i][..at];
            }
        }

        string path = string.Join('/', parts.Skip(2));
        if (parts.Length < 2 || (path.Length > 0 && !HubFileName.IsSafe(path)))
        {
            throw new ArgumentException($"'{Display.Name(name)}' is not an address; expected hf://org/name/path@revision");
        }

        HubRepository repository = HubRepository.Parse($"{parts[0]}/{parts[1]}", revision);
        if (path.Length == 0 && Resolve(repository.ToString(), kind) is { } whole)
        {
            return whole with { Name = name };
        }

        if (kind is HubKind.Model or HubKind.Encoder)
        {
            throw new ArgumentException($"'{Display.Name(name)}' has a path; models and encoders are whole repositories");
        }

        return KnownSaes.FindPath(repository.Name, path) is { } sae
            ? OfSae(name, sae, revision)
            : new HubTarget { Name = name, Kind = HubKind.Autoencoder, Repository = repository, Path = path };
    }

    private static HubTarget OfSae(string name, KnownSae sae, string? revision)
    {
        if (sae.IsTranscoder)
        {
            throw new NotSupportedException(
                $"'{name}' is a transcoder: it reads at one place and writes at another, so it cannot stand at one "
                + "hook point; take an autoencoder, such as "
                + string.Join(" or ", KnownSaes.OfModel(sae.Model).DefaultIfEmpty("gpt2-small-res-jb")));
        }

        return new HubTarget
        {
            Name = name,
            Kind = HubKind.Autoencoder,
            Repository = HubRepository.Parse(sae.Repository, revision),
            Path = sae.Path,
            HookPoint = sae.HookPoint,
            ModelName = sae.Model,
        };
    }

    private static ArgumentException Unknown(string name, HubKind? kind)
    {
        string what = kind switch
        {
            HubKind.Model => "model",
            HubKind.Autoencoder => "autoencoder",
            HubKind.Encoder => "sentence encoder",
            _ => "model, autoencoder or sentence encoder",
        };
        return new ArgumentException(
            $"no {what} '{Display.Name(name)}': there is no such path, and of the known names the nearest are "
            + $"{string.Join(", ", Nearest(name, kind))}; others are hf://org/name"
            + (kind is HubKind.Model or HubKind.Encoder ? string.Empty : "/path"));
    }
}
