using System.CommandLine;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>
/// The seed's <c>generated_outputs</c> in one command line: two CSV files, reference and alignment texts, in place of scores.
/// The index is built in a temporary folder and removed; `index` and `topic` keep theirs.
/// </summary>
internal sealed class PipelineArguments
{
    private readonly Option<string?> _reference = new("--reference")
    {
        Description = "Reference texts; with --align and --encoder in place of --scores or --topic.",
    };

    private readonly Option<string?> _align = new("--align") { Description = "The topic's texts; see --reference." };
    private readonly Option<string?> _encoder = new("--encoder") { Description = "Folder of the sentence encoder; see --reference." };

    public PipelineArguments(Command command)
    {
        command.Options.Add(_reference);
        command.Options.Add(_align);
        command.Options.Add(_encoder);
        command.Validators.Add(result =>
        {
            int given = new Option[] { _reference, _align, _encoder }.Count(option => result.GetResult(option) is not null);
            if (given is 1 or 2)
            {
                result.AddError("--reference, --align and --encoder belong together");
            }
        });
    }

    public bool IsGiven(ParseResult parse) => parse.GetValue(_reference) is not null;

    /// <summary>Indexes the references, scores the topic and makes the plan.</summary>
    public SteeringPlan Plan(
        ParseResult parse, Terminal terminal, Steerer steerer, SteeringOptions options, CancellationToken cancellation)
    {
        string path = parse.GetRequiredValue(_reference)!;
        TextTable references = TextTable.Read(path);
        TextTable alignment = TextTable.Read(parse.GetRequiredValue(_align)!);
        using SentenceEncoder encoder = SentenceEncoder.Load(parse.GetRequiredValue(_encoder)!, steerer.Decoder.Pool);
        string folder = Path.Combine(Path.GetTempPath(), $"layersteer-{Guid.NewGuid():N}");
        try
        {
            ReferenceIndexer indexer = steerer.Indexer(encoder, options.Mode);
            IndexBuild.Run(terminal, indexer, folder, indexer.Manifest(path, references), references, cancellation);
            string align = parse.GetRequiredValue(_align)!;
            ScoredTopic topic = TopicProfiler.Profile(
                Path.GetFileNameWithoutExtension(align), ReferenceIndex.Open(folder), encoder, align, alignment, cancellation: cancellation);
            if (topic.Profile.Verdict != TopicProfile.Scored)
            {
                terminal.Warn($"topic '{topic.Profile.Name}' is {topic.Profile.Verdict}: {string.Join("; ", topic.Profile.Reasons)}");
            }

            return steerer.Plan(options, topic.Profile);
        }
        finally
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}
