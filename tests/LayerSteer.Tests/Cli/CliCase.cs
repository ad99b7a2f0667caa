using LayerSteer.Tests.Golden;

namespace LayerSteer.Tests.Cli;

/// <summary>Arguments that name the files of a reference case.</summary>
internal static class CliCase
{
    public static string[] Model(this GoldenCase golden) => ["--model", golden.Model];

    /// <summary>Model, autoencoder and the case's layer, or another.</summary>
    public static string[] Steered(this GoldenCase golden, int? layer = null) =>
        ["--model", golden.Model, "--sae", golden.Sae, "--layer", $"{layer ?? golden.Layer}"];

    public static string[] WithScores(this GoldenCase golden, int? layer = null) =>
        [.. golden.Steered(layer), "--scores", golden.Scores];

    public static string References(this GoldenCase golden) => Path.Combine(golden.Folder, "d_ref.csv");

    public static string Alignment(this GoldenCase golden) => Path.Combine(golden.Folder, "d_align.csv");

    public static string[] Texts(this GoldenCase golden) =>
        ["--encoder", golden.Encoder, "--reference", golden.References(), "--align", golden.Alignment()];

    public static string[] Index(this GoldenCase golden, string output, string mode = "seed") =>
    [
        "index", .. golden.Steered(), "--encoder", golden.Encoder, "--reference", golden.References(), "--mode", mode,
        "--out", output,
    ];

    public static string[] Topic(this GoldenCase golden, string index) =>
        ["topic", "--index", index, "--align", golden.Alignment()];
}
