"""The variants of every family: what its configurations differ in, small enough to make in a moment."""
import json
import pathlib

import torch
import transformers

import own_code_models
from tiny_models import VOCABULARY, edit_json

# Six blocks, so that patterns of four show; heads that are not hidden / heads, where a family has head_dim.
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 256,
         "eos_token_id": 0, "pad_token_id": None}
OLD_SIZES = {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 6, "n_head": 4, "n_positions": 256, "bos_token_id": 256,
             "eos_token_id": 0, "pad_token_id": None}
HIDDEN_SIZES = {key: value for key, value in SIZES.items() if key not in ("intermediate_size", "num_key_value_heads")}
EXAONE_SIZES = {**{key: value for key, value in SIZES.items() if key != "num_hidden_layers"}, "num_layers": 6}
BLOOM_SIZES = {"vocab_size": VOCABULARY, "hidden_size": 64, "n_layer": 6, "n_head": 4, "bos_token_id": 256,
               "eos_token_id": 0, "pad_token_id": None}

YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 48}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 3.0}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 96}


def longrope(pairs: int, partial: float = 1.0, **more) -> dict:
    """A factor a pair, longer ones beyond the first 48 positions."""
    return {"rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": partial,
            "original_max_position_embeddings": 48, "short_factor": [1 + 0.05 * i for i in range(pairs)],
            "long_factor": [2 + 0.4 * i for i in range(pairs)], **more}


def two_ropes(full: dict, sliding: dict) -> dict:
    return {"rope_parameters": {"full_attention": full, "sliding_attention": sliding}}


def plain_rope(theta: float) -> dict:
    return {"rope_type": "default", "rope_theta": theta}


MIXED = ["full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention",
         "full_attention"]

EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40}
SHARED = {"shared_expert_intermediate_size": 56}
ROUTED = {"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40, "n_shared_experts": 1, "n_group": 1,
          "topk_group": 1, "num_mtp_layers": 0}
GROUPED = {**ROUTED, "n_routed_experts": 8, "n_group": 4, "topk_group": 2, "num_experts_per_tok": 3, "n_shared_experts": 2,
           "routed_scaling_factor": 2.5}

DOTS = {key: value for key, value in ROUTED.items() if key != "num_mtp_layers"}
LATENT = {"kv_lora_rank": 20, "q_lora_rank": 28, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 12}
LATENT_SIZES = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"} | {"num_key_value_heads": 4}
SCALED_YARN = {**YARN, "mscale": 0.9, "mscale_all_dim": 0.7}

# Family -> (sizes, variant -> changes to the configuration). Windows are shorter than the tests' sequences.
FAMILIES = {
    "llama": (SIZES, {
        "usual": {},
        "llama3": {"rope_parameters": LLAMA3, "attention_bias": True, "mlp_bias": True},
    }),
    "mistral": (SIZES, {
        "window": {"sliding_window": 20, "head_dim": 24},
    }),
    "opt": ({**HIDDEN_SIZES, "ffn_dim": 96}, {
        "usual": {},
        "post-norm": {"do_layer_norm_before": False},
    }),
    "qwen2": (SIZES, {
        "full attention": {},
        "tied, one key head": {"tie_word_embeddings": True, "num_key_value_heads": 1},
        "windows from block 3": {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 3},
        "window not in use": {"use_sliding_window": False, "sliding_window": 20, "max_window_layers": 0},
        "layer_types": {"use_sliding_window": True, "sliding_window": 20, "layer_types": MIXED},
        "yarn": {"rope_parameters": YARN},
        "dynamic": {"rope_parameters": DYNAMIC, "max_position_embeddings": 48},
    }),
    "qwen3": (SIZES, {
        "head_dim": {"head_dim": 24},
        "tied": {"head_dim": 16, "tie_word_embeddings": True},
        "biases": {"head_dim": 24, "attention_bias": True},
        "windows from block 2": {"head_dim": 24, "use_sliding_window": True, "sliding_window": 20,
                                 "max_window_layers": 2},
        "yarn": {"head_dim": 24, "rope_parameters": YARN},
    }),
    "mixtral": (SIZES, {
        "usual": {"num_local_experts": 4, "num_experts_per_tok": 2},
        "window": {"num_local_experts": 5, "num_experts_per_tok": 3, "sliding_window": 20},
        "one of each token": {"num_local_experts": 3, "num_experts_per_tok": 1, "head_dim": 24},
    }),
    "qwen2_moe": (SIZES, {
        "usual": EXPERTS | SHARED,
        "normalized, no biases": {**EXPERTS, **SHARED, "norm_topk_prob": True, "qkv_bias": False},
        "windows in blocks 0 and 2": {**EXPERTS, **SHARED, "use_sliding_window": True, "sliding_window": 20,
                                 "max_window_layers": 3},
        "every other block, and one without": {**EXPERTS, **SHARED, "decoder_sparse_step": 2, "mlp_only_layers": [3]},
    }),
    "qwen3_moe": (SIZES, {
        "usual": {**EXPERTS, "head_dim": 24, "norm_topk_prob": True},
        "not normalized, biases": {**EXPERTS, "head_dim": 16, "attention_bias": True},
        "all experts": {**EXPERTS, "num_experts_per_tok": 6, "head_dim": 24, "tie_word_embeddings": True},
        "window": {**EXPERTS, "head_dim": 24, "use_sliding_window": True, "sliding_window": 20},
        "two blocks without experts": {**EXPERTS, "head_dim": 24, "mlp_only_layers": [1, 4]},
    }),
    "glm4_moe": (SIZES, {
        "usual": {**ROUTED, "head_dim": 24, "first_k_dense_replace": 1},
        "groups, q/k norms, biases": {**GROUPED, "first_k_dense_replace": 3, "use_qk_norm": True, "attention_bias": True},
        "not normalized, experts in all blocks": {**ROUTED, "first_k_dense_replace": 0, "norm_topk_prob": False,
                                                  "tie_word_embeddings": True},
    }),
    "flex_olmo": (SIZES, {
        "usual": {"num_experts": 6, "num_experts_per_tok": 2},
        "normalized, biases": {"num_experts": 5, "num_experts_per_tok": 3, "norm_topk_prob": True, "attention_bias": True},
    }),
    "exaone_moe": (SIZES, {
        "windows": {**EXPERTS, "head_dim": 24, "sliding_window": 20, "num_shared_experts": 1},
        "listed, groups": {**EXPERTS, "num_experts": 8, "n_group": 4, "topk_group": 2, "sliding_window": 20,
                                           "num_shared_experts": 2, "layer_types": MIXED, "mlp_layer_types": [
                                               "dense", "sparse", "dense", "sparse", "sparse", "sparse"]},
    }),
    "gpt_oss": (SIZES, {
        "usual": {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 24, "sliding_window": 20},
        "listed windows, another clamp": {
            "num_local_experts": 5, "num_experts_per_tok": 3, "head_dim": 16, "sliding_window": 20, "layer_types": MIXED,
            "attention_bias": False, "swiglu_limit": 0.5, "swiglu_alpha": 1.3, "rope_parameters": YARN},
        "plain rope": {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 24, "sliding_window": 20,
                       "rope_parameters": plain_rope(500.0)},
        "no windows, tied": {"num_local_experts": 3, "num_experts_per_tok": 1, "head_dim": 24, "sliding_window": 20,
                             "layer_types": ["full_attention"] * 6, "tie_word_embeddings": True,
                             "rope_parameters": plain_rope(500.0)},
    }),
    "dots1": (SIZES, {
        "usual": {**DOTS, "head_dim": 24, "first_k_dense_replace": 1, "norm_topk_prob": True},
        "windows, groups, biases": {**DOTS, "n_routed_experts": 8, "n_group": 4, "topk_group": 2, "sliding_window": 20,
                                    "max_window_layers": 3, "attention_bias": True, "routed_scaling_factor": 2.5},
    }),
    "youtu": (LATENT_SIZES, {
        "usual": LATENT,
        "no query latent, untied, yarn": {**LATENT, "q_lora_rank": None, "tie_word_embeddings": False,
                                          "rope_parameters": SCALED_YARN, "attention_bias": True},
    }),
    "minicpm3": (LATENT_SIZES, {
        "usual": {**LATENT, "scale_emb": 3, "scale_depth": 1.4, "dim_model_base": 48},
        "llama.cpp's scales": {**LATENT, "v_head_dim": 16},
        "scales assumed, longrope": {**LATENT, "v_head_dim": None, "rope_parameters": longrope(4)},
        "no scales, biases, untied": {**LATENT, "scale_emb": 1, "scale_depth": None, "dim_model_base": None,
                                      "mlp_bias": True, "attention_bias": True, "tie_word_embeddings": False},
    }),
    "glm4_moe_lite": (LATENT_SIZES, {
        "usual": {**ROUTED, **LATENT},
        "listed, biases": {**ROUTED, **LATENT, "attention_bias": True, "mlp_layer_types": [
            "dense", "sparse", "dense", "sparse", "sparse", "dense"]},
    }),
    "deepseek_v2": (LATENT_SIZES, {
        "usual": {**ROUTED, **LATENT, "first_k_dense_replace": 1},
        "groups, no query latent, yarn": {**GROUPED, **LATENT, "topk_method": "group_limited_greedy", "q_lora_rank": None,
                                          "first_k_dense_replace": 2, "rope_parameters": SCALED_YARN},
        "yarn": {**ROUTED, **LATENT, "first_k_dense_replace": 2, "routed_scaling_factor": 2.0,
                 "rope_parameters": {**SCALED_YARN, "mscale": 0.7}},
        "biases, values as wide as keys": {**ROUTED, **LATENT, "attention_bias": True, "v_head_dim": 24, "routed_scaling_factor": 2.0},
    }),
    "deepseek_v3": (LATENT_SIZES, {
        "usual": {**GROUPED, **LATENT, "first_k_dense_replace": 2},
        "yarn, not interleaved, biases": {**GROUPED, **LATENT, "first_k_dense_replace": 1, "rope_parameters": SCALED_YARN,
                                          "rope_interleave": False, "attention_bias": True},
        "no query latent, not normalized, tied": {**ROUTED, **LATENT, "q_lora_rank": None, "first_k_dense_replace": 0,
                                                  "norm_topk_prob": False, "tie_word_embeddings": True},
    }),
    "olmoe": (SIZES, {
        "usual": {"num_experts": 6, "num_experts_per_tok": 2},
        "clipped": {"num_experts": 6, "num_experts_per_tok": 2, "clip_qkv": 0.7, "norm_topk_prob": True},
    }),
    "gemma": (SIZES, {
        "head_dim": {"head_dim": 24},
        "one key head": {"head_dim": 24, "num_key_value_heads": 1},
        "untied, biases": {"head_dim": 24, "tie_word_embeddings": False, "attention_bias": True},
        "rope_theta": {"head_dim": 16, "rope_parameters": plain_rope(500.0)},
    }),
    "gemma2": (SIZES, {
        "as published": {"head_dim": 24, "sliding_window": 20, "query_pre_attn_scalar": 24},
        "usual": {"head_dim": 24, "sliding_window": 20, "query_pre_attn_scalar": 20},
        "no soft caps": {"head_dim": 24, "sliding_window": 20, "attn_logit_softcapping": None,
                         "final_logit_softcapping": None},
        "strong soft caps": {"head_dim": 24, "sliding_window": 20, "attn_logit_softcapping": 3.0,
                             "final_logit_softcapping": 5.0},
        "layer_types": {"head_dim": 24, "sliding_window": 20, "layer_types": MIXED, "attention_bias": True},
    }),
    "gemma3_text": (SIZES, {
        "as published": {"head_dim": 24, "sliding_window": 20, "query_pre_attn_scalar": 24},
        "linear": {"head_dim": 24, "sliding_window": 20, "query_pre_attn_scalar": 24, "final_logit_softcapping": 9.0,
                   **two_ropes({**LINEAR, "rope_theta": 1e6}, plain_rope(1e4))},
        "usual": {"head_dim": 24, "sliding_window": 20, "query_pre_attn_scalar": 20},
        "two ropes": {"head_dim": 24, "sliding_window": 20, "layer_types": MIXED,
                      **two_ropes({**LINEAR, "rope_theta": 1e6}, plain_rope(1000.0))},
        "soft caps": {"head_dim": 24, "sliding_window": 20, "attn_logit_softcapping": 3.0,
                      "final_logit_softcapping": 5.0, "attention_bias": True},
        "untied": {"head_dim": 16, "sliding_window": 20, "tie_word_embeddings": False},
    }),
    "phi": (SIZES, {
        "as published": {"num_key_value_heads": 4, "intermediate_size": 256,
                         "rope_parameters": {**plain_rope(10000.0), "partial_rotary_factor": 0.4}},
        "usual": {},
        "q/k norms": {"qk_layernorm": True},
        "heads as many as keys": {"num_key_value_heads": 4, "rope_parameters": {**plain_rope(500.0),
                                                                                 "partial_rotary_factor": 0.25}},
        "tied": {"tie_word_embeddings": True},
    }),
    "phi3": (SIZES, {
        "usual": {},
        "window": {"sliding_window": 20},
        "longrope": {"rope_parameters": longrope(8), "original_max_position_embeddings": 48},
        "longrope, partial": {"rope_parameters": longrope(6, partial=0.75), "original_max_position_embeddings": 48,
                              "tie_word_embeddings": True, "sliding_window": 70},
        "longrope, attention_factor": {"rope_parameters": longrope(8, attention_factor=1.3),
                                       "original_max_position_embeddings": 48},
    }),
    "gpt2": (OLD_SIZES, {
        "usual": {},
        "inner size": {"n_inner": 96, "activation_function": "gelu"},
        "unscaled": {"scale_attn_weights": False, "activation_function": "relu"},
        "untied": {"tie_word_embeddings": False},
    }),
    "gpt_neox": ({**HIDDEN_SIZES, "intermediate_size": 96}, {
        "parallel": {},
        "one after the other": {"use_parallel_residual": False},
        "no biases": {"attention_bias": False, "rope_parameters": {**plain_rope(500.0), "partial_rotary_factor": 1.0}},
        "tied, gelu_new": {"tie_word_embeddings": True, "hidden_act": "gelu_new"},
        "linear": {"rope_parameters": {**LINEAR, "partial_rotary_factor": 0.5}},
    }),
    "gptj": (OLD_SIZES, {
        "usual": {"rotary_dim": 8},
        "whole heads turn": {"rotary_dim": 16, "n_inner": 96},
        "tied": {"rotary_dim": 4, "tie_word_embeddings": True},
    }),
    "falcon": (HIDDEN_SIZES, {
        "7B": {"multi_query": True, "parallel_attn": True, "bias": False},
        "40B": {"new_decoder_architecture": True, "num_kv_heads": 2},
        "11B": {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1,
                "ffn_hidden_size": 96, "tie_word_embeddings": False, "rope_parameters": plain_rope(500.0)},
        "RW": {"alibi": True, "multi_query": False, "parallel_attn": False, "bias": True},
        "alibi, three heads": {"alibi": True, "multi_query": True, "num_attention_heads": 3, "hidden_size": 48},
        "one after the other": {"multi_query": False, "parallel_attn": False, "bias": True},
        "many heads, parallel": {"multi_query": False, "parallel_attn": True},
    }),
    "bloom": (BLOOM_SIZES, {
        "usual": {},
        "three heads": {"n_head": 3, "hidden_size": 48},
        "untied": {"tie_word_embeddings": False},
    }),
    "stablelm": (SIZES, {
        "usual": {},
        "biases": {"use_qkv_bias": True, "rope_parameters": {**plain_rope(500.0), "partial_rotary_factor": 0.5}},
        "parallel, q/k norms": {"use_parallel_residual": True, "qk_layernorm": True},
        "tied": {"tie_word_embeddings": True},
    }),
    "starcoder2": (SIZES, {
        "usual": {},
        "window": {"sliding_window": 20},
        "no biases, untied": {"use_bias": False, "tie_word_embeddings": False},
    }),
    "olmo": (SIZES, {
        "usual": {},
        "clipped": {"clip_qkv": 1.0, "attention_bias": True},
        "tied": {"tie_word_embeddings": True},
    }),
    "olmo2": (SIZES, {
        "usual": {},
        "biases, tied": {"attention_bias": True, "tie_word_embeddings": True},
        "llama3": {"rope_parameters": LLAMA3},
    }),
    "olmo3": (SIZES, {
        "usual": {"sliding_window": 20},
        "layer_types": {"sliding_window": 20, "layer_types": MIXED},
        "yarn in full attention": {"sliding_window": 20, **two_ropes(YARN, plain_rope(500.0))},
    }),
    "cohere": (SIZES, {
        "usual": {},
        "q/k norms": {"use_qk_norm": True},
        "untied, biases": {"tie_word_embeddings": False, "attention_bias": True, "logit_scale": 0.5},
    }),
    "cohere2": (SIZES, {
        "usual": {"sliding_window": 20},
        "layer_types": {"sliding_window": 20, "layer_types": MIXED, "attention_bias": True},
        "untied": {"sliding_window": 20, "tie_word_embeddings": False, "logit_scale": 0.5},
    }),
    "granite": (SIZES, {
        "multipliers": {"embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.22,
                        "attention_multiplier": 0.0625},
        "defaults": {},
        "biases, tied": {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True,
                         "attention_multiplier": 0.1},
    }),
    "smollm3": (SIZES, {
        "every fourth without rope": {"tie_word_embeddings": False},
        "a list": {"no_rope_layers": [1, 0, 0, 1, 1, 0], "attention_bias": True, "mlp_bias": True},
        "windows": {"no_rope_layer_interval": 3, "use_sliding_window": True, "sliding_window": 20},
        "yarn": {"rope_parameters": YARN},
    }),
    "glm": (SIZES, {
        "usual": {"head_dim": 24},
        "no biases, tied": {"head_dim": 16, "attention_bias": False, "tie_word_embeddings": True},
        "whole heads turn": {"head_dim": 16, "rope_parameters": {**plain_rope(500.0), "partial_rotary_factor": 1.0}},
    }),
    "glm4": (SIZES, {
        "usual": {"head_dim": 24},
        "no biases, tied": {"head_dim": 16, "attention_bias": False, "tie_word_embeddings": True},
    }),
    "exaone4": (SIZES, {
        "windows": {"sliding_window": 20},
        "full attention": {"sliding_window": None, "layer_types": ["full_attention"] * 6, "tie_word_embeddings": True},
        "llama3": {"sliding_window": 20, "rope_parameters": LLAMA3},
    }),
    "exaone": (EXAONE_SIZES, {
        "usual": {"tie_word_embeddings": False},
        "tied, llama3": {"rope_parameters": LLAMA3, "layer_norm_epsilon": 1e-6},
        "the MLP's size assumed": {"intermediate_size": None, "activation_function": "gelu"},
    }),
    "internlm2": (SIZES, {
        "usual": {"bias": False},
        "biases": {"rope_parameters": plain_rope(500.0)},
        "a query a key": {"bias": False, "num_key_value_heads": 4, "tie_word_embeddings": True},
        "dynamic": {"bias": False, "rope_parameters": DYNAMIC, "max_position_embeddings": 48},
    }),
    "minicpm": (SIZES, {
        "usual": {"scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 16},
        "a query a key, untied": {"scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 256, "num_key_value_heads": 4,
                                  "tie_word_embeddings": False},
        "longrope": {"scale_emb": 3.5, "scale_depth": 1.7, "dim_model_base": 32, "attention_bias": True,
                     "rope_parameters": {**longrope(8), "original_max_position_embeddings": 64}},
    }),
    "ministral": (SIZES, {
        "windows": {"sliding_window": 20, "head_dim": 24},
        "layer_types": {"sliding_window": 20, "head_dim": 16, "layer_types": MIXED},
        "rope_theta": {"sliding_window": 20, "head_dim": 16, "rope_parameters": plain_rope(500.0)},
    }),
    "ministral3": (SIZES, {
        "yarn, growing queries": {"head_dim": 24, "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0,
                                                                      "llama_4_scaling_beta": 0.1}},
        "window": {"head_dim": 16, "sliding_window": 20, "rope_parameters": {**YARN, "llama_4_scaling_beta": 0.2}},
    }),
    "nemotron": (SIZES, {
        "usual": {},
        "biases": {"attention_bias": True, "mlp_bias": True, "head_dim": 24},
        "tied": {"tie_word_embeddings": True, "rope_parameters": {**plain_rope(500.0), "partial_rotary_factor": 1.0}},
    }),
}


# Whose norms multiply by 1 + weight.
SHIFTED = ("gemma", "gemma2", "gemma3_text", "nemotron")


def settings_of(family: str, variant: str) -> dict:
    sizes, variants = FAMILIES[family]
    return {**sizes, **variants[variant]}


def make_model(family: str, variant: str, seed: int = 0, **changes) -> transformers.PreTrainedModel:
    """A float32 model whose every parameter is random: one that is left out shows. `changes`: to the configuration."""
    settings = settings_of(family, variant) | changes
    if family in own_code_models.EQUIVALENTS:
        config = own_code_models.config_of({"model_type": family, **settings})
    else:
        config = transformers.AutoConfig.for_model(family, **settings)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    one = 0 if family in SHIFTED else 1
    with torch.no_grad():
        for name, weight in model.named_parameters():
            is_norm = weight.dim() == 1 or "norm" in name
            scale, centre = (0.3, 0) if name.endswith("bias") else (0.3, one) if is_norm else (0.2, 0)
            weight.copy_(centre + scale * torch.randn(weight.shape))
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.copy_(0.1 * torch.randn(buffer.shape))
    return model.eval()


def save_model(folder: pathlib.Path, family: str, variant: str) -> transformers.PreTrainedModel:
    model = make_model(family, variant)
    if family in own_code_models.EQUIVALENTS:
        own_code_models.save(folder, family, settings_of(family, variant), model)
    else:
        model.save_pretrained(folder)
    return model


def _spell_rope(config: dict, family: str) -> dict:
    """Changes that say the same of rope as transformers 4 did; none where it could not."""
    rope = config.get("rope_parameters")
    if not rope:
        return {}
    rope = json.loads(json.dumps(rope))
    if family == "gpt_oss" and rope["rope_type"] == "default":  # what is absent means yarn there
        return {}
    changes = {"rope_parameters": ...}
    if "full_attention" in rope:
        full, sliding = rope["full_attention"], rope["sliding_attention"]
        if sliding["rope_type"] != "default" or (family == "olmo3" and sliding["rope_theta"] != 500000):
            return {}
        if family != "olmo3":
            changes["rope_local_base_freq"] = sliding["rope_theta"]
        rope = full
    theta_key, partial_key = (("rotary_emb_base", "rotary_pct") if family == "gpt_neox" else
                              ("rope_theta", "partial_rotary_factor"))
    changes[theta_key] = rope.pop("rope_theta")
    if (partial := rope.pop("partial_rotary_factor", None)) is not None:
        changes[partial_key] = partial
    kind = rope.pop("rope_type")
    if "original_max_position_embeddings" in config:
        rope.pop("original_max_position_embeddings", None)
    # Nested parameters are only changed under the newer key.
    key = "rope_type" if "full_attention" in config["rope_parameters"] else "type"
    changes["rope_scaling"] = None if kind == "default" else {key: kind, **rope}
    return changes


def spell_as_transformers_4(folder: pathlib.Path, family: str, variant: str) -> None:
    """Rewrites config.json as files of 2023 and 2024 have it: windows and rope by rules, not as lists."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    given = FAMILIES[family][1][variant]
    changes = {"dtype": ..., "torch_dtype": config["dtype"], **_spell_rope(config, family)}
    if "layer_types" in config and "layer_types" not in given and given.get("sliding_window", 0) is not None:
        changes["layer_types"] = ...
    if "no_rope_layers" in config and "no_rope_layers" not in given:
        changes["no_rope_layers"] = ...
    if "num_local_experts" in config and family not in ("mixtral", "gpt_oss"):
        changes.update(num_local_experts=..., num_experts=config["num_local_experts"])
    if family in ("qwen2", "qwen3", "qwen2_moe", "qwen3_moe"):
        changes["sliding_window"] = given.get("sliding_window", 4096)
    if family == "gemma":
        changes.update(hidden_act="gelu", hidden_activation=None)
    if family in ("gemma2", "gemma3_text"):
        changes.update(hidden_act="gelu_pytorch_tanh")
    if family in ("gemma3_text", "cohere2"):
        changes.update(sliding_window_pattern=4 if family == "cohere2" else 6, _sliding_window_pattern=...)
    if family == "falcon" and "num_kv_heads" not in given:
        changes.update(num_kv_heads=..., num_ln_in_parallel_attn=..., ffn_hidden_size=...)
    edit_json(path, **changes)
