using System.CommandLine;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>The options of the uncertainty card: whether it is made, by which draws, and what it is judged by.</summary>
internal sealed class UncertaintyArguments
{
    private static readonly UncertaintyOptions Default = new();

    private readonly Option<bool> _none = new("--no-uncertainty")
    {
        Description = "Make no uncertainty card: plain scores, verdict scored. Always so in seed mode.",
    };

    private readonly Option<ulong?> _seed = ValueOptions.Number<ulong>(
        "--uncertainty-seed", "Seed of the card's draws.", "a whole number from 0 on", _ => true, Default.Seed);

    private readonly Option<double?> _globalP = Share(
        "--global-p", "Above this global p-value a topic is not steerable.", Default.GlobalP);

    private readonly Option<double?> _qValue = Share(
        "--q-value", "Below this q-value a latent is significant; without one a topic is not steerable.", Default.QValue);

    private readonly Option<double?> _effective = ValueOptions.Number<double>(
        "--effective-prompts",
        "Latents on fewer effective prompts are not tested.",
        "a finite number above 1",
        n => n > 1 && double.IsFinite(n),
        Default.EffectivePrompts);

    private readonly Option<double?> _inSupport = Share(
        "--in-support",
        "Below this share of the topic near a reference it is weak.",
        Default.InSupportShare);

    public UncertaintyArguments(Command command)
    {
        foreach (Option option in new Option[] { _none, _seed, _globalP, _qValue, _effective, _inSupport })
        {
            command.Options.Add(option);
        }
    }

    public UncertaintyLevel Level(ParseResult parse) =>
        parse.GetValue(_none) ? UncertaintyLevel.None : UncertaintyLevel.Card;

    public UncertaintyOptions Options(ParseResult parse) => Default with
    {
        Seed = parse.GetRequiredValue(_seed)!.Value,
        GlobalP = parse.GetRequiredValue(_globalP)!.Value,
        QValue = parse.GetRequiredValue(_qValue)!.Value,
        EffectivePrompts = parse.GetRequiredValue(_effective)!.Value,
        InSupportShare = parse.GetRequiredValue(_inSupport)!.Value,
    };

    private static Option<double?> Share(string name, string description, double fallback) => ValueOptions.Number<double>(
        name, description, "a number from 0 to 1", share => share is >= 0 and <= 1, fallback);
}
