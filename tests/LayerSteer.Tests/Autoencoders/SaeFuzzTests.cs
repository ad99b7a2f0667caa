using LayerSteer.Autoencoders;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using Xunit;
using static LayerSteer.Tests.Autoencoders.SaeFolder;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>
/// Damaged files of every format: what comes of them is an autoencoder that runs or one line that says what is wrong,
/// soon and without much memory. LAYERSTEER_FUZZ=N runs N rounds of each.
/// </summary>
public sealed class SaeFuzzTests : IDisposable
{
    private readonly SaeFolder _sae = new();

    public static TheoryData<string> Kinds =>
    [
        "openai", "saelens topk", "saelens gated", "saelens rescale", "gemma", "gemma 2", "sparsify", "llama",
        "llama later", "dictionary", "dictionary matryoshka",
    ];

    public void Dispose() => _sae.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Damaged_files_are_refused_or_run(string kind)
    {
        string weights = Write(kind);
        RunLoaded();
        FileDamage.Check(
            [.. _sae.Texts.Keys.Append(weights).Select(file => Path.Combine(_sae.Path, file))], 4711, RunLoaded);
    }

    private void RunLoaded()
    {
        using SparseAutoencoder sae = _sae.Load();
        Run(sae);
    }

    private static void Run(SparseAutoencoder sae)
    {
        EncodedRows rows = sae.CreateRows(1);
        sae.Encode(RandomFloats.Of(3, sae.DIn), 1, rows);
        var latents = new SparseLatents();
        rows.Activate(0, latents);
        sae.Decode(latents, rows.Scales[0], new float[sae.DIn]);
    }

    private string Write(string kind)
    {
        string cfg = $"\"d_in\": {DIn}, \"d_sae\": {DSae}, \"metadata\": {{\"hook_name\": \"blocks.1.hook_resid_post\"}}";
        string llama = $"\"d_model\": {DIn}, \"norm_activation\": \"dataset-wise\", "
            + "\"dataset_average_activation_norm\": {\"in\": 7.5}, \"hook_point_in\": \"blocks.1.hook_resid_post\"";
        switch (kind)
        {
            case "openai":
                _sae.With("encoder.weight", 1f, DSae, DIn).With("decoder.weight", 1f, DIn, DSae)
                    .With("pre_bias", 1f, DIn).With("latent_bias", 1f, DSae);
                return Done("sae.pt");
            case "saelens topk":
                Matrices("b_enc").Saying("cfg.json", $"{{\"architecture\": \"topk\", \"k\": 4, {cfg}}}");
                return Done("sae_weights.safetensors");
            case "saelens gated":
                Matrices("b_mag").With("r_mag", 1f, DSae).With("b_gate", 1f, DSae)
                    .Saying("cfg.json", $"{{\"architecture\": \"gated\", {cfg}}}");
                return Done("sae_weights.safetensors");
            case "saelens rescale":
                Matrices("b_enc").Saying(
                    "cfg.json",
                    "{\"architecture\": \"topk\", \"k\": 4, \"rescale_acts_by_decoder_norm\": true, "
                    + $"\"normalize_activations\": \"constant_norm_rescale\", {cfg}}}");
                return Done("sae_weights.safetensors");
            case "gemma":
                Matrices("b_enc").With("threshold", 1f, DSae);
                return Done("params.npz");
            case "gemma 2":
                _sae.With("w_enc", 1f, DIn, DSae).With("w_dec", 1f, DSae, DIn).With("b_dec", 1f, DIn)
                    .With("b_enc", 1f, DSae).With("threshold", 1f, DSae).Saying(
                        "config.json",
                        $"{{\"hf_hook_point_in\": \"model.layers.1.output\", \"width\": {DSae}, \"type\": \"resid_post\"}}");
                return Done("params.safetensors");
            case "sparsify":
                _sae.With("encoder.weight", 1f, DSae, DIn).With("encoder.bias", 1f, DSae).With("W_dec", 1f, DSae, DIn)
                    .With("b_dec", 1f, DIn).Saying(
                        "cfg.json", $"{{\"d_in\": {DIn}, \"num_latents\": {DSae}, \"k\": 5, \"activation\": \"groupmax\"}}");
                return Done("sae.safetensors");
            case "llama":
                Linear("decoder.bias").Saying(
                    "hyperparams.json",
                    $"{{\"act_fn\": \"jumprelu\", \"jump_relu_threshold\": 0.4, \"d_sae\": {DSae}, {llama}}}");
                return Done("checkpoints/final.safetensors");
            case "llama later":
                Linear("decoder.bias").With("log_jumprelu_threshold", 1f, DSae)
                    .Saying("config.json", $"{{\"act_fn\": \"jumprelu\", \"expansion_factor\": 2.5, {llama}}}");
                return Done("sae_weights.safetensors");
            case "dictionary":
                Linear("b_dec").Saying("config.json", "{\"trainer\": {\"dict_class\": \"AutoEncoderTopK\", \"k\": 4}}");
                _sae.Wholes["k"] = 4;
                return Done("ae.pt");
            default:
                Matrices("b_enc")
                    .Saying("config.json", "{\"trainer\": {\"dict_class\": \"MatryoshkaBatchTopKSAE\", \"k\": 4}}");
                _sae.Tensors["threshold"] = ([], [0.5f]);
                _sae.Wholes["k"] = 4;
                return Done("ae.pt");
        }
    }

    private SaeFolder Matrices(string bias) => _sae.With("W_enc", 1f, DIn, DSae).With("W_dec", 1f, DSae, DIn)
        .With("b_dec", 1f, DIn).With(bias, 1f, DSae);

    private SaeFolder Linear(string bias) => _sae.With("encoder.weight", 1f, DSae, DIn).With("encoder.bias", 1f, DSae)
        .With("decoder.weight", 1f, DIn, DSae).With(bias, 1f, DIn);

    private string Done(string weights)
    {
        _sae.Write(weights);
        return weights;
    }
}
