"""GPT-OSS's experts in MXFP4, several tensors of all experts of a block: values, search, export and what is refused,
against transformers, which dequantises them on a CPU."""
import json
import pathlib

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch

import oracle
from fp8_models import stored_tensors
from mxfp4_models import CONFIG, save_mxfp4
from test_packed import expect_same_tensors, searched
from tiny_models import edit_json, random_ids

IDS = random_ids(100)


def logits_of(folder: pathlib.Path) -> np.ndarray:
    return oracle.logits(oracle.load(folder), IDS)


def test_logits_are_transformers(logits_dump, tmp_path):
    save_mxfp4(tmp_path)
    np.save(tmp_path / "ids.npy", IDS)
    expected = logits_of(tmp_path / "packed")
    assert np.array_equal(expected, logits_of(tmp_path / "plain"))
    actual = [np.frombuffer(logits_dump(tmp_path / name, tmp_path / "ids.npy", "float32", ""), "<f4").reshape(
        expected.shape) for name in ("packed", "plain")]
    assert np.array_equal(*actual)
    oracle.expect_close(actual[0], expected, 2e-4, "logits")


def test_export_keeps_what_is_stored(sleb_ok, tmp_path):
    values = save_mxfp4(tmp_path)
    sleb_ok("export", tmp_path / "packed", "--removal-list", "1,4", "--out", tmp_path / "out")
    kept = {block: place for place, block in enumerate((0, 2, 3, 5))}

    def renumbered(tensors: dict) -> dict:
        result = {}
        for name, tensor in tensors.items():
            parts = name.split(".")
            if parts[1] == "layers":
                if int(parts[2]) not in kept:
                    continue
                parts[2] = str(kept[int(parts[2])])
            result[".".join(parts)] = tensor
        return result

    expect_same_tensors(stored_tensors(tmp_path / "out"), renumbered(stored_tensors(tmp_path / "packed")))
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["quantization_config"] == CONFIG and config["num_hidden_layers"] == 4
    assert np.array_equal(logits_of(tmp_path / "out"),
                          oracle.logits(oracle.load(tmp_path / "plain"), IDS, (1, 4)))
    sleb_ok("export", tmp_path / "packed", "--removal-list", "1,4", "--out-dtype", "float32", "--out", tmp_path / "wide")
    expect_same_tensors(stored_tensors(tmp_path / "wide"), renumbered(values))
    assert "quantization_config" not in json.loads((tmp_path / "wide" / "config.json").read_text())


def test_search_is_that_of_plain_weights(sleb_ok, tmp_path):
    save_mxfp4(tmp_path)
    packed, plain, streamed = (searched(sleb_ok, tmp_path / name, *options) for name, options in (
        ("packed", []), ("plain", []), ("packed", ["--weights-memory", "900K"])))
    for result in (plain, streamed):
        assert result["removal_list"] == packed["removal_list"]
        assert [step["loss"] for step in result["steps"]] == [step["loss"] for step in packed["steps"]]


def test_gguf_keeps_mxfp4(sleb_ok, logits_dump, tmp_path):
    """Through a GGUF, as llama.cpp's converter repacks it: the same values, and back."""
    values = save_mxfp4(tmp_path)
    sleb_ok("export", tmp_path / "packed", "--removal-list", "1", "--out", tmp_path / "out.gguf")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "out.gguf").tensors}
    stack = values["model.layers.3.mlp.experts.gate_up_proj"].transpose(1, 2)
    for part, expected in (("gate", stack[:, ::2]), ("up", stack[:, 1::2]),
                           ("down", values["model.layers.3.mlp.experts.down_proj"].transpose(1, 2))):
        tensor = tensors[f"blk.2.ffn_{part}_exps.weight"]
        assert tensor.tensor_type == gguf.GGMLQuantizationType.MXFP4
        actual = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(expected.shape)
        assert np.array_equal(actual, expected.numpy())
    np.save(tmp_path / "ids.npy", IDS)
    sleb_ok("export", tmp_path / "out.gguf", "--removal-list", "", "--out-dtype", "float32", "--out", tmp_path / "back")
    folder, file, back = (np.frombuffer(logits_dump(tmp_path / name, tmp_path / "ids.npy", "float32", removed), "<f4")
                          for name, removed in (("packed", "1"), ("out.gguf", ""), ("back", "")))
    assert np.abs(file - folder).max() <= 1e-5 * np.abs(folder).max() and np.array_equal(file, back)
    written = stored_tensors(tmp_path / "back")
    assert torch.equal(written["model.layers.2.mlp.experts.gate_up_proj"], values["model.layers.3.mlp.experts.gate_up_proj"])


def test_info(sleb_ok, tmp_path):
    values = save_mxfp4(tmp_path)
    known = json.loads(sleb_ok("info", tmp_path / "packed", "--json", "-"))
    assert "MXFP4 (decoded to BF16)" in known["types"]
    assert known["parameters"] == sum(value.numel() for value in values.values())
    # Two of four experts, with their biases.
    experts = sum(value.numel() for name, value in values.items() if ".experts." in name)
    assert known["active_parameters"] == known["parameters"] - experts // 2


BLOCKS = "model.layers.2.mlp.experts.gate_up_proj_blocks"
SCALES = "model.layers.2.mlp.experts.gate_up_proj_scales"
DOWN = "model.layers.3.mlp.experts.down_proj"


def drop(name: str):
    return lambda tensors: tensors.pop(name)


def change(name: str, to):
    return lambda tensors: tensors.update({name: to(tensors[name]).contiguous()})


def with_byte(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.clone()
    tensor.view(-1)[7] = 255
    return tensor


REFUSALS = {
    "no scales": (drop(SCALES), f"tensor '{SCALES}': is missing beside the others of its weight"),
    "no blocks": (drop(BLOCKS), "gate_up_proj' is missing"),
    "blocks of another width": (change(BLOCKS, lambda tensor: tensor[..., :15]), f"tensor '{BLOCKS}': has shape"),
    "an expert too few": (change(SCALES, lambda tensor: tensor[:-1]), f"tensor '{SCALES}': has shape"),
    "scales of another type": (change(SCALES, lambda tensor: tensor.float()), "is F32, where U8 belongs"),
    "blocks of another type": (change(BLOCKS, lambda tensor: tensor.view(torch.int8)), "is I8, where U8 belongs"),
    "packed and plain": (lambda tensors: tensors.update({DOWN: torch.zeros(4, 96, 64)}), "is there packed and plain"),
    "no biases": (drop(DOWN + "_bias"), f"tensor '{DOWN}_bias' is missing"),
    "a bias of another size": (change(DOWN + "_bias", lambda tensor: tensor[:, :-1]), f"tensor '{DOWN}_bias' has shape"),
    "no sinks": (drop("model.layers.0.self_attn.sinks"), "tensor 'model.layers.0.self_attn.sinks' is missing"),
    "a scale that is no number": (change(SCALES, with_byte), f"tensor '{SCALES}': scale 7 is not a number"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(sleb, tmp_path, name):
    save_mxfp4(tmp_path)
    damage, message = REFUSALS[name]
    path = tmp_path / "packed" / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    damage(tensors)
    safetensors.torch.save_file(tensors, path, {"format": "pt"})
    done = sleb("export", tmp_path / "packed", "--removal-list", "1", "--out", tmp_path / "out")
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("config, message", [
    ({}, "is part of a quantised weight, but config.json has no quantization_config"),
    ({"quantization_config": {**CONFIG, "bits": 4}}, "is not known here, and may change what the weights are"),
    ({"quantization_config": {**CONFIG, "quant_method": "mxfp6"}}, "is not known here"),
    ({"intermediate_size": 80}, "has shape [4, 192, 2, 16], its weight needs [4, 160, 2, 16]"),
    ({"hidden_size": 60}, "groups of 32 numbers do not divide 60"),
    ({"sliding_window": None}, "sliding_window is null, without which transformers' class does not run"),
    ({"swiglu_limit": 0}, "the experts' gate is clamped to 0"),
    ({"num_experts_per_tok": 5}, "each token chooses 5 of 4 experts"),
])
def test_refused_configurations(sleb, tmp_path, config, message):
    save_mxfp4(tmp_path)
    if not config:
        config = {"quantization_config": ...}
    edit_json(tmp_path / "packed" / "config.json", **config)
    done = sleb("info", tmp_path / "packed")
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
