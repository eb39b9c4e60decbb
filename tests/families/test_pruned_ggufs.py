"""GGUFs of every family without some of their blocks, against the same blocks left out of the whole model."""
import numpy as np
import pytest

from family_models import make_model
from gguf_contents import RECORD, metadata_of, tensors_of, without_blocks
from gguf_files import RECIPES, save_gguf
from tiny_models import random_ids

IDS = random_ids(150)  # longer than windows (20)
ROWS = [(family, variant) for family, recipe in RECIPES.items() for variant in recipe.variants]
# Their blocks compute by number: the reason that is given where the kept ones would compute as others.
BY_NUMBER = {"smollm3": "in which blocks rope turns what", "minicpm3": "the scale of what its blocks add"}
# Of which a period of windows is said block by block.
NEW_KEYS = {"gemma2": "gemma2.attention.sliding_window_pattern", "gemma3_text": "gemma3.attention.sliding_window_pattern",
            "deepseek_v3": "deepseek2.attention.q_lora_rank", "cohere2": "cohere2.attention.sliding_window_pattern", "gpt_oss": "gpt-oss.attention.sliding_window_pattern"}


def depth_of(model) -> int:
    return getattr(model.config, "num_hidden_layers", None) or model.config.n_layer


@pytest.mark.parametrize("family, variant", ROWS)
def test_removed_blocks(family, variant, sleb, logits_dump, tmp_path):
    model = make_model(family, variant)
    removed = [1, 3]
    source, out = tmp_path / "source.gguf", tmp_path / "out.gguf"
    save_gguf(source, family, model)
    done = sleb("export", source, "--removal-list", "1,3", "--out", out)
    if family in BY_NUMBER:
        assert done.returncode == 2 and BY_NUMBER[family] in done.stderr and not out.exists(), done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert list(tensors_of(out).items()) == list(without_blocks(tensors_of(source), removed, depth_of(model)).items())
    before, after = metadata_of(source), metadata_of(out)
    added = set(after) - set(before) - RECORD
    assert added == {NEW_KEYS.get(family)} - {None} - set(before), added
    pattern = {key for key in before if key.endswith("sliding_window_pattern")}
    changed = {key for key in before if before[key] != after[key]}
    # How many first blocks have an MLP, where that is another number now.
    dense = getattr(model.config, "first_k_dense_replace", None) or 0
    leading = {key for key in before if key.endswith("leading_dense_block_count") and dense > 1}
    assert changed - pattern - leading == {key for key in before if key.endswith(".block_count")}
    assert leading <= changed
    np.save(tmp_path / "ids.npy", IDS)
    expected, actual = (logits_dump(path, tmp_path / "ids.npy", "float32", blocks) for path, blocks in
                        ((source, "1,3"), (out, "")))
    assert actual == expected


@pytest.mark.minutes
def test_real_model(gemma3, sleb_ok, logits_dump, tmp_path):
    """Gemma 3 270M: five types of tensors, and windows that its file leaves to llama.cpp's period of six."""
    source, out = next(gemma3.glob("*.gguf")), tmp_path / "out.gguf"
    sleb_ok("export", source, "--removal-list", "4,8,11", "--out", out)
    assert tensors_of(out) == without_blocks(tensors_of(source), [4, 8, 11], 18)
    assert metadata_of(out)["gemma3.attention.sliding_window_pattern"][1] == \
        [(block + 1) % 6 != 0 for block in range(18) if block not in (4, 8, 11)]
    np.save(tmp_path / "ids.npy", np.array([2, *random_ids(24)]))
    expected, actual = (logits_dump(path, tmp_path / "ids.npy", "float32", blocks) for path, blocks in
                        ((source, "4,8,11"), (out, "")))
    assert actual == expected
