using System.Text.Json;
using CsCheck;
using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class ChatTemplateTests
{
    private static readonly ChatTurn[] Talk =
    [
        new("user", " Hi "), new("assistant", "<think>\nhm\n</think>\n\nHello."), new("user", "Bye 😀"),
    ];

    private static readonly ChatTurn[] WithSystem = [new("system", "Be brief. "), .. Talk];

    [Fact]
    public void Headers_as_in_Llama_3()
    {
        Assert.Equal(
            "<s><|head|>system<|/head|>\n\nDay: 1 Jan\nBe brief.<|eot|><|head|>user<|/head|>\n\nHi<|eot|>"
            + "<|head|>assistant<|/head|>\n\n<think>\nhm\n</think>\n\nHello.<|eot|>"
            + "<|head|>user<|/head|>\n\nBye 😀<|eot|><|head|>assistant<|/head|>\n\n",
            Rendered(ChatTemplates.Headers, WithSystem, true));
    }

    [Fact]
    public void Turns_as_in_Gemma()
    {
        Assert.Equal(
            "<s><turn>user\nHi</turn>\n<turn>model\n<think>\nhm\n</think>\n\nHello.</turn>\n<turn>user\nBye 😀</turn>\n",
            Rendered(ChatTemplates.Turns, Talk, false));
        Assert.Equal(
            "the chat template refuses these messages: No system role",
            Assert.Throws<ArgumentException>(() => Rendered(ChatTemplates.Turns, WithSystem, true)).Message);
    }

    [Fact]
    public void Marks_as_in_ChatML()
    {
        Assert.Equal(
            "<mark>system\nBe of use.</done>\n<mark>user\n Hi </done>\n<mark>assistant\nHello.</done>\n"
            + "<mark>user\nBye 😀</done>\n<mark>assistant\n",
            Rendered(ChatTemplates.Marks, Talk, true));
    }

    [Fact]
    public void Brackets_as_in_Mistral()
    {
        Assert.Equal(
            "<s>[I]  Hi [/I] <think>\nhm\n</think>\n\nHello.</s>[I] Be brief. \n\nBye 😀[/I]",
            Rendered(ChatTemplates.Brackets, WithSystem, false));
        Assert.Equal(
            "the chat template refuses these messages: Only user and assistant roles are supported, not tool",
            Assert.Throws<ArgumentException>(
                () => Rendered(ChatTemplates.Brackets, [new("tool", "x")], true)).Message);
    }

    // Values as Jinja 3 with trim_blocks and lstrip_blocks gives them.
    [Theory]
    [InlineData("a\n  {% if true %}  \n b\n  {% endif %}\nc\n", "a\n  \n b\nc")]
    [InlineData("a\n  {%- if true -%}  \n b\n  {%+ endif %}\n\nc", "ab\n  \nc")]
    [InlineData("a {# b #}\n{{ 'c' }}\n d", "a c\n d")]
    [InlineData("  {% set x = 1 %}\n  {{ x }}  {% if x %}y{% endif %}", "  1  y")]
    [InlineData("{{ {'a': {'b': 1}}['a'] }}|{{ '}}' }}", "{'b': 1}|}}")]
    [InlineData("{{ [1, 2.0, 'it\\'s', none, true] }}", "[1, 2.0, \"it's\", None, True]")]
    [InlineData("{{ 1 + 2 * 3 - 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ~ 'x' ~ none }}", "4 -4 2 3.5 2xNone")]
    [InlineData("{{ 'a' if false }}|{{ 'a' if 0 else 'b' }}|{{ x }}|{{ (x.y is defined) if x is defined else 'no' }}", "|b||no")]
    [InlineData("{{ not 1 == 2 and 'b' in 'abc' and 3 not in [1, 2] and 1 < 2 <= 2 }}", "True")]
    [InlineData("{{ 'abcd'[1:3] }} {{ 'abcd'[-1] }} {{ [1,2,3,4][::-2] }} {{ 'a😀b'[::-1] }} {{ 'a😀b'|length }}", "bc d [4, 2] b😀a 3")]
    [InlineData("{{ ' x '|trim|upper }}{{ 'aBc def'|title }}{{ 'aBC'|capitalize }}", "XAbc DefAbc")]
    [InlineData("{{ {'a': [1, 'é\"\n'], 'b': none}|tojson }}", "{\"a\": [1, \"é\\\"\\n\"], \"b\": null}")]
    [InlineData("{{ {'a': [1, {}]}|tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    {}\n  ]\n}")]
    [InlineData("{{ x|default('d') }}{{ ''|default('e', true) }}{{ none|d('f') }}", "deNone")]
    [InlineData("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{{ ',' if not loop.last }}{% endfor %}", "a1,b2")]
    [InlineData("{% for i in range(9) if i is odd %}{{ loop.index }}:{{ i }} {% if i > 4 %}{% break %}{% endif %}{% endfor %}", "1:1 2:3 3:5 ")]
    [InlineData("{% for i in [] %}x{% else %}none{% endfor %}", "none")]
    [InlineData("{% set x = 1 %}{% for i in [5] %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "51")]
    [InlineData("{% set n = namespace(x=1) %}{% for i in [5] %}{% set n.x = i %}{% endfor %}{{ n.x }}", "5")]
    [InlineData("{% set x %}a{{ 1 }}{% endset %}{{ x }}{% generation %}g{% endgeneration %}", "a1g")]
    [InlineData("{{ 'a-b-c'.split('-', 1) }}{{ ' a  b '.split() }}{{ '-'.join(['x', 'y']) }}", "['a', 'b-c']['a', 'b']x-y")]
    [InlineData("{{ 'xay'.strip('xy') }}{{ ' a '.rstrip() }}|{{ 'ab'.startswith(('x', 'a')) }}{{ 'ab'.find('b') }}", "a a|True1")]
    [InlineData("{{ [{'r': 'u', 'c': 1}, {'r': 'a', 'c': 2}]|selectattr('r', 'equalto', 'a')|map(attribute='c')|list }}", "[2]")]
    [InlineData("{{ ['b', 'a']|map('upper')|join('+') }}{{ [1,2]|first }}{{ [1,2]|last }}{{ 'abc'|replace('b', '') }}", "B+A12ac")]
    [InlineData("{{ {'a': 1}.get('b', 2) }}{{ {'a': 1}.a }}{{ 'a' in {'a': 1} }}{{ 5 is number }}{{ 4 is divisibleby 2 }}", "21TrueTrueTrue")]
    [InlineData("{{ 'a'\n 'b' }}{{ ('x', 'y')[1] }}{{ 'ab' * 2 }}{{ [1] + [2] }}", "abyabab[1, 2]")]
    public void Expressions_and_white_space_are_Jinja_s(string template, string expected)
    {
        Assert.Equal(expected, Rendered(template, Talk, false));
    }

    [Theory]
    [InlineData("a\n{% macro m() %}{% endmacro %}", "the tag 'macro', which is not supported, (line 2, column 4); supported: if, for, set, break, continue, generation")]
    [InlineData("{% include 'x' %}", "the tag 'include', which is not supported, (line 1, column 4); supported: if, for, set, break, continue, generation")]
    [InlineData("{{ x.mro() }}", "the method 'mro', which is not supported, (line 1, column 6); supported: strip, ")]
    [InlineData("{{ x|pprint }}", "the filter 'pprint', which is not supported, (line 1, column 6); supported: trim, ")]
    [InlineData("{{ x is callable }}", "the test 'callable', which is not supported, (line 1, column 9); supported: defined, ")]
    [InlineData("{{ (f)(1)(2) }}", "a call of what is not a name, which is not supported, (line 1, column 10)")]
    [InlineData("{{ now() }}", "the function 'now', which is not supported, (line 1, column 4); supported: raise_exception, namespace, dict, range")]
    [InlineData("{% for x in y recursive %}{% endfor %}", "'recursive', which is not supported, (line 1, column 4)")]
    public void What_lies_beyond_the_subset_is_refused_by_name_and_place(string template, string message)
    {
        Assert.StartsWith(
            $"'chat template': chat_template uses {message}",
            Assert.Throws<NotSupportedException>(() => Rendered(template, Talk, false)).Message);
    }

    [Theory]
    [InlineData("{% if x %}", "no 'endif' before its end (line 1, column 11)")]
    [InlineData("{% endif %}", "'endif' at a wrong place (line 1, column 4)")]
    [InlineData("{% break %}", "'break' at a wrong place (line 1, column 4)")]
    [InlineData("{{ x", "'{{' without '}}' (line 1, column 1)")]
    [InlineData("{{ x }", "'}' without its beginning (line 1, column 6)")]
    [InlineData("{# x", "'{#' without '#}' (line 1, column 1)")]
    [InlineData("{{ 'x }}", "a string that does not end (line 1, column 4)")]
    [InlineData("{{ + }}", "'+' where an expression was expected (line 1, column 4)")]
    [InlineData("{{ a b }}", "'b' where '}}' was expected (line 1, column 6)")]
    [InlineData("{{ [1 }}", "'}' without its beginning (line 1, column 7)")]
    [InlineData("{{ x.y.z }}", "a field y of 'x', which is undefined (line 1, column 6)")]
    [InlineData("{{ 'a' + 1 }}", "'+' of a text and an int (line 1, column 8)")]
    [InlineData("{{ 1 // 0 }}", "a division by zero (line 1, column 6)")]
    [InlineData("{{ 9223372036854775807 + 1 }}", "a number of more than 64 bits (line 1, column 24)")]
    public void An_unsound_template_is_refused_with_its_place(string template, string message)
    {
        Assert.Equal(
            $"'chat template': chat_template has {message}",
            Assert.Throws<InvalidDataException>(() => Rendered(template, Talk, false)).Message);
    }

    [Theory]
    [InlineData("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set n = namespace(x='a') %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}")]
    [InlineData("{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}")]
    [InlineData("{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}")]
    [InlineData("{% set n = namespace(x=[1], y=[1]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}")]
    [InlineData("{% set n = namespace(x=1) %}{% for a in range(90000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}")]
    [InlineData("{{ 'abcdefgh' * 9000000 }}")]
    [InlineData("{{ range(1000000) }}")]
    [InlineData("{% for a in range(99999) %}{{ 'abcdefgh' * 100000 }}{% endfor %}")]
    public void A_template_without_end_is_stopped(string template)
    {
        Assert.Throws<InvalidDataException>(() => Rendered(template, Talk, false));
    }

    [Theory]
    [InlineData("(", "1", ")", 100_000)]
    [InlineData("1+", "1", "", 100_000)]
    [InlineData("", "x", "|trim", 100_000)]
    [InlineData("", "x", ".y", 100_000)]
    [InlineData("not ", "x", "", 100_000)]
    [InlineData("1 if 1 else ", "x", "", 50_000)]
    [InlineData("-", "1", "", 100_000)]
    public void Nesting_is_bounded(string before, string middle, string after, int times)
    {
        string Many(string text) => string.Concat(Enumerable.Repeat(text, times));
        Assert.Throws<NotSupportedException>(
            () => Rendered("{{ " + Many(before) + middle + Many(after) + " }}", Talk, false));
        Assert.Throws<NotSupportedException>(() => Rendered(Many("{% if 1 %}"), Talk, false));
    }

    [Fact]
    public void The_template_is_found_in_the_config_by_name_or_beside_it()
    {
        Assert.Null(Loaded(null));
        Assert.Null(Loaded(("tokenizer_config.json", "{}")));
        Assert.Equal("one", Loaded(("tokenizer_config.json", """{"chat_template": "one"}"""))!.Render(Talk, false));
        (string, string) several = ("tokenizer_config.json", """
            {"bos_token": {"content": "<s>"}, "chat_template": [{"name": "default", "template": "{{ bos_token }}a"},
             {"name": "tool_use", "template": "b"}]}
            """);
        Assert.Equal("<s>a", Loaded(several)!.Render(Talk, false));
        Assert.Equal("b", Loaded(several, name: "tool_use")!.Render(Talk, false));
        Assert.Equal("file\n", Loaded(several, ("chat_template.jinja", "file\r\n\n"))!.Render(Talk, false));
        Assert.Equal(
            "no chat_template 'rag'; there are default, tool_use",
            Assert.Throws<InvalidDataException>(() => Loaded(several, name: "rag")).Message.Split("': ")[1]);
        Assert.Equal(
            "no chat_template 'rag'; there is one, default",
            Assert.Throws<InvalidDataException>(
                () => Loaded(("tokenizer_config.json", """{"chat_template": "x"}"""), name: "rag")).Message.Split("': ")[1]);
    }

    [Fact]
    public void Rendered_text_has_the_one_BOS_that_the_template_writes()
    {
        With(
            new Dictionary<string, string>
            {
                ["tokenizer.json"] = TinyTokenizers.Gemma(),
                ["tokenizer_config.json"] = JsonSerializer.Serialize(
                    new { bos_token = "<s>", eos_token = "</s>", chat_template = ChatTemplates.Turns }),
            },
            folder =>
            {
                TextTokenizer tokenizer = TextTokenizer.Load(folder);
                string text = ChatTemplate.Load(folder)!.Render(Talk, true);
                int[] ids = tokenizer.Encode(text);
                Assert.Equal(1, ids.Count(id => id == tokenizer.BosId));
                Assert.Equal(ids, tokenizer.EncodeWithSpecials(text, null));
                Assert.Equal(text, tokenizer.Decode(ids));
            });
    }

    [Fact]
    public void A_damaged_template_is_rendered_or_refused()
    {
        string[] sound = [ChatTemplates.Headers, ChatTemplates.Turns, ChatTemplates.Marks, ChatTemplates.Brackets];
        string[] parts = ["{%", "%}", "{{", "}}", "(", "[", "'", "|", "-", ".", "in", "for", "set", "else", "*", "~", ":", "9"];
        Gen.Select(Gen.OneOf(sound), Gen.Select(Gen.Int[0, 2000], Gen.Int[0, 30], Gen.OneOf(parts)).Array[1, 4]).Sample(
            (template, changes) =>
            {
                foreach ((int at, int length, string part) in changes)
                {
                    int start = at % (template.Length + 1);
                    template = template.Remove(start, Math.Min(length, template.Length - start)).Insert(start, part);
                }
                try
                {
                    Rendered(template, Talk, true);
                }
                catch (Exception e) when (e is InvalidDataException or NotSupportedException or ArgumentException)
                {
                    Assert.DoesNotContain('\n', e.Message);
                }
            });
    }

    private static string Rendered(string template, IReadOnlyList<ChatTurn> turns, bool prompt)
    {
        string text = "";
        With(
            new Dictionary<string, string> { ["tokenizer_config.json"] = """{"bos_token": "<s>", "eos_token": "</s>"}""" },
            folder => text = ChatTemplate.Parse(template, folder).Render(turns, prompt));
        return text;
    }

    private static ChatTemplate? Loaded((string Name, string Content)? config, (string, string)? other = null, string name = "default")
    {
        ChatTemplate? template = null;
        var files = new Dictionary<string, string>();
        foreach ((string Name, string Content) file in new[] { config, other }.OfType<(string, string)>())
        {
            files[file.Name] = file.Content;
        }
        With(files, folder => template = ChatTemplate.Load(folder, name));
        return template;
    }
}
