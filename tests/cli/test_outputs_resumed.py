"""What --resume may not replace, paths that are none, and the parts of a GGUF."""
import json

import numpy as np
import pytest

from tiny_models import random_ids, save_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    save_model(folder / "m", num_hidden_layers=6)
    save_model(folder / "other", num_hidden_layers=6, seed=5)
    np.save(folder / "ids.npy", random_ids(600))
    return folder


def prune(model: str, count: int, *options) -> list:
    return ["prune", model, "--tokens", "ids.npy", "--segments", 1, "--seqlen", 128, "--prompt-tokens", 0, "--num-remove-blocks",
            count, "--dtype", "float32", *options]  # fmt: skip


@pytest.mark.parametrize("model, count, options, word", [
    ("m", 3, [], "--num-remove-blocks was 2, is 3"),
    ("m", 2, ["--criterion", "kl"], "--criterion was loss, is kl"),
    ("other", 2, [], "the model was "),
])
def test_another_search_s_result(sleb, sleb_ok, place, tmp_path, model, count, options, word):
    result = tmp_path / "result.json"
    sleb_ok(*prune("m", 2, "--json", result), cwd=place)
    before = result.read_bytes()
    done = sleb(*prune(model, count, *options, "--json", result, "--resume"), cwd=place)
    assert done.returncode == 2 and "is the result of another search: " in done.stderr and word in done.stderr, done.stderr
    assert result.read_bytes() == before
    sleb_ok(*prune(model, count, *options, "--json", result, "--resume", "--force"), cwd=place)
    assert len(json.loads(result.read_text())["removal_list"]) == count


@pytest.mark.parametrize("name, text", [("r.html", "<p>mine</p>"), ("r.svg", "<svg/>"), ("r.json", '{"mine": 1}'), ("r.json", "no")])
def test_a_report_of_somebody_else(sleb, place, tmp_path, name, text):
    report = tmp_path / name
    report.write_text(text)
    done = sleb(*prune("m", 1, "--json", tmp_path / "result.json", "--resume", "--report", report), cwd=place)
    assert done.returncode == 2 and "exists already" in done.stderr, done.stderr
    assert report.read_text() == text


@pytest.mark.parametrize("name", ["r.html", "r.svg", "r.json"])
def test_its_own_report_is_written_again(sleb_ok, place, tmp_path, name):
    command = prune("m", 1, "--json", tmp_path / "result.json", "--report", tmp_path / name)
    sleb_ok(*command, cwd=place)
    before = (tmp_path / name).read_bytes()
    assert "finished already" in sleb_ok(*command, "--resume", cwd=place)
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("option", ["--out", "--json", "--report", "--recipe", "--log-samples"])
def test_empty_paths(sleb, place, option):
    done = sleb(*prune("m", 1, option, ""), cwd=place)
    assert done.returncode == 2 and option in done.stderr and "an empty path" in done.stderr, done.stderr


def test_a_part_of_the_gguf_is_no_other_output(sleb, place, tmp_path):
    out = tmp_path / "model.gguf"
    done = sleb(*prune("m", 1, "--out", out, "--json", tmp_path / "model-00001-of-00007.gguf"), cwd=place)
    assert done.returncode == 2 and "--out may write a part of its GGUF there" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []
