"""Every way to write a rope into config.json gives transformers' logits, or is refused where transformers fails."""
import shutil

import numpy as np
import pytest
import torch
import transformers

import oracle
from gguf_models import save_gguf
from tiny_models import edit_json, make_model, random_ids, save_model

TOLERANCE = 2e-4
IDS = random_ids(150)  # beyond the 64 positions, for dynamic scaling

LINEAR = {"rope_type": "linear", "factor": 2.5}
OLD_LINEAR = {"type": "linear", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
DEFAULT = {"rope_type": "default", "rope_theta": 500.0}

# Changes to a configuration without any rope; ... removes a member.
SPELLINGS = {
    "nothing": {},
    "nulls": {"rope_parameters": None, "rope_scaling": None},
    "empty": {"rope_parameters": {}, "rope_scaling": {}},
    "theta alone": {"rope_theta": 500.0},
    "theta within": {"rope_parameters": {"rope_theta": 500.0}},
    "theta twice": {"rope_parameters": {"rope_theta": 500.0}, "rope_theta": 70.0},
    "theta for rope_scaling": {"rope_scaling": OLD_LINEAR, "rope_theta": 500.0},
    "theta for rope_parameters": {"rope_parameters": LINEAR, "rope_theta": 500.0},
    "theta within rope_scaling": {"rope_scaling": {**OLD_LINEAR, "rope_theta": 90.0}, "rope_theta": 500.0},
    "both": {"rope_parameters": DEFAULT, "rope_scaling": OLD_LINEAR},
    "both, scaled twice": {"rope_parameters": LINEAR, "rope_scaling": OLD_LINEAR},
    "both, and a theta": {"rope_parameters": DEFAULT, "rope_scaling": OLD_LINEAR, "rope_theta": 70.0},
    "both, no scaling": {"rope_parameters": LINEAR, "rope_scaling": {"type": "default"}},
    "both, one null": {"rope_parameters": LINEAR, "rope_scaling": None},
    "both, one empty": {"rope_parameters": LINEAR, "rope_scaling": {}},
    "both, one an empty list": {"rope_parameters": LINEAR, "rope_scaling": []},
    "type and rope_type": {"rope_parameters": {**LINEAR, "type": "default"}},
    "type within rope_parameters": {"rope_parameters": OLD_LINEAR},
    "rope_type within rope_scaling": {"rope_scaling": LINEAR},
    "default with a factor": {"rope_scaling": {"type": "default", "factor": 4.0}},
    "a factor alone": {"rope_scaling": {"factor": 4.0}},
    "whole factor": {"rope_scaling": {"type": "linear", "factor": 2}},
    "factor below one": {"rope_scaling": {"type": "linear", "factor": 0.5}},
    "dynamic": {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
    "dynamic, original positions": {"rope_scaling": {"type": "dynamic", "factor": 2.0,
                                                     "original_max_position_embeddings": 8}},
    "dynamic, original positions above": {"rope_scaling": {"type": "dynamic", "factor": 2.0},
                                          "original_max_position_embeddings": 8},
    "llama3, no positions": {"rope_scaling": LLAMA3},
    "llama3": {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 32}},
    "llama3, positions above": {"rope_parameters": LLAMA3, "original_max_position_embeddings": 96},
    "llama3, positions twice": {"rope_parameters": {**LLAMA3, "original_max_position_embeddings": 32},
                                "original_max_position_embeddings": 96},
    "part of a head, default": {"partial_rotary_factor": 0.5},
    "part of a head within, default": {"rope_parameters": {**DEFAULT, "partial_rotary_factor": 0.5}},
    "part of a head overruled": {"rope_parameters": {**LINEAR, "partial_rotary_factor": 1.0},
                                 "partial_rotary_factor": 0.5},
    "part of a head null": {"rope_parameters": LINEAR, "partial_rotary_factor": None},
    "unread members": {"rope_parameters": {**LINEAR, "beta_fast": 32, "mscale": 2.0}},
}

FAILURES = {
    "null theta": {"rope_theta": None},
    "null theta within": {"rope_parameters": {"rope_theta": None}, "rope_theta": 500.0},
    "null type": {"rope_parameters": {"rope_type": None}},
    "no factor": {"rope_scaling": {"type": "linear"}},
    "null factor": {"rope_scaling": {"type": "linear", "factor": None}},
    "factor as text": {"rope_scaling": {"type": "linear", "factor": "2"}},
    "part of a head": {"rope_scaling": OLD_LINEAR, "partial_rotary_factor": 0.5},
    "part of a head within": {"rope_scaling": {**OLD_LINEAR, "partial_rotary_factor": 0.5}},
    "null positions": {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": None}},
    "no low frequencies": {"rope_scaling": {"type": "llama3", "factor": 2.0, "high_freq_factor": 4.0}},
    "unknown type": {"rope_scaling": {"type": "mrope", "factor": 2.0}},
    "text": {"rope_scaling": "linear"},
    "list": {"rope_parameters": []},
}


@pytest.fixture(scope="module", params=["llama", "mistral"])
def model(request, tmp_path_factory):
    folder = save_model(tmp_path_factory.mktemp("rope") / request.param, request.param, max_position_embeddings=64)
    edit_json(folder / "config.json", rope_parameters=..., rope_theta=..., rope_scaling=...)
    return folder


def with_rope(model, tmp_path, changes):
    folder = shutil.copytree(model, tmp_path / "model")
    edit_json(folder / "config.json", **changes)
    return folder


def sleb_logits(logits_dump, tmp_path, folder) -> np.ndarray:
    np.save(tmp_path / "ids.npy", IDS)
    return np.frombuffer(logits_dump(folder, tmp_path / "ids.npy", "float32", ""), "<f4").reshape(len(IDS), -1)


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(logits_dump, tmp_path, model, name):
    folder = with_rope(model, tmp_path, SPELLINGS[name])
    expected = oracle.logits(oracle.load(folder), IDS)
    oracle.expect_close(sleb_logits(logits_dump, tmp_path, folder), expected, TOLERANCE, name)


def test_the_spellings_differ(logits_dump, tmp_path, model):
    """Otherwise a member that is read in the wrong place would not show."""
    plain, both, scaled = (sleb_logits(logits_dump, tmp_path / name, with_rope(model, tmp_path / name, SPELLINGS[name]))
                           for name in ("nothing", "both", "both, no scaling")
                           if (tmp_path / name).mkdir() is None)
    assert np.abs(plain - both).max() > 1
    assert np.array_equal(plain, scaled)


@pytest.mark.parametrize("name", FAILURES)
def test_what_transformers_can_not_compute_is_refused(sleb, tmp_path, model, name):
    folder = with_rope(model, tmp_path, FAILURES[name])
    with pytest.raises(Exception):
        oracle.logits(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), IDS)
    done = sleb("info", folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "config.json: " in done.stderr


# llama.cpp (llama-model.cpp): linear unless a type says otherwise, the factor under an old name too, 0 for none.
GGUF_SPELLINGS = {
    "no type": ({"rope.scaling.factor": 2.5}, LINEAR),
    "old name": ({"rope.scale_linear": 2.5}, LINEAR),
    "old name with a type": ({"rope.scale_linear": 2.5, "rope.scaling.type": "linear"}, LINEAR),
    "both names": ({"rope.scale_linear": 7.0, "rope.scaling.factor": 2.5}, LINEAR),
    "new name zero": ({"rope.scale_linear": 2.5, "rope.scaling.factor": 0.0}, {"rope_type": "default"}),
    "type without a factor": ({"rope.scaling.type": "linear"}, {"rope_type": "default"}),
    "none": ({"rope.scaling.type": "none", "rope.scaling.factor": 2.5}, {"rope_type": "default"}),
    "no base": ({"rope.freq_base": ..., "rope.scaling.factor": 2.5}, LINEAR),
}


@pytest.mark.parametrize("name", GGUF_SPELLINGS)
def test_spellings_of_gguf(logits_dump, sleb_ok, tmp_path, name):
    metadata, rope = GGUF_SPELLINGS[name]
    written = make_model(rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    save_gguf(tmp_path / "model.gguf", written, metadata={f"llama.{key}": value for key, value in metadata.items()})
    meant = make_model(rope_parameters={"rope_theta": 10000.0, **rope})
    oracle.expect_close(sleb_logits(logits_dump, tmp_path, tmp_path / "model.gguf"), oracle.logits(meant, IDS), TOLERANCE)


@pytest.mark.parametrize("kind", ["longrope", "mystery"])
def test_other_scalings_of_gguf_are_refused(sleb, tmp_path, kind):
    save_gguf(tmp_path / "model.gguf", make_model(), metadata={"llama.rope.scaling.type": kind})
    done = sleb("info", tmp_path / "model.gguf")
    assert done.returncode == 2 and f'rope scaling "{kind}"' in done.stderr


def test_uniform_numbers_of_blocks_in_gguf(logits_dump, tmp_path):
    model = make_model()
    save_gguf(tmp_path / "model.gguf", model, metadata={
        "llama.attention.head_count": [4] * 5, "llama.attention.head_count_kv": [2] * 5,
        "llama.feed_forward_length": [96] * 5})
    oracle.expect_close(sleb_logits(logits_dump, tmp_path, tmp_path / "model.gguf"), oracle.logits(model, IDS), TOLERANCE)
