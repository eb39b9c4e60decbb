"""The table of what agreed: family x variant x check, printed at the end of the run."""
import collections

import pytest

CHECKS = ["logits", "search", "save", "reload", "generate", "GGUF"]
_HEADER = """<!-- Generated: .venv/bin/python -m pytest tests/families --whole --families-table docs/families.md -->
# Families, checked

Random models of every family and variant against transformers {transformers}, as `tests/families` found them in its last
whole run.

transformers has no class for exaone, internlm2 and minicpm: the models are its Llama's and Granite's, with the tensors and
configuration that these families have. From a GGUF sleb writes them as llama and granite.

- logits: float32's over 150 tokens, the largest difference beside the largest logit; the same bits from a config.json in
  the spelling of transformers 4
- search: the largest relative difference of a loss, of all candidates of two rounds
- save: the pruned folder, from both spellings, has the tensors that transformers expects, no more and no less
- reload: its logits in transformers are those of the dense model with the blocks bypassed
- generate: 16 greedy tokens after 40
- GGUF: the largest difference of a logit of the model as llama.cpp's converter writes it, and the folder that sleb writes
  from that loads in transformers with the logits of its model; a dash where that converter can't express the model

"""

_rows: dict[tuple[str, str], dict[str, str]] = collections.defaultdict(dict)


@pytest.fixture
def record():
    """Notes how a check of a family's variant ended."""

    def note(family: str, variant: str, check: str, result: str) -> None:
        _rows[family, variant][check] = result

    return note


def _table() -> list[str]:
    rows = [["family", "variant", *CHECKS]]
    for key, checks in _rows.items():
        otherwise = "" if checks.get("logits") == "not yet" else "failed"
        rows.append([*key, *(checks.get(name, otherwise) for name in CHECKS)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def pytest_terminal_summary(terminalreporter, config):
    if not _rows:
        return
    terminalreporter.section("families")
    for line in _table():
        terminalreporter.line(line)
    if path := config.getoption("--families-table"):
        import transformers
        path.write_text(_HEADER.format(transformers=transformers.__version__) + "\n".join(_table()) + "\n")
