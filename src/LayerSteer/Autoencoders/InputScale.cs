using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>What decoding needs to know of the input that was encoded.</summary>
/// <param name="Mean">mu: the mean of x under layer norm and where it is centred, otherwise 0.</param>
/// <param name="Scale">
/// std: under layer norm the sample standard deviation of x, under constant norm ‖x‖ / √d, otherwise 1.
/// </param>
public readonly record struct InputScale(float Mean, float Scale)
{
    private const float Epsilon = 1e-5f;

    /// <summary>That of an input.</summary>
    internal static InputScale Of(InputNormalisation normalisation, ReadOnlySpan<float> x) => normalisation switch
    {
        InputNormalisation.LayerNorm => OfLayerNorm(x),
        InputNormalisation.ConstantNorm => new InputScale(0f, RootMeanSquare(x)),
        InputNormalisation.Centred => new InputScale(StatisticsKernel.Of(x).Mean, 1f),
        _ => new InputScale(0f, 1f),
    };

    /// <summary>Mean and sample standard deviation.</summary>
    internal static InputScale OfLayerNorm(ReadOnlySpan<float> x)
    {
        RowStatistics row = StatisticsKernel.Of(x);
        return new InputScale(row.Mean, MathF.Sqrt(row.SquaredDeviations / (x.Length - 1)));
    }

    /// <summary>What x − mean is divided by.</summary>
    internal float Divisor(InputNormalisation normalisation) =>
        normalisation == InputNormalisation.LayerNorm ? Scale + Epsilon : Scale;

    /// <summary>x̃, the normalised input.</summary>
    internal void Normalise(ReadOnlySpan<float> x, InputNormalisation normalisation, Span<float> normalised)
    {
        float divisor = Divisor(normalisation);
        for (int i = 0; i < x.Length; i++)
        {
            normalised[i] = (x[i] - Mean) / divisor;
        }
    }

    private static float RootMeanSquare(ReadOnlySpan<float> x)
    {
        double squares = 0;
        foreach (float value in x)
        {
            squares += (double)value * value;
        }

        return (float)Math.Sqrt(squares / x.Length);
    }
}
