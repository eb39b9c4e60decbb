"""Models of families that transformers has no class for, as folders, made of models of a transformers family that computes
the same: from their published configuration_*.py and modeling_*.py, written down here as names and keys."""
import dataclasses
import json
import math
import pathlib
from collections.abc import Callable

import safetensors.torch
import torch
import transformers

Tensors = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Equivalent:
    """How a family's configuration and tensors are said in another's terms."""
    family: str  # model_type of the family that transformers has
    architecture: str  # the published class
    keys: dict[str, str]  # of config.json: the published one, the other family's
    names: dict[str, str]  # parts of tensors' names: the other family's, the published one
    assumed: dict = dataclasses.field(default_factory=dict)  # where the published configuration says nothing
    derive: Callable[[dict], dict] = lambda config: {}  # further members of the other family's configuration
    fused_qkv: str = ""  # the published tensor of a block that holds queries, keys and values, group by group


def _minicpm(config: dict) -> dict:
    heads = config["num_attention_heads"]
    return {"embedding_multiplier": config["scale_emb"],
            "residual_multiplier": config["scale_depth"] / math.sqrt(config["num_hidden_layers"]),
            "logits_scaling": config["hidden_size"] / config["dim_model_base"],
            "attention_multiplier": 1 / math.sqrt(config["hidden_size"] // heads)}


EQUIVALENTS = {
    "exaone": Equivalent(
        "llama", "ExaoneForCausalLM",
        keys={"num_layers": "num_hidden_layers", "activation_function": "hidden_act",
              "layer_norm_epsilon": "rms_norm_eps"},
        names={"model.embed_tokens": "transformer.wte", "model.norm": "transformer.ln_f",
               "model.layers": "transformer.h", "input_layernorm": "ln_1", "post_attention_layernorm": "ln_2",
               "self_attn.o_proj": "attn.attention.out_proj", "self_attn": "attn.attention", "gate_proj": "c_fc_0",
               "up_proj": "c_fc_1", "down_proj": "c_proj"},
        assumed={"tie_word_embeddings": True, "rms_norm_eps": 1e-5}),
    "internlm2": Equivalent(
        "llama", "InternLM2ForCausalLM",
        keys={"bias": "attention_bias"},
        names={"model.embed_tokens": "model.tok_embeddings", "input_layernorm": "attention_norm",
               "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attention.wo",
               "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3",
               "mlp.down_proj": "feed_forward.w2", "lm_head": "output"},
        assumed={"attention_bias": True}, fused_qkv="attention.wqkv"),
    "minicpm": Equivalent(
        "granite", "MiniCPMForCausalLM",
        keys={}, names={}, assumed={"tie_word_embeddings": True}, derive=_minicpm),
}


def config_of(published: dict) -> transformers.PreTrainedConfig:
    """The other family's configuration that says the same."""
    same = EQUIVALENTS[published["model_type"]]
    dropped = ("model_type", "architectures", "auto_map")
    config = {same.keys.get(key, key): value for key, value in published.items() if key not in dropped}
    if config.get("intermediate_size") is None:
        config["intermediate_size"] = 4 * config["hidden_size"]
    config = {**same.assumed, **config, **same.derive(published)}
    return transformers.AutoConfig.for_model(same.family, **config)


def _renamed(tensors: Tensors, names: dict[str, str]) -> Tensors:
    result = {}
    for name, tensor in tensors.items():
        for part, other in names.items():
            name = name.replace(f"{part}.", f"{other}.")
        result[name] = tensor
    return result


def _separate_names(fused: str, same: Equivalent) -> list[str]:
    return [fused.replace(same.fused_qkv, f"self_attn.{part}_proj") for part in "qkv"]


def _fuse(tensors: Tensors, same: Equivalent, config) -> Tensors:
    """For each key head its queries, its key and its value."""
    tensors = dict(tensors)
    for query in [name for name in tensors if "self_attn.q_proj" in name]:
        fused = query.replace("self_attn.q_proj", same.fused_qkv)
        rows = [tensors.pop(name).unflatten(0, (config.num_key_value_heads, -1, config.head_dim))
                for name in _separate_names(fused, same)]
        tensors[fused] = torch.cat(rows, dim=1).flatten(0, 2)
    return tensors


def _separate(tensors: Tensors, same: Equivalent, config) -> Tensors:
    tensors = dict(tensors)
    queries = config.num_attention_heads // config.num_key_value_heads
    for fused in [name for name in tensors if same.fused_qkv in name]:
        rows = tensors.pop(fused).unflatten(0, (config.num_key_value_heads, -1, config.head_dim))
        parts = rows.split([queries, 1, 1], dim=1)
        tensors.update(zip(_separate_names(fused, same), (part.flatten(0, 2) for part in parts)))
    return tensors


def save(folder: pathlib.Path, family: str, settings: dict, model: transformers.PreTrainedModel) -> None:
    """`settings`: the published configuration of `model`, which is config_of()'s."""
    same = EQUIVALENTS[family]
    tensors = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    if same.fused_qkv:
        tensors = _fuse(tensors, same, model.config)
    folder.mkdir(parents=True)
    safetensors.torch.save_file(_renamed(tensors, same.names), folder / "model.safetensors", {"format": "pt"})
    config = {"architectures": [same.architecture], "model_type": family, "dtype": "float32", **settings}
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def load(folder: pathlib.Path) -> transformers.PreTrainedModel:
    """Of such a folder, with no tensor missing and none too many; float32."""
    published = json.loads((folder / "config.json").read_text())
    same = EQUIVALENTS[published["model_type"]]
    config = config_of(published)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    tensors: Tensors = {}
    for file in folder.glob("*.safetensors"):
        tensors.update(safetensors.torch.load_file(file))
    tensors = _renamed(tensors, {other: part for part, other in same.names.items()})
    if same.fused_qkv:
        tensors = _separate(tensors, same, config)
    assert set(tensors) == {name for name, _ in model.named_parameters()}
    model.load_state_dict(tensors, strict=not config.tie_word_embeddings)
    return model.eval()
