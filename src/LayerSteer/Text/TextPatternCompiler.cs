namespace LayerSteer.Text;

/// <summary>Makes steps of the parts of a regular expression. Counted repetitions of groups are written out.</summary>
internal static class TextPatternCompiler
{
    public const int MaxSteps = 20_000;

    /// <summary>The steps of a whole expression; false if there would be more than <see cref="MaxSteps"/>.</summary>
    public static bool TryCompile(TextPatternNode root, out TextPattern.Step[] steps)
    {
        var made = new List<TextPattern.Step>();
        Emit(root, made);
        made.Add(new TextPattern.Step(TextPattern.Kind.Done));
        steps = [.. made];
        return made.Count <= MaxSteps;
    }

    private static void Emit(TextPatternNode node, List<TextPattern.Step> steps)
    {
        if (steps.Count > MaxSteps)
        {
            return;
        }
        switch (node)
        {
            case TextPatternNode.One one:
                steps.Add(new TextPattern.Step(TextPattern.Kind.One, one.Set));
                break;
            case TextPatternNode.Sequence sequence:
                sequence.Parts.ForEach(part => Emit(part, steps));
                break;
            case TextPatternNode.Choice choice:
                EmitChoice(choice, steps);
                break;
            case TextPatternNode.Look look:
                int at = Reserve(steps);
                Emit(look.Body, steps);
                steps.Add(new TextPattern.Step(TextPattern.Kind.Done));
                steps[at] = new TextPattern.Step(TextPattern.Kind.Look, Target: steps.Count, Atomic: look.Negative);
                break;
            case TextPatternNode.Repeat { Body: TextPatternNode.One one } run:
                steps.Add(new TextPattern.Step(
                    TextPattern.Kind.Run, one.Set, Min: run.Least, Max: run.Most, Atomic: run.Atomic));
                break;
            case TextPatternNode.Repeat repeat:
                EmitRepeat(repeat, steps);
                break;
        }
    }

    private static void EmitChoice(TextPatternNode.Choice choice, List<TextPattern.Step> steps)
    {
        var exits = new List<int>();
        foreach (TextPatternNode way in choice.Ways.SkipLast(1))
        {
            int fork = Reserve(steps);
            Emit(way, steps);
            exits.Add(Reserve(steps));
            steps[fork] = new TextPattern.Step(TextPattern.Kind.Fork, Target: steps.Count);
        }
        Emit(choice.Ways[^1], steps);
        exits.ForEach(exit => steps[exit] = new TextPattern.Step(TextPattern.Kind.Jump, Target: steps.Count));
    }

    private static void EmitRepeat(TextPatternNode.Repeat repeat, List<TextPattern.Step> steps)
    {
        for (int i = 0; i < repeat.Least && steps.Count <= MaxSteps; i++)
        {
            Emit(repeat.Body, steps);
        }
        if (repeat.Most == int.MaxValue)
        {
            int fork = Reserve(steps);
            Emit(repeat.Body, steps);
            steps.Add(new TextPattern.Step(TextPattern.Kind.Jump, Target: fork));
            steps[fork] = new TextPattern.Step(TextPattern.Kind.Fork, Target: steps.Count);
            return;
        }
        var forks = new List<int>();
        for (int i = repeat.Least; i < repeat.Most && steps.Count <= MaxSteps; i++)
        {
            forks.Add(Reserve(steps));
            Emit(repeat.Body, steps);
        }
        forks.ForEach(fork => steps[fork] = new TextPattern.Step(TextPattern.Kind.Fork, Target: steps.Count));
    }

    private static int Reserve(List<TextPattern.Step> steps)
    {
        steps.Add(default);
        return steps.Count - 1;
    }
}
