"""Folders of every family written as GGUFs, against the files of llama.cpp's converter (gguf_files.py) and against the
folders themselves."""
import numpy as np
import pytest

from family_models import FAMILIES, save_model
from gguf_contents import metadata_of, tensors_of
from gguf_files import RECIPES, save_gguf
from tiny_models import random_ids

IDS = random_ids(150)  # longer than windows (20) and the lengths from which rope is scaled (48)
TOLERANCE = 1e-5  # of the largest logit
ROWS = [(family, variant) for family, (_, variants) in FAMILIES.items() for variant in variants]
KNOWN = [(family, variant) for family, recipe in RECIPES.items() for variant in recipe.variants if family != "internlm2"]
# Keys that say what is so without them, in the converter's files or here.
SAME_WITHOUT = {"attention.key_length", "attention.value_length", "rope.dimension_count", "attention.sliding_window",
                "attention.sliding_window_pattern", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
                "use_parallel_residual", "attention.q_lora_rank", "expert_weights_norm", "nextn_predict_layers", "tensor_data_layout", "rope.scaling.type", "rope.freq_base",
                "rope.freq_base_swa", "rope.scaling.original_context_length", "embedding_scale", "attention.scale"}
REASONS = ("can't express", "no GGUF architecture is known", "has no name in a GGUF", "tell by the blocks' numbers",
           "is not known here", "which is not known", "lack one half", "where config.json can only express")


def plain_keys(path, prefix: str) -> dict:
    return {key.removeprefix(prefix): value for key, (_, value) in metadata_of(path).items() if key.startswith(prefix)}


def oracle_changes(family: str) -> dict:
    """The converter puts ChatGLM's queries, keys and values into one tensor; llama.cpp reads them either way."""
    return {"change": lambda tensors, _: tensors} if family == "glm" else {}


@pytest.mark.parametrize("family, variant", KNOWN)
def test_as_the_converter_writes_it(family, variant, sleb_ok, tmp_path):
    model = save_model(tmp_path / "model", family, variant)
    save_gguf(tmp_path / "expected.gguf", family, model, **oracle_changes(family))
    sleb_ok("export", tmp_path / "model", "--removal-list", "", "--out", tmp_path / "out.gguf")
    expected, actual = tensors_of(tmp_path / "expected.gguf"), tensors_of(tmp_path / "out.gguf")
    assert set(actual) ^ set(expected) == set()
    assert {name for name in expected if actual[name] != expected[name]} == set()
    assert metadata_of(tmp_path / "out.gguf")["general.architecture"] == \
        metadata_of(tmp_path / "expected.gguf")["general.architecture"]
    prefix = metadata_of(tmp_path / "out.gguf")["general.architecture"][1] + "."
    expected, actual = plain_keys(tmp_path / "expected.gguf", prefix), plain_keys(tmp_path / "out.gguf", prefix)
    assert set(expected) ^ set(actual) <= SAME_WITHOUT
    for key in set(expected) & set(actual):
        same = pytest.approx(expected[key], rel=1e-6) if isinstance(expected[key], float) else expected[key]
        assert actual[key] == same, key


@pytest.mark.parametrize("family, variant", ROWS)
def test_logits(family, variant, sleb, logits_dump, tmp_path):
    """Whatever is written computes what the folder does; whatever can't be is refused in one line."""
    save_model(tmp_path / "model", family, variant)
    done = sleb("export", tmp_path / "model", "--removal-list", "1,3", "--out", tmp_path / "out.gguf")
    if done.returncode != 0:
        assert (family, variant) not in KNOWN or family in ("smollm3", "minicpm3"), done.stderr  # which go by numbers
        assert done.returncode == 2 and any(reason in done.stderr for reason in REASONS), done.stderr
        assert not (tmp_path / "out.gguf").exists()
        return
    np.save(tmp_path / "ids.npy", IDS)
    expected, actual = (np.frombuffer(logits_dump(path, tmp_path / "ids.npy", "float32", removed), "<f4")
                        for path, removed in ((tmp_path / "model", "1,3"), (tmp_path / "out.gguf", "")))
    assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max()
