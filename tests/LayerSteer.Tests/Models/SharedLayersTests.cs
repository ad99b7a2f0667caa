using LayerSteer.Models;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>Sequences that are the same so far run shared layers once and have the bits of passes alone.</summary>
public sealed class SharedLayersTests : IDisposable
{
    private const int Sequences = 3;

    private static readonly int[] Ids = TinyModel.Ids(1, 13);

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly DecoderRun _run;
    private readonly KvCache[] _caches;

    public SharedLayersTests()
    {
        _decoder = _tiny.Load();
        _run = _decoder.CreateRun();

        // Capacities differ, so that keys lie elsewhere in each.
        _caches = [.. Enumerable.Range(0, Sequences).Select(i => _decoder.CreateCache(TinyModel.Context - i))];
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>How many layers are shared, and how many rows a pass has.</summary>
    public static TheoryData<int, int> Cases => new MatrixTheoryData<int, int>(
        Enumerable.Range(0, TinyModel.Layers + 1), [Sequences, 4 * Sequences, DecoderRun.DefaultRows]);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Logits_keys_and_values_are_those_of_passes_alone(int sharedLayers, int maxRows)
    {
        using DecoderRun run = _decoder.CreateRun(maxRows);
        var logits = new List<float>[Sequences];
        for (int i = 0; i < Sequences; i++)
        {
            logits[i] = [];
        }

        run.Prefill(_caches, Ids, null, LogitRows.All, sharedLayers, afterPass: () =>
        {
            for (int row = 0; row < run.LogitCount; row++)
            {
                logits[row * Sequences / run.LogitCount].AddRange(run.Logits(row));
            }
        }, cancellation: Cancellation);
        using KvCache alone = _decoder.CreateCache(TinyModel.Context);
        _run.Prefill([alone], Ids, cancellation: Cancellation);
        float[] expected = Passes.Logits(_decoder, Ids);
        for (int i = 0; i < Sequences; i++)
        {
            Bits.Same(expected, logits[i].ToArray(), $"logits of sequence {i}");
            Bits.Same(Passes.Held(alone), Passes.Held(_caches[i]), $"cache of sequence {i}");
        }
    }

    [Fact]
    public void After_shared_layers_each_sequence_goes_on_by_itself()
    {
        _run.Prefill(_caches, Ids, sharedLayers: 2, cancellation: Cancellation);
        int[][] next = [[5, 6], [7], [8, 9, 10]];
        _run.Forward([.. _caches.Select((cache, i) => new SequenceBlock(cache, next[i]))]);
        for (int i = 0; i < Sequences; i++)
        {
            float[] alone = Passes.Logits(_decoder, [.. Ids, .. next[i]]);
            Bits.Same(alone.AsSpan(alone.Length - TinyModel.Vocabulary), _run.Logits(i), $"sequence {i}");
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Shared_layers_run_for_one_sequence_and_the_others_for_each(int sharedLayers)
    {
        var rows = new Dictionary<HookPoint, int>();
        HookSet hooks = new();
        foreach (HookKind kind in HookTests.Kinds.Select(row => row.Data))
        {
            bool hasLayer = kind is not (HookKind.Embed or HookKind.PositionEmbed or HookKind.FinalNorm);
            foreach (int layer in hasLayer ? Enumerable.Range(0, TinyModel.Layers) : [-1])
            {
                var point = new HookPoint(kind, layer);
                hooks.Add(point, seen => rows.Add(point, seen.Count));
            }
        }

        _run.Prefill(_caches, Ids, hooks, sharedLayers: sharedLayers, cancellation: Cancellation);
        foreach ((HookPoint point, int count) in rows)
        {
            int layer = point.Kind == HookKind.ResidualPost ? point.Layer + 1 : point.Layer;
            int expected = point.Kind == HookKind.FinalNorm ? Sequences
                : sharedLayers > 0 && layer < sharedLayers ? Ids.Length
                : Sequences * Ids.Length;
            Assert.True(expected == count, $"{point}: {count} rows, expected {expected}");
        }

        Assert.Equal((13 * TinyModel.Layers) + 3, rows.Count);
    }

    [Fact]
    public void What_a_hook_writes_in_a_shared_layer_counts_for_all_and_after_it_for_its_rows()
    {
        HookSet all = Shift(new HookPoint(HookKind.MlpOut, 0), 0);
        HookSet second = Shift(HookPoint.ResidualPost(1), 1);
        HookSet both = new HookSet().Add(all).Add(second);
        _run.Prefill(_caches, Ids, both, sharedLayers: 2, cancellation: Cancellation);
        float[] first = Passes.Logits(_decoder, Ids, all);
        float[] edited =
            Passes.Logits(_decoder, Ids, new HookSet().Add(all).Add(Shift(HookPoint.ResidualPost(1), 0)));
        Bits.Same(first.AsSpan(first.Length - TinyModel.Vocabulary), _run.Logits(0), "sequence 0");
        Bits.Same(edited.AsSpan(edited.Length - TinyModel.Vocabulary), _run.Logits(1), "sequence 1");
        Bits.Same(first.AsSpan(first.Length - TinyModel.Vocabulary), _run.Logits(2), "sequence 2");
    }

    [Fact]
    public void Sequences_that_differ_cannot_share_layers()
    {
        string Refusal(int sharedLayers, params int[][] tokens)
        {
            SequenceBlock[] blocks = [.. tokens.Select((ids, i) => new SequenceBlock(_caches[i], ids))];
            return Assert.ThrowsAny<ArgumentException>(
                () => _run.Forward(blocks, null, LogitRows.Last, sharedLayers)).Message;
        }

        const string Differ = "sequences 0 and 1 cannot share layers: they bring different tokens (Parameter 'blocks')";
        Assert.Equal(Differ, Refusal(1, [1, 2], [1, 3]));
        Assert.Equal(Differ, Refusal(1, [1, 2], [1, 2, 3]));
        Assert.Equal(
            "sequences 0 and 2 cannot share layers: they bring different tokens (Parameter 'blocks')",
            Refusal(3, [1], [1], [2]));
        Assert.StartsWith(
            "sharedLayers ('-1') must be a non-negative value.", Refusal(-1, [1]), StringComparison.Ordinal);
        Assert.StartsWith(
            "sharedLayers ('4') must be less than or equal to '3'.", Refusal(4, [1], [1]), StringComparison.Ordinal);
        Assert.All(_caches, cache => Assert.Equal(0, cache.Length));

        _run.Prefill([_caches[1]], Ids, cancellation: Cancellation);
        Assert.Equal(
            "sequences 0 and 1 cannot share layers: their caches hold 0 and 13 positions (Parameter 'blocks')",
            Refusal(1, [1], [1]));
        _run.Forward([new SequenceBlock(_caches[0], new[] { 1 }), new SequenceBlock(_caches[1], new[] { 2 })]);
    }

    [Fact]
    public void No_sequence_and_more_sequences_than_rows_are_refused()
    {
        using DecoderRun run = _decoder.CreateRun(2);
        Assert.Equal(
            "a pass needs at least one sequence (Parameter 'blocks')",
            Assert.Throws<ArgumentException>(() => run.Prefill([], Ids, cancellation: Cancellation)).Message);
        Assert.Equal(
            "a pass takes 1 to 2 tokens; sequence 2 brings 1 after 2 (Parameter 'blocks')",
            Assert.Throws<ArgumentException>(() => run.Prefill(_caches, Ids, cancellation: Cancellation)).Message);
    }

    public void Dispose()
    {
        Array.ForEach(_caches, cache => cache.Dispose());
        _run.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    private static HookSet Shift(HookPoint point, int sequence) => new HookSet().Add(point, rows =>
    {
        for (int row = 0; row < rows.Count; row++)
        {
            if (rows.Sequences[row] == sequence)
            {
                rows[row][3] += 1.5f;
            }
        }
    });
}
