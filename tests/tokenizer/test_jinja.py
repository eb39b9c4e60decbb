"""Templates: each snippet gives the text that jinja2 gives in transformers' sandbox, or is an error where it is one."""
import datetime
import random
import time

import pytest

from jinja import oracle, sleb_answers, sleb_error, sleb_text
from jinja_snippets import (CONDITIONS_AND_LOOPS, EXPRESSIONS, NAMES_AND_MACROS, REFUSED_EXPRESSIONS, SWELLING, TEXT_AND_BLANKS,
                            VARIABLES)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence")


def check(templates: list[str], refused: tuple[str, ...] = ()) -> int:
    """Compares; `refused` may be errors where jinja2 has an answer. How many of the templates have a text."""
    wrong, texts = [], 0
    for template, answer in zip(templates, sleb_answers([(template, VARIABLES) for template in templates]), strict=True):
        expected = oracle(template, VARIABLES)
        ours = answer.get("text")
        if isinstance(expected, Exception):
            right = ours is None
        else:
            texts += 1
            right = ours == expected or (template in refused and ours is None)
        if not right:
            wrong.append(f"{template!r}: sleb {answer}, jinja2 {expected!r}")
        if ours is None:
            assert "line " in answer["error"] and "\n" not in answer["error"], answer
    assert not wrong, "\n".join([f"{len(wrong)} of {len(templates)}", *wrong])
    return texts


def in_brackets(expression: str) -> str:
    return f"[{{{{ {expression} }}}}]"


def test_expressions():
    expressions = [part.strip() for line in EXPRESSIONS.split("\n    ") for part in line.split(" | ")]
    assert check([in_brackets(part) for part in expressions], tuple(map(in_brackets, REFUSED_EXPRESSIONS))) > 500


@pytest.mark.parametrize(
    ("snippets", "texts"), [(TEXT_AND_BLANKS, 40), (CONDITIONS_AND_LOOPS, 40), (NAMES_AND_MACROS, 40)],
    ids=["text and blanks", "conditions and loops", "names and macros"],
)  # fmt: skip
def test_statements(snippets, texts):
    assert check(snippets) > texts


def test_blanks_around_tags():
    """In random combinations: what is between and in tags, and the signs at their ends."""
    choose = random.Random(9)
    between = ["", " ", "\n", "  \n", "\n  ", " x ", "x\n", "\n\n \n", "\t", "\r\n", "\u3000"]
    inside = ["{{B n E}}", "{#B c E#}", "{%B set q = 1 E%}"]
    around = [("{%B if n E%}", "{%B endif E%}"), ("{%B raw R%}", "{%B endraw E%}"), ("{%B for i in pairs E%}", "{%B endfor E%}")]

    def signed(tag: str) -> str:
        end = choose.choice(["", "", "-", "" if tag.startswith("{{") else "+"])
        tag = tag.replace("B", choose.choice(["", "", "-", "+"])).replace("E", end)
        return tag.replace("R", end.replace("+", ""))

    templates = []
    for _ in range(2000):
        tags = [choose.choice(inside) for _ in range(choose.randrange(4))]
        begin, end = choose.choice(around)
        place = choose.randrange(len(tags) + 1)
        tags = [*tags[:place], begin, *tags[place:], end, choose.choice(inside)]
        templates.append("".join(choose.choice(between) + signed(tag) for tag in tags) + choose.choice(between))
    assert check(templates) == len(templates)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{{ x|nope }}", 'line 2 of the template: the filter "nope" is not supported'),
        ("\n\n{{ x is nope }}", 'line 3 of the template: the test "nope" is not supported'),
        ("{{ nope(1) }}", 'line 1 of the template: "nope" is undefined'),
        ("{{ 'a'.swapcase() }}", 'line 1 of the template: the method "swapcase" of a string is not supported'),
        ("{{ 'a'.nope() }}", 'line 1 of the template: a string has no "nope"'),
        ("{{ joiner() }}", 'line 1 of the template: "joiner" is not supported'),
        ("{% include 'x' %}", 'line 1 of the template: the tag "include" is not supported, or stands where it ends nothing'),
        ("{{ raise_exception('Only\nusers') }}", "line 1 of the template: the template says: Only\\x0ausers"),
        ("{% for i in [1] %}\n{% if 1 %}\n{{ i.x.y }}{% endif %}{% endfor %}", 'line 3 of the template: a int has no "x"'),
        ("{{ [1].append(2) }}", 'line 1 of the template: a template may not call "append"'),
    ],
)  # fmt: skip
def test_errors_say_what_and_where(template, message):
    assert sleb_error(template) == f"chat_template: {message}"


@pytest.mark.parametrize("name", SWELLING)
def test_templates_that_swell_are_refused(name):
    started = time.monotonic()
    assert "template" in sleb_error(SWELLING[name])
    assert time.monotonic() - started < 5


def test_date():
    before = datetime.datetime.now()
    assert sleb_text("{{ strftime_now('%Y-%m') }}") in [f"{day:%Y-%m}" for day in (before, datetime.datetime.now())]


def test_templates_have_nothing_of_each_other():
    answers = sleb_answers([("{% set x = 1 %}{{ x }}", {}), ("{{ x }}", {}), ("{{ x }}", {"x": 2})])
    assert [answer["text"] for answer in answers] == ["1", "", "2"]
