"""Small templates for each part of the language that chat templates use."""

VARIABLES = {
    "messages": [
        {"role": "system", "content": " Be  kind. \n"}, {"role": "user", "content": "Hällo <b> 'x' \"y\" 👍"},
        {"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {"a": 1, "b": [1.5, True, None]}}]},
        {"role": "user", "content": ""},
    ],
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, "tools": None,
    "n": 7, "m": -3, "x": 2.5, "big": 9007199254740993, "yes": True, "no": False, "nothing": None, "s": "abc déf",
    "empty": "", "words": ["b", "A", "c", "a", "B", "b"], "numbers": [3, 1, 2, 1.0, True], "none_list": [],
    "nested": [[1, 2], [3, [4, {"k": "v"}]], []], "d": {"b": 1, "a": "two", "C": [3], "items": "shadowed"}, "e": {},
    "text": "line 1\nline 2\r\n\n  line 4", "pairs": [["k", 1], ["l", 2]], "users": [
        {"name": "bob", "age": 3, "tags": ["x"]}, {"name": "Al", "age": None}, {"name": "cy", "age": 2, "tags": []}],
}  # fmt: skip

EXPRESSIONS = """
    1 | 1.0 | 1e3 | 1.5e-7 | 1e16 | 123456789012345678.0 | 0.1 | 1_000 | 100000000000000000000.0 | 5e-324 | 1e22 | -0.0
    'a' | "a" | 'a' 'b' "c" | 'it\\'s' | "\\"" | '\\n\\t\\\\' | '\\x41\\u00e9\\U0001F44D' | '\\101\\0' | '\\q' | 'a\\
b' | 'é' | ''
    true | True | false | False | none | None | [1, 'a', none, true, 1.5] | [] | (1,) | (1, 2) | () | {'a': 1, 2: 'b'} | {}
    [1,] | {'a': 1,} | [[1], (2,), {'x': (3,)}] | ['it\\'s', 'say "hi"', 'both \\' "', 'tab\\t', 'é', '\\u200b', '\\x7f']
    n + 1 | n - 10 | n * 2 | n / 2 | n // 2 | m // 2 | n % 3 | m % 3 | n % m | n ** 2 | 2 ** -1 | 2 ** 0.5 | -n | +n | - -n | -n ** 2
    2 ** 3 ** 2 | 1 + 2 * 3 - 4 / 2 | (1 + 2) * 3 | 7.5 // 2 | -7.5 // 2 | 7.5 % 2 | -7.5 % 2 | 7 % -2.5 | x + 1 | x * 2 | true + true
    1 / 0 | 1 // 0 | 1 % 0 | 1.0 / 0 | 'a' + 1 | 1 + 'a' | 'a' - 'b' | none + 1 | 'a' * 3 | 3 * 'ab' | 'a' * -1 | [1] * 2 | [1] + [2]
    (1,) + (2,) | [1] + (2,) | 'a' + 'b' | 'a' ~ 1 ~ none ~ 1.5 ~ missing | [1] ~ 'x' | big + 1 | big * 2 | {} + {} | 'a' * 'b'
    1 == 1.0 | 1 == true | '1' == 1 | none == none | missing == missing | missing == none | [1] == [1.0] | (1,) == [1] | {} == {} | 'a' != 'b'
    {'a': [1]} == {'a': [1]} | {'a': 1, 'b': 2} == {'b': 2, 'a': 1} | 1 < 2 | 1 < 2 < 3 | 1 < 3 < 2 | 1 <= 1 >= 1 | 'a' < 'b' | 'é' > 'z'
    [1, 2] < [1, 3] | [1] < [1, 0] | (1,) < (2,) | 1 < 'a' | none < 1 | missing < 1 | {} < {} | 1 == 1 == 1 | 1 != 2 != 1 | 2.5 > n
    1 in [1, 2] | 1.0 in [1, 2] | 'a' in 'abc' | '' in 'abc' | 1 in 'abc' | 'b' in d | 'zz' not in d | 1 in missing | missing in [1] | none in [none]
    1 in 5 | 'a' in ['A'] | [1] in nested | 'x' not in 'y' | not 1 in [1] | (1 in [1]) == true | 'a' in none | missing in 'abc'
    true and false | 1 and 2 | 0 and 2 | 1 or 2 | 0 or 'x' | '' or none | not true | not '' | not not 1 | 1 and not 0 | missing or 'x' | missing and 1
    1 if true else 2 | 1 if false else 2 | 1 if false | (1 if false) is defined | 1 if 1 else 2 if 1 else 3 | 1 if 0 else 2 if 0 else 3 | 'a' if n > 5
    s[0] | s[-1] | s[100] | s[4] | s[1:3] | s[:3] | s[4:] | s[::-1] | s[::2] | s[-3:] | s[5:2] | s[-100:100] | s[3:0:-1] | s[::-2] | s[::0] | s['a']
    words[0] | words[-1] | words[9] | words[1:3] | words[::-1] | words[-2:] | words[5:1:-2] | words[true] | words['x'] | words[1.0] | words.0 | nested.1.1
    nested[1][1][1]['k'] | nested[1][1][1].k | nested[0:1] | (1, 2, 3)[1:] | d['b'] | d.b | d.a | d.C | d.zz | d['zz'] | d[missing] | d.items | d['items']
    d.items() | d.zz.y | missing | missing.x | missing['x'] | missing[0] | missing() | missing[1:2] | nothing.x | nothing['x'] | n.x | n['x'] | n[0] | n[1:]
    d.get('b') | d.get('zz') | d.get('zz', 5) | d.get() | d.keys() | d.values() | d.keys() | d.pop('b') | d.update(e) | words.append(1) | words.sort() | d.clear
    d.keys()|list | d.values()|list | d.items()|list | d.copy() | d.keys()[0] | d.keys() is sequence | d.keys()|length | e.keys() is iterable | 'b' in d.keys()
    words.index('c') | words.index('zz') | words.count('b') | words.copy() | (1, 2).count(1) | (1, 2).copy | s.count('d') | s.index('c') | s.find('d') | s.find('zz') | s.rfind('d')
    ' a '.strip() | 'xxaxx'.strip('x') | 'xyaxy'.lstrip('xy') | 'xyaxy'.rstrip('yx') | ' a '.strip(none) | '\\x1ca\\x85'.strip() | 'éaé'.strip('é') | ' a '.strip(1)
    'a b  c'.split() | 'a,b,,c'.split(',') | 'a,b,,c'.split(',', 1) | 'a b c'.split(none, 1) | 'a b c'.split(maxsplit=1) | ''.split() | ''.split(',') | 'a'.split('') | ' a  b '.split(' ')
    'a--b--c'.split('--')[-1] | 'a b'.split(sep=' ') | 'a</think>b'.split('</think>')[-1].lstrip('\\n') | 'a.b.c'.rsplit('.', 1) | 'a.b'.rsplit('.') | text.splitlines() | text.splitlines(true)
    'abc'.startswith('a') | 'abc'.startswith(('x', 'a')) | 'abc'.startswith(1) | 'abc'.endswith('c') | 'abc'.endswith(('x', 'y')) | 'abc'.startswith('')
    'aBc DEF'.upper() | 'aBc DEF'.lower() | 'aBc dEF 3rd x'.title() | 'aBc DEF'.capitalize() | 'straße éÀ'.upper() | "it's o'neil".title() | ''.capitalize() | 'ÀB'.lower()
    'aXbXc'.replace('X', '-') | 'aXbXc'.replace('X', '-', 1) | 'abc'.replace('', '-') | 'abc'.replace('', '-', 2) | 'abc'.replace('b', '') | 'abc'.replace('b') | 'aa'.replace('a', 'aa')
    ','.join(['a', 'b']) | ','.join([1]) | ''.join([]) | ', '.join(words) | 'abc'.removeprefix('a') | 'abc'.removesuffix('c') | 'abc'.removeprefix('x') | 'a-b-c'.partition('-') | 'a-b-c'.rpartition('-') | 'abc'.partition('-')
    '{} {}'.format(1, 'a') | '{0} {1} {0}'.format('a', 2) | '{x}'.format(x=3) | '{{}}'.format() | '{}'.format() | 'abc'.isspace() | ' \\n'.isspace() | ''.isspace() | '12'.isdigit() | 'a1'.isdigit() | s.__class__ | d.__len__() | s._x
    ' a b '|trim | 'xax'|trim('x') | 5|trim | none|trim | missing|trim | 'aB'|upper | 'aB'|lower | 5|upper | missing|upper | 'aB cD'|title | "it's a-b (c) x"|title | 'aB CD'|capitalize | [1]|upper
    words|length | s|length | d|length | missing|length | 5|length | none|count | 'é👍'|length | words|first | words|last | []|first | []|last | ''|first | s|first | s|last | d|first | missing|first
    words|join | words|join(', ') | [1, none, 1.5]|join('-') | missing|join | 'abc'|join('.') | users|join(', ', attribute='name') | d|join | 5|join | pairs|join(',', 0) | users|map(attribute='name')|join(' ')
    missing|default('x') | missing|default | none|default('x') | ''|default('x', true) | ''|d('x', boolean=true) | 0|default(5) | d.zz|default(n) | missing|default(default_value=1) | none|default('x', true)
    s|list | words|list | d|list | none|list | missing|list | 5|string | none|string | [1]|string | 'a'|string | (s|string)[0] | 'a'|list|first | ''|list
    '5'|int | ' 5 '|int | '5.7'|int | 'x'|int | 'x'|int(9) | 5.9|int | -5.9|int | true|int | none|int | missing|int | '1_000'|int | '+5'|int | '-5'|int | '1e3'|int | 'inf'|int | [1]|int | 'x'|int(default='d')
    '5.5'|float | 'x'|float | 'x'|float(1.5) | 5|float | none|float | '1e3'|float | 'nan'|float | 'inf'|float | ' 1.5 '|float | '.5'|float | '5.'|float | 'abc'|float('y')
    s|replace('a', 'b') | s|replace('d', '') | 'aaa'|replace('a', 'b', 2) | 5|replace(5, 6) | 'abc'|replace('', '-') | none|replace('n', 'm') | missing|replace('a', 'b') | s|replace('a')
    [3, 1, 2]|sort | words|sort | words|sort(case_sensitive=true) | words|sort(reverse=true) | words|sort(true) | users|sort(attribute='name')|map(attribute='name')|list | [1, 'a']|sort | d|sort | numbers|sort | 'cab'|sort | missing|sort | [[2], [1]]|sort
    words|unique|list | words|unique(true)|list | numbers|unique|list | users|unique(attribute='tags')|list|length | words|reverse|list | 'abc'|reverse | words|reverse | [1, none]|max | [3, 1]|max | [3, 1]|min | words|max | words|min | []|max | users|max(attribute='name') | words|max(case_sensitive=true)
    d|dictsort | d|dictsort(true) | d|dictsort(reverse=true) | {'a': 2, 'b': 1}|dictsort(by='value') | d|dictsort(by='x') | d|dictsort(false, 'value') | words|dictsort | d|items|list | e|items|list | missing|items|list | words|items|list
    users|map(attribute='name')|list | users|map(attribute='zz')|list | users|map(attribute='zz', default='-')|list | users|map(attribute='tags.0')|list | words|map('upper')|list | words|map('replace', 'b', 'x')|list | words|map|list | words|map('nope')|list | missing|map('upper')|list | users|map(attribute='zz.y', default='q')|list
    words|select('equalto', 'b')|list | words|select('in', ['a', 'b'])|list | numbers|select('odd')|list | numbers|reject('odd')|list | ['', 'a', none]|select|list | ['', 'a', none]|reject|list | numbers|select('>', 1)|list | numbers|select('lessthan', 2)|list | words|select('nope')|list
    users|selectattr('age')|map(attribute='name')|list | users|selectattr('age', 'none')|map(attribute='name')|list | users|rejectattr('age', 'none')|map(attribute='name')|list | users|selectattr('age', 'gt', 2)|list | users|selectattr('zz', 'defined')|list | messages|selectattr('role', 'equalto', 'user')|list|length | users|rejectattr('tags', 'defined')|map(attribute='name')|list | users|selectattr('age', 'gt', 2)
    (words|select('equalto', 'nope')) and 1 | 'x' if words|select('equalto', 'nope') else 'y' | (words|select('equalto', 'a'))|first | (words|map('upper'))[0] | (words|map('upper'))|length | words|map('upper')|last | 'A' in words|map('upper')
    -5|abs | (-5)|abs | (-1.5)|abs | true|abs | 'x'|abs | missing|abs | 2.5|round | 3.5|round | 2.675|round(2) | 2.4|round(method='ceil') | -2.4|round(0, 'floor') | 5|round | 2.55|round(1) | 'x'|round | 1.23456|round(3, 'floor') | 2.5|round(method='x') | 7|round(method='floor') | 1e300|round(2)
    numbers|sum | [1, 2.5]|sum | [[1], [2]]|sum(start=[]) | users|sum(attribute='zz') | []|sum | words|sum | pairs|sum(attribute=1) | pairs|sum('1', 10)
    '<b>'|e | '<b>'|escape | "&'\\""|e | '<b>'|safe | ('<b>'|safe) + '<i>' | '<i>' + ('<b>'|safe) | ('<b>'|e)|e | ('<b>'|safe) ~ '<i>' | ('<'|safe) * 2 | ['<'|safe] | 5|e | ('<'|safe)|upper + '<' | ('<'|safe)|trim + '<' | ('<'|safe).strip() + '<' | ['<'|safe, '>']|join('&') | ('<'|safe)|string + '<'
    text|indent | text|indent(2) | text|indent(2, true) | text|indent(2, first=true, blank=true) | text|indent('>> ') | ''|indent | 'a'|indent | 'a\\n'|indent | 5|indent | text|indent(width=0) | '\\n\\na'|indent(1)
    d|tojson | d|tojson(indent=2) | nested|tojson(indent=4) | nested|tojson(indent='\\t') | []|tojson(indent=2) | {}|tojson(indent=2) | s|tojson | s|tojson(true) | '👍\\x7f\\x01"\\\\/\\n'|tojson | '👍é'|tojson(ensure_ascii=true) | x|tojson | 1e100|tojson | none|tojson | missing|tojson | (1, 2)|tojson | {1: 2, none: 3, true: 4, 1.5: 5}|tojson | d|tojson(separators=(',', ':')) | d|tojson(sort_keys=true) | d|tojson(indent=0) | [1,[2]]|tojson(indent=1, separators=(',', '=')) | ('inf'|float)|tojson | d.keys()|tojson | range(3)|list|tojson
    [1, 2, 3, 4, 5]|batch(2)|list | [1, 2, 3]|batch(2, 'x')|list | []|batch(2)|list | s|batch(3)|list | words|batch(2)|map('join')|list
    n is defined | missing is defined | missing is undefined | nothing is none | n is none | n is number | x is number | yes is number | n is integer | yes is integer | x is float | n is float | yes is boolean | n is boolean | s is string | n is string | d is mapping | words is mapping
    words is sequence | s is sequence | d is sequence | n is sequence | missing is sequence | words is iterable | n is iterable | missing is iterable | nothing is iterable | yes is true | n is true | 1 is true | no is false | 0 is false | 4 is even | 3 is even | 3 is odd | 6 is divisibleby 3 | 7 is divisibleby(3)
    n is eq 7 | n is eq(7) | n is equalto 7 | n is ne 7 | n is gt 5 | n is ge 7 | n is lt 5 | n is le 7 | n is greaterthan 5 | n is lessthan 5 | 1 is in [1, 2] | 'a' is in 'abc' | 3 is not in [1] | 'aB' is lower | 'ab' is lower | 'AB' is upper | '1' is upper | n is callable | range is callable | missing is callable
    n is not none | n is not defined | not n is defined | n is defined and n > 5 | n is number or missing.x | n is string if n else 2 | messages[0].role is equalto 'system' | d.zz is defined | d.zz.y is defined | d['b'] is defined and d['b'] == 1 | n is even is true | none is none | s is nope | s is nope(1) | 'a' is divisibleby 2 | 1.0 is odd
    range(3)|list | range(1, 4)|list | range(5, 0, -2)|list | range(0)|list | range(3)[1] | range(1, 2, 0)|list | range(200000)|length | range()|list | range('a')|list | range(3)|length | 2 in range(3) | range(2.5)|list
    dict(a=1, b=2) | dict(pairs) | dict({'a': 1}, b=2) | dict(d, a=5) | dict(5) | namespace(a=1).a | namespace().a | namespace(a=1).b is defined | namespace(d).b | namespace(_a=1) | namespace() is mapping
    raise_exception('no') | raise_exception() | strftime_now('%%') | strftime_now() | strftime_now('x') | strftime_now(5)
    {'a': 1}.a | {'a': {'b': [1, 2]}}.a.b[1] | [1, 2][0] | 'abc'[1] | (1, 2)[1] | 'a'.upper() | ('a' ~ 'b').upper() | 'a' ~ 'b'.upper() | {'a': 1, 'a': 2} | {[1]: 2} | {(1, 2): 3}[(1, 2)] | {1: 'x'}[1.0] | {1: 'x'}[true]
    1, 2 | n, | (n) | ((n)) | s|upper|lower|first | s|upper == 'ABC DÉF' | -n|abs | 1 + 2|string | 'a' ~ n|string | n|string ~ 'x' | [n|string] | (n + 1)|string + 'x' | not n|string == '7' | 'x' in s|upper | n * 2|abs
    s.upper | words|length > 3 and 'yes' or 'no' | messages|length | messages[0]['content'] | messages[0].content|trim | messages[-1] | messages[1:]|length | messages[2].tool_calls[0].arguments | messages[2].tool_calls|tojson | messages[2].content|default('x', true)
    bos_token + eos_token | bos_token + missing | (messages|first).role | messages|map(attribute='role')|join(',') | messages|selectattr('role', 'eq', 'user')|map(attribute='content')|list | messages[::-1][0].role | loop | caller | self | foo(1) | n() | 'a'() | d() | words|nope | nope|nope
    {{ | 1 + | ) | (1 | [1, | {'a' } | {'a': } | n. | n.'a' | n['a' | n| | n is | 'a | f(a=1, 2) | f(**d, 1) | 1 2 | a b | @ | n = 1 | n ? 1 : 2 | 1..2 | 1.a | 0x10 | '\\x4' | '\\u12' | n[] | n[1:2:3:4] | is n | not | and 1 | 1 if
""".strip()

# What prints as an address in memory, and what chat templates have no need of: sleb refuses these.
REFUSED_EXPRESSIONS = (
    "d.items", "d.items()", "d.keys()", "d.values()", "words|reverse", "users|selectattr('age', 'gt', 2)", "s.upper", "self", "0x10",
    "n[]",
)  # fmt: skip

TEXT_AND_BLANKS = [
    "plain text", "", "\n", "a\n", "a\n\n", "\r\na\rb\r\n", "{", "{ {", "a{b", "{{ 1 }}\n", "{# comment #}", "a {# c #} b\nc",
    "{#- c -#}", " a \n {#- c #}\n b", "x {{- 1 -}} y", "x  {{ 1 }}  y", "x\n{{- 1 -}}\ny", "{%-if n-%}a{%-endif-%}", "{{n}}{{-n-}}",
    "  {% if 1 %}\n  a\n  {% endif %}\n", "\n  {%- if 1 -%}\n  a\n  {%- endif -%}\n b", "  {%+ if 1 %}\n  a\n  {%+ endif +%}\n b",
    "{% if 1 +%}\na{% endif %}", " x {% if 1 %} a {% endif %}\n\nb", "\t{% if 1 %}\u00a0{% endif %}", "\u00a0 {% if 1 %}x{% endif %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "a {%- raw -%} b {%- endraw -%} c", "{% raw %}\n x\n{% endraw %}\ny",
    "{%raw%}{%endraw%}", "{% raw %}{# #}{%- endraw +%}\nz", "{% rawx %}", "{% raw %}", "{# no end", "{{ 1", "{% if 1", "{% if 1 %}",
    "{{ '}}' }}", "{{ '{{' }}", "{% set x = '%}' %}{{ x }}", "{{ {'a': {'b': 1}}}}", "{{ {'a': 1}['a']}}", "}} %} #}",
    "{{ '\n' }}{{ \"a\nb\" }}", "{{ 'a\r\nb' }}", "{{ '%s' }}", "{{}}", "{%%}",
    "{{- bos_token }}\n{%- for m in messages %}\n{{- m.role }}\n{%- endfor %}",
]  # fmt: skip

CONDITIONS_AND_LOOPS = [
    "{% endif %}", "{% else %}", "{% if %}{% endif %}", "{% for %}{% endfor %}", "{% nope %}", "{% 1 %}", "{{ 1 }}{% endfor %}",
    "{% for i in x %}{% endif %}", "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if no %}a{% endif %}",
    "{% if missing %}a{% elif s %}b{% else %}c{% endif %}", "{% if no %}a{% elif no %}b{% else %}c{% endif %}",
    "{% if n, %}a{% endif %}", "{% if (n) %}a{% endif %}", "{% if not n %}a{% else %}{% if 1 %}b{% endif %}{% endif %}",
    "{% if 1: %}a{% endif %}", "{% if 1 if 0 else 2 %}a{% endif %}", "{{ 'a' if n is defined and n else 'b' }}",
    "{% for i in [1, 2] %}{{ i }},{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}", "{%for i in[1]%}{{i}}{%endfor%}",
    "{% for i in missing %}x{% else %}none{% endfor %}", "{% for i in nothing %}{% endfor %}", "{% for i in 5 %}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d|items %}{{ k }}{{ v }}{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}",
    "{% for k, v in d %}{% endfor %}", "{% for c in s %}{{ c }}.{% endfor %}", "{% for a, b in pairs %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}",
    "{% for (a, b) in pairs %}{{ a }}{% endfor %}", "{% for i in 1, 2 %}{{ i }}{% endfor %}",
    "{% for i in words %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }} {% endfor %}",
    "{% for i in words %}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for i in words %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }}{{ loop.previtem is defined }} {% endfor %}",
    "{% for i in words %}{{ loop.nextitem is undefined }}{{ loop.cycle('x', 'y') }}{% endfor %}",
    "{% for i in words %}{% for j in i %}{{ loop.depth }}{{ loop.depth0 }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for i in words %}{{ loop['index'] }}{{ loop.nope }}{% endfor %}{{ loop }}",
    "{% for i in numbers if i > 1 %}{{ i }}:{{ loop.index }}/{{ loop.length }} {% endfor %}",
    "{% for i in numbers if i > 9 %}x{% else %}none{% endfor %}", "{% for i in numbers if i is odd %}{{ loop.last }}{% endfor %}",
    "{% for u in users if u.age is not none %}{{ u.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% break %}", "{% if 1 %}{% continue %}{% endif %}", "{% for i in words %}{{ i }}{% break %}{% else %}x{% endfor %}",
    "{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
    "{% for m in messages %}{{ m.role }}:{{ m['content'] }}{{ loop.last }}\n{% endfor %}",
    "{% for x in words|sort %}{{ x }}{% endfor %}{{ x }}", "{% for i in words[::-1] %}{{ i }}{% endfor %}",
    "{% for i in words|batch(2) %}{{ i }}{% endfor %}", "{% for i in 'é👍' %}{{ loop.index }}{{ i }}{% endfor %}",
    "{% set a = words|select('equalto', 'b') %}{% for i in a %}{{ i }}{% endfor %}|{% for i in a %}{{ i }}{% endfor %}",
]  # fmt: skip

NAMES_AND_MACROS = [
    "{% for i in words %}{% set last = i %}{% endfor %}{{ last }}",
    "{% set x = 1 %}{% for i in words %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(c=0) %}{% for i in words %}{% set ns.c = ns.c + 1 %}{% endfor %}{{ ns.c }}",
    "{% set ns = namespace() %}{% set ns.x = ns.y %}{{ ns.x }}", "{% set x.y = 1 %}", "{% set d.y = 1 %}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set ns = namespace() %}{% set ns['x'] = 1 %}",
    "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x, y = [1] %}", "{% set (x, y) = pairs %}{{ x }}{{ y }}",
    "{% set x = 1, 2 %}{{ x }}", "{% set x %}a{{ n }}{% endset %}{{ x }}|{{ x is string }}",
    "{% set x | upper %}ab{% endset %}{{ x }}", "{% set x | upper | replace('A', 'z') %}ab{% endset %}{{ x }}",
    "{% set 1 = 2 %}", "{% set x = %}", "{% set x %}", "{% set none = 1 %}",
    "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}", "{% if 1 %}{% set x = 5 %}{% endif %}{{ x }}",
    "{% if 0 %}{% set x = 5 %}{% endif %}{{ x }}", "{% if 1 %}{% set n = 5 %}{% endif %}{{ n }}",
    "{% set messages = messages[1:] %}{{ messages[0].role }}", "{% set x = [1, 2] %}{% set x = x + [3] %}{{ x }}",
    "{% set ns = namespace(a=1) %}{% set b = ns %}{% set b.a = 2 %}{{ ns.a }}{{ ns == b }}{{ ns['a'] }}{{ ns.items is defined }}",
    "{% set ns = namespace(d) %}{{ ns.b }}", "{% set a = 'x' %}{% set a = a ~ 'y' %}{{ a }}",
    "{% for i in [1] %}{% set a = 1 %}{% if a %}{% set a = 2 %}{% endif %}{{ a }}{% endfor %}{{ a }}",
    "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}|{{ f(1, 3) }}|{{ f(1, c=5) }}|{{ f(a=7) }}|{{ f() }}",
    "{% macro f() %}x{% endmacro %}{{ f() ~ f()|upper }}{{ f() is string }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}",
    "{% macro f(a=1, b) %}{% endmacro %}", "{% macro f %}{% endmacro %}", "{{ f(1) }}{% macro f(x) %}{% endmacro %}",
    "{% macro f(x) %}{{ x }}{{ n }}{% set n = 1 %}{{ n }}{% endmacro %}{{ f(2) }}{{ n }}",
    "{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro f() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ f() }}",
    "{% set y = 1 %}{% macro f() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ f() }}",
    "{% macro f() %}{{ i }}{% endmacro %}{% for i in [1, 2] %}{{ f() }}{% endfor %}",
    "{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f(xs) %}{% for i in xs %}{{ i }}{% if not loop.last %}-{% endif %}{% endfor %}{% endmacro %}{{ f(words) }}",
    "{% macro f(x) %}{{ caller() }}{{ x }}{% endmacro %}{% call f(1) %}body{{ n }}{% endcall %}",
    "{% macro f() %}{{ caller(5) }}{% endmacro %}{% call(v) f() %}<{{ v }}>{% endcall %}", "{% call nope() %}{% endcall %}",
    "{% call 5 %}{% endcall %}", "{{ range(*[1, 3])|list }}{{ dict(**{'a': 1}) }}",
    "{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner is defined }}",
    "{% macro f(a, b=none) %}{{ b is none }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 1}) }}",
    "{% filter upper %}ab{{ s }}{% endfilter %}", "{% filter upper|trim %} ab {% endfilter %}|",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% set c = 3 %}{% endwith %}{{ a }}{{ c }}",
    "{% with %}{% set q = 1 %}{% endwith %}{{ q }}", "{% with a = n, b = a %}{{ b }}{% endwith %}",
    "{% generation %}a{{ n }}{% set z = 1 %}{% endgeneration %}{{ z }}", "{%- generation -%} x {%- endgeneration -%} y",
    "{% for m in words %}{% generation %}{{ m }}{{ loop.last }}{% endgeneration %}{% endfor %}", "{% generation %}", "{% do n %}",
    "{% set a = words|map('upper') %}{{ a|first }}{{ a|list }}{{ a|list }}", "{% set a = words|map('upper') %}{{ 'C' in a }}{{ a|list }}",
    "{{ missing.x }}", "{{ messages[9].role }}", "line\n{{ missing.x }}", "{% if missing.x %}{% endif %}", "{{ d.b.c.e }}",
    "{{ raise_exception('Bad: ' ~ n) }}", "{% if messages[0].role != 'user' %}{{ raise_exception('must be user') }}{% endif %}",
    "{% if messages[0]['role'] == 'system' and not tools %}{% set sys = messages[0]['content'] %}{% endif %}[{{ sys }}]",
    "{{ none.a.b }}", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}",
]  # fmt: skip

# Each takes too much time, memory or stack, or comes to numbers that sleb does not have.
SWELLING = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "output": "{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}", "text": "{{ 'x' * 10 ** 12 }}",
    "text twice": "{{ ('x' * 10 ** 9) * 10 ** 9 }}", "list": "{{ [1] * 10 ** 12 }}",
    "doubled text": "{% set n = namespace(t='x') %}{% for i in range(99) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
    "doubled list": "{% set n = namespace(t=[1]) %}{% for i in range(99) %}{% set n.t = n.t + n.t %}{% endfor %}",
    "shared lists": "{% set n = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}"
                    "{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}",
    "shared lists shown": "{% set n = namespace(a=[1]) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a }}",
    "deep list": "{% set n = namespace(a=[1]) %}{% for i in range(9999) %}{% set n.a = [n.a] %}{% endfor %}",
    "deep dict": "{% set n = namespace(a={}) %}{% for i in range(9999) %}{% set n.a = {'a': n.a} %}{% endfor %}",
    "deep generator": "{% set n = namespace(a=[1]) %}{% for i in range(9999) %}{% set n.a = [n.a]|select %}{% endfor %}",
    "macros": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "two macros": "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
    "replace": "{{ ('x' * 9999)|replace('', 'y' * 99999) }}", "replace method": "{{ ('x' * 9999).replace('', 'y' * 99999) }}",
    "join": "{{ range(99999)|join('x' * 99999) }}", "join method": "{{ ('x' * 99999).join(['a'] * 99999) }}",
    "indent": "{{ ('a\n' * 999999)|indent(999) }}", "json": "{{ ([[1]] * 99999)|tojson(indent='x' * 99999) }}",
    "split": "{{ ('a ' * 9999999).split()|length }}", "maps": "{{ ['a']|map(*(['map'] * 99999))|list }}",
    "format": "{{ ('{0}' * 9999).format('x' * 99999) }}",
    "batch": "{% for i in range(9999) %}{{ [1]|batch(99999, 'x')|list|length }}{% endfor %}",
    "brackets": "{{ " + "(" * 99999, "lists": "{{ " + "[" * 99999, "nots": "{{ " + "not " * 99999 + "1 }}",
    "minus": "{{ " + "-" * 99999 + "1 }}", "sum": "{{ 1" + " + 1" * 99999 + " }}", "members": "{{ a" + ".a" * 99999 + " }}",
    "filters": "{{ 1" + "|abs" * 99999 + " }}", "calls": "{{ a" + "()" * 99999 + " }}", "ifs": "{% if 1 %}" * 99999,
    "else": "{{ 1" + " if 1 else 1" * 99999 + " }}", "loops within": "{% for i in [1] %}" * 99999,
    "powers": "{{ 2 ** 2 ** 2 ** 2 ** 2 ** 99 }}", "tests": "{{ 1" + " is defined" * 99999 + " }}", "long": " " * 2_000_000,
    "range": "{{ range(10 ** 9) }}", "targets": "{% for " + "(" * 99999, "large number": "{{ 99999999999999999999 }}",
    "large product": "{{ 9999999999 * 9999999999 }}", "keys": "{{ dict(range(99999)|map('string')|batch(2)) }}",
    "unique": "{{ range(99999)|unique|list|length }}", "strips": "{% for i in range(99999) %}{{ (' ' * 99999)|trim }}{% endfor %}",
}  # fmt: skip
