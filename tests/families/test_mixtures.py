"""Mixtures of experts beyond what test_families.py asks of every family: streamed blocks, what a token meets, experts that a
repair leaves, and files that are no such model."""
import json
import pathlib
import shutil

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch

import family_models
import gguf_files
from tiny_models import edit_json, random_ids, save_tokenizer

SEQLEN, SEGMENTS = 64, 12


@pytest.fixture(scope="module")
def ids(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("ids") / "ids.npy"
    np.save(path, random_ids(SEQLEN * SEGMENTS, seed=3))
    return path


@pytest.fixture
def model(tmp_path) -> pathlib.Path:
    family_models.save_model(tmp_path / "model", "qwen2_moe", "usual")
    return save_tokenizer(tmp_path / "model")


def search(model: pathlib.Path, ids: pathlib.Path, *options) -> list:
    return ["prune", model, "--tokens", ids, "--seqlen", SEQLEN, "--num-remove-blocks", 2, "--device", "cpu", "--dtype",
            "float32", "--prompt-tokens", 0, "--json", "-", *options]


def test_streamed_blocks_give_the_same_losses(sleb_ok, model, ids):
    resident, streamed = (json.loads(sleb_ok(*search(model, ids, *options)))
                          for options in ([], ["--weights-memory", "640K"]))
    assert streamed["steps"][0]["candidates"] == resident["steps"][0]["candidates"]
    assert [step["loss"] for step in streamed["steps"]] == [step["loss"] for step in resident["steps"]]


def test_what_a_token_meets(sleb_ok, model):
    known = json.loads(sleb_ok("info", model, "--json", "-"))
    weights = safetensors.torch.load_file(model / "model.safetensors")
    experts = sum(weight.numel() for name, weight in weights.items() if ".mlp.experts." in name)
    assert known["parameters"] == sum(weight.numel() for weight in weights.values())
    assert known["parameters"] - known["active_parameters"] == experts * 4 // 6
    shown = sleb_ok("info", model)
    assert "6 experts of 40, 2 for each token, one of 56 for all" in shown


def test_a_repair_leaves_experts(sleb, model, tmp_path):
    (tmp_path / "text.txt").write_text(pathlib.Path(__file__).read_text() * 2)
    done = sleb("repair", model, "--removal-list", "1,3", "--repair-dataset", tmp_path / "text.txt", "--repair-tokens",
                SEQLEN * SEGMENTS, "--seqlen", SEQLEN, "--dtype", "float32", "--out", tmp_path / "out")
    assert done.returncode == 0 and "experts stay as they are" in done.stderr, done.stderr
    repair = json.loads((tmp_path / "out" / "sleb.json").read_text())["repair"]
    assert {fit["half"] for fit in repair["matrices"]} == {"attention"}
    assert any(fit["held_out"]["after"] < fit["held_out"]["before"] for fit in repair["matrices"])
    assert repair["changed_tensors"] and all(name.endswith("o_proj.weight") for name in repair["changed_tensors"])
    before, after = (safetensors.torch.load_file(folder / "model.safetensors") for folder in (model, tmp_path / "out"))
    for place, block in enumerate((0, 2, 4, 5)):
        for name in [name for name in before if name.startswith(f"model.layers.{block}.mlp.")]:
            assert torch.equal(after[name.replace(f"layers.{block}.", f"layers.{place}.")], before[name]), name


EXPERT = "model.layers.2.mlp.experts.3.up_proj.weight"
ROUTER = "model.layers.0.mlp.gate.weight"
MALFORMED = {
    "an expert is missing": (lambda weights: weights.pop(EXPERT), {}, f"tensor '{EXPERT}' is missing"),
    "an expert of another size": (lambda weights: weights.update({EXPERT: weights[EXPERT][:-1].clone()}), {},
                                  "has shape [39, 64], the configuration needs [40, 64]"),
    "one expert too many": (lambda weights: weights.update({EXPERT.replace(".3.", ".6."): weights[EXPERT].clone()}), {},
                            "is not part of this qwen2_moe model"),
    "a router of fewer experts": (lambda weights: weights.update({ROUTER: weights[ROUTER][:-1].clone()}), {},
                                  "has shape [5, 64], the configuration needs [6, 64]"),
    "more chosen than there are": (lambda _: None, {"num_experts_per_tok": 7}, "each token chooses 7 of 6 experts"),
    "none chosen": (lambda _: None, {"num_experts_per_tok": 0}, "num_experts_per_tok: 0 is less than 1"),
    "no experts": (lambda _: None, {"num_experts": 0}, "num_experts: 0 is less than 1"),
    "more experts than tensors": (lambda _: None, {"num_experts": 65536}, "of 65536 experts by the configuration, but only"),
    "two numbers of experts": (lambda _: None, {"num_local_experts": 5}, "num_local_experts: 5 experts here, and 6 by"),
    "blocks without experts": (lambda _: None, {"mlp_only_layers": [1]}, "mlp_only_layers: blocks with an MLP beside"),
    "every other block": (lambda _: None, {"decoder_sparse_step": 2}, "decoder_sparse_step: blocks with an MLP beside"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refused(sleb, model, ids, tmp_path, name):
    change, settings, message = MALFORMED[name]
    bad = shutil.copytree(model, tmp_path / "bad")
    weights = safetensors.torch.load_file(bad / "model.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, bad / "model.safetensors", {"format": "pt"})
    edit_json(bad / "config.json", **settings)
    done = sleb(*search(bad, ids))
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def other_count(path: pathlib.Path) -> None:
    field = gguf.GGUFReader(path, "r+").fields["qwen2moe.expert_count"]
    field.parts[field.data[0]][0] = 5


def slices_of_nothing(tensors: dict, config) -> dict:
    """Two numbers each, and a tensor of its own for each: a small file would take much memory."""
    tensors = gguf_files.RECIPES["qwen2_moe"].change(tensors, config)
    return tensors | {"model.layers.1.mlp.experts.up_proj.weight": torch.zeros(100_000, 1, 2)}


@pytest.mark.parametrize("changes, edit, message", [
    ({}, other_count, "qwen2moe.expert_count': 5, where the experts' tensors hold 6"),
    ({"change": slices_of_nothing}, lambda _: None, "blk.1.ffn_up_exps.weight' holds 100000 parts, of a model of"),
], ids=["another number of experts", "experts of nothing"])
def test_gguf_refused(sleb, tmp_path, changes, edit, message):
    path = tmp_path / "model.gguf"
    gguf_files.save_gguf(path, "qwen2_moe", family_models.make_model("qwen2_moe", "usual"), **changes)
    edit(path)
    done = sleb("info", path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
