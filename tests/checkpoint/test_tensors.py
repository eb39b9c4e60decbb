"""Which tensors a folder must hold, under which names: `sleb info` opens it as every command does."""
import json
import shutil

import pytest
import safetensors.torch
import torch

import oracle
from tiny_models import OPT, drop_base_prefix, edit_json, edit_tensors, save_model, store_head

EMBEDDING = "model.decoder.embed_tokens.weight"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    return {name: save_model(folder / str(i), "opt", **OPT[name]) for i, name in enumerate(OPT)}


@pytest.fixture
def copied(good, tmp_path):
    return lambda variant: shutil.copytree(good[variant], tmp_path / "model")


def expect_refusal(sleb, model, *words: str) -> None:
    done = sleb("info", model)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    for word in (str(model), *words):
        assert word in done.stderr


@pytest.mark.parametrize("variant", OPT)
def test_parameters_are_those_that_transformers_counts(sleb_ok, good, variant):
    reference = oracle.load(good[variant])
    shown = json.loads(sleb_ok("info", good[variant], "--json", "-"))
    embedding = reference.model.decoder.embed_tokens.weight.numel()
    assert shown["parameters"] == reference.num_parameters()
    assert shown["block_parameters"] == sum(weight.numel() for weight in oracle.blocks_of(reference)[0].parameters())
    held = reference.num_parameters() - (0 if reference.config.tie_word_embeddings else embedding)
    assert shown["weight_bytes"] == {"float32": 4 * held, "bfloat16": 2 * held}
    text = sleb_ok("info", good[variant])
    for words in ("opt", "256, learned", "head tied" if reference.config.tie_word_embeddings else "opt",
                  "64, embedding 40, MLP 96" if variant == "post-norm and projections" else "MLP 96"):
        assert words in text


def tensor_names(folder) -> set[str]:
    return set(safetensors.torch.load_file(folder / "model.safetensors"))


@pytest.mark.parametrize("variant", OPT)
def test_no_tensor_can_be_missing(sleb, copied, variant):
    """Of each kind one; the names of blocks but block 0's are like it."""
    model = copied(variant)
    whole = (model / "model.safetensors").read_bytes()
    for name in sorted(tensor_names(model)):
        if ".layers." in name and ".layers.0." not in name:
            continue
        edit_tensors(model, lambda tensors: tensors.pop(name))
        expect_refusal(sleb, model, f"'{name}' is missing")
        (model / "model.safetensors").write_bytes(whole)


# What one configuration has and another has not.
SURPLUS = {
    "no biases": ["model.decoder.layers.3.fc1.bias", "model.decoder.layers.0.self_attn.q_proj.bias"],
    "norms without weights": ["model.decoder.final_layer_norm.weight", "model.decoder.layers.1.final_layer_norm.bias"],
    "no final norm": ["model.decoder.final_layer_norm.bias"],
    "post-norm and projections": ["model.decoder.final_layer_norm.weight"],
    "pre-norm": ["model.decoder.project_in.weight", "model.decoder.project_out.weight", "lm_head.bias",
                 "model.decoder.layers.5.fc1.weight", "decoder.embed_other.weight"],
}


@pytest.mark.parametrize("variant", SURPLUS)
def test_no_tensor_can_be_left_over(sleb, copied, variant):
    model = copied(variant)
    whole = (model / "model.safetensors").read_bytes()
    for name in SURPLUS[variant]:
        edit_tensors(model, lambda tensors: tensors.update({name: torch.zeros(64)}))
        expect_refusal(sleb, model, f"'{name}' is not part of this opt model")
        (model / "model.safetensors").write_bytes(whole)


@pytest.mark.parametrize("name, rows, columns", [("model.decoder.embed_positions.weight", 256, 64),
                                                 ("model.decoder.embed_positions.weight", 258, 40),
                                                 ("model.decoder.project_in.weight", 40, 64),
                                                 ("model.decoder.project_out.weight", 64, 40),
                                                 (EMBEDDING, 257, 64)])
def test_shapes(sleb, copied, name, rows, columns):
    model = copied("post-norm and projections")
    edit_tensors(model, lambda tensors: tensors.update({name: torch.zeros(rows, columns)}))
    expect_refusal(sleb, model, f"'{name}' has shape [{rows}, {columns}]")


def test_a_name_with_and_without_its_prefix(sleb, copied):
    model = copied("pre-norm")
    edit_tensors(model, lambda tensors: tensors.update({"decoder.layers.1.fc1.bias": torch.zeros(96)}))
    expect_refusal(sleb, model, "'model.decoder.layers.1.fc1.bias' is there twice")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_tied_head_that_differs(sleb, sleb_ok, copied, dtype):
    """transformers 5 uses it and warns, and so does sleb; what it writes says that they are two."""
    model = copied("pre-norm")
    store_head(model, EMBEDDING, keep_embedding=True)
    sleb_ok("info", model)
    edit_tensors(model, lambda tensors: tensors["lm_head.weight"][256, 63].add_(1))
    edit_tensors(model, lambda tensors: tensors.update({"lm_head.weight": tensors["lm_head.weight"].to(dtype)}))
    done = sleb("info", model)
    assert done.returncode == 0, done.stderr
    assert "head tied" not in done.stdout
    assert all(word in done.stderr for word in ("lm_head.weight", EMBEDDING, "tie_word_embeddings"))
    edit_json(model / "config.json", tie_word_embeddings=False)
    assert "head tied" not in sleb_ok("info", model)


def test_fairseqs_version_is_ignored(sleb_ok, copied):
    model = copied("pre-norm")
    drop_base_prefix(model)
    edit_tensors(model, lambda tensors: tensors.update({"decoder.version": torch.tensor([3.0])}))
    sleb_ok("info", model)


def test_a_folder_of_pytorch_weights(sleb, copied):
    model = copied("pre-norm")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    expect_refusal(sleb, model, "pytorch_model.bin", "convert", "safetensors")
