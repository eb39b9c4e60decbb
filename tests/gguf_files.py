"""The families' models as GGUF files, with the keys, names and changes to tensors of llama.cpp's convert_hf_to_gguf.py
(its folder conversion/); names come from the gguf wheel's table."""
import dataclasses
import math
import pathlib
from collections.abc import Callable

import gguf
import numpy as np
import torch
import transformers

from gguf_models import BYTE_TOKENS, add_tokenizer

Architecture = gguf.MODEL_ARCH
Tensors = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the converter writes a family, and which variants it can express: others would come back as other models."""
    architecture: gguf.MODEL_ARCH
    variants: tuple[str, ...]
    norm_shift: float = 0  # added to norms
    pairs_side_by_side: bool = False  # rows of queries and keys in the order of ggml's first kind of rope
    change: Callable[[Tensors, transformers.PreTrainedConfig], Tensors] = lambda tensors, _: tensors
    keys: Callable[[gguf.GGUFWriter, transformers.PreTrainedConfig], None] = lambda *_: None


def _head_dim(config) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def _rope(config) -> dict:
    rope = getattr(config, "rope_parameters", None) or {}
    return rope.get("full_attention", rope)


def _turned_dims(writer, config) -> None:
    writer.add_rope_dimension_count(int(_head_dim(config) * _rope(config).get("partial_rotary_factor", 1.0)))


def _windows(writer, config) -> None:
    if config.sliding_window:
        writer.add_sliding_window(config.sliding_window)


def _window_pattern(writer, config) -> None:
    _windows(writer, config)
    if config.sliding_window:
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])


def _soft_caps(writer, config) -> None:
    _windows(writer, config)
    writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    writer.add_final_logit_softcapping(config.final_logit_softcapping)


def _gemma3(writer, config) -> None:
    _windows(writer, config)
    if config.final_logit_softcapping:
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def _phi3(writer, config) -> None:
    _turned_dims(writer, config)
    writer.add_sliding_window(config.sliding_window or 0)
    original = config.original_max_position_embeddings
    writer.add_rope_scaling_orig_ctx_len(original)
    if _rope(config)["rope_type"] == "longrope":
        scale = config.max_position_embeddings / original
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0)


def _gpt_neox(writer, config) -> None:
    _turned_dims(writer, config)
    writer.add_parallel_residual(config.use_parallel_residual)


def _stablelm(writer, config) -> None:
    _turned_dims(writer, config)
    writer.add_parallel_residual(config.use_parallel_residual)


def _olmo(writer, config) -> None:
    writer.add_layer_norm_eps(1e-5)
    if config.clip_qkv is not None:
        writer.add_clamp_kqv(config.clip_qkv)


def _cohere(writer, config) -> None:
    writer.add_logit_scale(config.logit_scale)
    writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)


def _cohere2(writer, config) -> None:
    _cohere(writer, config)
    _windows(writer, config)
    _turned_dims(writer, config)


def _granite(writer, config) -> None:
    writer.add_attention_scale(config.attention_multiplier)
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_logit_scale(config.logits_scaling)


def _minicpm(writer, config) -> None:
    """conversion/minicpm.py; of Granite's configuration, that computes the same."""
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_logit_scale(config.logits_scaling)


def _nemotron(writer, config) -> None:
    _turned_dims(writer, config)
    writer.add_layer_norm_eps(config.norm_eps)
    writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)


def _falcon(writer, config) -> None:
    writer.add_tensor_data_layout("jploski")


def _kv_heads(config) -> int:
    if config.model_type == "falcon":
        return config.num_kv_heads if config.new_decoder_architecture or not config.multi_query else 1
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads


def _ungrouped(tensors: Tensors, config) -> Tensors:
    """query_key_value group by group as all queries, all keys, all values."""
    groups = _kv_heads(config)
    queries = config.num_attention_heads // groups
    for name in tensors:
        if "query_key_value" in name:
            rows = tensors[name].reshape(groups, queries + 2, _head_dim(config), -1)
            parts = [rows[:, :queries], rows[:, queries], rows[:, queries + 1]]
            tensors[name] = torch.cat([part.flatten(0, part.dim() - 2) for part in parts]).reshape(tensors[name].shape)
    return tensors


def _bloom(tensors: Tensors, config) -> Tensors:
    return {name.removeprefix("transformer."): tensor for name, tensor in _ungrouped(tensors, config).items()}


def _untransposed(tensors: Tensors, _) -> Tensors:
    return {name: tensor.t() if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")) else tensor
            for name, tensor in tensors.items()}


def _stacked_norms(tensors: Tensors, config) -> Tensors:
    """The heads' own norms of queries and keys as one tensor each."""
    for block in range(config.num_hidden_layers):
        for part, heads in (("q", config.num_attention_heads), ("k", config.num_key_value_heads)):
            stem = f"model.layers.{block}.self_attn.{part}_layernorm"
            if f"{stem}.norms.0.weight" in tensors:
                tensors[f"{stem}.weight"] = torch.stack([tensors.pop(f"{stem}.norms.{i}.weight") for i in range(heads)])
    return tensors


def fused_qkv(tensors: Tensors, _) -> Tensors:
    """Queries, keys and values one below the other, as in ChatGLM's own files, and as old converters wrote Phi-2."""
    for query in [name for name in tensors if "self_attn.q_proj" in name]:
        parts = [tensors.pop(query.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        tensors[query.replace("q_proj", "qkv_proj")] = torch.cat(parts)
    return tensors


def _experts_apart(tensors: Tensors, config) -> Tensors:
    """Gate and up, which transformers holds one above the other; names as in files of one tensor an expert."""
    changed = {}
    for name, tensor in tensors.items():
        if name.endswith("experts.gate_up_proj"):
            gate, up = tensor.chunk(2, dim=1)
            stem = name.removesuffix("gate_up_proj")
            changed |= {f"{stem}gate_proj.weight": gate.contiguous(), f"{stem}up_proj.weight": up.contiguous()}
        elif name.endswith("experts.down_proj"):
            changed[f"{name}.weight"] = tensor
        else:
            changed[name] = tensor
    return changed


def _stacked_experts_apart(tensors: Tensors, config) -> Tensors:
    """conversion/gpt_oss.py: [experts, in, out], of gate and up a column each in turns."""
    changed = {}
    for name, tensor in tensors.items():
        stem = name.split("experts.")[0] + "experts."
        if name.endswith("experts.gate_up_proj"):
            rows = tensor.transpose(1, 2)
            changed |= {f"{stem}{part}_proj.weight": rows[:, place::2].contiguous() for place, part in enumerate(("gate", "up"))}
        elif name.endswith("experts.gate_up_proj_bias"):
            changed |= {f"{stem}{part}_proj.bias": tensor[:, place::2].contiguous() for place, part in enumerate(("gate", "up"))}
        elif name.endswith("experts.down_proj"):
            changed[f"{name}.weight"] = tensor.transpose(1, 2).contiguous()
        elif name.endswith("experts.down_proj_bias"):
            changed[f"{stem}down_proj.bias"] = tensor
        else:
            changed[f"{name}.weight" if name.endswith("sinks") else name] = tensor
    return changed


def _gpt_oss(writer, config) -> None:
    _windows(writer, config)
    _turned_dims(writer, config)
    writer.add_expert_count(config.num_local_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_feed_forward_length(config.intermediate_size)


def routed_experts_apart(tensors: Tensors, config) -> Tensors:
    return {name.replace("e_score_correction_bias", "e_score_correction.bias"): tensor
            for name, tensor in _experts_apart(tensors, config).items()}


def _experts(writer, config) -> None:
    writer.add_expert_count(getattr(config, "num_experts", None) or config.num_local_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    if size := getattr(config, "moe_intermediate_size", None):
        writer.add_expert_feed_forward_length(size)
    if size := getattr(config, "shared_expert_intermediate_size", None):
        writer.add_expert_shared_feed_forward_length(size)


def _mixtral(writer, config) -> None:
    _experts(writer, config)
    _turned_dims(writer, config)


def _olmoe(writer, config) -> None:
    _experts(writer, config)
    if config.clip_qkv is not None:
        writer.add_clamp_kqv(config.clip_qkv)


def _glm4_moe(writer, config) -> None:
    _turned_dims(writer, config)
    writer.add_expert_count(config.n_routed_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    writer.add_expert_shared_count(config.n_shared_experts)
    writer.add_leading_dense_block_count(config.first_k_dense_replace)
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    writer.add_expert_weights_norm(config.norm_topk_prob)
    writer.add_expert_group_count(config.n_group)
    writer.add_expert_group_used_count(config.topk_group)
    if hasattr(config, "num_mtp_layers"):
        writer.add_nextn_predict_layers(config.num_mtp_layers)


def split_key_values(tensors: Tensors, config) -> Tensors:
    """conversion/deepseek.py: kv_b_proj's part of keys, turned, and its part of values."""
    changed = {}
    for name, tensor in routed_experts_apart(tensors, config).items():
        if not name.endswith("kv_b_proj.weight"):
            changed[name] = tensor
            continue
        heads = tensor.view(config.num_attention_heads, config.qk_nope_head_dim + config.v_head_dim, -1)
        keys, values = heads.split([config.qk_nope_head_dim, config.v_head_dim], dim=1)
        changed |= {name.replace("kv_b_proj", "k_b_proj"): keys.transpose(1, 2).contiguous(),
                    name.replace("kv_b_proj", "v_b_proj"): values.contiguous()}
    return changed


def _latent_sizes(writer, config) -> None:
    if config.q_lora_rank:
        writer.add_q_lora_rank(config.q_lora_rank)
    writer.add_kv_lora_rank(config.kv_lora_rank)
    writer.add_rope_dimension_count(config.qk_rope_head_dim)


def _deepseek2(writer, config) -> None:
    _latent_sizes(writer, config)
    writer.add_head_count_kv(1)
    writer.add_key_length(config.kv_lora_rank + config.qk_rope_head_dim)
    writer.add_value_length(config.kv_lora_rank)
    writer.add_key_length_mla(config.qk_nope_head_dim + config.qk_rope_head_dim)
    writer.add_value_length_mla(config.v_head_dim)
    if scale := _rope(config).get("mscale_all_dim"):
        writer.add_rope_scaling_yarn_log_mul(0.1 * scale)
    has_experts = hasattr(config, "n_routed_experts")
    dense = getattr(config, "first_k_dense_replace", None) or getattr(config, "mlp_layer_types", []).count("dense")
    writer.add_leading_dense_block_count(dense if has_experts else config.num_hidden_layers)
    writer.add_expert_feed_forward_length(getattr(config, "moe_intermediate_size", config.intermediate_size))
    writer.add_expert_shared_count(getattr(config, "n_shared_experts", 0))
    if not has_experts:
        return
    writer.add_expert_count(config.n_routed_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    is_v2 = config.model_type == "deepseek_v2"
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX if is_v2 else gguf.ExpertGatingFuncType.SIGMOID)
    if config.norm_topk_prob and not is_v2:
        writer.add_expert_weights_norm(True)
    writer.add_expert_group_count(config.n_group if config.n_group and config.n_group > 1 else 1)
    writer.add_expert_group_used_count(config.topk_group if config.topk_group and config.n_group > 1 else 1)


def old_deepseek2(writer, config) -> None:
    """As converters wrote it before April 2025: sizes of heads as they are, kv_b_proj whole."""
    _latent_sizes(writer, config)
    writer.add_head_count_kv(config.num_attention_heads)
    writer.add_key_length(config.qk_nope_head_dim + config.qk_rope_head_dim)
    writer.add_value_length(config.v_head_dim)
    writer.add_leading_dense_block_count(config.first_k_dense_replace)
    writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    writer.add_expert_shared_count(config.n_shared_experts)
    writer.add_expert_count(config.n_routed_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    writer.add_rope_scaling_yarn_log_mul(0.1 * _rope(config)["mscale_all_dim"])


def _minicpm3(writer, config) -> None:
    _latent_sizes(writer, config)
    writer.add_head_count_kv(config.num_attention_heads)
    writer.add_key_length(config.qk_nope_head_dim + config.qk_rope_head_dim)


RECIPES = {
    "deepseek_v2": Recipe(Architecture.DEEPSEEK2, ("usual", "yarn"), change=split_key_values, keys=_deepseek2),
    "deepseek_v3": Recipe(Architecture.DEEPSEEK2, ("usual", "no query latent, not normalized, tied"),
                          change=split_key_values, keys=_deepseek2),
    "glm4_moe_lite": Recipe(Architecture.DEEPSEEK2, ("usual",), change=split_key_values, keys=_deepseek2),
    "youtu": Recipe(Architecture.DEEPSEEK2, ("usual",), change=split_key_values, keys=_deepseek2),
    "minicpm3": Recipe(Architecture.MINICPM3, ("llama.cpp's scales",), keys=_minicpm3),
    "mixtral": Recipe(Architecture.LLAMA, ("usual", "one of each token"), pairs_side_by_side=True, change=_experts_apart,
                      keys=_mixtral),
    "qwen2_moe": Recipe(Architecture.QWEN2MOE, ("usual",), change=_experts_apart, keys=_experts),
    "qwen3_moe": Recipe(Architecture.QWEN3MOE, ("usual",), change=_experts_apart, keys=_experts),
    "olmoe": Recipe(Architecture.OLMOE, ("usual",), change=_experts_apart, keys=_olmoe),
    "dots1": Recipe(Architecture.DOTS1, ("usual",), change=routed_experts_apart, keys=_glm4_moe),
    "glm4_moe": Recipe(Architecture.GLM4_MOE, ("usual", "groups, q/k norms, biases", "not normalized, experts in all blocks"),
                       change=routed_experts_apart, keys=_glm4_moe),
    "gpt_oss": Recipe(Architecture.GPT_OSS, ("usual", "plain rope"), change=_stacked_experts_apart, keys=_gpt_oss),
    "llama": Recipe(Architecture.LLAMA, ("usual",), pairs_side_by_side=True, keys=_turned_dims),
    "qwen2": Recipe(Architecture.QWEN2, ("full attention", "tied, one key head", "window not in use", "yarn")),
    "qwen3": Recipe(Architecture.QWEN3, ("head_dim", "tied", "yarn")),
    "gemma": Recipe(Architecture.GEMMA, ("head_dim", "one key head"), norm_shift=1),
    "gemma2": Recipe(Architecture.GEMMA2, ("as published",), norm_shift=1, keys=_soft_caps),
    "gemma3_text": Recipe(Architecture.GEMMA3, ("as published", "linear"), norm_shift=1, keys=_gemma3),
    "phi": Recipe(Architecture.PHI2, ("as published",), keys=_turned_dims),
    "phi3": Recipe(Architecture.PHI3, ("usual", "window", "longrope", "longrope, partial"), keys=_phi3),
    "gpt2": Recipe(Architecture.GPT2, ("usual", "untied"), change=_untransposed),
    "gpt_neox": Recipe(Architecture.GPTNEOX, ("parallel", "one after the other"), change=_ungrouped, keys=_gpt_neox),
    "falcon": Recipe(Architecture.FALCON, ("7B", "40B"), change=_ungrouped, keys=_falcon),
    "bloom": Recipe(Architecture.BLOOM, ("usual", "three heads", "untied"), change=_bloom),
    "stablelm": Recipe(Architecture.STABLELM, ("usual", "biases", "parallel, q/k norms"), change=_stacked_norms,
                       keys=_stablelm),
    "starcoder2": Recipe(Architecture.STARCODER2, ("usual",)),
    "olmo": Recipe(Architecture.OLMO, ("usual", "tied"), pairs_side_by_side=True, keys=_olmo),
    "olmo2": Recipe(Architecture.OLMO2, ("usual",)),
    "olmo3": Recipe(Architecture.OLMO2, ("usual", "layer_types"), keys=_window_pattern),
    "cohere": Recipe(Architecture.COMMAND_R, ("usual", "q/k norms"), keys=_cohere),
    "cohere2": Recipe(Architecture.COHERE2, ("usual",), keys=_cohere2),
    "granite": Recipe(Architecture.GRANITE, ("multipliers",), pairs_side_by_side=True, keys=_granite),
    "smollm3": Recipe(Architecture.SMOLLM3, ("every fourth without rope",), pairs_side_by_side=True),
    "glm": Recipe(Architecture.CHATGLM, ("no biases, tied", "whole heads turn"), change=fused_qkv, keys=_turned_dims),
    "glm4": Recipe(Architecture.GLM4, ("usual", "no biases, tied"), keys=_turned_dims),
    "exaone4": Recipe(Architecture.EXAONE4, ("windows", "full attention"), keys=_window_pattern),
    "exaone": Recipe(Architecture.EXAONE, ("usual",), keys=_turned_dims),
    "internlm2": Recipe(Architecture.INTERNLM2, ("usual",), pairs_side_by_side=True),
    "minicpm": Recipe(Architecture.MINICPM, ("usual", "a query a key, untied"), pairs_side_by_side=True, keys=_minicpm),
    "nemotron": Recipe(Architecture.NEMOTRON, ("usual", "biases", "tied"), norm_shift=1, keys=_nemotron),
}


def _add_sizes(writer: gguf.GGUFWriter, config, more_blocks: int) -> None:
    writer.add_block_count(config.num_hidden_layers + more_blocks)
    writer.add_context_length(getattr(config, "max_position_embeddings", 2048))
    writer.add_embedding_length(config.hidden_size)
    inner = [getattr(config, name, None) for name in ("intermediate_size", "ffn_hidden_size", "n_inner")]
    writer.add_feed_forward_length(next(filter(None, inner), 4 * config.hidden_size))
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    has_latents = hasattr(config, "kv_lora_rank")
    if not has_latents:
        writer.add_head_count_kv(_kv_heads(config))
    if not has_latents and config.to_dict().get("head_dim"):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    for name in ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"):
        if hasattr(config, name):
            writer.add_layer_norm_eps(getattr(config, name))
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _add_rope(writer: gguf.GGUFWriter, config) -> None:
    """conversion/base.py, TextModel.set_gguf_parameters."""
    rope = _rope(config)
    if not rope:
        return
    writer.add_rope_freq_base(rope["rope_theta"])
    if "sliding_attention" in config.rope_parameters:
        writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType[rope["rope_type"].upper()])
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope["rope_type"] == "longrope":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)


def _side_by_side(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    return tensor.reshape(heads, 2, len(tensor) // heads // 2, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)


def _tensors_of(model: transformers.PreTrainedModel, recipe: Recipe) -> Tensors:
    config = model.config
    tensors = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    tensors |= {name: buffer.clone() for name, buffer in model.named_buffers() if name.endswith("e_score_correction_bias")}
    for name, tensor in tensors.items():
        if name.endswith("norm.weight"):
            tensors[name] = tensor + recipe.norm_shift
        if recipe.pairs_side_by_side:
            for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
                if part in name:
                    tensors[name] = _side_by_side(tensor, heads)
    return recipe.change(tensors, config)


def is_quantizable(gguf_name: str, tensor: torch.Tensor) -> bool:
    """Of a block, and not of its router."""
    return gguf_name.startswith("blk.") and "ffn_gate_inp" not in gguf_name and tensor.ndim > 1 and tensor.shape[-1] % 32 == 0


def save_gguf(path: pathlib.Path, family: str, model: transformers.PreTrainedModel, more_blocks: int = 0,
              quantized: gguf.GGMLQuantizationType | None = None, **changes) -> None:
    """`changes`: to the family's recipe. `more_blocks`: behind the model's. `quantized`: what matrices of blocks are."""
    recipe, config = dataclasses.replace(RECIPES[family], **changes), model.config
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[recipe.architecture])
    _add_sizes(writer, config, more_blocks)
    _add_rope(writer, config)
    add_tokenizer(writer, BYTE_TOKENS)
    recipe.keys(writer, config)
    names = gguf.get_tensor_name_map(recipe.architecture, config.num_hidden_layers + more_blocks)
    for name, tensor in _tensors_of(model, recipe).items():
        gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert gguf_name, f"llama.cpp has no {name}"
        values = np.ascontiguousarray(tensor.numpy())
        if quantized is not None and is_quantizable(gguf_name, tensor):
            writer.add_tensor(gguf_name, gguf.quants.quantize(values, quantized), raw_dtype=quantized)
        else:
            writer.add_tensor(gguf_name, values)
    if _rope(config).get("rope_type") == "longrope":
        for kind in ("long", "short"):
            writer.add_tensor(f"rope_factors_{kind}.weight", np.array(_rope(config)[f"{kind}_factor"], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
