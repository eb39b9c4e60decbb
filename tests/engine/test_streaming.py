"""`--weights-memory`: which blocks stay in memory changes no bit of any result."""
import json
import re

import numpy as np
import pytest

from gguf_models import save_gguf
from tiny_models import make_model, random_ids, save_model

BLOCKS = 9


@pytest.fixture(scope="module", params=["llama", "opt", "gguf"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("streaming")
    np.save(folder / "ids.npy", random_ids(1200))
    if request.param == "gguf":
        path = folder / "model.gguf"
        save_gguf(path, make_model(num_hidden_layers=BLOCKS))
        return path
    return save_model(folder / "model", request.param, num_hidden_layers=BLOCKS)


def arguments(model) -> list:
    return ["prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", 100, "--num-remove-blocks", 3, "--device",
            "cpu", "--dtype", "float32", "--threads", 1, "--prompt-tokens", 0, "--json", "-"]


def smallest_limit(sleb, model) -> int:
    refused = sleb(*arguments(model), "--weights-memory", 1)
    assert refused.returncode == 2 and refused.stdout == ""
    return int(re.search(r"give at least (\d+)\n", refused.stderr)[1])


def losses(result: dict) -> list:
    return [[(candidate["block"], candidate["loss"]) for candidate in step["candidates"]] for step in result["steps"]]


@pytest.mark.parametrize("search", ["exact", "race"])
def test_search(sleb, sleb_ok, model, search):
    least = smallest_limit(sleb, model)
    everything = sleb(*arguments(model), "--search", search)
    assert "stay in memory" not in everything.stderr
    expected = json.loads(everything.stdout)
    for share in (0, 0.3, 0.9):
        # Twice `least` holds at least two blocks more.
        result = sleb(*arguments(model), "--search", search, "--weights-memory", int(least * (1 + share)))
        stay = int(re.search(rf"(\d+) of {BLOCKS} blocks stay in memory", result.stderr)[1])
        assert (stay > 0) == (share > 0.5) or share == 0.3
        assert losses(json.loads(result.stdout)) == losses(expected)
    unlimited = sleb(*arguments(model), "--search", search, "--weights-memory", "8G")
    assert "stay in memory" not in unlimited.stderr
    assert losses(json.loads(unlimited.stdout)) == losses(expected)


def test_generation_asks_for_blocks_again_and_again(sleb, run_dump, model):
    least = smallest_limit(sleb, model)
    work = {"removed": [[], [2, 5]], "prompts": [[5, 6, 7]], "count": 5}
    assert run_dump(model, "float32", {**work, "weights_memory": least}) == run_dump(model, "float32", work)


@pytest.mark.parametrize("text", ["x", "-1", "1.5G", "", "99999999999999999999"])
def test_refused(sleb, model, text):
    refused = sleb(*arguments(model), "--weights-memory", text)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "expected a number" in refused.stderr


@pytest.mark.parametrize("text", ["0", "0M"])
def test_no_memory_is_refused(sleb, model, text):
    refused = sleb(*arguments(model), "--weights-memory", text)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "give more, or auto" in refused.stderr
