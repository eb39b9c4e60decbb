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


def add_tokenizer(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    """A vocabulary without merges whose last token is the control token put in front of a text."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(True)


# Types that the wheel can't quantise to: where a block keeps its scale and minimum, and the middle of a quant's values,
# by which the minimum is that multiple of the scale.
_SCALES = {"Q2_K": (80, 82, 1.5), "Q3_K": (108, None, 0), "Q4_K": (0, 2, 7.5), "Q5_K": (0, 2, 15.5),
           "Q6_K": (208, None, 0), "IQ4_NL": (0, None, 0), "IQ4_XS": (0, None, 0)}


def _random_blocks(shape: tuple[int, int], quantization: gguf.GGMLQuantizationType, seed: int) -> np.ndarray:
    """[rows, bytes of a row], as random as a weight of standard deviation 0.2."""
    elements, size = gguf.GGML_QUANT_SIZES[quantization]
    raw = np.random.default_rng(seed).integers(0, 256, (shape[0], shape[1] // elements, size), dtype=np.uint8)
    scale_at, minimum_at, middle = _SCALES[quantization.name]

    def scaled(scale: float) -> np.ndarray:
        for place, half in ((scale_at, scale), (minimum_at, scale * middle)):
            if place is not None:
                raw[..., place:place + 2] = np.array([half], dtype=np.float16).view(np.uint8)
        return raw.reshape(shape[0], -1)

    return scaled(0.2 / gguf.quants.dequantize(scaled(1.0), quantization).std())


def _encoded(values: np.ndarray, quantization: gguf.GGMLQuantizationType, seed: int) -> np.ndarray:
    if quantization.name in _SCALES:
        return _random_blocks(values.shape, quantization, seed)
    if quantization == gguf.GGMLQuantizationType.F64:
        return values.astype(np.float64) * (1 + 1e-9)  # no longer what float32 can hold
    return gguf.quants.quantize(values, quantization)


def _change_metadata(writer: gguf.GGUFWriter, changes: dict) -> None:
    """Sets keys; the value ... removes one."""
    kinds = {bool: gguf.GGUFValueType.BOOL, int: gguf.GGUFValueType.UINT32, float: gguf.GGUFValueType.FLOAT32,
             str: gguf.GGUFValueType.STRING, list: gguf.GGUFValueType.ARRAY}
    for key, value in changes.items():
        writer.kv_data[0].pop(key, None)
        if value is not ...:
            writer.add_key_value(key, value, kinds[type(value)])
        if key == "general.alignment":
            writer.data_alignment = value


def _decoded(stored: np.ndarray, quantization: gguf.GGMLQuantizationType) -> np.ndarray:
    if quantization == gguf.GGMLQuantizationType.F64:
        return stored.astype(np.float32)
    return gguf.quants.dequantize(stored, quantization).copy()


def save_gguf(path: pathlib.Path, model: transformers.LlamaForCausalLM, kind: str = "F32",
              tokens: list[str] | None = None, metadata: dict | None = None,
              **options) -> transformers.LlamaForCausalLM:
    """Writes `model` with its matrices of type `kind`, and gives them in `model` the values that the file now holds:
    near the old ones, or other random ones for types that the wheel can't quantise to. `options` of GGUFWriter."""
    config = model.config
    quantization = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(path, "llama", **options)
    _add_metadata(writer, config, explicit_head_dim=config.head_dim * config.num_attention_heads != config.hidden_size)
    if tokens:
        add_tokenizer(writer, tokens)
    _change_metadata(writer, metadata or {})
    for seed, (name, parameter) in enumerate(model.named_parameters()):
        stored = parameter.detach().numpy().copy()
        is_matrix = stored.ndim == 2
        if is_matrix:
            stored = _encoded(stored, quantization, seed)
            parameter.data = torch.from_numpy(_decoded(stored, quantization))
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in name:
                stored = _permuted(stored, heads)
        writer.add_tensor(_gguf_name(name), stored, raw_dtype=quantization if is_matrix else None)
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", _rope_divisors(config.rope_parameters, config.head_dim))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model
