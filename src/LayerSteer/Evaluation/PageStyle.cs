namespace LayerSteer.Evaluation;

/// <summary>
/// The look of pages: one column that fits a phone; what is wider scrolls in a box of its own; explanations stand at
/// the foot of the window while the pointer or the keyboard is on what they explain; on paper everything is open and light.
/// </summary>
internal static class PageStyle
{
    /// <summary>The rules of a page, those of its charts among them.</summary>
    public static string Text { get; } = ChartStyle.Colours(":root") + ChartStyle.Charts + """

        *{box-sizing:border-box}
        html{background:var(--bg);color:var(--ink)}
        body{font:16px/1.55 system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;margin:0 auto;
        max-width:74rem;padding:1rem 1rem 6rem}
        h1{font-size:1.75rem;line-height:1.2;margin:.6rem 0}
        h2{font-size:1.3rem;margin:2.4rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}
        h3{font-size:1.05rem;margin:1.4rem 0 .4rem}
        p{margin:.5rem 0;max-width:48rem}
        a{color:var(--link)}
        nav{font-size:.9rem}
        nav a{display:inline-block;margin:.1rem .8rem .1rem 0}
        .lead{font-size:1.05rem}
        .soft{color:var(--soft)}
        .scroll{overflow-x:auto;margin:.6rem 0;border:1px solid var(--line);border-radius:6px}
        .scroll:focus-visible,.term:focus-visible,.tok:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:1px}
        .scroll svg{display:block;width:100%;max-width:54rem;height:auto;min-width:34rem;margin:0 auto}
        .scroll.wide svg{width:auto;max-width:none}
        table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
        th,td{padding:.3rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
        tr:last-child>*{border-bottom:0}
        thead th{background:var(--card);white-space:nowrap}
        tbody th{position:sticky;left:0;background:var(--bg);font-weight:600;white-space:nowrap}
        td.n{white-space:nowrap}
        td.prose{white-space:normal;min-width:14rem}
        td.code{overflow-wrap:anywhere;font-family:ui-monospace,Consolas,monospace;font-size:.8rem;min-width:12rem}
        .findings{margin:1rem 0;padding:0;list-style:none}
        .findings li{border:1px solid var(--line);border-left:.4rem solid var(--soft);border-radius:6px;
        margin:.5rem 0;padding:.5rem .8rem}
        .findings li.yes{border-left-color:var(--s0)}
        .findings li.no{border-left-color:var(--s1)}
        .findings li.partly{border-left-color:var(--s4);border-left-style:double}
        .findings b{display:block}
        .findings .tone{float:right;margin-left:.8rem;font-size:.8rem;font-weight:600;color:var(--soft)}
        .term{border-bottom:1px dotted var(--soft);cursor:help}
        [data-tip]:hover::after,[data-tip]:focus::after{content:attr(data-tip);position:fixed;z-index:9;left:50%;
        bottom:.6rem;transform:translateX(-50%);width:min(46rem,calc(100vw - 1.2rem));background:var(--ink);
        color:var(--bg);font:14px/1.45 system-ui,sans-serif;white-space:pre-line;text-align:left;padding:.6rem .8rem;
        border-radius:6px;box-shadow:0 2px 12px #0006}
        details{margin:.25rem 0}
        summary{cursor:pointer;font-weight:600;padding:.2rem 0}
        .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:.7rem;
        margin:.6rem 0}
        .card{border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem;background:var(--card);min-width:0}
        .card h4{margin:0 0 .2rem;font-size:.95rem;overflow-wrap:anywhere}
        .card .figures{font-size:.8rem;color:var(--soft);margin:0 0 .4rem}
        .card .text{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;max-height:24rem;overflow-y:auto}
        mark{background:var(--mark);color:inherit;text-decoration:underline;text-decoration-thickness:2px;
        text-underline-offset:3px;padding:0 .05em}
        .tok{border-radius:2px;cursor:help}
        .heat{display:inline-block;width:2.2rem;height:1rem;vertical-align:-.15rem;border:1px solid var(--line)}
        dl{margin:.6rem 0}
        dt{font-weight:600;margin-top:.5rem}
        dd{margin:0 0 0 1.2rem;max-width:48rem}
        @media (max-width:40rem){body{font-size:15px;padding:.7rem .7rem 7rem}h1{font-size:1.4rem}
        tbody th{min-width:5rem;max-width:8rem;white-space:normal;overflow-wrap:break-word}.findings .tone{float:none;
        display:block;margin:0}}
        @media print{body{max-width:none;font-size:10.5pt;padding:0}nav{display:none}h2{break-after:avoid}
        .card,.findings li,.scroll,tr{break-inside:avoid}.scroll{overflow:visible}.scroll svg{min-width:0;
        max-width:100%}table{font-size:7.5pt}th,td{padding:.12rem .25rem}td.n,tbody th,thead th{white-space:normal;
        position:static}.card .text{max-height:none}details:not([open])::details-content{content-visibility:visible;
        block-size:auto}.tok,mark,.heat{print-color-adjust:exact;-webkit-print-color-adjust:exact}}

        """;
}
