using System.CommandLine;
using LayerSteer.Models;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>
/// The seed's <c>generated_outputs</c> in one command line: two CSV files, reference and alignment texts, in place of
/// scores. The index is built in a temporary folder and removed; `index` and `topic` keep theirs. With the pocket model
/// its index and encoder stand in for reference texts and encoder that are not given.
/// </summary>
internal sealed class PipelineArguments
{
    private readonly Option<string?> _reference = new("--reference")
    {
        Description = "Reference texts; with --align and --encoder in place of --scores or --topic. "
            + "Default: the pocket model's index, where that is the model.",
        HelpName = "path",
    };

    private readonly Option<string?> _align = new("--align")
    {
        Description = "The topic's texts: CSV, JSON, JSONL, text, or a folder of them; see --reference.",
        HelpName = "path",
    };
    private readonly Option<string?> _encoder = new("--encoder")
    {
        Description = "Folder of the sentence encoder; see --reference.",
        HelpName = "path",
    };

    private readonly LoadingArguments _loading;

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="loading">How it loads.</param>
    /// <param name="required">Whether the command needs them even where scores are given.</param>
    public PipelineArguments(Command command, LoadingArguments loading, bool required = false)
    {
        _loading = loading;
        IsRequired = required;
        foreach (Option<string?> option in new[] { _reference, _align, _encoder })
        {
            option.Required = required && option != _encoder;
            command.Options.Add(option);
        }
    }

    public bool IsRequired { get; }

    public bool IsGiven(ParseResult parse) => parse.GetResult(_align) is not null;

    /// <summary>Refuses options that need others which are not given.</summary>
    /// <exception cref="UsageException">One does.</exception>
    public void Check(ParseResult parse, PocketModel? pocket)
    {
        bool reference = parse.GetValue(_reference) is not null;
        bool encoder = parse.GetValue(_encoder) is not null;
        if (pocket is null && (reference != IsGiven(parse) || reference != encoder))
        {
            throw new UsageException("--reference, --align and --encoder belong together");
        }

        if (pocket is not null && (reference || encoder) && !IsGiven(parse))
        {
            throw new UsageException($"{(reference ? "--reference" : "--encoder")} needs --align, the topic's texts");
        }

        if (pocket is not null && encoder && !reference)
        {
            throw new UsageException(
                "--encoder needs --reference: the pocket model's index was made with its own encoder");
        }
    }

    public TextTable References(ParseResult parse) => TextTable.Read(parse.GetRequiredValue(_reference)!);

    public TextTable Alignment(ParseResult parse) => AlignmentTexts.Read(parse.GetRequiredValue(_align)!).Texts;

    public SentenceEncoder Encoder(ParseResult parse, Terminal terminal, Steerer steerer, PocketModel? pocket) =>
        SentenceEncoder.Load(
            SharedOptions.EncoderFolder(parse.GetValue(_encoder)) ?? pocket!.Encoder, _loading.Options(parse, terminal, steerer.Decoder.Pool));

    /// <summary>Indexes the references, or takes the pocket model's index, and scores the topic.</summary>
    public TopicProfile Profile(
        ParseResult parse,
        Terminal terminal,
        Steerer steerer,
        SteeringMode mode,
        PocketModel? pocket,
        CancellationToken cancellation)
    {
        using SentenceEncoder encoder = Encoder(parse, terminal, steerer, pocket);
        ReferenceIndex index = pocket is not null && parse.GetValue(_reference) is null
            ? ReferenceIndex.Open(pocket.Index)
            : Index(terminal, steerer.Indexer(encoder, mode), References(parse), cancellation);
        TextTable texts = Alignment(parse);
        TopicProfile profile = Score(index, encoder, texts, UncertaintyLevel.Card, cancellation).Profile;
        return mode == SteeringMode.Seed || steerer.Sites.Count != 1
            ? profile
            : steerer.Read(profile, index, texts.Texts, cancellation: cancellation);
    }

    /// <summary>An index of references in memory; its files are gone.</summary>
    public static ReferenceIndex Index(
        Terminal terminal, ReferenceIndexer indexer, TextTable references, CancellationToken cancellation)
    {
        string folder = Path.Combine(Path.GetTempPath(), $"layersteer-{Guid.NewGuid():N}");
        try
        {
            IndexBuild.Run(terminal, indexer, folder, indexer.Manifest(references), references, cancellation);
            return ReferenceIndex.Open(folder);
        }
        finally
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>Scores the topic's texts.</summary>
    public static ScoredTopic Score(
        ReferenceIndex index,
        SentenceEncoder encoder,
        TextTable alignment,
        UncertaintyLevel level,
        CancellationToken cancellation) => TopicProfiler.Profile(
            Path.GetFileNameWithoutExtension(alignment.Source),
            index,
            encoder,
            alignment,
            level: level,
            cancellation: cancellation);
}
