using System.CommandLine;
using System.Diagnostics;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>
/// The options of `topic` that bring the model in: contrastive scores, the difference of means, and whether the
/// autoencoder can represent the topic. With the pocket model's index its model is at hand.
/// </summary>
internal sealed class TopicModelArguments
{
    private readonly Option<string?> _model = new("--model")
    {
        Description = "Folder or name of the model that the index was made with; with --sae it adds contrastive scores, the "
            + "difference of means and the reconstruction of the topic. Default: the pocket model, where the index is its.",
        HelpName = "path|name",
    };

    private readonly Option<string[]> _sae = SharedOptions.Sae(required: false);
    private readonly Option<string?> _general = new("--general")
    {
        Description = "Texts that the topic's means are compared with. Default: neutral ones that come with this tool.",
        HelpName = "path",
    };

    private readonly Option<CausalFilter?> _filter = SharedOptions.Filter();
    private readonly Option<int?> _tokens = ValueOptions.Number<int>(
        "--align-tokens", "How many tokens of the topic's texts the model reads at most.", "a whole number from 1 on",
        n => n >= 1, TopicActivations.DefaultTokens);

    private readonly Option<bool> _none = new("--no-model")
    {
        Description = "Leave the model out: scores and card from the index alone.",
    };

    public TopicModelArguments(Command command)
    {
        foreach (Option option in new Option[] { _model, _sae, _general, _filter, _tokens, _none })
        {
            command.Options.Add(option);
        }

        command.Validators.Add(result =>
        {
            if ((result.GetResult(_model) is null) != (result.GetResult(_sae) is null))
            {
                result.AddError("--model and --sae belong together");
            }

            if (result.GetResult(_none) is not null && result.GetResult(_model) is not null)
            {
                result.AddError("--no-model does not go with --model");
            }
        });
    }

    /// <summary>The profile with what the model says, where it is at hand and the mode has it.</summary>
    /// <exception cref="ArgumentException">The model is not the one of the index.</exception>
    public TopicProfile Read(
        ParseResult parse,
        Terminal terminal,
        LoadingArguments loading,
        WorkerPool pool,
        PocketModel? pocket,
        ReferenceIndex index,
        TopicProfile profile,
        TextTable texts,
        CancellationToken cancellation)
    {
        string? model = parse.GetValue(_model);
        if (parse.GetValue(_none) || (model is null && pocket is null)
            || profile.Mode == SteeringMode.Seed || profile.PublishedBug)
        {
            return model is not null
                ? throw new UsageException(
                    "--model goes with corrected scores: seed mode and --published-bug are the published scores")
                : profile;
        }

        var point = HookPoint.Parse(profile.HookPoint);
        IReadOnlyList<string>? general = parse.GetValue(_general) is { } path ? AlignmentTexts.Read(path).Texts.Texts : null;
        string sae = parse.GetValue(_sae) is { Length: > 0 } named
            ? SharedOptions.Sites([point.Layer], named, point.Kind)[0].Sae
            : pocket!.SaeAt(point).Path;
        long start = Stopwatch.GetTimestamp();
        using Steerer steerer = Steerer.Load(
            model is null ? pocket!.Model : SharedOptions.ModelFolder(model), [(point, sae)],
            loading.Options(parse, terminal, pool));
        TopicProfile read = steerer.Read(
            profile, index, texts.Texts, general, parse.GetValue(_filter) ?? CausalFilter.None,
            parse.GetRequiredValue(_tokens)!.Value, cancellation);
        terminal.Note(FormattableString.Invariant(
            $"model and autoencoder on {read.Representation!.Tokens} tokens in {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s"));
        return read;
    }
}
