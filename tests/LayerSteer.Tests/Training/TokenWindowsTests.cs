using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

public sealed class TokenWindowsTests
{
    private static TokenSource Source(string name, int first, int count, double weight = 1) =>
        new(name, [.. Enumerable.Range(first, count)], weight);

    private static List<int[]> Draw(TokenWindows windows, int count) => [.. Enumerable.Range(0, count).Select(_ =>
    {
        int[] window = new int[windows.Window];
        windows.Next(window);
        return window;
    })];

    [Fact]
    public void Every_window_is_a_stretch_of_one_source()
    {
        var windows = new TokenWindows([Source("a", 0, 101), Source("b", 1000, 57)], 8, 3);

        Assert.All(Draw(windows, 100), window => Assert.Equal(Enumerable.Range(window[0], 9), window));
    }

    [Fact]
    public void A_source_gives_each_of_its_windows_once_before_it_starts_anew()
    {
        var windows = new TokenWindows([Source("a", 0, 8 * 20)], 8, 5);
        List<int[]> epoch = Draw(windows, 19);

        Assert.Equal(19, epoch.Select(w => w[0]).Distinct().Count());
        Assert.Single(epoch.Select(w => w[0] % 8).Distinct());
    }

    [Fact]
    public void Sources_are_drawn_from_by_size_times_weight()
    {
        TokenSource[] sources = [Source("a", 0, 1000), Source("b", 5000, 500, 4), Source("c", 9000, 500, 0)];
        var windows = new TokenWindows(sources, 9, 1);
        List<int[]> drawn = Draw(windows, 300);

        Assert.Equal(100, drawn.Count(w => w[0] < 5000));
        Assert.Equal(200, drawn.Count(w => w[0] is >= 5000 and < 9000));
    }

    [Fact]
    public void Skipping_goes_on_where_drawing_would_have_been()
    {
        TokenSource[] sources = [Source("a", 0, 300), Source("b", 1000, 120, 2)];
        var drawn = new TokenWindows(sources, 7, 9);
        var skipped = new TokenWindows(sources, 7, 9);
        Draw(drawn, 101);
        skipped.Skip(101);

        Assert.Equal(Draw(drawn, 50), Draw(skipped, 50));
    }

    [Fact]
    public void Texts_smaller_than_a_window_and_weights_below_zero_are_refused()
    {
        var small = Assert.Throws<ArgumentException>(() => new TokenWindows([Source("a", 0, 8)], 8, 1));
        var none = Assert.Throws<ArgumentException>(() => new TokenWindows([], 8, 1));
        var weight = Assert.Throws<ArgumentException>(() => new TokenWindows([Source("a", 0, 80, -1)], 8, 1));

        Assert.StartsWith(
            "the texts are smaller than one window: 8 tokens, expected at least 9; "
            + "give more text or a smaller context",
            small.Message,
            StringComparison.Ordinal);
        Assert.StartsWith("the texts are smaller than one window: 0 tokens", none.Message, StringComparison.Ordinal);
        Assert.StartsWith("the weight of a is -1, expected 0 or more", weight.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_of_exactly_one_window_is_enough() =>
        Assert.Equal(Enumerable.Range(0, 9), Draw(new TokenWindows([Source("a", 0, 9)], 8, 1), 2)[1]);
}
