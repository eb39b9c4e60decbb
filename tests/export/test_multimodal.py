"""Gemma 3 with its eyes: the language model is pruned, the rest goes through untouched."""
import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

import oracle
from tiny_models import edit_json, random_ids

TOLERANCE = 2e-4
REMOVED = "1,3"
TEXT = {"vocab_size": 257, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 24, "sliding_window": 20, "query_pre_attn_scalar": 24,
        "max_position_embeddings": 256, "sliding_window_pattern": 3, "bos_token_id": 256, "eos_token_id": 0}
VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28,
          "patch_size": 14}


def save_gemma3(folder):
    config = transformers.AutoConfig.for_model("gemma3", text_config=TEXT, vision_config=VISION, mm_tokens_per_image=4,
                                               image_token_index=250, boi_token_index=251, eoi_token_index=252)
    torch.manual_seed(0)
    model = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            is_norm = weight.dim() == 1 or "norm" in name
            weight.copy_((1 if is_norm else 0) + (0.3 if is_norm else 0.2) * torch.randn(weight.shape))
    model.eval().save_pretrained(folder)
    return model


def logits_of(model, ids) -> np.ndarray:
    with torch.inference_mode():
        return model(torch.as_tensor(ids[None]), use_cache=False).logits[0].numpy()


def spell_as_published(folder) -> None:
    """As transformers 4 wrote it: two bases of rope and a pattern."""
    text = json.loads((folder / "config.json").read_text())["text_config"]
    for key in ("layer_types", "rope_parameters", "_sliding_window_pattern"):
        text.pop(key, None)
    edit_json(folder / "config.json", text_config={**text, "rope_theta": 1e6, "rope_local_base_freq": 1e4})


@pytest.mark.parametrize("spelling", ["transformers 5", "transformers 4"])
def test_the_language_model_of_gemma3(sleb_ok, logits_dump, tmp_path, spelling):
    folder, pruned = tmp_path / "model", tmp_path / "pruned"
    model = save_gemma3(folder)
    if spelling == "transformers 4":
        spell_as_published(folder)
    ids = random_ids(100) % 250  # below the tokens of pictures
    np.save(tmp_path / "ids.npy", ids)

    def own_logits(path, removed):
        return np.frombuffer(logits_dump(path, tmp_path / "ids.npy", "float32", removed), "<f4").reshape(len(ids), -1)

    oracle.expect_close(own_logits(folder, ""), logits_of(model, ids), TOLERANCE, "dense")
    sleb_ok("export", folder, "--removal-list", REMOVED, "--out", pruned)
    reloaded, report = transformers.AutoModelForImageTextToText.from_pretrained(pruned, dtype=torch.float32,
                                                                                output_loading_info=True)
    assert not any(report.values()), report
    expected = logits_of(reloaded.eval(), ids)
    oracle.expect_close(own_logits(folder, REMOVED), expected, TOLERANCE, "without blocks")
    oracle.expect_close(own_logits(pruned, ""), expected, TOLERANCE, "pruned")
    before, after = (load_file(path / "model.safetensors") for path in (folder, pruned))
    others = [name for name in before if not name.startswith("language_model.")]
    assert len(others) > 30 and len(before) - len(after) == 2 * 13
    assert all(torch.equal(before[name], after[name]) for name in others)
