using System.Text;
using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

public sealed class ControlVectorTests : IDisposable
{
    private static readonly HookPoint Point = HookPoint.ResidualPost(2);

    private readonly TempFolder _folder = new();
    private readonly TinyAutoencoder _tiny = new(SaeActivationKind.Relu);
    private readonly SparseAutoencoder _sae;
    private readonly LatentScores _scores = LayerEditTests.RandomScores();

    public ControlVectorTests() => _sae = _tiny.Load();

    public void Dispose()
    {
        _sae.Dispose();
        _tiny.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_clamp_is_what_our_own_clamp_adds_to_any_input()
    {
        var options = new SteeringOptions { Method = SteeringMethod.Clamp, Strength = 0.5f, ClampAmount = 3f };
        var edit = new LayerEdit(Point, _sae, _scores, options);
        ControlVector vector = ControlVector.OfEdit(edit, SteeringMethod.Clamp);
        Assert.Equal((2, "clamp"), (vector.Layer, vector.Method));
        float[] expected = new float[TinyAutoencoder.DIn];
        foreach (int latent in edit.TargetLatents)
        {
            float[] row = _tiny.DecoderRow(latent);
            for (int i = 0; i < row.Length; i++)
            {
                expected[i] = MathF.FusedMultiplyAdd(1.5f, row[i], expected[i]);
            }
        }

        Bits.Same(expected, vector.Values, "clamp");
    }

    [Fact]
    public void A_direction_is_the_scores_through_the_decoder_and_has_the_norm_asked_for()
    {
        ControlVector vector = ControlVector.OfScores(Point, _sae, _scores, 2.5f);
        double[] sum = new double[TinyAutoencoder.DIn];
        for (int latent = 0; latent < TinyAutoencoder.DSae; latent++)
        {
            float[] row = _tiny.DecoderRow(latent);
            for (int i = 0; i < row.Length; i++)
            {
                sum[i] += (_scores.Supported[latent] ? _scores.Values[latent] : 0) * row[i];
            }
        }

        double norm = Math.Sqrt(sum.Sum(value => value * value));
        for (int i = 0; i < sum.Length; i++)
        {
            Assert.Equal(sum[i] * 2.5 / norm, vector.Values[i], 1e-5);
        }
    }

    [Fact]
    public void The_file_is_a_control_vector_as_llama_cpp_reads_it()
    {
        ControlVector vector = ControlVector.OfScores(new HookPoint(HookKind.ResidualPre, 3), _sae, _scores, 1f);
        string path = _folder.File("v.gguf");
        vector.Write(path, "gpt2", new Dictionary<string, string> { ["scores"] = "médical" });
        (Dictionary<string, object> entries, Dictionary<string, float[]> tensors) = Read(path);
        Assert.Equal("controlvector", entries["general.architecture"]);
        Assert.Equal("gpt2", entries["controlvector.model_hint"]);
        Assert.Equal(1u, entries["controlvector.layer_count"]);
        Assert.Equal("médical", entries["layersteer.scores"]);
        Assert.Equal("blocks.2.hook_resid_post", entries["layersteer.hook_point"]);
        Assert.Equal(["direction.2"], tensors.Keys);
        Bits.Same(vector.Values, tensors["direction.2"], "direction");
    }

    [Theory]
    [InlineData(
        SteeringMethod.Swap, null,
        "method swap selects latents by what each token's input is, so what it adds differs from token to token")]
    [InlineData(
        SteeringMethod.Weight, null,
        "method weight selects latents by what each token's input is, so what it adds differs from token to token")]
    [InlineData(
        SteeringMethod.Reconstruction, null, "method sae replaces each token's input by a reconstruction of it")]
    [InlineData(
        SteeringMethod.Clamp, false,
        "method clamp without the error term replaces each token's input by a reconstruction of it")]
    public void What_depends_on_the_input_is_refused_with_the_reason(SteeringMethod method, bool? keeps, string message)
    {
        var options = new SteeringOptions { Method = method, KeepErrorTerm = keeps };
        var edit = new LayerEdit(Point, _sae, _scores, options);
        Assert.Equal(
            $"{message}; llama.cpp adds one vector to the residual stream behind a layer; supported: clamp or add with the "
            + "error term kept, diffmean, or a direction",
            Assert.Throws<NotSupportedException>(() => ControlVector.OfEdit(edit, method)).Message);
    }

    [Fact]
    public void A_clamp_through_an_autoencoder_that_normalises_is_refused()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        var edit = new LayerEdit(Point, sae, _scores, new SteeringOptions { Method = SteeringMethod.Clamp });
        Assert.Equal(
            $"'{sae.Path}': the autoencoder normalises its inputs, so what clamp adds is scaled by each token's own deviation; "
            + "llama.cpp adds one vector to the residual stream behind a layer; supported: a direction",
            Assert.Throws<NotSupportedException>(() => ControlVector.OfEdit(edit, SteeringMethod.Clamp)).Message);
        Assert.Equal(2, ControlVector.OfScores(Point, sae, _scores, 1f).Layer);
    }

    [Theory]
    [InlineData("blocks.0.hook_resid_post", "the autoencoder sits at blocks.0.hook_resid_post; llama.cpp reads no direction")]
    [InlineData("blocks.1.hook_resid_pre", "the autoencoder sits at blocks.1.hook_resid_pre; llama.cpp reads no direction")]
    [InlineData("blocks.3.hook_mlp_out", "the autoencoder sits at blocks.3.hook_mlp_out; llama.cpp adds one vector")]
    public void A_place_where_no_vector_is_added_is_refused(string hook, string message) => Assert.StartsWith(
        message,
        Assert.Throws<NotSupportedException>(
            () => ControlVector.OfScores(HookPoint.Parse(hook), _sae, _scores, 1f)).Message,
        StringComparison.Ordinal);

    /// <summary>A small reader of GGUF version 3, by its specification.</summary>
    internal static (Dictionary<string, object> Entries, Dictionary<string, float[]> Tensors) Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        using var reader = new BinaryReader(new MemoryStream(bytes));
        Assert.Equal("GGUF", Encoding.ASCII.GetString(reader.ReadBytes(4)));
        Assert.Equal(3u, reader.ReadUInt32());
        ulong count = reader.ReadUInt64();
        ulong keys = reader.ReadUInt64();
        var entries = new Dictionary<string, object>();
        for (ulong i = 0; i < keys; i++)
        {
            string key = Text(reader);
            entries.Add(key, reader.ReadUInt32() switch
            {
                4 => reader.ReadUInt32(),
                5 => reader.ReadInt32(),
                6 => reader.ReadSingle(),
                7 => reader.ReadBoolean(),
                8 => Text(reader),
                uint other => throw new InvalidDataException($"type {other}"),
            });
        }

        var places = new List<(string Name, int Length, long Offset)>();
        for (ulong i = 0; i < count; i++)
        {
            string name = Text(reader);
            Assert.Equal(1u, reader.ReadUInt32());
            int length = (int)reader.ReadUInt64();
            Assert.Equal(0u, reader.ReadUInt32());
            places.Add((name, length, (long)reader.ReadUInt64()));
        }

        long start = (reader.BaseStream.Position + 31) / 32 * 32;
        Assert.All(places, place => Assert.Equal(0, place.Offset % 32));
        return (entries, places.ToDictionary(place => place.Name, place => Enumerable.Range(0, place.Length)
            .Select(i => BitConverter.ToSingle(bytes, (int)(start + place.Offset + (4 * i)))).ToArray()));
    }

    private static string Text(BinaryReader reader) =>
        Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadUInt64()));
}
