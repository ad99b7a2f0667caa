namespace LayerSteer.Tests.Text;

/// <summary>Chat templates in the manner of the common families, written for these tests.</summary>
internal static class ChatTemplates
{
    /// <summary>As Llama 3: headers around roles, BOS before the first message.</summary>
    public const string Headers = """
        {%- if not day is defined %}
            {%- if clock is defined %}
                {%- set day = clock("%d") %}
            {%- else %}
                {%- set day = "1 Jan" %}
            {%- endif %}
        {%- endif %}
        {%- if messages[0]['role'] == 'system' %}
            {%- set instructions = messages[0]['content'] | trim %}
            {%- set messages = messages[1:] %}
        {%- else %}
            {%- set instructions = "" %}
        {%- endif %}
        {{- bos_token }}
        {{- "<|head|>system<|/head|>\n\n" }}
        {{- "Day: " + day + "\n" + instructions + "<|eot|>" }}
        {%- for message in messages %}
            {{- '<|head|>' + message['role'] + '<|/head|>\n\n' + message['content'] | trim + '<|eot|>' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
            {{- '<|head|>assistant<|/head|>\n\n' }}
        {%- endif %}

        """;

    /// <summary>As Gemma: no system role, turns that alternate, another name for the assistant.</summary>
    public const string Turns =
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
        + "{% for message in messages %}"
        + "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        + "{{ raise_exception('Roles must alternate: user, assistant, user') }}{% endif %}"
        + "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        + "{{ '<turn>' + role + '\n' + message['content'] | trim + '</turn>\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}";

    /// <summary>As ChatML and Qwen: a default system message, thoughts cut from earlier answers.</summary>
    public const string Marks = """
        {%- set ns = namespace(last=-1) %}
        {%- for message in messages[::-1] %}
            {%- if ns.last < 0 and message.role == "user" %}
                {%- set ns.last = messages|length - 1 - loop.index0 %}
            {%- endif %}
        {%- endfor %}
        {%- if tools %}
            {{- tools | tojson }}
        {%- endif %}
        {%- if messages[0].role != 'system' %}
            {{- '<mark>system\nBe of use.</done>\n' }}
        {%- endif %}
        {%- for message in messages %}
            {%- if message.content is string %}
                {%- set content = message.content %}
            {%- else %}
                {%- set content = '' %}
            {%- endif %}
            {%- if message.role == "assistant" and loop.index0 < ns.last and '</think>' in content %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
            {{- '<mark>' ~ message.role ~ '\n' ~ content ~ '</done>' ~ '\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
            {{- '<mark>assistant\n' }}
        {%- endif %}
        """;

    /// <summary>As Mistral: instructions in brackets, the system message inside the last user message.</summary>
    public const string Brackets = """
        {%- if messages[0]["role"] == "system" -%}
            {%- set system = messages[0]["content"] -%}
            {%- set rest = messages[1:] -%}
        {%- else -%}
            {%- set rest = messages -%}
        {%- endif -%}
        {{ bos_token }}
        {%- for message in rest -%}
            {%- if message["role"] == "user" -%}
                {%- if loop.last and system is defined -%}
                    {{ "[I] " + system + "\n\n" + message["content"] + "[/I]" }}
                {%- else -%}
                    {{ "[I] " + message["content"] + "[/I]" }}
                {%- endif -%}
            {%- elif message["role"] == "assistant" -%}
                {{ " " + message["content"] + eos_token }}
            {%- else -%}
                {{ raise_exception("Only user and assistant roles are supported, not " ~ message["role"]) }}
            {%- endif -%}
        {%- endfor -%}
        """;
}
