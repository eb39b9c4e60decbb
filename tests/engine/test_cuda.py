"""`--device cuda` finds what the CPU finds. Needs a GPU, and a libtorch built for it; SLEB_TEST_DEVICE=cpu tries the tests
themselves without."""
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from test_generation import prompts_of
from test_scores import random_groups
from tiny_models import make_model, random_ids, save_model, save_tokenizer
from family_models import FAMILIES as VARIANTS
from family_models import save_model as save_variant

DEVICE = os.environ.get("SLEB_TEST_DEVICE", "cuda")
if DEVICE == "cuda" and not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

needs_cuda = pytest.mark.skipif(DEVICE != "cuda", reason="is about CUDA itself")

BLOCKS = 7
SEQLEN = 100
FAMILIES = {"llama": {}, "opt": {}, "mistral": {"sliding_window": 24}}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda")
    np.save(folder / "ids.npy", random_ids(12 * SEQLEN))
    np.save(folder / "long.npy", random_ids(200 * SEQLEN))
    save_model(folder / "model", request.param, num_hidden_layers=BLOCKS, **FAMILIES[request.param])
    return save_tokenizer(folder / "model")


def search(sleb_ok, model, device: str, *options, dtype: str = "float32", ids: str = "ids.npy", remove: int = 3) -> dict:
    return json.loads(sleb_ok("prune", model, "--tokens", model.parent / ids, "--seqlen", SEQLEN, "--num-remove-blocks",
                              remove, "--device", device, "--dtype", dtype, "--prompt-tokens", 0, "--json", "-", *options))


def losses(result: dict) -> list[float]:
    return [candidate["loss"] for step in result["steps"] for candidate in step["candidates"]]


def divergences(result: dict) -> list[float]:
    return [candidate["kl"] for step in result["steps"] for candidate in step["candidates"]]


@pytest.mark.parametrize("kind", [("exact", "loss"), ("exact", "kl"), ("race", "loss"), ("race", "kl")], ids="-".join)
def test_same_search(sleb_ok, model, kind):
    options = ["--search", kind[0], "--criterion", kind[1]]
    expected = search(sleb_ok, model, "cpu", *options)
    found = search(sleb_ok, model, DEVICE, *options)
    assert found["removal_list"] == expected["removal_list"]
    assert found["dense_loss"] == pytest.approx(expected["dense_loss"], rel=1e-5)
    if kind[0] == "exact":
        assert losses(found) == pytest.approx(losses(expected), rel=1e-5)
        assert divergences(found) == pytest.approx(divergences(expected), rel=1e-4, abs=1e-5)


def test_same_best_set(sleb_ok, model):
    expected = search(sleb_ok, model, "cpu", "--search", "best")
    assert search(sleb_ok, model, DEVICE, "--search", "best")["removal_list"] == expected["removal_list"]


@pytest.mark.parametrize("kind", ["exact", "race", "best"])
def test_same_halves(sleb_ok, model, kind):
    options = ["--units", "half", "--search", kind]
    expected = search(sleb_ok, model, "cpu", *options)
    found = search(sleb_ok, model, DEVICE, *options)
    assert found["removal_list"] == expected["removal_list"]
    if kind == "exact":
        assert losses(found) == pytest.approx(losses(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["exact", "race"])
def test_several_chunks(sleb_ok, model, kind):
    """20,000 tokens, of which a GPU takes 16,384 at once; a race has several rungs."""
    options = ["--search", kind]
    expected = search(sleb_ok, model, "cpu", *options, ids="long.npy", remove=2)
    found = search(sleb_ok, model, DEVICE, *options, ids="long.npy", remove=2)
    assert found["removal_list"] == expected["removal_list"]
    if kind == "exact":
        assert losses(found) == pytest.approx(losses(expected), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kept_states_change_no_bit(sleb_ok, model, dtype):
    kept = search(sleb_ok, model, DEVICE, "--search", "exact", ids="long.npy", dtype=dtype)
    anew = search(sleb_ok, model, DEVICE, "--search", "exact", "--state-memory", 0, ids="long.npy", dtype=dtype)
    assert losses(kept) == losses(anew)


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 2e-2), ("float16", 4e-3)])
def test_other_types_are_near(sleb_ok, model, dtype, tolerance):
    expected = search(sleb_ok, model, "cpu", "--search", "exact", remove=1)
    found = search(sleb_ok, model, DEVICE, "--search", "exact", dtype=dtype, remove=1)
    assert losses(found) == pytest.approx(losses(expected), rel=tolerance)


def least_memory(sleb, model, dtype: str) -> int:
    refused = sleb("prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", SEQLEN, "--prompt-tokens", 0,
                   "--device", DEVICE, "--dtype", dtype, "--weights-memory", 1)
    return int(refused.stderr.rstrip().rpartition("give at least ")[2])


@needs_cuda
def test_the_fingerprint_names_the_card(sleb_ok, model, tmp_path):
    sleb_ok("prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", SEQLEN, "--num-remove-blocks", 1, "--device",
            "cuda", "--prompt-tokens", 0, "--json", tmp_path / "result.json")
    fingerprint = json.loads((tmp_path / "result.json").read_text())["fingerprint"]
    assert torch.cuda.get_device_name() in fingerprint["what computes"]


@needs_cuda
def test_too_little_memory_is_an_error_of_one_line(sleb, model, monkeypatch):
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "per_process_memory_fraction:0.000001")
    done = sleb("prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", SEQLEN, "--device", "cuda",
                "--prompt-tokens", 0)
    assert done.returncode == 1
    assert "does not suffice" in done.stderr and "give less --weights-memory" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_streamed_blocks_change_no_bit(sleb, sleb_ok, model, dtype):
    everything = search(sleb_ok, model, DEVICE, "--search", "exact", dtype=dtype)
    streamed = search(sleb_ok, model, DEVICE, "--search", "exact", "--weights-memory", least_memory(sleb, model, dtype),
                      dtype=dtype)
    assert losses(streamed) == losses(everything)


def test_streamed_blocks_of_tens_of_megabytes(sleb, sleb_ok, tmp_path):
    """Large enough that a copy is still under way when its block is asked for."""
    np.save(tmp_path / "ids.npy", random_ids(12 * SEQLEN))
    model = save_model(tmp_path / "model", num_hidden_layers=6, hidden_size=1024, intermediate_size=4096,
                       num_attention_heads=16, num_key_value_heads=4, dtype=torch.bfloat16)
    everything = search(sleb_ok, model, DEVICE, "--search", "exact", dtype="bfloat16", remove=2)
    streamed = search(sleb_ok, model, DEVICE, "--search", "exact", "--weights-memory",
                      least_memory(sleb, model, "bfloat16"), dtype="bfloat16", remove=2)
    assert losses(streamed) == losses(everything)


def test_gguf(sleb_ok, tmp_path):
    gguf_models = pytest.importorskip("gguf_models")
    np.save(tmp_path / "ids.npy", random_ids(12 * SEQLEN))
    file = tmp_path / "model.gguf"
    gguf_models.save_gguf(file, make_model(num_hidden_layers=BLOCKS), "Q8_0")
    expected = search(sleb_ok, file, "cpu", "--search", "exact")
    assert losses(search(sleb_ok, file, DEVICE, "--search", "exact")) == pytest.approx(losses(expected), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scores(run_dump, model, dtype):
    """Packed questions of many forms, of which one is padded to the next."""
    request = {"removed": [[], [1, 3]], "groups": random_groups(seed=3)}
    for_all = [run_dump(model, kind, {**request, "device": device}) for kind, device in
               (("float32", "cpu"), (dtype, DEVICE))]
    for of_plan, expected_plan in zip(*reversed(for_all), strict=True):
        for group, expected_group in zip(of_plan, expected_plan, strict=True):
            found, expected = np.array(group), np.array(expected_group)
            tolerance = {"rtol": 2e-5, "atol": 2e-4} if dtype == "float32" else {"rtol": 3e-2, "atol": 0.3}
            np.testing.assert_allclose(found[:, 0], expected[:, 0], **tolerance)
            if dtype == "float32":
                assert (found[:, 1] == expected[:, 1]).all()


@pytest.mark.parametrize("lengths", [[9], [40, 40], [1, 33, 7, 20]], ids=str)
def test_generation(run_dump, model, lengths):
    request = {"removed": [[], [2]], "prompts": prompts_of(lengths), "count": 48}
    expected = run_dump(model, "float32", request)
    assert run_dump(model, "float32", {**request, "device": DEVICE}) == expected


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_generation_in_other_types(run_dump, model, dtype):
    """Each alone as in a batch, for a while: rounding may part them later."""
    prompts = prompts_of([24, 24, 24])
    request = {"removed": [[]], "count": 12, "device": DEVICE}
    together = run_dump(model, dtype, {**request, "prompts": prompts})[0]
    alone = [run_dump(model, dtype, {**request, "prompts": [prompt]})[0][0] for prompt in prompts]
    equal = sum(a == b for one, other in zip(together, alone, strict=True) for a, b in zip(one, other, strict=True))
    assert equal >= 18


def test_sampling(run_dump, model):
    """The same draws, up to a rounding at a border between two tokens."""
    request = {"removed": [[]], "prompts": prompts_of([8] * 64), "count": 4, "temperature": 1.5, "seed": 7}
    expected = run_dump(model, "float32", request)[0]
    found = run_dump(model, "float32", {**request, "device": DEVICE})[0]
    assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 62


def test_streamed_generation(run_dump, model):
    size = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    request = {"removed": [[]], "prompts": prompts_of([5, 17]), "count": 24, "device": DEVICE}
    assert run_dump(model, "float32", {**request, "weights_memory": size // 2}) == run_dump(model, "float32", request)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_repair(sleb_ok, model, tmp_path, dtype):
    """Each half's distance from the dense model, before and after; of float32 the ridges and written matrices too."""
    text = tmp_path / "text.txt"
    text.write_text("".join(map(chr, np.random.default_rng(2).integers(97, 123, 20 * SEQLEN))))

    def repaired(device: str, dtype: str) -> tuple[list, dict]:
        out = tmp_path / f"{device} {dtype}"
        sleb_ok("repair", model, "--removal-list", "1,3", "--repair-dataset", text, "--repair-tokens", 16 * SEQLEN,
                "--seqlen", SEQLEN, "--dtype", dtype, "--device", device, "--out", out, "--force")
        return json.loads((out / "sleb.json").read_text())["repair"]["matrices"], load_file(out / "model.safetensors")

    (expected, expected_tensors), (found, tensors) = repaired("cpu", "float32"), repaired(DEVICE, dtype)
    tolerance = 1e-4 if dtype == "float32" else 5e-2
    numbers = [[x for x in flat(matrices) if isinstance(x, float)] for matrices in (found, expected)]
    if dtype == "float32":
        assert numbers[0] == pytest.approx(numbers[1], rel=tolerance, abs=1e-6)
        for name, tensor in expected_tensors.items():
            torch.testing.assert_close(tensors[name], tensor, rtol=1e-3, atol=1e-4)
    errors = [[one["held_out"]["after"] for one in matrices] for matrices in (found, expected)]
    assert errors[0] == pytest.approx(errors[1], rel=tolerance)


@pytest.mark.parametrize("protocol", ["reference", "llama.cpp"])
def test_perplexity(sleb_ok, model, tmp_path, protocol):
    text = tmp_path / "text.txt"
    random = np.random.default_rng(1)
    text.write_text("\n".join("".join(map(chr, random.integers(97, 123, 70))) for _ in range(60)) + "\n")
    command = ["eval", model, "--ppl", text, "--seqlen", SEQLEN, "--protocol", protocol, "--removal-list", "2,4",
               "--dtype", "float32", "--json", "-"]
    found, expected = (json.loads(sleb_ok(*command, "--device", device)) for device in (DEVICE, "cpu"))
    numbers = [[value for value in flat(result) if isinstance(value, float)] for result in (found, expected)]
    assert numbers[0] == pytest.approx(numbers[1], rel=2e-5, abs=1e-6)


EVERY_VARIANT = [(family, variant) for family, (_, variants) in VARIANTS.items() for variant in variants]


@pytest.mark.sampled(1, per="family")
@pytest.mark.parametrize("family, variant", EVERY_VARIANT, ids=[f"{family}, {variant}" for family, variant in EVERY_VARIANT])
def test_family(sleb_ok, run_dump, tmp_path, family, variant):
    """Longer sequences than windows (20) and the lengths from which rope is scaled (48); padded prompts that reach them."""
    np.save(tmp_path / "ids.npy", random_ids(6 * SEQLEN))
    save_variant(tmp_path / "model", family, variant)
    model = save_tokenizer(tmp_path / "model")
    expected = losses(search(sleb_ok, model, "cpu", "--search", "exact", remove=1))
    assert losses(search(sleb_ok, model, DEVICE, "--search", "exact", remove=1)) == pytest.approx(expected, rel=1e-5)
    rounded = losses(search(sleb_ok, model, DEVICE, "--search", "exact", remove=1, dtype="bfloat16"))
    assert rounded == pytest.approx(expected, rel=3e-2)
    request = {"removed": [[], [2]], "prompts": prompts_of([40, 9, 23]), "count": 16}
    assert run_dump(model, "float32", {**request, "device": DEVICE}) == run_dump(model, "float32", request)


def flat(value) -> list:
    """All that is in a JSON value but times."""
    if isinstance(value, dict):
        return [x for key, part in value.items() if "second" not in key for x in flat(part)]
    if isinstance(value, list):
        return [x for part in value for x in flat(part)]
    return [value]


@pytest.mark.parametrize("mode", ["generation", "prompt"])
def test_latency(sleb_ok, model, mode):
    options = ["--new-tokens", 4, "--batch-size", 2] if mode == "generation" else []
    result = json.loads(sleb_ok("latency", model, "--mode", mode, "--prompt-tokens", 32, "--repeats", 2, "--device", DEVICE,
                                "--removal-list", "1,2", "--json", "-", *options))
    assert [of["blocks"] for of in result["results"]] == [BLOCKS, BLOCKS - 2]
    assert all(of["median_ms"] > 0 for of in result["results"])
