"""sleb's rendering of Jinja templates, and transformers' own."""
import json
import pathlib
import subprocess

import pytest
from transformers.utils import chat_template_utils

from programs import BUILD

JINJA_DUMP = BUILD / "tests" / "tokenizer" / "jinja_dump"


def sleb_answers(tasks: list[tuple[str, dict]]) -> list[dict]:
    """Of every template and its variables {"text": ...} or {"error": ...}."""
    if not pathlib.Path(JINJA_DUMP).exists():
        pytest.fail(f"{JINJA_DUMP} is not there: build target jinja_dump, or set SLEB_BUILD_DIR")
    lines = "".join(json.dumps({"template": template, "variables": variables}) + "\n" for template, variables in tasks)
    done = subprocess.run([JINJA_DUMP], input=lines.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answers = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    assert len(answers) == len(tasks)
    return answers


def sleb_text(template: str, **variables) -> str:
    [answer] = sleb_answers([(template, variables)])
    assert "text" in answer, answer
    return answer["text"]


def sleb_error(template: str, **variables) -> str:
    [answer] = sleb_answers([(template, variables)])
    assert "error" in answer, answer
    return answer["error"]


def oracle(template: str, variables: dict) -> str | Exception:
    try:
        return chat_template_utils._compile_jinja_template(template).render(**variables)
    except Exception as error:
        return error
