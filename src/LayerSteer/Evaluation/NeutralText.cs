namespace LayerSteer.Evaluation;

/// <summary>Text of our own on nothing in particular, for checks that need some text.</summary>
public static class NeutralText
{
    /// <summary>The paragraphs.</summary>
    public static IReadOnlyList<string> Paragraphs { get; } =
    [
        """
        The market opens at eight, but most people come an hour later, when the bread is still warm and the street has
        been swept. An old man sells apples from a wooden cart and tells everyone who stops that the summer was too dry.
        Nobody argues with him, because the apples are good and because he has said the same thing every year since the
        bridge was built. Children run between the stalls and are told not to. At noon the bells ring, the awnings are
        folded, and a truck takes away what was not sold.
        """,
        """
        A river changes its bed slowly, and a town that stands beside it changes too. The first houses were built on the
        higher bank, where the ground is firm and floods are rare. Later, when there was a mill and then a railway, people
        moved down to the water, and walls had to be raised to keep it out. Maps of different years show how the streets
        followed the work. Today the mill is a library, and the walls are a path on which people walk in the evening.
        """,
        """
        To repair a bicycle you need fewer tools than most shops would like you to believe. Turn it upside down, so that
        it rests on the seat and the handlebars, and look at the chain first. If it is rusty, clean it with a cloth and a
        little oil; if it is long and loose, it is worn, and a new one costs less than a new set of gears. Then spin each
        wheel. A wheel that touches the brake on one side only is bent, and three or four spokes will bring it back.
        """,
        """
        In the second year of the survey, the team counted the birds of the valley again. They walked the same paths at
        the same hours, and wrote down what they saw and what they only heard. There were fewer swallows than before and
        more crows. Two kinds of warbler that had not been seen since the war were found near the old quarry, where nobody
        had looked. The report says that one year proves nothing, and asks for money to count for eight more.
        """,
        """
        My sister called on Sunday to say that she had found the letters. They were in a tin box under the stairs, tied
        with a blue ribbon, exactly where our mother had told us they would be, and where each of us had looked at least
        once. She read the first one to me over the phone. It was about the price of coal and the weather, and about a dog
        that had eaten a hat, and it ended with a sentence that neither of us will forget.
        """,
        """
        The committee met for three hours and agreed on two things. The first was that the old rules no longer fit the
        way in which people work, since they say nothing about machines that decide and much about paper that is no longer
        used. The second was that new rules should be short. On everything else there were as many opinions as chairs. A
        draft will be written by the end of the month, and those who do not like it are invited to write a better one.
        """,
        """
        Light takes about eight minutes to come from the sun to the earth, and a little more than a second from the moon.
        These numbers are easy to say and hard to imagine. A train that never stopped would need more than a hundred years
        for the first journey and five months for the second. When we look at a star, we see it as it was before we were
        born, and sometimes before anyone was; whether it is still there is a question that only patience can answer.
        """,
        """
        Before the guests arrive, decide where they will leave their coats. It sounds like a small thing, but a host who
        carries coats to another room at every ring of the bell will not hear a word of what is said at the table. Put
        water out early. Keep the music low enough that two people at opposite ends can talk. If something burns, say so
        and laugh; everyone has burnt something, and a cold supper eaten among friends is remembered longer than a perfect
        one.
        """,
        """
        The game was decided in the last minute, as it had been the week before. With the score level and the rain getting
        heavier, the captain sent everyone forward, leaving the keeper alone in half a field of mud. The ball came loose,
        was lost, was won again, and rolled so slowly over the line that for a moment nobody was sure. Then the whole stand
        rose. Afterwards the coach said that luck is what is left when all the plans have been used up.
        """,
        """
        A good dictionary does not tell people how to speak; it tells them how they do. Its makers read newspapers, songs,
        court records and the labels of jars, and note each word they do not know with the sentence around it. When enough
        slips have gathered, someone sits down with them and tries to say in ten plain words what all the sentences have
        in common. It is slow work. The letter S alone can fill a career, and by the time Z is done, A is out of date.
        """,
    ];
}
