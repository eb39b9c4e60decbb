"""How the command line may be spelled, and what it says of itself."""
import csv
import io
import json
import re

import numpy as np
import pytest

from tiny_models import random_ids, save_model, save_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"), num_hidden_layers=5)


COMMANDS = ["prune", "eval", "latency", "generate", "export", "info", "tokenize"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(sleb_ok, command):
    text = sleb_ok(command, "--help")
    assert f"\n  sleb {command} " in text
    assert "Example" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_models_of_examples_are_names_on_the_hub_or_ggufs(sleb_ok, command):
    """A name without an organisation would be taken for a folder."""
    models = re.findall(rf"^  sleb {command} ([^\s-]\S*)", sleb_ok(command, "--help"), re.MULTILINE)
    assert models
    assert all(re.fullmatch(r"HuggingFaceTB/[\w.-]+|[\w.-]+\.gguf", model) for model in models)


def test_help_lists_the_commands(sleb_ok):
    text = sleb_ok("--help")
    assert all(f"\n  {command} " in text for command in COMMANDS)
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
    table = shown
    if form == "json":
        assert json.loads(table)
    elif form == "jsonl":
        assert all(isinstance(json.loads(line), dict) for line in table.splitlines())
    else:
        separator = "|" if form == "md" else ","
        assert len({line.count(separator) for line in table.splitlines()}) == 1


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("some text\n" * 40)
    return path


def test_eval_takes_several_lists_in_any_spelling(sleb_ok, model, text, tmp_path):
    """Each is a row, in the order given; options of eval as the reference spells them."""
    save_tokenizer(model)
    other = tmp_path / "other.raw"
    other.write_text(text.read_text())
    result = json.loads(sleb_ok("eval", model, "--removal_list", "[3, 1]", "--ppl", text, "--removal-list=2", "--ppl",
                                other, "--removal_list", " 4 , 1 ", "--seqlen", 100, "--json", "-"))
    assert result["removal_lists"] == [[3, 1], [2], [4, 1]]
    assert list(result["perplexity"]) == [str(text), str(other)]
    for name in (str(text), str(other)):
        assert [row["removal_list"] for row in result["perplexity_details"][name]["rows"]] == [[], [3, 1], [2], [4, 1]]
        assert len(result["perplexity"][name]["pruned"]) == 3
    assert result["num_blocks"] == 5


@pytest.mark.parametrize("lists, keys", [((), {"dense"}), (("1",), {"dense", "pruned"})])
def test_eval_of_one_list_gives_numbers(sleb_ok, model, text, tmp_path, lists, keys):
    save_tokenizer(model)
    options = [word for one in lists for word in ("--removal-list", one)]
    shown = sleb_ok("eval", model, "--ppl", text, *options, "--seqlen", 100, "--json", tmp_path / "result.json")
    values = json.loads((tmp_path / "result.json").read_text())["perplexity"][str(text)]
    assert values.keys() == keys and all(isinstance(value, float) for value in values.values())
    assert all(f"{value:.4f}" in shown for value in values.values())


@pytest.mark.parametrize("form", ["md", "csv", "json", "jsonl"])
def test_table_formats_of_eval(sleb, model, text, form):
    """Nothing but the table on stdout; how fast it went on stderr."""
    save_tokenizer(model)
    done = sleb("eval", model, "--ppl", text, "--removal-list", "1", "--removal-list", "2,3", "--seqlen", 100, "-o", form)
    assert done.returncode == 0, done.stderr
    assert "tokens/s for the dense and 2 pruned models together" in done.stderr
    if form in ("json", "jsonl"):
        lines = done.stdout.splitlines()
        rows = json.loads(done.stdout) if form == "json" else [json.loads(line) for line in lines]
        assert [row["blocks removed"] for row in rows] == ["none", "1", "2,3"]
        assert rows[0]["KL"] is None and rows[1]["KL"] > 0
    else:
        lines = list(csv.reader(io.StringIO(done.stdout))) if form == "csv" else done.stdout.splitlines()
        assert len(lines) == (4 if form == "csv" else 5)
        assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_fits_a_terminal(sleb_ok, command):
    assert max(map(len, sleb_ok(*command, "--help").splitlines())) <= 80
