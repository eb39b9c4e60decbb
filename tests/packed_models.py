"""Checkpoints whose matrices are stored in 2 to 8 bits, in the forms that others write, with random numbers, scales and
zero points; and their values, by each format's own arithmetic in torch or numpy."""
import json
import pathlib

import numpy as np
import safetensors.torch
import torch

from tiny_models import edit_json

GROUP = 32
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def packed(numbers: np.ndarray, bits: int) -> np.ndarray:
    """[lines, count] as int32 [lines, words]: each line's numbers one after the other, the lowest bits first."""
    planes = (numbers[..., None].astype(np.int64) >> np.arange(bits)) & 1
    flat = planes.reshape(len(numbers), -1).astype(np.uint8)
    flat = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 32)))
    return np.packbits(flat, axis=1, bitorder="little").view("<i4")


class Random:
    """Draws what a weight [rows, columns] is made of. Values are of about the size that tiny_models' are."""

    def __init__(self, seed: int):
        self.generator = np.random.default_rng(seed)

    def numbers(self, shape, bits: int) -> np.ndarray:
        return self.generator.integers(0, 2**bits, shape)

    def scales(self, shape, bits: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor(self.generator.uniform(0.3, 1.7, shape) / 2**bits).to(dtype)


def affine(numbers: np.ndarray, zeros: np.ndarray, scales: torch.Tensor, groups: np.ndarray) -> torch.Tensor:
    """`zeros` and `scales` [rows, groups], `groups` [columns]; rounded to the scales' type."""
    difference = torch.tensor(numbers - zeros[:, groups]).to(scales.dtype)
    return (difference * scales[:, torch.tensor(groups)]).float()


def gptq(random: Random, rows: int, columns: int, bits=4, group=GROUP, act_order=False, symmetric=False, first=True,
         dtype=torch.float16, bias=False):
    group = columns if group == -1 else group
    count = columns // group
    numbers, scales = random.numbers((rows, columns), bits), random.scales((rows, count), bits, dtype)
    # The first form stores zero points less one, so that zero itself has no place in it.
    zeros = np.full((rows, count), 2**(bits - 1)) if symmetric else random.generator.integers(
        1 if first else 0, 2**bits, (rows, count))
    groups = np.arange(columns) // group
    tensors = {}
    if act_order:
        groups = random.generator.permutation(groups)
    if act_order or first:
        tensors["g_idx"] = torch.tensor(groups, dtype=torch.int32)
    if bias:
        tensors["bias"] = torch.zeros(rows, dtype=dtype)
    tensors |= {"qweight": packed(numbers, bits).T, "qzeros": packed(zeros.T - (1 if first else 0), bits),
                "scales": scales.T}
    return tensors, affine(numbers, zeros, scales, groups)


def awq_words(numbers: np.ndarray) -> np.ndarray:
    """Along lines, eight numbers a word in AWQ's order."""
    eights = numbers.reshape(len(numbers), -1, 8)[:, :, AWQ_ORDER]
    return packed(eights.reshape(len(numbers), -1), 4)


def awq(random: Random, rows: int, columns: int, gemv=False):
    count = columns // GROUP
    numbers, zeros = random.numbers((rows, columns), 4), random.numbers((rows, count), 4)
    scales = random.scales((rows, count), 4, torch.float16)
    if gemv:
        width = 4  # at groups of 32: a multiple of 4
        wide = torch.zeros(rows, 8 * width, dtype=torch.float16)
        wide[:, :count] = scales
        tensors = {"qweight": packed(numbers, 4), "qzeros": packed(np.pad(zeros, ((0, 0), (0, 8 * width - count))), 4),
                   "scales": wide}
    else:
        tensors = {"qweight": awq_words(numbers.T), "qzeros": awq_words(zeros.T), "scales": scales.T}
    return tensors, affine(numbers, zeros, scales, np.arange(columns) // GROUP)


def compressed(random: Random, rows: int, columns: int, bits=4, group=GROUP, symmetric=True, integers=False,
               dtype=torch.bfloat16, whole=False):
    count = columns // group if group else 1
    shape = (1, 1) if whole else (rows, count)
    numbers, scales = random.numbers((rows, columns), bits), random.scales(shape, bits, dtype)
    zeros = np.full(shape, 2**(bits - 1)) if symmetric else random.numbers(shape, bits)
    tensors = {"weight_scale": scales.reshape(-1) if whole else scales}
    offset = 2**(bits - 1)
    if integers:
        tensors["weight"] = (numbers - offset).astype(np.int8)
        if not symmetric:
            tensors["weight_zero_point"] = (zeros - offset).astype(np.int8)
    else:
        tensors["weight_packed"] = packed(numbers, bits)
        tensors["weight_shape"] = np.array([rows, columns], dtype=np.int64)
        if not symmetric:
            tensors["weight_zero_point"] = packed(zeros.T, bits).T
    groups = np.arange(columns) // (group or columns)
    every = np.broadcast_to(zeros, (rows, count))
    return tensors, affine(numbers, every, scales.expand(rows, count), groups)


NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
                -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
                0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023,
                1.0], dtype=np.float32)
FP4 = np.array([0, 0.0625, 8, 12, 4, 6, 2, 3, -0.0, -0.0625, -8, -12, -4, -6, -2, -3], dtype=np.float32) / np.float32(12)


def json_tensor(content: dict) -> torch.Tensor:
    return torch.tensor(list(json.dumps(content).encode()), dtype=torch.uint8)


def four_bits(random: Random, rows: int, columns: int, kind="nf4", block=64, nested=False, dtype=torch.float16):
    count = rows * columns
    numbers = random.numbers(count, 4)
    table = NF4 if kind == "nf4" else FP4
    state = {"quant_type": kind, "blocksize": block, "dtype": str(dtype).removeprefix("torch."), "shape": [rows, columns]}
    blocks = count // block
    tensors = {"weight": (numbers[::2] << 4 | numbers[1::2]).astype(np.uint8)[:, None], "weight.quant_map": table}
    if nested:
        codes, map_ = random.numbers(blocks, 8), np.sort(random.generator.uniform(-1, 1, 256)).astype(np.float32)
        largest = random.generator.uniform(0.1, 0.3, -(-blocks // 256)).astype(np.float32)
        offset = 0.4321
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": offset}
        tensors |= {"weight.absmax": codes.astype(np.uint8), "weight.nested_quant_map": map_,
                    "weight.nested_absmax": largest}
        scales = map_[codes] * largest[np.arange(blocks) // 256] + np.float32(offset)
    else:
        scales = random.generator.uniform(0.1, 0.7, blocks).astype(np.float32)
        tensors["weight.absmax"] = scales
    tensors["weight.quant_state.bitsandbytes__" + kind] = json_tensor(state)
    values = table[numbers] * np.repeat(scales, block)
    return tensors, torch.tensor(values).to(dtype).float().reshape(rows, columns)


def eight_bits(random: Random, rows: int, columns: int):
    numbers = random.generator.integers(-127, 128, (rows, columns)).astype(np.int8)
    scales = random.generator.uniform(0.2, 0.6, rows).astype(np.float32)
    values = numbers.astype(np.float32) * scales[:, None] * np.float32(7.874015718698502e-3)
    return {"weight": numbers, "SCB": scales, "weight_format": np.array(0, dtype=np.uint8)}, torch.tensor(values)


def _gptq(**changes) -> dict:
    return {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": False, "sym": False, "damp_percent": 0.1,
            "checkpoint_format": "gptq", "meta": {"quantizer": ["gptqmodel:1.2.3"]}, **changes}


def _compressed(format_: str, activations: dict | None = None, **weights) -> dict:
    return {"quant_method": "compressed-tensors", "format": format_, "version": "0.10.2", "ignore": ["lm_head"],
            "quantization_status": "compressed", "kv_cache_scheme": None, "global_compression_ratio": None,
            "config_groups": {"group_0": {"targets": ["Linear"], "input_activations": activations,
                                          "output_activations": None, "weights": {
                "num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": GROUP,
                "block_structure": None, "dynamic": False, "actorder": None, "observer": "minmax",
                "observer_kwargs": {}, **weights}}}}


_AWQ = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm",
        "modules_to_not_convert": ["lm_head", "model.layers.3.mlp.down_proj", "model.layers.2.mlp"]}
_BNB = {"quant_method": "bitsandbytes", "_load_in_4bit": True, "_load_in_8bit": False, "load_in_4bit": True,
        "load_in_8bit": False, "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8",
        "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": False, "llm_int8_enable_fp32_cpu_offload": False,
        "llm_int8_has_fp16_weight": False, "llm_int8_skip_modules": None, "llm_int8_threshold": 6.0}
_TOKENS = {"num_bits": 8, "type": "int", "strategy": "token", "dynamic": True, "symmetric": True}

# quantization_config, and what makes a weight.
FORMS = {
    "gptq": (_gptq(), lambda *sizes: gptq(*sizes, bias=True)),
    "gptq act-order": (_gptq(desc_act=True), lambda *sizes: gptq(*sizes, act_order=True)),
    "gptq symmetric": (_gptq(sym=True, group_size=-1), lambda *sizes: gptq(*sizes, symmetric=True, group=-1)),
    "gptq second form": (_gptq(checkpoint_format="gptq_v2"),
                         lambda *sizes: gptq(*sizes, first=False, dtype=torch.bfloat16)),
    "gptq second form act-order 8 bits": (_gptq(checkpoint_format="gptq_v2", bits=8, desc_act=True),
                                          lambda *sizes: gptq(*sizes, first=False, bits=8, act_order=True)),
    "gptq 8 bits": (_gptq(bits=8), lambda *sizes: gptq(*sizes, bits=8)),
    "gptq 3 bits": (_gptq(bits=3), lambda *sizes: gptq(*sizes, bits=3)),
    "gptq 2 bits": (_gptq(bits=2, checkpoint_format=None), lambda *sizes: gptq(*sizes, bits=2, dtype=torch.float32)),
    "awq": (_AWQ, awq),
    "awq gemv": ({**_AWQ, "version": "gemv"}, lambda *sizes: awq(*sizes, gemv=True)),
    "compressed-tensors int4": (_compressed("pack-quantized"), compressed),
    "compressed-tensors int4 with zero points": (_compressed("pack-quantized", symmetric=False),
                                                 lambda *sizes: compressed(*sizes, symmetric=False)),
    "compressed-tensors int8 packed by row": (
        _compressed("pack-quantized", num_bits=8, symmetric=False, strategy="channel", group_size=None),
        lambda *sizes: compressed(*sizes, bits=8, group=0, symmetric=False, dtype=torch.float16)),
    "compressed-tensors int8": (
        _compressed("int-quantized", activations=_TOKENS, num_bits=8, strategy="channel", group_size=None),
        lambda *sizes: compressed(*sizes, bits=8, group=0, integers=True)),
    "compressed-tensors int8 with zero points": (
        _compressed("int-quantized", num_bits=8, symmetric=False),
        lambda *sizes: compressed(*sizes, bits=8, integers=True, symmetric=False, dtype=torch.float32)),
    "compressed-tensors int8, one scale": (
        _compressed("int-quantized", num_bits=8, strategy="tensor", group_size=None),
        lambda *sizes: compressed(*sizes, bits=8, group=0, integers=True, whole=True)),
    "nf4": (_BNB, four_bits),
    "nf4 nested": ({**_BNB, "bnb_4bit_use_double_quant": True},
                   lambda *sizes: four_bits(*sizes, nested=True, dtype=torch.bfloat16)),
    "fp4": ({**_BNB, "bnb_4bit_quant_type": "fp4"},
            lambda *sizes: four_bits(*sizes, kind="fp4", block=128, dtype=torch.float32)),
    "bitsandbytes int8": ({**_BNB, "_load_in_4bit": False, "load_in_4bit": False, "_load_in_8bit": True,
                           "load_in_8bit": True}, eight_bits),
}


def _is_left_plain(name: str, config: dict) -> bool:
    modules = config.get("modules_to_not_convert") or []
    return ".layers." not in name or any(name.startswith(module + ".") for module in modules)


def save_packed(folder: pathlib.Path, plain: pathlib.Path, form: str, seed: int = 1) -> dict[str, torch.Tensor]:
    """Writes the model in `plain`, blocks' matrices packed, and gives `plain` the values that `folder` then holds.
    Returns those values."""
    config, weight_of = FORMS[form]
    random = Random(seed)
    values = safetensors.torch.load_file(plain / "model.safetensors")
    stored = {}
    for name in list(values):
        if values[name].ndim != 2 or _is_left_plain(name, config):
            stored[name] = values[name]
            continue
        parts, values[name] = weight_of(random, *values[name].shape)
        for part, tensor in parts.items():
            tensor = torch.tensor(np.ascontiguousarray(tensor)) if isinstance(tensor, np.ndarray) else tensor
            stored[name.removesuffix("weight") + part] = tensor.contiguous()
    folder.mkdir()
    safetensors.torch.save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    safetensors.torch.save_file(values, plain / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text((plain / "config.json").read_text())
    edit_json(folder / "config.json", quantization_config=config)
    return values
