"""Random models small enough to make by the dozen, with weights large enough that mistakes show in the logits."""
import json
import pathlib
import random

import numpy as np
import safetensors.torch
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

VOCABULARY = 257  # every byte and <bos>, so that text can be tokenized too

_SIZES = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 5,
          "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 256,
          "eos_token_id": 0}

# OPT's configuration has other names, and no key/value heads.
_OPT_SIZES = {**_SIZES, "ffn_dim": 96}
del _OPT_SIZES["intermediate_size"], _OPT_SIZES["num_key_value_heads"]

# What OPT's configurations differ in; the second is opt-350m's, GELU is Galactica's.
OPT = {
    "pre-norm": {},
    "post-norm and projections": {"do_layer_norm_before": False, "word_embed_proj_dim": 40},
    "pre-norm and projections, untied": {"word_embed_proj_dim": 80, "tie_word_embeddings": False},
    "no biases": {"enable_bias": False},
    "norms without weights": {"layer_norm_elementwise_affine": False},
    "no final norm": {"_remove_final_layer_norm": True},
    "untied head": {"tie_word_embeddings": False},
    "gelu": {"activation_function": "gelu"},
    "three heads of 21": {"hidden_size": 63, "num_attention_heads": 3},
}

ROPES = {
    "default": {"rope_type": "default", "rope_theta": 500.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5},
    "dynamic": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 3.0},
    "llama3": {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 96},
}


def make_model(family: str = "llama", seed: int = 0, **changes) -> transformers.PreTrainedModel:
    """A float32 model; `changes` to its configuration."""
    config = transformers.AutoConfig.for_model(family, **{**(_OPT_SIZES if family == "opt" else _SIZES), **changes})
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Large enough for queries to prefer some keys by far, biases and norms that can't be left out unseen.
            scale, centre = (0.3, 0) if name.endswith("bias") else (0.3, 1) if "norm" in name else (0.2, 0)
            weight.copy_(centre + scale * torch.randn(weight.shape))
    return model.eval()


def save_model(folder: pathlib.Path, family: str = "llama", seed: int = 0, dtype: torch.dtype = torch.float32,
               shard_size: str = "1GB", **changes) -> pathlib.Path:
    """A checkpoint folder of make_model's model, stored in `dtype`."""
    make_model(family, seed, **changes).to(dtype).save_pretrained(folder, max_shard_size=shard_size)
    return folder


def save_tokenizer(folder: pathlib.Path) -> pathlib.Path:
    """The files of a byte-level tokenizer that has a token <bos> and puts it nowhere."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: i for i, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<bos>", special=True)])
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>")
    wrapped.save_pretrained(folder)
    return folder


def set_template(folder: pathlib.Path, *parts: str) -> None:
    """What save_tokenizer's tokenizer makes of a text, "$A"."""
    special = {"<bos>": {"id": "<bos>", "ids": [VOCABULARY - 1], "tokens": ["<bos>"]}}
    single = [{"Sequence": {"id": "A", "type_id": 0}} if part == "$A" else {"SpecialToken": {"id": part, "type_id": 0}}
              for part in parts]
    pair = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    edit_json(folder / "tokenizer.json", post_processor={"type": "TemplateProcessing", "single": single, "pair": pair,
                                                         "special_tokens": special})


def edit_json(path: pathlib.Path, **changes) -> None:
    """Sets members of an object; the value ... removes one."""
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}, indent=2))


def edit_tensors(folder: pathlib.Path, change) -> None:
    """Calls `change` with the tensors of each file, and brings the index up to date."""
    weight_map = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors = safetensors.torch.load_file(path)
        change(tensors)
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(tensors, path.name))
    index = folder / "model.safetensors.index.json"
    if index.exists():
        edit_json(index, weight_map=weight_map)


def drop_base_prefix(folder: pathlib.Path) -> None:
    """"decoder.layers.0..." for "model.decoder.layers.0...", as some of OPT's checkpoints have it."""

    def change(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("model.")] = tensors.pop(name)

    edit_tensors(folder, change)


def store_head(folder: pathlib.Path, embedding: str, keep_embedding: bool) -> None:
    """Stores a tied head under its own name too, or only under that."""

    def change(tensors):
        if embedding in tensors:
            matrix = tensors[embedding] if keep_embedding else tensors.pop(embedding)
            tensors["lm_head.weight"] = matrix.clone()

    edit_tensors(folder, change)


def spell_as_transformers_4(folder: pathlib.Path, rope_type_key: str) -> None:
    """Rewrites config.json: rope_theta, rope_scaling and torch_dtype in place of rope_parameters and dtype."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    scaling = dict(config["rope_parameters"])
    theta, kind = scaling.pop("rope_theta"), scaling.pop("rope_type")
    edit_json(path, rope_parameters=..., dtype=..., torch_dtype=config["dtype"], rope_theta=theta,
              rope_scaling=None if kind == "default" else {rope_type_key: kind, **scaling})


def random_ids(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, VOCABULARY, count)


def pairwise(axes: dict[str, list]) -> list[dict]:
    """Choices of one value an axis such that every two values of two axes meet in one of them."""
    names = list(axes)
    index_pairs = [(a, b) for a in range(len(names)) for b in range(a)]
    missing = {(a, i, b, j) for a, b in index_pairs for i in range(len(axes[names[a]]))
               for j in range(len(axes[names[b]]))}
    chance = random.Random(0)
    rows = []
    while missing:
        def covered(row):
            return {(a, row[a], b, row[b]) for a, b in index_pairs} & missing

        a, i, b, j = min(missing)
        tries = [[chance.randrange(len(axes[name])) for name in names] for _ in range(100)]
        for row in tries:
            row[a], row[b] = i, j
        best = max(tries, key=lambda row: len(covered(row)))
        missing -= covered(best)
        rows.append({name: axes[name][k] for name, k in zip(names, best)})
    return rows
