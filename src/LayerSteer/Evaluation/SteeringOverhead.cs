using LayerSteer.Generation;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>
/// What steering adds to a generated token, the prompt's time left out:
/// <code>
/// time  = decode time / (new tokens − 1)          s/token, one sequence, with its key-value cache
/// added = median over runs of steered − unsteered, the two of a run one after the other, which comes first in turn
/// </code>
/// The interval of the median is that of order statistics, exact whatever the distribution of the differences: from the
/// k-th smallest to the k-th largest, k the largest with 2·P(Binomial(runs, ½) &lt; k) ≤ 0.05. Six runs are the fewest that
/// have one. The times are those of one machine: name it beside them.
/// </summary>
/// <param name="Name">What was steered with.</param>
/// <param name="Runs">How many pairs.</param>
/// <param name="PromptTokens">Tokens of the prompt, BOS among them.</param>
/// <param name="NewTokens">Tokens generated in each run.</param>
/// <param name="Unsteered">The median time without steering, in seconds a token.</param>
/// <param name="Steered">With it.</param>
/// <param name="Added">The median difference.</param>
/// <param name="Low">The lower end of its 95 % interval; null of fewer than six runs.</param>
/// <param name="High">The upper end.</param>
public sealed record SteeringOverhead(
    string Name,
    int Runs,
    int PromptTokens,
    int NewTokens,
    double Unsteered,
    double Steered,
    double Added,
    double? Low,
    double? High)
{
    /// <summary>Measures plans on a prompt, each against the model as it is.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="prompt">The prompt.</param>
    /// <param name="plans">The plans with their names.</param>
    /// <param name="runs">Pairs of each plan, at least 1; one more goes before to warm up.</param>
    /// <param name="newTokens">Tokens to generate, at least 2; the text does not end before.</param>
    /// <param name="cancellation">Checked between tokens.</param>
    public static IReadOnlyList<SteeringOverhead> Measure(
        Generator generator,
        string prompt,
        IReadOnlyList<(string Name, SteeringPlan Plan)> plans,
        int runs = 25,
        int newTokens = 64,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(plans);
        ArgumentOutOfRangeException.ThrowIfLessThan(runs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(newTokens, 2);
        var request = new GenerationRequest { Prompt = prompt, MaxNewTokens = newTokens, StopAtEos = false };
        var measured = new List<SteeringOverhead>();
        foreach ((string name, SteeringPlan plan) in plans)
        {
            double[] unsteered = new double[runs];
            double[] steered = new double[runs];
            int promptTokens = generator.Generate(request, null, cancellation).PromptIds.Length;
            Seconds(plan);
            for (int run = 0; run < runs; run++)
            {
                bool steersFirst = run % 2 == 1;
                double first = Seconds(steersFirst ? plan : null);
                double second = Seconds(steersFirst ? null : plan);
                (unsteered[run], steered[run]) = steersFirst ? (second, first) : (first, second);
            }

            double[] added = [.. steered.Zip(unsteered, (with, without) => with - without)];
            (double? low, double? high) = MedianInterval(added);
            measured.Add(new SteeringOverhead(
                name,
                runs,
                promptTokens,
                newTokens,
                Quantile(unsteered, 0.5),
                Quantile(steered, 0.5),
                Quantile(added, 0.5),
                low,
                high));
        }

        return measured;

        double Seconds(SteeringPlan? plan)
        {
            GenerationResult result = generator.Generate(request with { Plan = plan }, null, cancellation);
            return result.DecodeTime.TotalSeconds / (result.Ids.Length - 1);
        }
    }

    /// <summary>The 95 % interval of the median of values; null of fewer than six.</summary>
    internal static (double? Low, double? High) MedianInterval(ReadOnlySpan<double> values)
    {
        double[] sorted = values.ToArray();
        Array.Sort(sorted);
        int n = sorted.Length;
        double term = Math.Pow(0.5, n);
        double below = term;
        int k = 0;
        while (2 * below <= 0.05)
        {
            k++;
            term *= (double)(n - k + 1) / k;
            below += term;
        }

        return k > 0 ? (sorted[k - 1], sorted[n - k]) : (null, null);
    }

    /// <summary>The p-th part of values, in a straight line between two of them.</summary>
    internal static double Quantile(ReadOnlySpan<double> values, double p)
    {
        double[] sorted = values.ToArray();
        Array.Sort(sorted);
        double at = p * (sorted.Length - 1);
        int below = (int)at;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((at - below) * (sorted[above] - sorted[below]));
    }
}
