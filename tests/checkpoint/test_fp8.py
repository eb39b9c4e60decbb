"""Checkpoints of 8-bit floats: their values against torch, their export against the safetensors wheel."""
import numpy as np
import pytest
import safetensors.torch
import torch

from fp8_models import CONFIGS, quantization_of, save_fp8, stored_tensors
from test_formats import decoded, expect_same_bits
from tiny_models import edit_json, save_model, save_tokenizer

REMOVED = (2, 0)
NEW_NUMBERS = {1: 0, 3: 1, 4: 2}


def renamed(name: str) -> str | None:
    """In the model without the removed blocks."""
    parts = name.split(".")
    if parts[:2] == ["model", "layers"]:
        if int(parts[2]) not in NEW_NUMBERS:
            return None
        parts[2] = str(NEW_NUMBERS[int(parts[2])])
    return ".".join(parts)


def export(sleb_ok, model, out, *options):
    sleb_ok("export", model, "--removal-list", ",".join(map(str, REMOVED)), "--out", out, *options)
    return out


@pytest.fixture(params=list(CONFIGS))
def form(request):
    return request.param


def test_values_are_the_products(tmp_path, form):
    values = save_fp8(tmp_path / "fp8", save_model(tmp_path / "plain"), form)
    assert sum(".weight_scale" in name for name in stored_tensors(tmp_path / "fp8")) >= 30
    for name, value in values.items():
        expect_same_bits(decoded(tmp_path / "fp8", name), value.numpy(), name)


def test_every_code_under_every_kind_of_scale(tmp_path):
    """NaNs and infinities too."""
    plain = save_model(tmp_path / "plain", hidden_size=256)
    values = save_fp8(tmp_path / "fp8", plain, "deepseek")
    name = "model.layers.0.self_attn.q_proj.weight"
    stored = stored_tensors(tmp_path / "fp8")
    codes = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    assert stored[name].shape == (256, 256) == values[name].shape
    content = (tmp_path / "fp8" / "model.safetensors").read_bytes()
    old = stored[name].view(torch.uint8).numpy().tobytes()
    new = (codes[:, None] + codes[None, :]).to(torch.uint8)
    assert content.count(old) == 1
    (tmp_path / "fp8" / "model.safetensors").write_bytes(content.replace(old, new.numpy().tobytes()))
    scales = stored[name + "_scale_inv"].repeat_interleave(24, 0).repeat_interleave(40, 1)[:256, :256]
    with np.errstate(all="ignore"):
        expected = (new.view(torch.float8_e4m3fn).float() * scales).numpy()
    assert np.isnan(expected).sum() == 512
    expect_same_bits(decoded(tmp_path / "fp8", name), expected)


def test_export_keeps_what_is_stored(sleb_ok, tmp_path, form):
    save_fp8(tmp_path / "fp8", save_model(tmp_path / "plain"), form)
    save_tokenizer(tmp_path / "fp8")
    out = export(sleb_ok, tmp_path / "fp8", tmp_path / "out")
    expected = {renamed(name): tensor for name, tensor in stored_tensors(tmp_path / "fp8").items() if renamed(name)}
    written = stored_tensors(out)
    assert written.keys() == expected.keys()
    for name, tensor in written.items():
        assert (tensor.dtype, tensor.shape) == (expected[name].dtype, expected[name].shape), name
        assert torch.equal(tensor.reshape(-1).view(torch.uint8), expected[name].reshape(-1).view(torch.uint8)), name
    quantization = CONFIGS[form]
    if form == "deepseek":
        quantization = quantization | {"modules_to_not_convert": [renamed(name) for name in
                                                                  quantization["modules_to_not_convert"]]}
    assert quantization_of(out) == quantization
    for name in ("model.layers.1.mlp.up_proj.weight", "model.layers.2.self_attn.o_proj.weight"):
        old = name.replace("layers.2", "layers.4").replace("layers.1", "layers.3")
        assert np.array_equal(decoded(out, name), decoded(tmp_path / "fp8", old))


def test_export_of_plain_weights(sleb_ok, tmp_path, form):
    values = save_fp8(tmp_path / "fp8", save_model(tmp_path / "plain"), form)
    save_tokenizer(tmp_path / "fp8")
    out = export(sleb_ok, tmp_path / "fp8", tmp_path / "out", "--out-dtype", "float32")
    expected = {renamed(name): tensor for name, tensor in values.items() if renamed(name)}
    written = stored_tensors(out)
    assert written.keys() == expected.keys()
    for name, tensor in written.items():
        assert torch.equal(tensor, expected[name]), name
    assert '"quantization_config"' not in (out / "config.json").read_text()


def change_tensors(folder, changes: dict) -> None:
    """Sets tensors; None removes one."""
    tensors = stored_tensors(folder) | changes
    safetensors.torch.save_file({name: tensor for name, tensor in tensors.items() if tensor is not None},
                                folder / "model.safetensors", metadata={"format": "pt"})


SCALE = "model.layers.1.mlp.up_proj.weight_scale"
REFUSALS = {
    "missing": ({SCALE: None}, {},
                f"tensor '{SCALE.removesuffix('_scale')}': F8_E4M3 without scales: neither '{SCALE}_inv' nor '{SCALE}' is there"),
    "of nothing": ({"model.layers.1.mlp.up.weight_scale": torch.ones(1)}, {},
                   "tensor 'model.layers.1.mlp.up.weight_scale' is not part of a llama model of 5 blocks"),
    "of a block that is not there": ({"model.layers.5.mlp.up_proj.input_scale": torch.ones(1)}, {},
                                     "tensor 'model.layers.5.mlp.up_proj.input_scale' is not part of"),
    "of no block": ({"model.layers.x.input_scale": torch.ones(1)}, {},
                    "tensor 'model.layers.x.input_scale' is not part of"),
    "not a number": ({SCALE: torch.tensor(float("nan"))}, {},
                     f"tensor '{SCALE}': scale 0 is nan, not a positive number"),
    "of a wrong shape": ({SCALE: torch.ones(2)}, {}, f"tensor '{SCALE}': shape [2], but scales of a weight of shape"),
    "integers for a weight": ({"model.layers.1.mlp.up_proj.weight": torch.ones(96, 64, dtype=torch.int8)}, {},
                              "tensor 'model.layers.1.mlp.up_proj.weight' holds integers"),
    "no quantization_config": ({}, {"quantization_config": ...}, "config.json: lacks quantization_config"),
    "a pattern with numbers": ({}, {"quantization_config": {**CONFIGS["tensor"], "ignore": ["re:.*layers.[01].*"]}},
                               'config.json: quantization_config.ignore: "re:.*layers.[01].*" picks blocks by numbers'),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(sleb, tmp_path, name):
    tensors, config, expected = REFUSALS[name]
    model = tmp_path / "fp8"
    save_fp8(model, save_model(tmp_path / "plain"), "tensor")
    save_tokenizer(model)
    if tensors:
        change_tensors(model, tensors)
    edit_json(model / "config.json", **config)
    done = sleb("export", model, "--removal-list", "2", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert expected in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fp8", "plain"]
