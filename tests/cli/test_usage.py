"""How the command line may be spelled, and what it says of itself."""
import json

import numpy as np
import pytest

from tiny_models import random_ids, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"), num_hidden_layers=5)


@pytest.mark.parametrize("command", ["prune", "export", "info", "tokenize"])
def test_help_has_an_example(sleb_ok, command):
    text = sleb_ok(command, "--help")
    assert f"\n  sleb {command} " in text
    assert "Example" in text


def test_help_lists_the_commands(sleb_ok):
    text = sleb_ok("--help")
    assert all(f"\n  {command} " in text for command in ("prune", "export", "info", "tokenize"))
    assert sleb_ok("--version").startswith("sleb ")


def test_the_reference_s_spelling(sleb_ok, model, tmp_path):
    """Underscores in the names of options, but not in their values."""
    np.save(tmp_path / "the_ids.npy", random_ids(300))
    result = json.loads(sleb_ok("prune", model, "--tokens", tmp_path / "the_ids.npy", "--seqlen", 100,
                                "--num_remove_blocks=2", "--early_barrier", 2, "--latter_barrier=0",
                                "--prompt_tokens", 0, "--json", "-"))
    assert len(result["removal_list"]) == 2
    assert [candidate["block"] for candidate in result["steps"][0]["candidates"]] == [2, 3, 4]
    assert result["calibration"]["dataset"] == str(tmp_path / "the_ids.npy")


@pytest.mark.parametrize("spelling", ["3,1", "[3, 1]", " 3 , 1 ", "[3,1]"])
def test_removal_lists(sleb_ok, model, tmp_path, spelling):
    sleb_ok("export", model, "--removal-list", spelling, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "sleb.json").read_text())["removal_list"] == [3, 1]


@pytest.mark.parametrize("form", ["md", "csv", "json", "jsonl"])
def test_table_formats(sleb_ok, model, tmp_path, form):
    """The closing table on stdout; progress stays on stderr."""
    np.save(tmp_path / "ids.npy", random_ids(300))
    shown = sleb_ok("prune", model, "--tokens", tmp_path / "ids.npy", "--seqlen", 100, "--num-remove-blocks", 1,
                    "--prompt-tokens", 0, "-o", form)
    head, table = shown.split("\n\n", 1)
    assert head.startswith("removal list: ")
    if form == "json":
        assert json.loads(table)
    elif form == "jsonl":
        assert all(isinstance(json.loads(line), dict) for line in table.splitlines())
    else:
        separator = "|" if form == "md" else ","
        assert len({line.count(separator) for line in table.splitlines()}) == 1
