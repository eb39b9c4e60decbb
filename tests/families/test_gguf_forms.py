"""Forms in which GGUF files hold the same models as those of test_families.py: older ones, and ones on request."""
import gguf
import numpy as np
import pytest
import torch

import oracle
from family_models import make_model
from gguf_contents import tensors_of, without_blocks
from gguf_files import fused_qkv, old_deepseek2, routed_experts_apart, save_gguf, split_key_values
from tiny_models import random_ids

IDS = random_ids(60)


def logits_of(logits_dump, folder, path) -> np.ndarray:
    np.save(folder / "ids.npy", IDS)
    return np.frombuffer(logits_dump(path, folder / "ids.npy", "float32", ""), "<f4").reshape(len(IDS), -1)


def set_integer(path, key: str, value: int) -> None:
    """Over the one that is there."""
    reader = gguf.GGUFReader(path, "r+")
    field = reader.fields[key]
    field.parts[field.data[0]][:] = value
    reader.data.flush()


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


def test_latent_attention_as_older_files_have_it(logits_dump, sleb_ok, tmp_path):
    """kv_b_proj whole, and heads' own sizes: the same bits as apart."""
    model = make_model("deepseek_v2", "yarn")
    save_gguf(tmp_path / "new.gguf", "deepseek_v2", model)
    save_gguf(tmp_path / "old.gguf", "deepseek_v2", model, change=routed_experts_apart, keys=old_deepseek2)
    new, old = (logits_of(logits_dump, tmp_path, tmp_path / f"{name}.gguf") for name in ("new", "old"))
    assert np.array_equal(new, old)
    sleb_ok("export", tmp_path / "old.gguf", "--removal-list", "1", "--out", tmp_path / "out.gguf")


SIZES_OF_32 = {"kv_lora_rank": 32, "q_lora_rank": 32, "qk_nope_head_dim": 32, "v_head_dim": 32, "moe_intermediate_size": 64}


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_quantised_latent_attention(logits_dump, sleb_ok, tmp_path, kind):
    """The same bits as with the values that these types have; an export keeps the bytes."""
    model, quantized = make_model("deepseek_v3", "usual", **SIZES_OF_32), gguf.GGMLQuantizationType[kind]

    def rounded(tensors, config):
        changed = split_key_values(tensors, config)
        for name, tensor in changed.items():
            if ".layers." in name and not name.endswith("mlp.gate.weight") and tensor.ndim > 1:
                stored = gguf.quants.quantize(tensor.contiguous().numpy(), quantized)
                changed[name] = torch.tensor(gguf.quants.dequantize(stored, quantized))
        return changed

    save_gguf(tmp_path / "packed.gguf", "deepseek_v3", model, quantized=quantized)
    save_gguf(tmp_path / "plain.gguf", "deepseek_v3", model, change=rounded)
    packed, plain = (logits_of(logits_dump, tmp_path, tmp_path / f"{name}.gguf") for name in ("packed", "plain"))
    assert np.array_equal(packed, plain)
    sleb_ok("export", tmp_path / "packed.gguf", "--removal-list", "1,3", "--out", tmp_path / "out.gguf")
    assert tensors_of(tmp_path / "out.gguf") == without_blocks(tensors_of(tmp_path / "packed.gguf"), [1, 3], 6)
    assert kind in sleb_ok("info", tmp_path / "out.gguf")


@pytest.mark.parametrize("change, words", [
    (lambda name, tensor: {} if "k_b_proj" in name else {name: tensor}, "tensor 'blk.0.attn_k_b.weight' is missing"),
    (lambda name, tensor: {name: tensor.transpose(1, 2).contiguous() if "v_b_proj" in name else tensor},
     "tensor 'blk.0.attn_v_b.weight' is not of 4 heads with matrices of 12 times 20"),
    (lambda name, tensor: {name: tensor[:2] if "k_b_proj" in name else tensor},
     "tensor 'blk.0.attn_k_b.weight' is not of 4 heads"),
    (lambda name, tensor: {name: tensor} | ({name.replace("k_b", "kv_b"): tensor[0]} if ".k_b_proj" in name else {}),
     "tensor 'blk.0.attn_kv_b.weight' is there twice")])
def test_halves_of_latent_attention_that_do_not_fit_are_refused(sleb, tmp_path, change, words):
    def changed(tensors, config):
        return {new: tensor for name, own in split_key_values(tensors, config).items() for new, tensor in change(name, own).items()}

    save_gguf(tmp_path / "model.gguf", "deepseek_v3", make_model("deepseek_v3", "usual"), change=changed)
    done = sleb("info", tmp_path / "model.gguf")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert words in done.stderr, done.stderr


def test_groups_that_old_files_do_not_name(sleb, tmp_path):
    """DeepSeek V2 of 236B has 160 experts in 8 groups."""
    model = make_model("deepseek_v2", "usual", n_routed_experts=160, moe_intermediate_size=8, num_hidden_layers=2)
    old = {"change": routed_experts_apart, "keys": old_deepseek2}
    model.config.rope_parameters["mscale_all_dim"] = 0.7
    save_gguf(tmp_path / "old.gguf", "deepseek_v2", model, **old)
    save_gguf(tmp_path / "new.gguf", "deepseek_v2", model)
    assert "3 of 8 groups" in sleb("info", tmp_path / "old.gguf").stderr
    assert "groups" not in sleb("info", tmp_path / "new.gguf").stderr


@pytest.mark.parametrize("key, value, words", [
    ("rope.dimension_count", 25, "25, where keys have 24"), ("attention.kv_lora_rank", 0, "attention.kv_lora_rank"),
    ("attention.head_count_kv", 2, "2 heads of keys of latent attention"), ("expert_gating_func", 1, "expert_gating_func"),
    ("attention.key_length_mla", 30, "attn_k_b.weight' is not of 4 heads")])
def test_metadata_of_latent_attention_that_do_not_fit_are_refused(sleb, tmp_path, key, value, words):
    source = tmp_path / "model.gguf"
    save_gguf(source, "deepseek_v3", make_model("deepseek_v3", "usual"))
    set_integer(source, f"deepseek2.{key}", value)
    done = sleb("info", source)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert words in done.stderr, done.stderr


def test_a_part_that_is_there_twice_is_refused(sleb, tmp_path):
    def twice(tensors, config):
        return {**tensors, **fused_qkv(dict(tensors), config)}

    save_gguf(tmp_path / "twice.gguf", "phi", make_model("phi", "as published"), change=twice)
    done = sleb("info", tmp_path / "twice.gguf")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "'blk.0.attn_q.bias' is there twice, in 'blk.0.attn_qkv.bias' too" in done.stderr, done.stderr
