using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Hub;

/// <summary>
/// What the files of an autoencoder say of it, in any of the layouts that hubs have, as far as they say it. Loading is
/// strict and refuses; this is for a list, where one that cannot be read must not hide the others.
/// </summary>
/// <param name="DIn">The width of its input; 0 if unknown.</param>
/// <param name="DSae">The number of latents; 0 if unknown.</param>
/// <param name="HookPoint">Where it was trained; null if unknown.</param>
/// <param name="ModelName">The model that it was trained on; null if unknown.</param>
internal sealed record SaeDescription(int DIn, int DSae, HookPoint? HookPoint, string? ModelName)
{
    /// <summary>Vectors as wide as the input, and vectors with one value a latent.</summary>
    private static readonly string[] Input = ["b_dec", "pre_bias", "decoder.bias", "bias"];
    private static readonly string[] Latents = ["b_enc", "latent_bias", "encoder.bias", "threshold", "b_mag"];

    public static SaeDescription Read(string path)
    {
        SaeDescription said = Directory.Exists(path)
            ? SaeFormats.ConfigNames.Select(name => Path.Combine(path, name)).Where(File.Exists).Select(Config)
                .FirstOrDefault(new SaeDescription(0, 0, null, null))
            : new SaeDescription(0, 0, null, null);
        if (said.DIn > 0 && said.DSae > 0)
        {
            return said;
        }

        string? weights = File.Exists(path) ? path : HubFiles.WeightsIn(path);
        return weights is null ? said : Weights(weights, said);
    }

    private static SaeDescription Config(string path)
    {
        using LooseJson config = LooseJson.Read(path);
        using LooseJson metadata = config.Section("metadata");
        using LooseJson trainer = config.Section("trainer");
        string? hook = metadata.Text("hook_name", "hook_point") ?? config.Text("hook_name", "hook_point", "hook_point_in");
        return new SaeDescription(
            Math.Max(config.Size("d_in", "d_model"), trainer.Size("activation_dim")),
            Math.Max(config.Size("d_sae", "width"), trainer.Size("dict_size")),
            Point(hook),
            metadata.Text("model_name") ?? config.Text("model_name") ?? trainer.Text("lm_name"));
    }

    private static SaeDescription Weights(string path, SaeDescription said)
    {
        try
        {
            using TensorFile file = TensorFile.Open(path);
            return said with
            {
                DIn = said.DIn > 0 ? said.DIn : Length(file, Input),
                DSae = said.DSae > 0 ? said.DSae : Length(file, Latents),
            };
        }
        catch (Exception e) when (e is IOException or InvalidDataException or NotSupportedException
            or UnauthorizedAccessException)
        {
            return said;
        }
    }

    private static int Length(TensorFile file, string[] names) => names
        .Select(name => file.Tensors.GetValueOrDefault(name))
        .Where(tensor => tensor is { Shape.Count: 1 })
        .Select(tensor => (int)Math.Min(tensor!.Shape[0], int.MaxValue))
        .FirstOrDefault();

    private static HookPoint? Point(string? name)
    {
        try
        {
            return name is null ? null : Models.HookPoint.Parse(name);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
