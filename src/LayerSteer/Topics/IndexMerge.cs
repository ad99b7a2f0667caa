using LayerSteer.Formats;

namespace LayerSteer.Topics;

/// <summary>Joins two indexes part by part, so that only one part is in memory at a time.</summary>
internal static class IndexMerge
{
    public static void Run(string first, string second, string output)
    {
        ArgumentException.ThrowIfNullOrEmpty(first);
        ArgumentException.ThrowIfNullOrEmpty(second);
        ArgumentException.ThrowIfNullOrEmpty(output);
        if (Path.Exists(output))
        {
            throw new IOException($"'{output}' exists; merge into a new folder");
        }
        IndexManifest a = IndexManifest.Read(first);
        IndexManifest b = IndexManifest.Read(second);
        if (a.FirstDifference(b) is (string field, string mine, string other))
        {
            throw new InvalidDataException($"'{second}': {field} is {other}, expected {mine} as in '{first}'");
        }

        bool oneList = a.Reference.Digest == b.Reference.Digest;
        if (oneList)
        {
            CheckDisjoint(first, a, second, b);
        }
        else
        {
            CheckWhole(first, a, second);
            CheckWhole(second, b, first);
        }

        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        string parent = Path.GetDirectoryName(full)!;
        Directory.CreateDirectory(parent);
        string temporary = Path.Combine(parent, AtomicFile.TemporaryPrefix + Path.GetFileName(full));
        if (Directory.Exists(temporary))
        {
            Directory.Delete(temporary, recursive: true);
        }
        Directory.CreateDirectory(temporary);
        try
        {
            int offset = oneList ? 0 : a.Reference.Count;
            var digests = new SortedDictionary<int, string>();
            CopyParts(first, a, 0, temporary, digests);
            CopyParts(second, b, offset, temporary, digests);
            Joined(a, b, oneList, digests).Write(temporary);
            Directory.Move(temporary, full);
        }
        catch
        {
            Directory.Delete(temporary, recursive: true);
            throw;
        }
    }

    private static void CheckDisjoint(string first, IndexManifest a, string second, IndexManifest b)
    {
        if (a.Reference.Count != b.Reference.Count)
        {
            throw new InvalidDataException(
                $"'{second}': reference.count is {b.Reference.Count}, expected {a.Reference.Count} as in '{first}'");
        }
        foreach (IdRange range in a.Ids)
        {
            foreach (IdRange other in b.Ids)
            {
                int doubled = Math.Max(range.First, other.First);
                if (doubled < Math.Min(range.End, other.End))
                {
                    throw new InvalidDataException($"'{second}': prompt {doubled} is in '{first}' as well");
                }
            }
        }
    }

    private static void CheckWhole(string folder, IndexManifest manifest, string other)
    {
        if (!manifest.IsWholeList)
        {
            throw new InvalidDataException(
                $"'{folder}' holds {manifest.PromptCount} of the {manifest.Reference.Count} prompts of its list "
                + $"and '{other}' is of another list; merge the shards of each list first");
        }
    }

    private static void CopyParts(
        string folder, IndexManifest manifest, int offset, string output, SortedDictionary<int, string> digests)
    {
        var own = new SortedDictionary<int, string>();
        foreach (IndexPart part in IndexPartReader.ReadAll(folder, manifest, allowUnfinished: false))
        {
            part.Shifted(offset).Write(output);
            for (int p = 0; p < part.Ids.Length; p++)
            {
                own.Add(part.Ids[p], part.Digests[p]);
                digests.Add(part.Ids[p] + offset, part.Digests[p]);
            }
        }
        if (manifest.IsWholeList)
        {
            ReferenceIndex.CheckListDigest(folder, manifest, own.Values);
        }
    }

    private static IndexManifest Joined(
        IndexManifest a, IndexManifest b, bool oneList, SortedDictionary<int, string> digests)
    {
        string paths = $"{a.Reference.Path} + {b.Reference.Path}";
        return a with
        {
            ToolVersion = IndexManifest.CurrentToolVersion,
            Created = a.Created > b.Created ? a.Created : b.Created,
            Ids = IdRange.Joined(oneList ? a.Ids.Concat(b.Ids) : [new IdRange(0, digests.Count)]),
            Reference = oneList
                ? a.Reference
                : new ReferenceSource(paths, ReferenceSource.DigestOf(digests.Values), digests.Count),
        };
    }
}
