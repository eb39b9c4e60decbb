"""A small GPT-OSS whose experts are stored in MXFP4, and its values by the format's own arithmetic."""
import pathlib
import shutil

import safetensors.torch
import torch

import family_models
from tiny_models import edit_json, save_tokenizer

CONFIG = {"quant_method": "mxfp4",
          "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])


def unpacked(blocks: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """[experts, out, groups, 16] to [experts, in, out]."""
    numbers = torch.stack((blocks & 15, blocks >> 4), -1).flatten(-2).long()
    values = torch.ldexp(VALUES[numbers], (scales.int() - 127).unsqueeze(-1))
    return values.flatten(-2).transpose(1, 2).contiguous()


def save_mxfp4(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    """Packed with a tokenizer, and plain with the same values, which are returned."""
    family_models.save_model(folder / "plain", "gpt_oss", "usual")
    generator = torch.Generator().manual_seed(1)
    stored, values = {}, safetensors.torch.load_file(folder / "plain" / "model.safetensors")
    for name, value in list(values.items()):
        if value.ndim != 3:
            stored[name] = value
            continue
        experts, height, width = value.shape
        blocks = torch.randint(0, 256, (experts, width, height // 32, 16), generator=generator, dtype=torch.uint8)
        scales = torch.randint(121, 125, (experts, width, height // 32), generator=generator, dtype=torch.uint8)
        stored |= {name + "_blocks": blocks, name + "_scales": scales}
        values[name] = unpacked(blocks, scales)
    safetensors.torch.save_file(values, folder / "plain" / "model.safetensors", {"format": "pt"})
    shutil.copytree(folder / "plain", folder / "packed")
    safetensors.torch.save_file(stored, folder / "packed" / "model.safetensors", {"format": "pt"})
    edit_json(folder / "packed" / "config.json", quantization_config=CONFIG)
    for name in ("plain", "packed"):
        save_tokenizer(folder / name)
    return values
