"""Checkpoints whose matrices are 8-bit floats with scales, in the forms that others write."""
import json
import pathlib

import safetensors.torch
import torch

from tiny_models import edit_json

_BLOCK = (24, 40)  # no side of the tiny models' matrices is a multiple


def _block_scales(scales: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Each block's scale for all its elements."""
    rows, columns = _BLOCK
    return scales.repeat_interleave(rows, 0).repeat_interleave(columns, 1)[:shape[0], :shape[1]]


def _largest(weight: torch.Tensor, form: str) -> torch.Tensor:
    """Of the elements that share a scale, in the shape in which the form stores scales."""
    magnitude = weight.abs()
    if form in ("tensor", "e5m2"):
        return magnitude.max()
    if form in ("compressed-tensors", "fbgemm"):
        return magnitude.amax(1, keepdim=True)
    if form == "row":
        return magnitude.amax(1)
    blocks = [[block.max() for block in rows.split(_BLOCK[1], 1)] for rows in magnitude.split(_BLOCK[0], 0)]
    return torch.tensor(blocks)


def _compressed_tensors(weights: dict) -> dict:
    return {"quant_method": "compressed-tensors", "format": "float-quantized", "version": "0.10.2",
            "ignore": ["lm_head"], "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
                "num_bits": 8, "type": "float", "symmetric": True, **weights}}}}


CONFIGS = {
    "deepseek": {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": list(_BLOCK),
                 "modules_to_not_convert": ["lm_head", "model.layers.3.mlp.down_proj", "model.layers.1.self_attn"]},
    "compressed-tensors": _compressed_tensors({"strategy": "channel", "block_structure": None}),
    "compressed-tensors blocks": _compressed_tensors({"strategy": "block", "block_structure": list(_BLOCK)}),
    "fbgemm": {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0, "modules_to_not_convert": ["lm_head"]},
    "tensor": {"quant_method": "fp8", "activation_scheme": "static", "weight_block_size": None},
    "row": {"quant_method": "modelopt", "ignore": ["lm_head"]},
    "e5m2": {"quant_method": "fp8", "weight_block_size": None},
}


def save_fp8(folder: pathlib.Path, plain: pathlib.Path, form: str) -> dict[str, torch.Tensor]:
    """Writes the model in `plain`, blocks' matrices as 8-bit floats, and gives `plain` the values that `folder` then
    holds. Returns those values."""
    tensors = safetensors.torch.load_file(plain / "model.safetensors")
    dtype = torch.float8_e5m2 if form == "e5m2" else torch.float8_e4m3fn
    scale_dtype = torch.bfloat16 if form == "compressed-tensors" else torch.float32
    ending = "_scale_inv" if form in ("deepseek", "e5m2") else "_scale"
    kept = CONFIGS[form].get("modules_to_not_convert", [])
    stored = {}
    for name, weight in tensors.items():
        if weight.ndim != 2 or ".layers." not in name or any(name.startswith(module) for module in kept):
            stored[name] = weight
            continue
        scales = (_largest(weight, form) / torch.finfo(dtype).max).to(scale_dtype)
        spread = _block_scales(scales, weight.shape) if form.endswith(("deepseek", "blocks")) else scales
        spread = spread[:, None] if form == "row" else spread
        stored[name] = (weight / spread.float()).to(dtype)
        stored[name + ending] = scales
        tensors[name] = stored[name].float() * spread.float()
        if form == "tensor":
            stored[name.replace("weight", "input_scale")] = torch.tensor(0.25)
    if form == "tensor":
        stored["model.layers.3.self_attn.k_scale"] = torch.tensor([2.0])
    folder.mkdir()
    safetensors.torch.save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    safetensors.torch.save_file(tensors, plain / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text((plain / "config.json").read_text())
    edit_json(folder / "config.json", quantization_config=CONFIGS[form])
    return tensors


def stored_tensors(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def quantization_of(folder: pathlib.Path) -> dict:
    return json.loads((folder / "config.json").read_text())["quantization_config"]
