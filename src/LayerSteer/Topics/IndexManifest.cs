using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// What a reference index was made with and which prompts it is to hold: the file manifest.json of its folder. Two
/// indexes can be joined, or a build resumed, only where everything that decides the numbers is equal; paths, time and
/// version do not decide. Immutable.
/// </summary>
public sealed record IndexManifest
{
    /// <summary>The file's name in the folder of an index.</summary>
    public const string FileName = "manifest.json";

    /// <summary>The one format version that this version reads and writes.</summary>
    public const int CurrentFormatVersion = 1;

    /// <summary>The largest dSae, dModel, dEmbedding and encoder length that is believed.</summary>
    internal const int LargestDimension = 1 << 24;

    /// <summary>The version of the layout of the folder.</summary>
    public int FormatVersion { get; init; } = CurrentFormatVersion;

    /// <summary>The version of LayerSteer that wrote it.</summary>
    public string ToolVersion { get; init; } = CurrentToolVersion;

    /// <summary>When the build was started, UTC.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>The mode of the run.</summary>
    public required SteeringMode Mode { get; init; }

    /// <summary>The language model.</summary>
    public required Artefact Model { get; init; }

    /// <summary>
    /// The type of the language model's weights when it was run: "f32", "bf16" or "int8". Files that do not say are
    /// f32.
    /// </summary>
    public string Dtype
    {
        get;

        // The generated reader sets what a file does not have to null.
        init => field = value ?? WeightTypes.NameOf(WeightType.F32);
    } = WeightTypes.NameOf(WeightType.F32);

    /// <summary>The autoencoder.</summary>
    public required Artefact Sae { get; init; }

    /// <summary>The sentence encoder.</summary>
    public required Artefact Encoder { get; init; }

    /// <summary>The digest of the language model's tokenizer.</summary>
    public required string TokenizerDigest { get; init; }

    /// <summary>The layer whose residual stream was read.</summary>
    public required int Layer { get; init; }

    /// <summary>The hook point as TransformerLens writes it, "blocks.9.hook_resid_post".</summary>
    public required string HookPoint { get; init; }

    /// <summary>Whether BOS stood in front of a prompt and which positions were left out.</summary>
    public required string BosPolicy { get; init; }

    /// <summary>The width of the residual stream.</summary>
    public required int DModel { get; init; }

    /// <summary>The number of latents.</summary>
    public required int DSae { get; init; }

    /// <summary>The length of a sentence vector.</summary>
    public required int DEmbedding { get; init; }

    /// <summary>
    /// The encoder's longest input in word pieces, with the special ones; longer texts have several windows.
    /// </summary>
    public required int EncoderMaxLength { get; init; }

    /// <summary>The whole list of reference texts.</summary>
    public required ReferenceSource Reference { get; init; }

    /// <summary>
    /// The ids that this folder is to hold, ascending runs: the whole list, one shard, or shards merged.
    /// </summary>
    public required IReadOnlyList<IdRange> Ids { get; init; }

    /// <summary>How many prompts this folder is to hold.</summary>
    internal int PromptCount => Ids.Sum(range => range.Count);

    /// <summary>Whether this folder is to hold the whole list.</summary>
    internal bool IsWholeList => PromptCount == Reference.Count;

    /// <summary>The version of this library, "0.1.0".</summary>
    internal static string CurrentToolVersion { get; } = typeof(IndexManifest).Assembly.GetName().Version!.ToString(3);

    /// <summary>Reads and checks the manifest of a folder.</summary>
    /// <param name="folder">The folder of an index.</param>
    /// <returns>The manifest.</returns>
    /// <exception cref="InvalidDataException">
    /// No manifest, no JSON, or a value that cannot be; the message names the field.
    /// </exception>
    /// <exception cref="NotSupportedException">Another format version.</exception>
    public static IndexManifest Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"'{folder}': no {FileName}, so this is not a reference index");
        }
        IndexManifest manifest = TopicsJson.Read(path, CurrentFormatVersion, TopicsJson.Indented.IndexManifest);
        manifest.Check(path);
        return manifest;
    }

    /// <summary>Writes the manifest into a folder, whole or not at all.</summary>
    internal void Write(string folder)
    {
        string path = Path.Combine(folder, FileName);
        Check(path);
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, TopicsJson.Indented.IndexManifest));
    }

    /// <summary>
    /// The first field that decides the numbers of one prompt and differs, with both values; null if none.
    /// </summary>
    internal (string Field, string Mine, string Other)? FirstDifference(IndexManifest other)
    {
        (string Field, object Mine, object Other)[] fields =
        [
            ("mode", NameOf(Mode), NameOf(other.Mode)),
            ("model.digest", Model.Digest, other.Model.Digest),
            ("dtype", Dtype, other.Dtype),
            ("sae.digest", Sae.Digest, other.Sae.Digest),
            ("encoder.digest", Encoder.Digest, other.Encoder.Digest),
            ("tokenizer_digest", TokenizerDigest, other.TokenizerDigest),
            ("layer", Layer, other.Layer),
            ("hook_point", HookPoint, other.HookPoint),
            ("bos_policy", BosPolicy, other.BosPolicy),
            ("d_model", DModel, other.DModel),
            ("d_sae", DSae, other.DSae),
            ("d_embedding", DEmbedding, other.DEmbedding),
            ("encoder_max_length", EncoderMaxLength, other.EncoderMaxLength),
        ];
        foreach ((string field, object mine, object theirs) in fields)
        {
            if (!mine.Equals(theirs))
            {
                return (field, Invariant(mine), Invariant(theirs));
            }
        }
        return null;
    }

    /// <summary>As <see cref="FirstDifference"/>, and the reference list and the ids too.</summary>
    internal (string Field, string Mine, string Other)? FirstDifferenceOfBuild(IndexManifest other) =>
        FirstDifference(other)
        ?? (Reference.Digest != other.Reference.Digest
            ? ("reference.digest", Reference.Digest, other.Reference.Digest)
            : Reference.Count != other.Reference.Count
            ? ("reference.count", Invariant(Reference.Count), Invariant(other.Reference.Count))
            : Ids.SequenceEqual(other.Ids)
            ? null
            : ("ids", string.Join(", ", Ids), string.Join(", ", other.Ids)));

    private static string NameOf(SteeringMode mode) => mode == SteeringMode.Seed ? "seed" : "corrected";

    private static string Invariant(object value) => FormattableString.Invariant($"{value}");

    private void Check(string path)
    {
        Positive("d_model", DModel);
        Positive("d_sae", DSae);
        Positive("d_embedding", DEmbedding);
        Positive("encoder_max_length", EncoderMaxLength);
        NotEmpty("model.digest", Model.Digest);
        NotEmpty("sae.digest", Sae.Digest);
        NotEmpty("encoder.digest", Encoder.Digest);
        NotEmpty("tokenizer_digest", TokenizerDigest);
        NotEmpty("hook_point", HookPoint);
        NotEmpty("bos_policy", BosPolicy);
        if (!WeightTypes.Names.Contains(Dtype))
        {
            throw new InvalidDataException(
                $"'{path}': dtype is '{CsvText.Shortened(Dtype)}', expected {string.Join(", ", WeightTypes.Names)}");
        }
        if (!Enum.IsDefined(Mode))
        {
            throw new InvalidDataException($"'{path}': mode is {(int)Mode}, expected 'corrected' or 'seed'");
        }
        if (Layer is < 0 or >= LargestDimension)
        {
            throw new InvalidDataException($"'{path}': layer is {Layer}, expected 0 or more");
        }
        if (!ReferenceSource.IsSha256(Reference.Digest))
        {
            throw new InvalidDataException(
                $"'{path}': reference.digest is '{Reference.Digest}', expected 64 lower-case hexadecimal digits");
        }
        int end = 0;
        foreach (IdRange range in Ids)
        {
            if (range.First < end || range.End <= range.First || range.End > Reference.Count)
            {
                throw new InvalidDataException(
                    $"'{path}': ids has {range.First} to {range.End}, "
                    + $"expected ascending runs within 0 to {Reference.Count}");
            }
            end = range.End;
        }
        if (Ids.Count == 0)
        {
            throw new InvalidDataException($"'{path}': ids is empty, expected at least one run of ids");
        }

        void Positive(string field, int value)
        {
            if (value is < 1 or > LargestDimension)
            {
                throw new InvalidDataException($"'{path}': {field} is {value}, expected 1 to {LargestDimension}");
            }
        }

        void NotEmpty(string field, string value)
        {
            if (value.Length == 0)
            {
                throw new InvalidDataException($"'{path}': {field} is empty");
            }
        }
    }
}
