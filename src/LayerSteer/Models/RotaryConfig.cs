namespace LayerSteer.Models;

/// <summary>
/// The rotary position embedding of a <c>config.json</c>: <c>rope_theta</c> and <c>rope_scaling</c>, or
/// <c>rope_parameters</c> of newer files, flat or by the type of a layer.
/// </summary>
internal static class RotaryConfig
{
    /// <summary>Reads the embedding of all layers, or of those of one type.</summary>
    /// <param name="config">The config.</param>
    /// <param name="dimensions">The dimensions that turn.</param>
    /// <param name="theta">The base if none is named.</param>
    /// <param name="layerType">The type of layer where they differ.</param>
    /// <param name="thetaField">The older field of the base.</param>
    /// <param name="scaled">Whether the older <c>rope_scaling</c> applies.</param>
    /// <exception cref="NotSupportedException">A scaling that the decoder does not know.</exception>
    public static RotarySpec Read(
        ConfigFile config,
        int dimensions,
        double theta,
        string? layerType = null,
        string thetaField = "rope_theta",
        bool scaled = true)
    {
        if (dimensions < 2 || dimensions % 2 != 0)
        {
            throw new InvalidDataException(
                $"'{config.Path}': {dimensions} dimensions of a head turn, expected an even number from 2 on");
        }

        var plain = new RotarySpec { Dimensions = dimensions, Theta = config.Positive(thetaField, theta) };
        using ConfigFile? parameters = config.Part("rope_parameters");
        if (parameters is not null)
        {
            using ConfigFile? ofType =
                layerType is not null && parameters.Has(layerType) ? parameters.Part(layerType) : null;
            ConfigFile own = ofType ?? parameters;
            return Scale(own, plain with { Theta = own.Positive("rope_theta", plain.Theta) });
        }

        using ConfigFile? scaling = scaled ? config.Part("rope_scaling") : null;
        return scaling is null ? plain : Scale(scaling, plain);
    }

    private static RotarySpec Scale(ConfigFile scaling, RotarySpec plain)
    {
        string field = scaling.Has("rope_type") || !scaling.Has("type") ? "rope_type" : "type";
        string type = scaling.OptionalString(field) ?? "default";
        return type switch
        {
            "default" => plain,
            "linear" => plain with { Scaling = RotaryScaling.Linear, Factor = scaling.Positive("factor") },
            "llama3" => Llama3(scaling, plain),
            _ => throw scaling.Unsupported(field, "default, linear, llama3"),
        };
    }

    private static RotarySpec Llama3(ConfigFile scaling, RotarySpec plain)
    {
        double low = scaling.Positive("low_freq_factor");
        double high = scaling.Positive("high_freq_factor");
        if (high <= low)
        {
            throw scaling.Wrong("high_freq_factor", $"a number above low_freq_factor = {scaling.Raw("low_freq_factor")}");
        }

        return plain with
        {
            Scaling = RotaryScaling.Llama3,
            Factor = scaling.Positive("factor"),
            LowFrequencyFactor = low,
            HighFrequencyFactor = high,
            OriginalContext = scaling.Size("original_max_position_embeddings"),
        };
    }
}
