using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LayerSteer.Evaluation;

/// <summary>The JSON of this room: snake_case, every required field present.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(EvaluationLine))]
[JsonSerializable(typeof(EvaluationReport))]
[JsonSerializable(typeof(PredictorLine))]
[JsonSerializable(typeof(Calibration))]
[JsonSerializable(typeof(CalibrationReport))]
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class EvaluationJson : JsonSerializerContext
{
    /// <summary>For people: one field a line.</summary>
    public static EvaluationJson Indented { get; } = new(Settings(indented: true));

    /// <summary>For lines.</summary>
    public static EvaluationJson Compact { get; } = new(Settings(indented: false));

    private static JsonSerializerOptions Settings(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        WriteIndented = indented,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
