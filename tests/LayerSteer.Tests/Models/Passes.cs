using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Tests.Models;

/// <summary>Short ways to run token ids through a decoder.</summary>
internal static class Passes
{
    /// <summary>Logits of all positions, [tokens, vocabulary]; the ids are read at once or in these blocks.</summary>
    public static float[] Logits(Decoder decoder, int[] ids, HookSet? hooks = null, IEnumerable<int>? blocks = null)
    {
        int[] sizes = [.. blocks ?? [ids.Length]];
        using DecoderRun run = decoder.CreateRun(sizes.Max());
        using KvCache cache = decoder.CreateCache(ids.Length);
        var logits = new List<float>();
        int start = 0;
        foreach (int size in sizes)
        {
            run.Forward([new SequenceBlock(cache, ids.AsMemory(start, size))], hooks, LogitRows.All);
            start += size;
            for (int row = 0; row < run.LogitCount; row++)
            {
                logits.AddRange(run.Logits(row));
            }
        }

        return [.. logits];
    }

    /// <summary>The values of a hook point at all positions of one pass, [tokens, width].</summary>
    public static float[] Values(
        Decoder decoder, int[] ids, HookPoint point, HookSet? hooks = null, int? lastLayer = null)
    {
        float[] values = [];
        HookSet all = new HookSet().Add(hooks).Add(point, rows => values = rows.Values.ToArray());
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(ids.Length, lastLayer);
        run.Forward([new SequenceBlock(cache, ids)], all, lastLayer is null ? LogitRows.All : LogitRows.None);
        return values;
    }

    /// <summary>The keys and then the values of all layers, heads and positions that a cache holds.</summary>
    public static unsafe float[] Held(KvCache cache)
    {
        int dHead = AttentionKernel.Padded(cache.Spec.DHead);
        var keys = new List<float>();
        var values = new List<float>();
        for (int layer = 0; layer < cache.Layers; layer++)
        {
            AttentionRow row = cache.Row(layer, cache.Length);
            for (int head = 0; head < cache.Spec.NKeyValueHeads; head++)
            {
                int start = head * cache.Capacity * dHead;
                keys.AddRange(new ReadOnlySpan<float>(row.Keys + start, cache.Length * dHead));
                values.AddRange(new ReadOnlySpan<float>(row.Values + start, cache.Length * dHead));
            }
        }

        return [.. keys, .. values];
    }

    /// <summary>Sizes from 1 to <paramref name="largest"/> that add up to <paramref name="total"/>.</summary>
    public static int[] Cut(int total, int largest, ulong seed)
    {
        var generator = new SplitMix64(seed);
        var sizes = new List<int>();
        for (int left = total; left > 0; left -= sizes[^1])
        {
            sizes.Add(1 + generator.NextInt(Math.Min(left, largest)));
        }

        return [.. sizes];
    }
}
