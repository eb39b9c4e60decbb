"""`--device cuda` finds what the CPU finds. Needs a GPU, and a libtorch built for it."""
import json

import numpy as np
import pytest
import torch

from tiny_models import random_ids, save_model

if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

BLOCKS = 9


FAMILIES = {"llama": {}, "opt": {}, "mistral": {"sliding_window": 24}}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda")
    np.save(folder / "ids.npy", random_ids(1200))
    return save_model(folder / "model", request.param, num_hidden_layers=BLOCKS, **FAMILIES[request.param])


def search(sleb_ok, model, device: str, *options, dtype: str = "float32") -> list[dict]:
    result = sleb_ok("prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", 100, "--num-remove-blocks", 3,
                     "--device", device, "--dtype", dtype, "--prompt-tokens", 0, "--json", "-", *options)
    return json.loads(result)["steps"]


def losses(steps: list[dict]) -> list[float]:
    return [candidate["loss"] for step in steps for candidate in step["candidates"]]


@pytest.mark.parametrize("kind", [("exact", "loss"), ("race", "loss"), ("race", "kl")], ids="-".join)
def test_same_search(sleb_ok, model, kind):
    options = ["--search", kind[0], "--criterion", kind[1]]
    expected = search(sleb_ok, model, "cpu", *options)
    found = search(sleb_ok, model, "cuda", *options)
    assert [step["removed"] for step in found] == [step["removed"] for step in expected]
    if kind[0] == "exact":
        assert losses(found) == pytest.approx(losses(expected), rel=1e-5)


def test_bfloat16_is_near(sleb_ok, model):
    expected = search(sleb_ok, model, "cpu", "--search", "exact")[0]
    found = search(sleb_ok, model, "cuda", "--search", "exact", dtype="bfloat16")[0]
    assert losses([found]) == pytest.approx(losses([expected]), rel=2e-2)


def test_the_fingerprint_names_the_card(sleb_ok, model, tmp_path):
    sleb_ok("prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", 100, "--num-remove-blocks", 1, "--device",
            "cuda", "--prompt-tokens", 0, "--json", tmp_path / "result.json")
    fingerprint = json.loads((tmp_path / "result.json").read_text())["fingerprint"]
    assert torch.cuda.get_device_name() in fingerprint["what computes"]


def test_too_little_memory_is_an_error_of_one_line(sleb, model, monkeypatch):
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "per_process_memory_fraction:0.000001")
    done = sleb("prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", 100, "--device", "cuda")
    assert done.returncode == 1
    assert "does not suffice" in done.stderr and "give less --weights-memory" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_streamed_blocks_change_no_bit(sleb, sleb_ok, model, dtype):
    everything = search(sleb_ok, model, "cuda", "--search", "exact", dtype=dtype)
    refused = sleb("prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", 100, "--prompt-tokens", 0, "--device",
                   "cuda", "--dtype", dtype, "--weights-memory", 1)
    least = refused.stderr.rstrip().rpartition("give at least ")[2]
    streamed = search(sleb_ok, model, "cuda", "--search", "exact", "--weights-memory", least, dtype=dtype)
    assert losses(streamed) == losses(everything)
