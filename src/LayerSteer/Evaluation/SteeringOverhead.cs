using LayerSteer.Generation;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>
/// What steering adds to a generated token, the prompt's time left out:
/// <code>
/// time  = decode time / (new tokens − 1)          s/token, one sequence, with its key-value cache
/// added = median over runs of steered − unsteered, the two of a run one after the other, which comes first in turn
/// </code>
/// The times are those of one machine: name it beside them.
/// </summary>
/// <param name="Name">What was steered with.</param>
/// <param name="Runs">How many pairs.</param>
/// <param name="PromptTokens">Tokens of the prompt, BOS among them.</param>
/// <param name="NewTokens">Tokens generated in each run.</param>
/// <param name="Unsteered">The median time without steering, in seconds a token.</param>
/// <param name="Steered">With it.</param>
/// <param name="Added">The median difference.</param>
/// <param name="LowerQuartile">A quarter of the differences are at most this.</param>
/// <param name="UpperQuartile">A quarter of the differences are at least this.</param>
public sealed record SteeringOverhead(
    string Name,
    int Runs,
    int PromptTokens,
    int NewTokens,
    double Unsteered,
    double Steered,
    double Added,
    double LowerQuartile,
    double UpperQuartile)
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
        int runs = 7,
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
            measured.Add(new SteeringOverhead(
                name,
                runs,
                promptTokens,
                newTokens,
                Quantile(unsteered, 0.5),
                Quantile(steered, 0.5),
                Quantile(added, 0.5),
                Quantile(added, 0.25),
                Quantile(added, 0.75)));
        }

        return measured;

        double Seconds(SteeringPlan? plan)
        {
            GenerationResult result = generator.Generate(request with { Plan = plan }, null, cancellation);
            return result.DecodeTime.TotalSeconds / (result.Ids.Length - 1);
        }
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
