namespace LayerSteer.Evaluation;

/// <summary>
/// Colours and lines of charts and pages, for light and dark screens; paper is light. The series' colours are told
/// apart with every common kind of colour blindness (after Okabe and Ito), and each has a dash and a marker beside.
/// </summary>
internal static class ChartStyle
{
    /// <summary>How many series look different.</summary>
    public const int Series = 8;

    private const string Light =
        "--bg:#fff;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--card:#f6f8fa;--up:#5aa5de;--down:#ee9a4d;"
        + "--hot:#e8a33d;--mark:#fff0b8;--link:#0969da;--s0:#0072b2;--s1:#c2500a;--s2:#00805c;--s3:#b0478a;--s4:#9a6b00;--s5:#2b83ba;"
        + "--s6:#6a4fb3;--s7:#5c5c5c";

    private const string Dark =
        "--bg:#0d1117;--ink:#e6edf3;--soft:#9da7b1;--line:#343b44;--card:#161b22;--up:#2f7fc1;--down:#b8651b;"
        + "--hot:#a06a12;--mark:#574a12;--link:#58a6ff;--s0:#58b1f0;--s1:#ff9a5c;--s2:#3ecfa0;--s3:#ef9fd0;--s4:#f0c04a;--s5:#9ad4f5;"
        + "--s6:#bda2f2;--s7:#b5b5b5";

    private static readonly string[] Dashes = ["", "7 4", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "6 2 1 2 1 2"];

    /// <summary>The colours, for a selector that holds all that uses them.</summary>
    public static string Colours(string selector) =>
        $"{selector}{{{Light};color-scheme:light dark}}\n"
        + $"@media screen and (prefers-color-scheme:dark){{{selector}{{{Dark}}}}}\n";

    /// <summary>The rules of charts.</summary>
    public static string Charts { get; } = string.Join('\n',
    [
        ".chart text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:var(--ink)}",
        ".chart .paper{fill:var(--bg)}",
        ".chart .halo{paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}",
        ".chart .title{font-size:14px;font-weight:600}",
        ".chart .soft{fill:var(--soft)}",
        ".chart .small{font-size:11px}",
        ".chart .strong{font-weight:700}",
        ".chart .grid{stroke:var(--line);stroke-width:1;fill:none}",
        ".chart .axis{stroke:var(--soft);stroke-width:1;fill:none}",
        ".chart .guide{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3;fill:none}",
        ".chart .front{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:5 4;fill:none}",
        ".chart .ink{stroke:var(--ink);fill:var(--ink)}",
        ".chart .up{fill:var(--up)}",
        ".chart .down{fill:var(--down)}",
        ".chart .cell{stroke:var(--bg);stroke-width:1}",
        ".chart .hollow{fill:var(--bg);stroke-width:2}",
        ".chart .curve{fill:none;stroke-width:2}",
        .. Enumerable.Range(0, Series).SelectMany(i => (string[])
        [
            $".chart .s{i}{{stroke:var(--s{i})}}",
            $".chart .f{i}{{fill:var(--s{i});stroke:var(--s{i})}}",
            $".chart .t{i}{{fill:var(--s{i})}}",
            Dashes[i].Length == 0 ? "" : $".chart .d{i}{{stroke-dasharray:{Dashes[i]}}}",
        ]).Where(rule => rule.Length > 0),
    ]);
}
