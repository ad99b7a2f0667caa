using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>What can be wrong with a calibration that is valid JSON.</summary>
internal static class CalibrationChecks
{
    private const int MostColumns = 1000;

    /// <summary>The first field that cannot be, in words; null if there is none.</summary>
    public static string? Problem(Calibration calibration)
    {
        if (calibration.Topics < 2 || calibration.Texts < 1 || calibration.Tokens < 1 || calibration.ClampCount < 1
            || calibration.LatentCount < 1)
        {
            return $"topics is {calibration.Topics}, texts {calibration.Texts}, tokens {calibration.Tokens} and "
                + $"clamp_count {calibration.ClampCount}, latent_count {calibration.LatentCount}, expected at least 2, 1, 1, 1 and 1";
        }

        if (!(calibration.Confidence is > 0.5 and < 1))
        {
            return FormattableString.Invariant($"confidence is {calibration.Confidence}, expected between 0.5 and 1");
        }

        if (calibration.Sites.Count == 0 || calibration.Forecasters.Count == 0)
        {
            return "sites or forecasters is empty";
        }

        for (int i = 0; i < calibration.Sites.Count; i++)
        {
            if (calibration.Sites[i] is not { HookPoint.Length: > 0, Sae.Length: > 0 })
            {
                return $"sites[{i}] lacks a hook point or a digest";
            }
        }

        for (int i = 0; i < calibration.Forecasters.Count; i++)
        {
            if (calibration.Forecasters[i] is null)
            {
                return $"forecasters[{i}] is null";
            }

            if (Problem(calibration, calibration.Forecasters[i]) is { } problem)
            {
                return $"forecasters[{i}].{problem}";
            }
        }

        return null;
    }

    private static string? Problem(Calibration calibration, Forecaster one)
    {
        if (!SteeringMethods.Names.Contains(one.Method))
        {
            return $"method is unknown; expected one of {string.Join(", ", SteeringMethods.Names)}";
        }

        if (one.Strengths.Count == 0 || one.Strengths.Any(strength => !(strength > 0) || !double.IsFinite(strength))
            || one.Strengths.Zip(one.Strengths.Skip(1)).Any(pair => pair.First >= pair.Second))
        {
            return "strengths are not ascending numbers above 0";
        }

        if (one.Columns.Count > MostColumns)
        {
            return $"columns has {one.Columns.Count} entries, expected at most {MostColumns}";
        }

        for (int j = 0; j < one.Columns.Count; j++)
        {
            ForecastColumn? column = one.Columns[j];
            if (column is null
                || !(ForecastPredictor.All.Any(known => known.Name == column.Name)
                    || calibration.Sites.Any(site => site.HookPoint == column.Name)))
            {
                return $"columns[{j}] is no predictor of this version and no site";
            }

            if (!double.IsFinite(column.Mean) || !(column.Scale > 0) || !double.IsFinite(column.Scale)
                || !(column.Least <= column.Most))
            {
                return $"columns[{j}] ({column.Name}) has a mean, scale or range that cannot be";
            }
        }

        return Problem("effect", one.Effect, one.Columns.Count, calibration.Topics)
            ?? Problem("cost", one.Cost, one.Columns.Count, calibration.Topics);
    }

    private static string? Problem(string name, QuantityForecaster quantity, int columns, int topics)
    {
        if (!(quantity.Penalty > 0) || !double.IsFinite(quantity.Penalty))
        {
            return FormattableString.Invariant($"{name}.penalty is {quantity.Penalty}, expected a number above 0");
        }

        if (!IsWhole(quantity.Model, columns))
        {
            return $"{name}.model is not of {columns} finite coefficients";
        }

        if (quantity.LeftOut.Count != topics)
        {
            return $"{name}.left_out has {quantity.LeftOut.Count} topics, expected {topics}";
        }

        for (int i = 0; i < topics; i++)
        {
            LeftOutTopic? topic = quantity.LeftOut[i];
            if (topic is null || !IsWhole(topic.Model, columns))
            {
                return $"{name}.left_out[{i}].model is not of {columns} finite coefficients";
            }

            if (topic.Scores.Count == 0 || topic.Scores.Any(score => !(score >= 0) || !double.IsFinite(score)))
            {
                return $"{name}.left_out[{i}].scores has none, or one that is not a finite number from 0 on";
            }
        }

        return null;
    }

    private static bool IsWhole(ForecastModel model, int columns) =>
        IsWhole(model.Mean, columns) && IsWhole(model.LogSpread, columns);

    private static bool IsWhole(LinearModel model, int columns) => double.IsFinite(model.Intercept)
        && model.Coefficients.Count == columns && model.Coefficients.All(double.IsFinite);
}
