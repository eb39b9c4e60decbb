"""Forms in which GGUF files hold the same models as those of test_families.py: older ones, and ones on request."""
import numpy as np
import pytest

import oracle
from family_models import make_model
from gguf_files import fused_qkv, save_gguf
from tiny_models import random_ids

IDS = random_ids(60)


def logits_of(logits_dump, folder, path) -> np.ndarray:
    np.save(folder / "ids.npy", IDS)
    return np.frombuffer(logits_dump(path, folder / "ids.npy", "float32", ""), "<f4").reshape(len(IDS), -1)


@pytest.mark.parametrize("family, variant", [("phi", "as published"), ("glm", "whole heads turn")])
def test_queries_keys_and_values_in_one_tensor(logits_dump, tmp_path, family, variant):
    """The same bits as with three."""
    model = make_model(family, variant)
    for name, change in (("one", fused_qkv), ("three", lambda tensors, _: tensors)):
        save_gguf(tmp_path / f"{name}.gguf", family, model, change=change)
    one, three = (logits_of(logits_dump, tmp_path, tmp_path / f"{name}.gguf") for name in ("one", "three"))
    assert np.array_equal(one, three)
    oracle.expect_close(one, oracle.logits(model, IDS), 2e-4)


def test_minicpm_without_scales(logits_dump, sleb, tmp_path):
    """As files of before September 2024 are: those of MiniCPM 1B and 2B, which llama.cpp had in its code."""
    model = make_model("minicpm", "a query a key, untied")
    assert (model.config.embedding_multiplier, model.config.logits_scaling) == (12, 64 / 256)
    save_gguf(tmp_path / "old.gguf", "minicpm", model, keys=lambda *_: None)
    known = sleb("info", tmp_path / "old.gguf")
    assert (known.returncode, known.stderr) == (0, "")
    oracle.expect_close(logits_of(logits_dump, tmp_path, tmp_path / "old.gguf"), oracle.logits(model, IDS), 1e-3)


def test_a_part_that_is_there_twice_is_refused(sleb, tmp_path):
    def twice(tensors, config):
        return {**tensors, **fused_qkv(dict(tensors), config)}

    save_gguf(tmp_path / "twice.gguf", "phi", make_model("phi", "as published"), change=twice)
    done = sleb("info", tmp_path / "twice.gguf")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "'blk.0.attn_q.bias' is there twice, in 'blk.0.attn_qkv.bias' too" in done.stderr, done.stderr
