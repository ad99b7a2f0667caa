using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// The encoder of an autoencoder, a = W·x + b with x prepared (normalised, b_dec taken off), kept twice: float32 rows,
/// which are exact, and int8 panels, a quarter of the bytes, which say which rows need to be read.
/// <code>
/// w_r = s_r·q_r + d_r,  e_r = ‖d_r‖,  n_r = ‖s_r·q_r‖;   x = s·q + d_x
/// |w_r·x − (s_r·q_r)·(s·q)| ≤ e_r‖x‖ + n_r‖d_x‖                                (Cauchy and Schwarz)
/// |fl(w_r·x) − w_r·x| ≤ γ‖w_r‖‖x‖,  γ = k·u / (1 − k·u),  u = 2⁻²⁴             (a chain of k roundings)
/// </code>
/// e and n are computed from the quantised weights and rounded up, never assumed. Immutable; thread-safe.
/// </summary>
internal sealed class ScreenedEncoder
{
    private const double Unit = 1.0 / (1 << 24);

    /// <summary>What a float32 bound may lose to its own roundings.</summary>
    private const double RoundUp = 1.00001;

    private readonly NativeBuffer _errors;
    private readonly NativeBuffer _norms;

    /// <summary>Takes the encoder from a store, or reads it into it.</summary>
    /// <param name="store">Receives the weights.</param>
    /// <param name="latents">dSae.</param>
    /// <param name="inputs">dIn.</param>
    /// <param name="bias">b, [dSae].</param>
    /// <param name="read">Reads W, [dSae, dIn].</param>
    public ScreenedEncoder(WeightStore store, int latents, int inputs, float[] bias, ElementReader read)
    {
        Rows = new RowMatrix(store, "encoder.rows", latents, inputs, read);
        Bias = bias;
        Quantised = WeightMatrix.FromRows(store, "encoder.int8", WeightType.I8, latents, inputs, Rows.Read);
        _errors = store.Take("encoder.errors", latents, buffer => Measure(buffer, (row, quantised) =>
        {
            ReadOnlySpan<float> exact = Rows.Row(row);
            double error = 0;
            for (int i = 0; i < inputs; i++)
            {
                double difference = (double)exact[i] - quantised[i];
                error += difference * difference;
            }

            // s·q itself is rounded once in the quantised row.
            return Math.Sqrt(error) + (2 * Unit * Norm(quantised));
        }));
        _norms = store.Take("encoder.norms", latents, buffer => Measure(buffer, (_, quantised) => Norm(quantised)));
    }

    /// <summary>The exact weights, [dSae, dIn].</summary>
    public RowMatrix Rows { get; }

    /// <summary>b, [dSae].</summary>
    public float[] Bias { get; }

    /// <summary>The int8 weights.</summary>
    public WeightMatrix Quantised { get; }

    /// <summary>The factors of e and n in the bound of one row of inputs (<see cref="ScreenKernel"/>).</summary>
    /// <param name="x">The prepared input, [dIn].</param>
    /// <param name="words">Its quantised form, as <see cref="QuantiseKernel"/> lays it out.</param>
    /// <param name="scale">s.</param>
    /// <returns>The factors; not finite where the input is not.</returns>
    public static (float Errors, float Norms) BoundFactors(
        ReadOnlySpan<float> x, ReadOnlySpan<float> words, float scale)
    {
        double squares = 0;
        double differences = 0;
        for (int i = 0; i < x.Length; i++)
        {
            int word = BitConverter.SingleToInt32Bits(
                words[(i / QuantiseKernel.Group * Lanes.Count) + (i % Lanes.Count)]);
            int q = i / Lanes.Count % 2 == 0 ? (short)word : word >> 16;
            double difference = x[i] - ((double)scale * q);
            squares += (double)x[i] * x[i];
            differences += difference * difference;
        }

        double norm = Math.Sqrt(squares);
        double distance = Math.Sqrt(differences);
        double gamma = x.Length * Unit / (1 - (x.Length * Unit));

        // Both products are rounded: the exact one k times, the quantised one three times. ‖w‖ ≤ n + e.
        double rounding = (gamma + (8 * Unit)) * (norm + distance);
        return ((float)((norm + rounding) * RoundUp), (float)((distance + rounding) * RoundUp));
    }

    /// <summary>What the screening of one row knows of the pre-activations.</summary>
    public unsafe ScreenedOutputs Outputs(float* approximate, (float Errors, float Norms) factors) =>
        new(approximate, _errors.Pointer, _norms.Pointer, Rows.Rows, factors.Errors, factors.Norms);

    private static double Norm(ReadOnlySpan<float> values)
    {
        double squares = 0;
        foreach (float value in values)
        {
            squares += (double)value * value;
        }

        return Math.Sqrt(squares);
    }

    private void Measure(NativeBuffer target, Measurement measure) => Parallel.For(
        0,
        Rows.Rows,
        () => new float[Rows.Width],
        (row, _, quantised) =>
        {
            Quantised.CopyRow(row, quantised);
            target.Span(row, 1)[0] = (float)(measure(row, quantised) * RoundUp);
            return quantised;
        },
        _ => { });

    private delegate double Measurement(int row, ReadOnlySpan<float> quantised);
}
