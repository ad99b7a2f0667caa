using LayerSteer.Autoencoders;
using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>
/// The activations of a text at an autoencoder's hook point, and what <see cref="ErrorPathology"/> replaces them by. Each
/// replacement is [rows replaced, dIn].
/// </summary>
internal sealed class ReplacedText
{
    private readonly double[] _errors;
    private readonly double[] _centred;
    private readonly int _width;

    /// <summary>Encodes a text.</summary>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="ids">The text's token ids, [tokens].</param>
    /// <param name="special">Tokens whose rows are left out.</param>
    /// <param name="values">Its activations, [tokens, dIn].</param>
    public ReplacedText(
        SparseAutoencoder autoencoder, int[] ids, IReadOnlySet<int> special, ReadOnlySpan<float> values)
    {
        Ids = ids;
        Rows = [.. Enumerable.Range(0, ids.Length).Where(row => !special.Contains(ids[row]))];
        _width = autoencoder.DIn;
        Values = new float[Rows.Length * _width];
        Reconstruction = new float[Values.Length];
        for (int i = 0; i < Rows.Length; i++)
        {
            values.Slice(Rows[i] * _width, _width).CopyTo(Values.AsSpan(i * _width));
        }

        PassThrough = [.. Values];
        _errors = new double[Rows.Length];
        _centred = RandomPerturbation.Centred(Values, _width);
        EncodedRows encoded = autoencoder.CreateRows(Rows.Length);
        autoencoder.Encode(Values, Rows.Length, encoded);
        var latents = new SparseLatents();
        var change = new SparseLatents();
        double[] error = new double[_width];
        double[] x = new double[_width];
        for (int i = 0; i < Rows.Length; i++)
        {
            encoded.Activate(i, latents);
            autoencoder.Decode(latents, encoded.Scales[i], Reconstruction.AsSpan(i * _width, _width));
            change.SetDifference(latents, latents);
            autoencoder.AddChange(change, encoded.Scales[i], PassThrough.AsSpan(i * _width, _width));
            for (int k = 0; k < _width; k++)
            {
                x[k] = Values[(i * _width) + k];
                error[k] = x[k] - Reconstruction[(i * _width) + k];
            }

            _errors[i] = RandomPerturbation.Norm(error);
            double norm = RandomPerturbation.Norm(x);
            RelativeErrors += norm > 0 ? _errors[i] / norm : 0;
        }
    }

    /// <summary>The text's token ids.</summary>
    public int[] Ids { get; }

    /// <summary>The rows that are replaced, ascending.</summary>
    public int[] Rows { get; }

    /// <summary>x.</summary>
    public float[] Values { get; }

    /// <summary>x̂.</summary>
    public float[] Reconstruction { get; }

    /// <summary>x + decode(z) − decode(z), by way of the latents that differ.</summary>
    public float[] PassThrough { get; }

    /// <summary>‖x − x̂‖ of each row.</summary>
    public ReadOnlySpan<double> Errors => _errors;

    /// <summary>Σ ‖x − x̂‖ / ‖x‖.</summary>
    public double RelativeErrors { get; }

    /// <summary>x and a vector of any direction, as long as the error.</summary>
    public float[] Isotropic(ref SplitMix64 random) => Perturbed(ref random, ofCovariance: false);

    /// <summary>x and a vector as x varies over the text, as long as the error.</summary>
    public float[] OfCovariance(ref SplitMix64 random) => Perturbed(ref random, ofCovariance: true);

    private float[] Perturbed(ref SplitMix64 random, bool ofCovariance)
    {
        float[] values = new float[Values.Length];
        double[] vector = new double[_width];
        for (int i = 0; i < Rows.Length; i++)
        {
            if (ofCovariance)
            {
                RandomPerturbation.OfCovariance(ref random, _centred, _errors[i], vector);
            }
            else
            {
                RandomPerturbation.Isotropic(ref random, _errors[i], vector);
            }

            for (int k = 0; k < _width; k++)
            {
                values[(i * _width) + k] = (float)(Values[(i * _width) + k] + vector[k]);
            }
        }

        return values;
    }
}
