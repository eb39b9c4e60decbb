"""Weights of 4 bits that stay packed: logits against the same numbers with scales and zeros in bfloat16, generation, what
they take, and what --packed refuses. How fast it is, bench/packed_decoding.py says."""
import json
import re

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch

import family_models
import gguf_files
import gguf_models
import oracle
import packed_models
from gguf_models import save_gguf
from packed_models import save_packed
from test_logits import sleb_logits
from tiny_models import make_model, random_ids, save_model, save_tokenizer

REMOVALS = [(), (1, 3)]
FORMS = ["gptq", "gptq symmetric", "gptq second form", "awq", "awq gemv", "compressed-tensors int4",
         "compressed-tensors int4 with zero points"]
# Of logits, mean against mean. The first token sees itself alone; then attention in bfloat16, which both round in other
# places, is as far off as it is with plain weights (test_logits.py).
TOLERANCE_OF_FIRST, TOLERANCE = 0.02, 0.08


def rounded(codes: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor) -> torch.Tensor:
    """(code - 8) * scale + zero, all of one shape, with both in bfloat16."""
    return (codes.float() - 8) * scales.bfloat16().float() + zeros.bfloat16().float()


def affine(numbers: np.ndarray, zeros: np.ndarray, scales: torch.Tensor, groups: np.ndarray) -> torch.Tensor:
    scales = scales.float()[:, torch.tensor(groups)]
    return rounded(torch.tensor(numbers), scales, (8 - torch.tensor(np.array(zeros[:, groups])).float()) * scales)


def decoded(stored: np.ndarray, quantization: gguf.GGMLQuantizationType) -> np.ndarray:
    has_minimum = quantization == gguf.GGMLQuantizationType.Q4_1
    blocks = stored.reshape(len(stored), -1, 20 if has_minimum else 18)
    halves = blocks[..., :4 if has_minimum else 2].copy().view(np.float16).astype(np.float32)
    quants = blocks[..., -16:]
    codes = torch.tensor(np.concatenate((quants & 15, quants >> 4), -1))
    scales = torch.tensor(halves[..., :1])
    zeros = torch.tensor(halves[..., 1:]) + 8 * scales if has_minimum else torch.zeros_like(scales)
    return rounded(codes, scales, zeros).reshape(len(stored), -1).numpy()


@pytest.fixture
def in_bfloat16(monkeypatch):
    """Models are given the values that packed products have."""
    monkeypatch.setattr(packed_models, "affine", affine)
    monkeypatch.setattr(gguf_models, "_decoded", decoded)


def expected_logits(model, ids: np.ndarray, removed: tuple[int, ...]) -> np.ndarray:
    """In bfloat16, with blocks' matrices as they are."""
    weights = {name: module.weight.detach().clone() for name, module in model.named_modules()
               if isinstance(module, torch.nn.Linear) and name != "lm_head"}
    model = model.to(torch.bfloat16)
    for name, weight in weights.items():
        module = model.get_submodule(name)
        module.forward = lambda x, weight=weight: (x.float() @ weight.t()).bfloat16()
    blocks = oracle.without_blocks(model, removed) if removed else model
    with torch.inference_mode():
        return blocks(torch.tensor(ids)[None], use_cache=False).logits[0].float().numpy()


def expect_near(actual: np.ndarray, expected: np.ndarray) -> None:
    errors = np.abs(actual - expected).mean(1) / np.abs(expected).mean()
    assert errors[0] < TOLERANCE_OF_FIRST and errors.mean() < TOLERANCE, errors


@pytest.mark.parametrize("form", FORMS)
def test_logits(logits_dump, tmp_path, in_bfloat16, form):
    save_packed(tmp_path / "packed", save_model(tmp_path / "plain", tie_word_embeddings=False), form)
    ids = random_ids(40)
    logits = sleb_logits(logits_dump, tmp_path, tmp_path / "packed", ids, REMOVALS, "packed")
    for actual, removed in zip(logits, REMOVALS):
        expect_near(actual, expected_logits(oracle.load(tmp_path / "plain"), ids, removed))


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1"])
def test_logits_of_a_gguf(logits_dump, tmp_path, in_bfloat16, kind):
    """Whose rows of queries and keys are in another order."""
    model = save_gguf(tmp_path / "model.gguf", make_model(tie_word_embeddings=False), kind)
    ids = random_ids(40)
    logits = sleb_logits(logits_dump, tmp_path, tmp_path / "model.gguf", ids, [()], "packed")
    expect_near(logits[0], expected_logits(model.eval(), ids, ()))


@pytest.mark.parametrize("form", ["gptq", "awq"])
def test_as_near_as_bfloat16(logits_dump, tmp_path, form):
    save_packed(tmp_path / "packed", save_model(tmp_path / "plain", tie_word_embeddings=False), form)
    ids = random_ids(60)
    wide, plain, packed = (sleb_logits(logits_dump, tmp_path, tmp_path / "packed", ids, [()], kind)
                           for kind in ("float32", "bfloat16", "packed"))
    assert 0 < np.abs(packed - wide).mean() < 2 * np.abs(plain - wide).mean()


@pytest.mark.parametrize("family, changes", [
    ("qwen2_moe", {"moe_intermediate_size": 64, "shared_expert_intermediate_size": 64}),
    ("deepseek_v3", {"kv_lora_rank": 32, "q_lora_rank": 32, "qk_nope_head_dim": 32, "v_head_dim": 32,
                     "moe_intermediate_size": 64})])
def test_mixtures_and_latent_attention(logits_dump, sleb, tmp_path, family, changes):
    """Experts too are multiplied packed, and what is left of latent attention (keys' half of kv_b_proj is turned)."""
    path = tmp_path / "model.gguf"
    gguf_files.save_gguf(path, family, family_models.make_model(family, "usual", **changes),
                         quantized=gguf.GGMLQuantizationType.Q4_0)
    ids = random_ids(40)
    wide, plain, packed = (sleb_logits(logits_dump, tmp_path, path, ids, [()], kind)
                           for kind in ("float32", "bfloat16", "packed"))
    assert 0 < np.abs(packed - wide).mean() < 2 * np.abs(plain - wide).mean()
    done = sleb("generate", path, "--packed", "--prompt", "abc", "--max-new-tokens", 4, "--ignore-eos")
    stayed, all_matrices = map(int, re.search(r"(\d+) of (\d+) matrices stay packed", done.stderr).groups())
    assert done.returncode == 0 and stayed > 0.9 * all_matrices, done.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed decoding")
    save_packed(folder / "packed", save_model(folder / "plain", tie_word_embeddings=False), "gptq symmetric")
    for name in ("packed", "plain"):
        save_tokenizer(folder / name)
    return folder / "packed"


def test_generation(sleb, model):
    """The same in one block at a time, and with a line that says that numbers are others."""
    def generated(*options):
        done = sleb("generate", model, "--packed", "--prompt", "abc", "--max-new-tokens", 8, "--ignore-eos", "--json", "-",
                    *options)
        assert done.returncode == 0, done.stderr
        assert "35 of 36 matrices stay packed in 4 bits" in done.stderr
        result = json.loads(done.stdout)
        assert result["packed"] and len(result["outputs"][0]["ids"]) == 8
        return result["outputs"][0]["ids"]

    least = sleb("generate", model, "--packed", "--prompt", "abc", "--weights-memory", "1")
    assert least.returncode == 2
    assert generated() == generated("--weights-memory", next(word for word in least.stderr.split() if word.isdigit()
                                                             and int(word) > 1000))


def test_bytes(sleb_ok, model):
    result = json.loads(sleb_ok("latency", model, "--packed", "--batch-size", 1, "--new-tokens", 2, "--prompt-tokens", 3,
                                "--repeats", 1, "--removal-list", "1", "--json", "-"))
    assert (result["packed"], result["dtype"]) == (True, "bfloat16")
    tensors = safetensors.torch.load_file(model.parent / "plain" / "model.safetensors")

    def size(name: str, tensor: torch.Tensor) -> int:
        if tensor.ndim < 2 or ".layers." not in name:
            return 2 * tensor.numel()
        # A scale a row goes once for every 256, 128, 64 or 32 columns.
        group = next(group for group in (256, 128, 64, 32) if tensor.shape[1] % group == 0)
        return tensor.numel() // 2 + 4 * tensor.numel() // group

    sizes = {name: size(name, tensor) for name, tensor in tensors.items()}
    assert [record["weight_bytes"] for record in result["results"]] == [
        sum(sizes.values()), sum(size for name, size in sizes.items() if ".layers.1." not in name)]


@pytest.mark.parametrize("command", [["generate", "--prompt", "a"], ["latency"]], ids=["generate", "latency"])
@pytest.mark.parametrize("case, words", [("float32", ["--packed", "bfloat16", "float32"]),
                                         ("plain", ["--packed", "4 bits"]), ("act-order", ["--packed", "4 bits"]),
                                         ("nf4", ["--packed", "4 bits"])])
def test_refused(sleb, tmp_path, model, command, case, words):
    folder, options = model, ["--packed"]
    if case == "float32":
        options += ["--dtype", "float32"]
    elif case == "plain":
        folder = model.parent / "plain"
    else:
        folder = tmp_path / "packed"
        save_packed(folder, save_model(tmp_path / "plain", tie_word_embeddings=False),
                    "gptq act-order" if case == "act-order" else case)
        save_tokenizer(folder)
    done = sleb(command[0], folder, *command[1:], *options)
    assert done.returncode == 2 and done.stdout == ""
    line = done.stderr.strip().splitlines()[-1]
    assert all(word in line for word in words), done.stderr
