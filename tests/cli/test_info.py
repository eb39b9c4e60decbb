"""`sleb info`: what a checkpoint is, from its headers alone."""
import json
import os
import struct

import gguf
import numpy as np
import pytest
import torch

import oracle
from programs import ROOT
from tiny_models import VOCABULARY, edit_json, save_model, save_tokenizer


def info(sleb_ok, model) -> dict:
    return json.loads(sleb_ok("info", model, "--json", "-"))


def test_folder(sleb_ok, tmp_path):
    model = save_model(tmp_path / "model", "mistral", sliding_window=9, dtype=torch.float16, head_dim=24)
    save_tokenizer(model)
    parameters = sum(tensor.numel() for tensor in oracle.load(model).parameters())
    shown = info(sleb_ok, model)
    assert shown["model"] == str(model)
    assert (shown["format"], shown["family"], shown["num_blocks"]) == ("safetensors", "mistral", 5)
    assert shown["parameters"] == parameters
    assert shown["file_bytes"] == (model / "model.safetensors").stat().st_size
    assert (shown["hidden_size"], shown["vocabulary_size"], shown["max_positions"]) == (64, VOCABULARY, 256)
    assert shown["types"] == "F16 100.0%"
    assert shown["tokenizer"] == f"BPE, {VOCABULARY} tokens"
    # To run, the embedding stays in the file.
    assert shown["weight_bytes"] == {"float32": 4 * (parameters - 64 * VOCABULARY),
                                     "bfloat16": 2 * (parameters - 64 * VOCABULARY)}
    # To prune, at least the weights and states of three candidates and the dense model.
    for dtype, each in (("float32", 4), ("bfloat16", 2)):
        least = shown["weight_bytes"][dtype] + 4 * each * 2048 * 64
        assert least < shown["prune_bytes"][dtype] < least + 40_000_000
    text = sleb_ok("info", model)
    for words in ("family        mistral", "blocks        5 of", "F16 100.0%", f"BPE, {VOCABULARY} tokens",
                  "4 heads of 24, 2 key/value heads, window 9 in 5 blocks", "to prune      "):
        assert words in text, words


def test_a_tokenizer_that_can_not_be_used_is_no_error(sleb_ok, tmp_path):
    model = save_tokenizer(save_model(tmp_path / "model"))
    edit_json(model / "tokenizer.json", normalizer={"type": "Mystery"})
    assert info(sleb_ok, model)["tokenizer"].startswith("not usable: ")


def test_gguf(sleb_ok, smollm2_gguf):
    shown = info(sleb_ok, smollm2_gguf)
    assert (shown["format"], shown["family"], shown["num_blocks"]) == ("gguf", "llama", 30)
    assert shown["parameters"] == 134_515_008
    assert shown["file_bytes"] == smollm2_gguf.stat().st_size
    assert (shown["hidden_size"], shown["vocabulary_size"], shown["max_positions"]) == (576, 49152, 8192)
    assert "Q4_1" in shown["types"]
    assert shown["tokenizer"] == "BPE, 49152 tokens"
    assert "head tied to the embedding" in sleb_ok("info", smollm2_gguf)


def test_two_gigabytes_are_opened_without_reading_them(sleb_measured, tmp_path):
    """Mapped pages that were read would count as resident. (The file is sparse: it takes no room on the disk.)"""
    small = save_model(tmp_path / "small")
    sizes = {"hidden_size": 2048, "intermediate_size": 8192, "num_attention_heads": 32, "num_key_value_heads": 8}
    large = tmp_path / "large"
    large.mkdir()
    config = json.loads((small / "config.json").read_text())
    blocks = 9
    config.update(sizes, num_hidden_layers=blocks, head_dim=64, dtype="float32")
    (large / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": [VOCABULARY, 2048], "lm_head.weight": [VOCABULARY, 2048],
              "model.norm.weight": [2048]}
    for block in range(blocks):
        for name, shape in {"input_layernorm": [2048], "post_attention_layernorm": [2048],
                            "self_attn.q_proj": [2048, 2048], "self_attn.k_proj": [512, 2048],
                            "self_attn.v_proj": [512, 2048], "self_attn.o_proj": [2048, 2048],
                            "mlp.gate_proj": [8192, 2048], "mlp.up_proj": [8192, 2048],
                            "mlp.down_proj": [2048, 8192]}.items():
            shapes[f"model.layers.{block}.{name}.weight"] = shape
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * int(torch.Size(shape).numel())
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    assert end > 2 * 10**9
    with open(large / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    (_, peak), (_, usual_peak) = (sleb_measured("info", model) for model in (large, small))
    assert peak < usual_peak + 20 * 10**6


def test_twenty_gigabytes_of_gguf_are_opened_without_reading_them(sleb_measured, tmp_path):
    """Two of its matrices are larger than 4 GiB each."""
    path = tmp_path / "large.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    hidden, feed_forward, vocabulary, blocks = 8192, 28672, 2_000_000, 8
    for add, value in ((writer.add_block_count, blocks), (writer.add_context_length, 8192),
                       (writer.add_embedding_length, hidden), (writer.add_feed_forward_length, feed_forward),
                       (writer.add_head_count, 64), (writer.add_head_count_kv, 8),
                       (writer.add_layer_norm_rms_eps, 1e-5)):
        add(value)
    kind = gguf.GGMLQuantizationType.Q4_K
    shapes = {"token_embd": (vocabulary, hidden), "output": (vocabulary, hidden), "output_norm": (hidden,)}
    for block in range(blocks):
        for name, shape in {"attn_norm": (hidden,), "attn_q": (hidden, hidden), "attn_k": (1024, hidden),
                            "attn_v": (1024, hidden), "attn_output": (hidden, hidden), "ffn_norm": (hidden,),
                            "ffn_gate": (feed_forward, hidden), "ffn_up": (feed_forward, hidden),
                            "ffn_down": (hidden, feed_forward)}.items():
            shapes[f"blk.{block}.{name}"] = shape
    size = 0
    for name, shape in shapes.items():
        elements = int(np.prod(shape))
        is_matrix = len(shape) == 2
        nbytes = elements // 256 * 144 if is_matrix else 4 * elements
        writer.add_tensor_info(f"{name}.weight", shape, np.dtype(np.float32), nbytes, kind if is_matrix else None)
        size += nbytes + -nbytes % 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    begin = path.stat().st_size
    os.truncate(path, begin + -begin % 32 + size)
    assert size > 2 * 10**10
    (text, peak), (_, usual_peak) = (sleb_measured("info", model) for model in (path, save_model(tmp_path / "small")))
    assert "Q4_K" in text
    assert peak < usual_peak + 20 * 10**6


def test_readme_lists_the_families_that_the_program_knows(sleb_ok):
    assert sleb_ok("info", "--families") in (ROOT / "README.md").read_text()


def test_a_model_or_the_families(sleb):
    done = sleb("info")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sleb: no model: give a folder, a .gguf file or a name; or --families for a list\n"


@pytest.mark.parametrize("surplus", [["model"], ["--json", "-"], ["--force"]])
def test_families_stands_alone(sleb, surplus):
    done = sleb("info", "--families", *surplus)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sleb: --families stands alone: it lists the families that sleb knows, and reads no model\n"
