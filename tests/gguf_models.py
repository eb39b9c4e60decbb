"""LLaMA models as GGUF files, the way llama.cpp's convert_hf_to_gguf.py writes them."""
import math
import pathlib

import gguf
import numpy as np
import torch
import transformers
from tokenizers import pre_tokenizers

_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
          "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
          "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}

BYTE_TOKENS = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<bos>"]


def _gguf_name(name: str) -> str:
    stem, ending = name.rsplit(".", 1)
    whole = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    if stem in whole:
        return f"{whole[stem]}.{ending}"
    _, _, block, part = stem.split(".", 3)
    return f"blk.{block}.{_NAMES[part]}.{ending}"


def _permuted(tensor: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a head from (half, pair) to (pair, half) order, as ggml's rope wants them."""
    return tensor.reshape(heads, 2, len(tensor) // heads // 2, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)


def _rope_divisors(rope: dict, head_dim: int) -> np.ndarray:
    """By how much llama3 scaling divides each frequency."""
    divisors = []
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
        turns = rope["original_max_position_embeddings"] / wavelength
        if turns > rope["high_freq_factor"]:
            divisors.append(1.0)
        elif turns < rope["low_freq_factor"]:
            divisors.append(rope["factor"])
        else:
            smooth = (turns - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            divisors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(divisors, dtype=np.float32)


def _add_metadata(writer: gguf.GGUFWriter, config: transformers.PreTrainedConfig, explicit_head_dim: bool) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    if explicit_head_dim:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])


def _add_tokenizer(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    """A vocabulary without merges whose last token is the control token put in front of a text."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(True)


def save_gguf(path: pathlib.Path, model: transformers.LlamaForCausalLM, kind: str = "F32",
              tokens: list[str] | None = None) -> transformers.LlamaForCausalLM:
    """Writes `model` with its matrices of type `kind`, and gives them in `model` the values that the file now holds."""
    config = model.config
    quantization = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(path, "llama")
    _add_metadata(writer, config, explicit_head_dim=config.head_dim * config.num_attention_heads != config.hidden_size)
    if tokens:
        _add_tokenizer(writer, tokens)
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy().copy()
        is_matrix = values.ndim == 2
        if is_matrix:
            values = gguf.quants.dequantize(gguf.quants.quantize(values, quantization), quantization)
            parameter.data = torch.from_numpy(values.copy())
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in name:
                values = _permuted(values, heads)
        if is_matrix:
            writer.add_tensor(_gguf_name(name), gguf.quants.quantize(values, quantization), raw_dtype=quantization)
        else:
            writer.add_tensor(_gguf_name(name), values)
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", _rope_divisors(config.rope_parameters, config.head_dim))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model
