namespace LayerSteer.Evaluation;

/// <summary>Beginnings of sentences that say nothing of a topic: prompts that any topic can follow.</summary>
public static class NeutralPrompts
{
    /// <summary>The prompts, in the order in which an evaluation takes them.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "I went to the",
        "Today we",
        "The most important thing is",
        "Yesterday my friend told me",
        "There is a",
        "When I was young,",
        "It is often said that",
        "The first time that I saw it,",
        "One of the best known",
        "If you want to",
        "She looked at the",
        "In this part we",
        "Many people think that",
        "The next morning they",
        "It began with",
        "What I like most is",
        "At the end of the day,",
        "He asked whether",
        "The reason for this is",
        "For more than a year,",
        "Let us begin with",
        "They decided to",
        "The main difference is",
        "Before you start,",
        "We have found that",
        "Some of them are",
        "In the middle of the",
        "Nobody knew why",
        "It can be used to",
        "After a while, the",
        "You should always",
        "The story of",
        "As far as I know,",
        "On the other side of the",
        "A good example is",
        "Most of the time, it",
    ];
}
