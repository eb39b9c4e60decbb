"""Chat templates in the manners of today's model families, written for these tests: each with the constructs that the
family's own has."""

# The system message goes into the first turn of the user; content may be a list of parts.
GEMMA_3 = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set first_prefix = "" -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for message in turns -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Turns must go user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\n' + (first_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}{%- endif -%}
"""

# Tools behind the system message on one line; a separator within the turn.
PHI_4 = """\
{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}\
{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' + '<|end|>' }}\
{% elif (message['role'] == 'system') %}{{'<|im_start|>system<|im_sep|>' + message['content'] + '<|im_end|>'}}\
{% elif (message['role'] == 'user') %}{{'<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|>'}}\
{% elif (message['role'] == 'assistant') %}{{'<|im_start|>assistant<|im_sep|>' + message['content'] + '<|im_end|>'}}{% endif %}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"""

# A macro for what is seen of a message; thoughts of earlier turns are left out.
GLM_4 = """\
[gMASK]<sop>
{%- if tools -%}
<|system|>
# Tools
{% for tool in tools %}
{% set shown = tool.function | tojson(indent=2, ensure_ascii=False) %}
## {{ tool.function.name }}

{{ shown }}
{% endfor %}
{%- endif -%}
{%- macro visible_text(content) -%}
    {%- if content is string -%}
        {{- content }}
    {%- elif content is iterable and content is not mapping -%}
        {%- for item in content -%}
            {%- if item is mapping and item.type == 'text' -%}
                {{- item.text }}
            {%- elif item is string -%}
                {{- item }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{- content }}
    {%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(last_user_index=-1, seen=[]) %}
{%- for m in messages %}
    {%- if m.role == 'user' %}{% set ns.last_user_index = loop.index0 -%}{%- endif %}
{%- endfor %}
{% for m in messages %}
{%- if m.role == 'user' -%}<|user|>
{{ visible_text(m.content) }}
{{- '/nothink' if (enable_thinking is defined and not enable_thinking and not visible_text(m.content).endswith("/nothink")) else '' -}}
{%- elif m.role == 'assistant' -%}
<|assistant|>
{%- set reasoning = '' %}
{%- set content = visible_text(m.content) %}
{%- if m.reasoning_content is string %}
    {%- set reasoning = m.reasoning_content %}
{%- elif '</think>' in content %}
    {%- set reasoning = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
    {%- set content = content.split('</think>')[-1].lstrip('\n') %}
{%- endif %}
{%- if loop.index0 > ns.last_user_index and reasoning -%}
{{ '\n<think>' + reasoning.strip() + '</think>' }}
{%- else -%}
{{ '\n<think></think>' }}
{%- endif -%}
{%- if content.strip() -%}{{ '\n' + content.strip() }}{%- endif -%}
{% if m.tool_calls %}
{% for tc in m.tool_calls %}
{%- if tc.function %}{%- set tc = tc.function %}{%- endif %}
{{ '\n<tool_call>' + tc.name }}
{% set _args = tc.arguments %}
{% for k, v in _args.items() %}
<arg_key>{{ k }}</arg_key>
<arg_value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</arg_value>
{% endfor %}
</tool_call>{% endfor %}
{% endif %}
{%- elif m.role == 'tool' -%}
{%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|observation|>' }}{%- endif %}
{{- '\n<tool_response>\n' ~ m.content ~ '\n</tool_response>' }}
{%- elif m.role == 'system' -%}
<|system|>
{{ visible_text(m.content) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    <|assistant|>{{- '\n<think></think>' if (enable_thinking is defined and not enable_thinking) else '' -}}
{%- endif -%}
"""

# Types of a schema written as Python's by recursive macros, a default preamble in a block of set, documents.
COMMAND_R = """\
{%- macro python_type(json_spec) %}
{%- set basic = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
{%- if basic[json_spec.type] is defined %}
    {{- basic[json_spec.type] }}
{%- elif json_spec.type == "array" %}
    {{- "List[" +  python_type(json_spec["items"]) + "]" }}
{%- elif json_spec.type == "object" %}
    {{- "Dict[str, " + (python_type(json_spec.additionalProperties) if json_spec.additionalProperties else "Any") + "]" }}
{%- elif json_spec.type is iterable and json_spec.type is not string %}
    {{- "Union[" }}
    {%- for t in json_spec.type %}
      {{- python_type({"type": t}) }}
      {%- if not loop.last %}{{- "," }}{%- endif %}
    {%- endfor %}
    {{- "]" }}
{%- else %}
    {{- "Any" }}
{%- endif %}
{%- endmacro %}
{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set loop_messages = messages[1:] %}
    {%- set system_message = messages[0]['content'] %}
{%- else %}
    {%- set loop_messages = messages %}
    {%- set system_message %}## Task and Context
You help people answer their questions.

## Style Guide
Full sentences, {{ "proper" | upper }} grammar.{% endset %}
{%- endif %}
{{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|># System Preamble\n' ~ system_message | trim }}
{%- if tools %}
{{ '\n\n## Available Tools\n' }}
{%- for tool in tools %}
    {%- if tool.function is defined %}{%- set tool = tool.function %}{%- endif %}
    {{- "```python\ndef " + tool.name + "(" }}
    {%- for name, fields in (tool.parameters.properties or {})|items %}
        {%- if loop.index > 1 %}{{- ", " }}{%- endif %}
        {{- name + ": " }}
        {%- if not name in (tool.parameters.required or []) %}{{- "Optional[" + python_type(fields) + "] = None" }}
        {%- else %}{{- python_type(fields) }}{%- endif %}
    {%- endfor %}
    {{- ') -> List[Dict]:\n    \"\"\"' + (tool.description or "") + '\n    \"\"\"\n    pass\n```' }}
{%- endfor %}
{%- endif %}
{{- '<|END_OF_TURN_TOKEN|>' }}
{%- for message in loop_messages %}
    {%- set content = message['content'] %}
    {%- if message.role == 'user' %}
        {{- '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}
    {%- elif message.role == 'assistant' and message.tool_calls %}
        {{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Action: ```json\n[\n' }}
        {%- for call in message.tool_calls -%}
            {{- {"tool_name": call.function.name, "parameters": call.function.arguments} | tojson(indent=4) | indent(4, true) }}
            {%- if not loop.last %}{{ ",\n" }}{%- endif %}
        {%- endfor %}
        {{- "\n]```<|END_OF_TURN_TOKEN|>" }}
    {%- elif message.role|lower == 'assistant' %}
        {{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>'  + content.strip() + '<|END_OF_TURN_TOKEN|>' }}
    {%- elif message['role'] == 'tool' %}
        {%- if loop_messages[loop.index0 - 1]['role'] != 'tool' %}
            {{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|><results>\n' }}
            {%- set offset = namespace(value=0) %}
        {%- endif %}
        {{- 'document_' ~ (loop.index0 % 3) ~ ': ' ~ content ~ '\n' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}{{- '</results><|END_OF_TURN_TOKEN|>' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{%- endif %}
"""

# Today's date, loop controls, dictionaries of text by mode, "not ... is none", safe lookups.
GRANITE = """\
{%- set tools_prefix = 'You are a helpful assistant with access to tools:\n<tools>' %}
{%- set suffix = {'tools': '\n</tools>', 'documents': '\n</documents>'} %}
{%- set loop_messages = messages %}
{%- set ns = namespace(system='', count=0) -%}
{%- for message in messages %}
    {%- if message.role != 'system' %}{% break %}{% endif %}
    {%- if message.content is not string %}{% continue %}{% endif %}
    {%- set ns.system = ns.system ~ message.content.replace('\\t', ' ') %}
    {%- set ns.count = ns.count + 1 %}
{%- endfor %}
{%- if ns.count %}
    {%- set loop_messages = messages[ns.count:] %}
{%- else %}
    {%- set ns.system = "Knowledge Cutoff Date: April 2024.\nThe year is " + strftime_now('%Y') + ".\nYou are Granite." %}
{%- endif %}
{%- if tools and documents %}
    {%- set ns.system = ns.system + " Both." %}
{%- elif tools %}
    {%- set ns.system = ns.system + "\n" + tools_prefix %}
    {%- for tool in tools %}{%- set ns.system = ns.system + '\n' + (tool | tojson) %}{%- endfor %}
    {%- set ns.system = ns.system + suffix['tools'] %}
{%- elif not documents is none and controls is undefined %}
    {%- set ns.system = ns.system + suffix.documents %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + ns.system + '<|end_of_text|>\n' }}
{%- for message in loop_messages %}
    {%- if message.role not in ['user', 'assistant', 'tool'] and not loop.first %}{% continue %}{% endif %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' }}
    {{- (message.content if message.content is string else message.content | tojson(indent=4, separators=(',', ': '))) }}
    {%- for call in message.tool_calls or [] if call is mapping %}
        {{- '\n' if loop.first and message.content }}{{ '<tool_call>' + (call.function | tojson(sort_keys=true)) }}
    {%- endfor %}
    {{- '<|end_of_text|>\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
        {%- if controls %}{{- ' ' + controls | tojson() }}{%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}"""

# Settings with defaults, flags within the system message, thinking switched off by the prompt.
SMOLLM_3 = """\
{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}
{%- set reasoning_mode = "/think" if enable_thinking else "/no_think" -%}
{%- if messages[0].role == "system" -%}
    {%- set system_message = messages[0].content -%}
    {%- if "/no_think" in system_message -%}
        {%- set reasoning_mode = "/no_think" -%}
    {%- elif "/think" in system_message -%}
        {%- set reasoning_mode = "/think" -%}
    {%- endif -%}
    {%- set custom_instructions = system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{%- if "/system_override" in (system_message | default("")) -%}
    {{- custom_instructions.replace("/system_override", "").rstrip() -}}
    {{- "<|im_end|>\n" -}}
{%- else -%}
    {{- "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff: June 2025\n" -}}
    {%- set today = strftime_now("%Y") -%}
    {{- "Today: " ~ today ~ "\nReasoning Mode: " + reasoning_mode + "\n\n## Custom Instructions\n\n" -}}
    {%- if custom_instructions -%}{{- custom_instructions + "\n\n" -}}
    {%- elif reasoning_mode == "/think" -%}{{- "Think first: <think> thoughts </think> answer.\n\n" -}}
    {%- else -%}{{- "You are helpful.\n\n" -}}{%- endif -%}
    {%- if xml_tools or python_tools or tools -%}
        {{- "### Tools\n\n" -}}
        {%- if xml_tools or tools -%}
            {%- if tools -%}{%- set xml_tools = tools -%}{%- endif -%}
            {%- set ns = namespace(xml_tool_string="<tools>\n") -%}
            {%- for tool in xml_tools[:] -%}
                {%- set ns.xml_tool_string = ns.xml_tool_string ~ (tool | string) ~ "\n" -%}
            {%- endfor -%}
            {{- ns.xml_tool_string + "</tools>\n\n" -}}
        {%- endif -%}
    {%- endif -%}
    {{- "<|im_end|>\n" -}}
{%- endif -%}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else "" -%}
    {%- if message.role == "user" -%}
        {{ "<|im_start|>" + message.role + "\n"  + content + "<|im_end|>\n" }}
    {%- elif message.role == "assistant" -%}
        {%- generation -%}
        {%- if reasoning_mode == "/think" -%}
            {{ "<|im_start|>assistant\n" + content.lstrip("\n") + "<|im_end|>\n" }}
        {%- else -%}
            {{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n" + content.lstrip("\n") + "<|im_end|>\n" }}
        {%- endif -%}
        {%- endgeneration -%}
    {%- elif message.role == "tool" -%}
        {{ "<|im_start|>" + "user\n"  + content + "<|im_end|>\n" }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {%- if reasoning_mode == "/think" -%}{{ "<|im_start|>assistant\n" }}
    {%- else -%}{{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n"  }}{%- endif -%}
{%- endif -%}
"""

# Roles by name, numbers and floats, a filter of a block, slices with steps, tests by name and joined conditions.
EXAONE_4 = """\
{%- if not skip_think is defined %}{%- set skip_think = true %}{%- endif %}
{%- set role_indicators = {'user': '[|user|]\n', 'assistant': '[|assistant|]\n', 'system': '[|system|]\n', 'tool': '[|tool|]\n'} %}
{%- set end_of_turn = '[|endofturn|]\n' %}
{%- macro available_tools(tools) %}
    {{- "# Available Tools" }}
    {%- for tool in tools %}
        {{- "\n<tool>" }}
        {{- tool | tojson(ensure_ascii=False) | safe }}
        {{- "</tool>" }}
    {%- endfor %}
{%- endmacro %}
{%- set ns = namespace(last_query_index = messages|length - 1) %}
{%- for message in messages %}
    {%- if message.role == "user" and message.content is string %}{%- set ns.last_query_index = loop.index0 -%}{%- endif %}
{%- endfor %}
{%- for i in range(messages | length) %}
    {%- set msg = messages[i] %}
    {%- set role = msg.role %}
    {%- if role not in role_indicators %}{{- raise_exception('Unknown role: ' ~ role) }}{%- endif %}
    {%- if i == 0 %}
        {%- if role == 'system' %}
            {{- role_indicators['system'] + msg.content }}
            {%- if tools is defined and tools %}{{- "\n\n" }}{{- available_tools(tools) }}{%- endif %}
            {{- end_of_turn -}}
            {%- continue %}
        {%- elif tools is defined and tools %}
            {{- role_indicators['system'] }}{{- available_tools(tools) }}{{- end_of_turn -}}
        {%- endif %}
    {%- endif %}
    {%- if role == 'assistant' %}
        {{- role_indicators['assistant'] }}
        {%- if msg.content %}
            {%- if "</think>" in msg.content %}
                {%- set content = msg.content.split('</think>')[-1].strip() %}
                {%- set reasoning_content = msg.content.split('</think>')[0].strip() %}
                {%- if reasoning_content.startswith("<think>") %}{%- set reasoning_content = reasoning_content[7:].strip() %}{%- endif %}
            {%- else %}
                {%- set content = msg.content %}
            {%- endif %}
            {%- if reasoning_content and not skip_think and i > ns.last_query_index %}{{- "<think>\n" ~ reasoning_content ~ "\n</think>\n\n" }}
            {%- else %}{{- "<think>\n\n</think>\n\n" }}{%- endif %}
            {{- content }}
        {%- endif %}
        {%- if msg.tool_calls %}
            {%- for tool_call in msg.tool_calls %}
                {{- '<tool_call>' }}{{- tool_call['function'] | tojson(ensure_ascii=False) | replace('\\u00fc', 'ü') }}{{- '</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- end_of_turn -}}
    {%- elif role == "tool" %}
        {%- if i == 0 or messages[i - 1].role != "tool" %}{{- role_indicators['tool'] }}{%- endif %}
        {{- "<tool_result>" ~ (msg.content if msg.content is string else msg.content | tojson) ~ "</tool_result>" }}
        {%- if loop.last or messages[i + 1].role != "tool" %}{{- end_of_turn -}}{%- else %}{{- "\n" }}{%- endif %}
    {%- else %}
        {{- role_indicators[role] }}
        {%- filter trim %}  {{ msg.content if msg.content is string else msg.content[::-1] | map(attribute='type') | list | join('+') }}  {% endfilter %}
        {{- end_of_turn -}}
    {%- endif %}
{% endfor %}
{%- if add_generation_prompt %}
    {{- role_indicators['assistant'] }}
    {%- if enable_thinking is defined and enable_thinking is true %}{{- "<think>\n" }}{%- else %}{{- "<think>\n\n</think>\n\n" }}{%- endif %}
{%- endif %}
"""

# OLMo's and StableLM's: a single line of ifs with texts across lines; MiniCPM's and InternLM's: no blank between.
OLMO = """\
{{ bos_token }}{% for message in messages %}\
{% if message['role'] == 'system' %}{{ '<|system|>
' + message['content'] + '
' }}{% elif message['role'] == 'user' %}{{ '<|user|>
' + message['content'] + '
' }}{% elif message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>
'  + message['content'] + eos_token + '
' }}{% else %}{{ '<|assistant|>
'  + message['content'] + eos_token }}{% endif %}{% endif %}\
{% if loop.last and add_generation_prompt %}{{ '<|assistant|>
' }}{% endif %}{% endfor %}"""

FAMILY_STYLES = {
    "Gemma 3": GEMMA_3, "Phi-4": PHI_4, "GLM-4": GLM_4, "Command-R": COMMAND_R, "Granite": GRANITE, "SmolLM3": SMOLLM_3,
    "EXAONE 4": EXAONE_4, "OLMo": OLMO,
}  # fmt: skip
