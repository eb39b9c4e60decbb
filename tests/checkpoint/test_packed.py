"""Checkpoints of 2 to 8 bits a weight: their values bit for bit, their search, their export byte for byte, their repair,
and what is refused."""
import json
import pathlib

import pytest
import safetensors.torch
import torch

from fp8_models import quantization_of, stored_tensors
from packed_models import FORMS, NF4, json_tensor, save_packed
from test_formats import decoded, expect_same_bits
from test_fp8 import change_tensors, export, renamed
from tiny_models import edit_json, save_model, save_tokenizer

TEXT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference.md"


@pytest.fixture(params=list(FORMS))
def form(request):
    return request.param


def save_both(folder, form: str):
    """Packed with a tokenizer, and plain with the same values."""
    values = save_packed(folder / "packed", save_model(folder / "plain", tie_word_embeddings=False), form)
    for name in ("packed", "plain"):
        save_tokenizer(folder / name)
    return values


def bytes_of(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def expect_same_tensors(written: dict, expected: dict) -> None:
    assert written.keys() == expected.keys()
    for name, tensor in written.items():
        assert (tensor.dtype, tensor.shape) == (expected[name].dtype, expected[name].shape), name
        assert bytes_of(tensor) == bytes_of(expected[name]), name


def test_values(tmp_path, form):
    values = save_both(tmp_path, form)
    for name, value in values.items():
        expect_same_bits(decoded(tmp_path / "packed", name), value.numpy(), name)


def test_info_says_the_form(sleb_ok, tmp_path, form):
    save_both(tmp_path, form)
    types = json.loads(sleb_ok("info", tmp_path / "packed", "--json", "-"))["types"]
    assert FORMS[form][0]["quant_method"].lower() in types.lower() and " (decoded to " in types


def renamed_config(config: dict) -> dict:
    if "modules_to_not_convert" not in config:
        return config
    names = [renamed(name) for name in config["modules_to_not_convert"]]
    return config | {"modules_to_not_convert": [name for name in names if name]}


def test_export_keeps_what_is_stored(sleb_ok, tmp_path, form):
    values = save_both(tmp_path, form)
    out = export(sleb_ok, tmp_path / "packed", tmp_path / "out")
    expected = {renamed(name): tensor for name, tensor in stored_tensors(tmp_path / "packed").items() if renamed(name)}
    expect_same_tensors(stored_tensors(out), expected)
    assert quantization_of(out) == renamed_config(FORMS[form][0])
    for name, value in values.items():
        if renamed(name):
            expect_same_bits(decoded(out, renamed(name)), value.numpy(), name)
    known = json.loads(sleb_ok("info", out, "--json", "-"))
    assert known["parameters"] == sum(value.numel() for name, value in values.items() if renamed(name))


def test_export_of_plain_weights(sleb_ok, tmp_path, form):
    values = save_both(tmp_path, form)
    out = export(sleb_ok, tmp_path / "packed", tmp_path / "out", "--out-dtype", "float32")
    expect_same_tensors(stored_tensors(out), {renamed(name): value for name, value in values.items() if renamed(name)})
    assert '"quantization_config"' not in (out / "config.json").read_text()


def searched(sleb_ok, folder, *options) -> dict:
    out = folder.parent / f"{folder.name}.json"
    text = folder.parent / "text.jsonl"
    text.write_text(json.dumps({"text": TEXT.read_text()[:2000]}) + "\n")
    sleb_ok("prune", folder, "--num-remove-blocks", 2, "--dataset", text, "--seqlen", 64, "--segments", 4, "--dtype",
            "float32", "--json", out, "--force", *options)
    return json.loads(out.read_text())


def test_search_is_that_of_plain_weights(sleb_ok, tmp_path, form):
    save_both(tmp_path, form)
    packed, plain = (searched(sleb_ok, tmp_path / name) for name in ("packed", "plain"))
    assert packed["removal_list"] == plain["removal_list"]
    assert packed["dense_loss"] == plain["dense_loss"]
    losses = [[[candidate["loss"] for candidate in step["candidates"]] for step in result["steps"]]
              for result in (packed, plain)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("form", ["gptq act-order", "awq", "nf4 nested"])
def test_streamed_search(sleb_ok, tmp_path, form):
    save_both(tmp_path, form)
    whole = searched(sleb_ok, tmp_path / "packed")
    streamed = searched(sleb_ok, tmp_path / "packed", "--weights-memory", "500K")
    assert streamed["removal_list"] == whole["removal_list"]
    assert [step["loss"] for step in streamed["steps"]] == [step["loss"] for step in whole["steps"]]


def test_names_without_the_base(tmp_path):
    """As saved from the model without its head."""
    values = save_both(tmp_path, "awq")
    tensors = stored_tensors(tmp_path / "packed")
    safetensors.torch.save_file({name.removeprefix("model."): tensor for name, tensor in tensors.items()},
                                tmp_path / "packed" / "model.safetensors", metadata={"format": "pt"})
    for name in ("model.layers.1.mlp.up_proj.weight", "model.norm.weight"):
        expect_same_bits(decoded(tmp_path / "packed", name), values[name].numpy(), name)


def test_gguf_holds_the_values(sleb_ok, tmp_path):
    values = save_both(tmp_path, "awq")
    sleb_ok("export", tmp_path / "packed", "--removal-list", "1", "--out", tmp_path / "out.gguf")
    name = "model.layers.3.mlp.up_proj.weight"
    expect_same_bits(decoded(tmp_path / "out.gguf", "blk.2.ffn_up.weight"), values[name].numpy())


EXCLUDED = {"awq": "modules_to_not_convert", "compressed-tensors int4": "ignore", "nf4": "llm_int8_skip_modules"}


def repair(sleb, tmp_path, *options):
    text = tmp_path / "text.jsonl"
    text.write_text(json.dumps({"text": TEXT.read_text()[:30000]}) + "\n")
    return sleb("repair", tmp_path / "packed", "--removal-list", "1,3", "--repair-dataset", text, "--repair-tokens",
                64 * 96, "--seqlen", 64, "--dtype", "float32", "--out", tmp_path / "out", *options)


@pytest.mark.parametrize("form", list(EXCLUDED))
def test_repaired_matrices_are_plain_and_listed(sleb, sleb_ok, tmp_path, form):
    save_both(tmp_path, form)
    done = repair(sleb, tmp_path)
    assert done.returncode == 0, done.stderr
    before, written = stored_tensors(tmp_path / "packed"), stored_tensors(tmp_path / "out")
    kept = {0: 0, 2: 1, 4: 2}
    changed = json.loads((tmp_path / "out" / "sleb.json").read_text())["repair"]["changed_tensors"]
    listed = quantization_of(tmp_path / "out")[EXCLUDED[form]]
    plain = [name for name in listed if f"{name}.weight" in written and written[f"{name}.weight"].is_floating_point()]
    repaired = {f"model.layers.{block}.{part}" for block in (1, 2) for part in ("self_attn.o_proj", "mlp.down_proj")}
    assert repaired & set(plain) and "lm_head" in listed
    for name in repaired & set(plain):
        assert written[name + ".weight"].dtype in (torch.float16, torch.bfloat16)
        assert not [other for other in written if other.startswith(name + ".") and other != name + ".weight"]
    for name, tensor in before.items():
        parts = name.split(".")
        if parts[:2] == ["model", "layers"]:
            if int(parts[2]) not in kept:
                continue
            parts[2] = str(kept[int(parts[2])])
        new = ".".join(parts)
        if name not in changed and not any(new.startswith(module + ".") for module in repaired & set(plain)):
            assert bytes_of(written[new]) == bytes_of(tensor), new
    sleb_ok("info", tmp_path / "out")


def test_repair_where_no_list_says_what_is_plain(sleb, tmp_path):
    save_both(tmp_path, "gptq")
    done = repair(sleb, tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "a quantization_config of 'gptq' can't say which matrices are plain" in done.stderr
    assert not (tmp_path / "out").exists()
    done = repair(sleb, tmp_path, "--out-dtype", "bfloat16")
    assert done.returncode == 0, done.stderr


def test_patterns_that_name_a_block_follow_it(sleb_ok, tmp_path):
    save_both(tmp_path, "gptq")
    config = FORMS["gptq"][0]
    rules = {r"-:model\.layers\.2\.mlp.*": {}, r"model\.layers\.3\.mlp\.up_proj": {"group_size": 32},
             "+:.*lm_head": {"sym": True}}
    edit_json(tmp_path / "packed" / "config.json", quantization_config=config | {"dynamic": rules})
    out = export(sleb_ok, tmp_path / "packed", tmp_path / "out")
    assert quantization_of(out)["dynamic"] == {r"model\.layers\.1\.mlp\.up_proj": {"group_size": 32},
                                               "+:.*lm_head": {"sym": True}}
    assert quantization_of(out)["meta"] == config["meta"]


UP = "model.layers.1.mlp.up_proj."
STATE = UP + "weight.quant_state.bitsandbytes__nf4"
INT4 = "compressed-tensors int4"


def quantization(form: str, **changes) -> dict:
    config = json.loads(json.dumps(FORMS[form][0])) | changes
    return {key: value for key, value in config.items() if value is not ...}


def weights_of(form: str, **changes) -> dict:
    config = quantization(form)
    config["config_groups"]["group_0"]["weights"] |= changes
    return config


def state(**changes) -> torch.Tensor:
    content = {"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [96, 64]} | changes
    return json_tensor({key: value for key, value in content.items() if value is not ...})


def integers(*shape) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.int32)


# The form, changes to tensors, the quantization_config in place of its own, and the message's end.
REFUSALS = {
    "unknown method": ("awq", {}, quantization("awq", quant_method="aqlm"),
                       "config.json: quantization_config.quant_method: 'aqlm' is not known here (gptq, awq, "
                       "compressed-tensors, bitsandbytes, mxfp4, fp8, fbgemm_fp8, modelopt are)"),
    "no configuration": ("awq", {}, None, f"tensor 'model.layers.0.mlp.down_proj.qweight' is part of a quantised weight, "
                         "but config.json has no quantization_config that says how"),
    "not an object": ("awq", {}, [1], "config.json: quantization_config: expected an object"),
    "unknown member": ("gptq", {}, quantization("gptq", rotation="hadamard"),
                       "quantization_config: 'rotation' is not known here, and may change what the weights are"),
    "gptq scales missing": ("gptq", {UP + "scales": None}, ...,
                            f"tensor '{UP}scales': is missing beside the others of its weight"),
    "gptq zero points missing": ("gptq", {UP + "qzeros": None}, ...,
                                 f"tensor '{UP}qzeros': is missing beside the others of its weight"),
    "gptq zero points of another shape": ("gptq", {UP + "qzeros": integers(2, 11)}, ...,
                                          f"tensor '{UP}qzeros': has shape [2, 11], its weight needs [2, 12]"),
    "gptq packed shape": ("gptq", {UP + "qweight": integers(9, 96)}, ...,
                          f"tensor '{UP}qweight': has shape [9, 96], which 4 bits of a weight of shape [96, 64] can't be"),
    "gptq other bits": ("gptq", {}, quantization("gptq", bits=8), "can't be"),
    "gptq unknown bits": ("gptq", {}, quantization("gptq", bits=5),
                          "quantization_config.bits: 5 bits are not known here (2, 3, 4, 8 are)"),
    "gptq no bits": ("gptq", {}, quantization("gptq", bits=...), "quantization_config: lacks \"bits\""),
    "gptq group size": ("gptq", {}, quantization("gptq", group_size=48),
                        "qweight': groups of 48 columns do not divide 64"),
    "gptq negative group size": ("gptq", {}, quantization("gptq", group_size=-2),
                                 "quantization_config.group_size: expected a number of columns, or -1"),
    "gptq other group size": ("gptq", {}, quantization("gptq", group_size=16),
                              "scales': has shape [2, 64], which is not a row for each of 4 groups"),
    "gptq zero point of 16": ("gptq", {UP + "qzeros": integers(2, 12) - 1}, ...,
                              f"tensor '{UP}qzeros': the zero point of row 0, group 0 is 16, too large for 4 bits: "
                              "programs differ in what they read"),
    "gptq column of no group": ("gptq act-order", {UP + "g_idx": integers(64) + 2}, ...,
                                f"tensor '{UP}g_idx': column 0 is of group 2, and there are 2 groups"),
    "gptq column of a negative group": ("gptq act-order", {UP + "g_idx": integers(64) - 1}, ...,
                                        f"tensor '{UP}g_idx': column 0 is of group -1, and there are 2 groups"),
    "gptq too few columns": ("gptq act-order", {UP + "g_idx": integers(63)}, ...,
                             f"tensor '{UP}g_idx': has shape [63], its weight needs [64]"),
    "gptq order missing": ("gptq act-order", {UP + "g_idx": None}, ...,
                           f"tensor '{UP}g_idx': is missing, though desc_act says that columns were reordered"),
    "gptq other words": ("gptq", {}, quantization("gptq", pack_dtype="int16"),
                         "quantization_config.pack_dtype: words other than int32 are not known here"),
    "gptq of another layout": ("gptq", {}, quantization("gptq", checkpoint_format="marlin"),
                               "checkpoint_format 'marlin' is not known here (gptq and gptq_v2 are)"),
    "gptq two formats": ("gptq", {}, quantization("gptq", format="gptq_v2"),
                         "checkpoint_format 'gptq' and format 'gptq_v2' disagree"),
    "gptq a bias": ("gptq", {UP + "bias": torch.ones(96)}, ..., f"tensor '{UP}bias' is not part of this llama model"),
    "gptq scales not a number": ("gptq", {UP + "scales": torch.full((2, 96), float("nan"), dtype=torch.float16)}, ...,
                                 f"tensor '{UP}scales': scale 0 is nan, not a finite number"),
    "gptq scales of integers": ("gptq", {UP + "scales": integers(2, 96)}, ...,
                                f"tensor '{UP}scales': is I32, where F16 or BF16 or F32 belongs"),
    "gptq and plain": ("gptq", {UP + "weight": torch.ones(96, 64)}, ..., f"tensor '{UP}weight' is there packed and plain"),
    "awq version": ("awq", {}, quantization("awq", version="gemv_fast"),
                    "version 'gemv_fast' of AWQ is not known here (gemm and gemv are)"),
    "awq as gemv": ("awq", {}, quantization("awq", version="gemv"), "qzeros': has shape"),
    "awq 8 bits": ("awq", {}, quantization("awq", bits=8), "AWQ of 8 bits is not known here (4 are)"),
    "awq group size": ("awq", {}, quantization("awq", group_size=40), "groups of 40 columns do not divide"),
    "awq scales missing": ("awq", {UP + "scales": None}, ..., f"tensor '{UP}scales': is missing"),
    "awq of no weight": ("awq", {UP.replace("up_proj", "side") + "qweight": integers(2, 2)}, ...,
                         "tensor 'model.layers.1.mlp.side.qweight' is part of no weight of this llama model"),
    "awq of a block that is not there": ("awq", {"model.layers.5.mlp.up_proj.scales": torch.ones(2, 96)}, ...,
                                         "tensor 'model.layers.5.mlp.up_proj.scales' is not part of"),
    "compressed scales missing": (INT4, {UP + "weight_scale": None}, ..., f"tensor '{UP}weight_scale': is missing"),
    "compressed shape missing": (INT4, {UP + "weight_shape": None}, ..., f"tensor '{UP}weight_shape': is missing"),
    "compressed other shape": (INT4, {UP + "weight_shape": torch.tensor([96, 63])}, ...,
                               f"tensor '{UP}weight_shape': says [96, 63], the configuration needs [96, 64]"),
    "compressed packed shape": (INT4, {UP + "weight_packed": integers(96, 9)}, ...,
                                f"tensor '{UP}weight_packed': has shape [96, 9], and its scales [96, 2]: no weights of "
                                "config_groups for a weight of shape [96, 64]"),
    "compressed group size": (INT4, {}, weights_of(INT4, group_size=48), "groups of 48 columns do not divide 64"),
    "compressed zero points missing": ("compressed-tensors int4 with zero points", {UP + "weight_zero_point": None}, ...,
                                       f"tensor '{UP}weight_zero_point': is missing, though config_groups says that zero "
                                       "points differ"),
    "compressed zero points too many": (INT4, {UP + "weight_zero_point": integers(12, 2)}, ...,
                                        f"tensor '{UP}weight_zero_point': is there, though"),
    "compressed bits": (INT4, {}, weights_of(INT4, num_bits=3), "weights.num_bits: 3 bits are not known here (2, 4, 8 are)"),
    "compressed reordered": (INT4, {}, weights_of(INT4, actorder="group"), "columns in another order are not known here"),
    "compressed format": (INT4, {}, quantization(INT4, format="marlin-24"), "format: 'marlin-24' is not known here"),
    "compressed transform": (INT4, {}, quantization(INT4, transform_config={"config_groups": {"u": {}}}),
                             "'transform_config' is not known here, and may change what the weights are"),
    "compressed sparse": (INT4, {}, quantization(INT4, sparsity_config={"format": "sparse-24-bitmask"}),
                          "sparsity_config: format 'sparse-24-bitmask' is not known here"),
    "compressed groups missing": (INT4, {}, quantization(INT4, config_groups=...), "quantization_config: lacks \"config_groups\""),
    "bitsandbytes scales missing": ("nf4", {UP + "weight.absmax": None}, ..., f"tensor '{UP}weight.absmax': is missing"),
    "bitsandbytes too few scales": ("nf4", {UP + "weight.absmax": torch.ones(95)}, ...,
                                    f"tensor '{UP}weight.absmax': has shape [95], its weight needs [96]"),
    "bitsandbytes state missing": ("nf4", {STATE: None}, ..., f"tensor '{STATE}': is missing, which says how"),
    "bitsandbytes state is no JSON": ("nf4", {STATE: torch.ones(3, dtype=torch.uint8)}, ..., f"tensor '{STATE}': "),
    "bitsandbytes state's shape": ("nf4", {STATE: state(shape=[64, 96])}, ...,
                                   f"tensor '{STATE}'.shape: is [64, 96], the configuration needs [96, 64]"),
    "bitsandbytes block": ("nf4", {STATE: state(blocksize=65)}, ..., "blocksize: expected a power of 2"),
    "bitsandbytes block of nothing": ("nf4", {STATE: state(blocksize=0)}, ..., f"tensor '{STATE}'.blocksize: 0 is less than 32"),
    "bitsandbytes state's type": ("nf4", {STATE: state(dtype="float64")}, ..., "dtype: 'float64' is not known here"),
    "bitsandbytes state's member": ("nf4", {STATE: state(rotation=1)}, ..., "'rotation' is not known here"),
    "bitsandbytes kind": ("nf4", {STATE: state(quant_type="af4")}, ..., "quant_type: 'af4' is not nf4 or fp4"),
    "bitsandbytes other kind": ("nf4", {STATE: state(quant_type="fp4")}, ...,
                                f"tensor '{STATE}': quant_type is another than its name's"),
    "bitsandbytes table": ("nf4", {UP + "weight.quant_map": torch.tensor(NF4) * 2}, ...,
                           f"tensor '{UP}weight.quant_map': value 0 is -2, and nf4's is -1"),
    "bitsandbytes packed shape": ("nf4", {UP + "weight": torch.ones(3071, 1, dtype=torch.uint8)}, ...,
                                  f"tensor '{UP}weight': has shape [3071, 1], and 4 bits for each of 6144 values are 3072"),
    "bitsandbytes nested scales missing": ("nf4 nested", {UP + "weight.nested_absmax": None}, ...,
                                           f"tensor '{UP}weight.nested_absmax': is missing"),
    "bitsandbytes nested table": ("nf4 nested", {UP + "weight.nested_quant_map": torch.ones(255)}, ...,
                                  "has shape [255], its weight needs [256]"),
    "bitsandbytes nested scales": ("nf4 nested", {UP + "weight.nested_absmax": torch.full((1,), torch.inf)}, ...,
                                   f"tensor '{UP}weight.absmax': scale 0 is "),
    "bitsandbytes 8 bits without scales": ("bitsandbytes int8", {UP + "SCB": None}, ..., f"tensor '{UP}SCB': is missing"),
    "bitsandbytes 8 bits of a GPU's layout": ("bitsandbytes int8", {UP + "weight_format": torch.tensor(1, dtype=torch.uint8)},
                                              ..., "layouts other than 0, row by row, are not known here"),
    "bitsandbytes 8 bits as 4": ("bitsandbytes int8", {}, quantization("nf4"), "is I8, and quantization_config says load_in_4bit"),
    "bitsandbytes neither": ("nf4", {}, quantization("nf4", load_in_4bit=False), "expected one of load_in_4bit and load_in_8bit"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(sleb, tmp_path, name):
    form, tensors, config, expected = REFUSALS[name]
    save_both(tmp_path, form)
    model = tmp_path / "packed"
    if tensors:
        change_tensors(model, tensors)
    if config is not ...:
        edit_json(model / "config.json", quantization_config=config)
    done = sleb("export", model, "--removal-list", "2", "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["packed", "plain"]


@pytest.mark.parametrize("name", ["gptq column of no group", "gptq zero point of 16", "bitsandbytes nested scales"])
def test_refusals_of_what_is_read_late(sleb, tmp_path, name):
    """By commands that check nothing beforehand."""
    form, tensors, _, expected = REFUSALS[name]
    save_both(tmp_path, form)
    change_tensors(tmp_path / "packed", tensors)
    (tmp_path / "text.jsonl").write_text(json.dumps({"text": TEXT.read_text()[:2000]}) + "\n")
    done = sleb("eval", tmp_path / "packed", "--ppl", tmp_path / "text.jsonl", "--seqlen", 64)
    assert done.returncode == 2 and expected in done.stderr, done.stderr


def test_transformers_loads_what_is_exported(sleb_ok, tmp_path):
    """compressed-tensors alone runs on a CPU without a program built for it."""
    pytest.importorskip("compressed_tensors")
    import transformers
    for form in [name for name in FORMS if name.startswith("compressed-tensors")]:
        folder = tmp_path / form.replace(" ", "-")
        folder.mkdir()
        values = save_both(folder, form)
        out = export(sleb_ok, folder / "packed", folder / "out")
        model = transformers.AutoModelForCausalLM.from_pretrained(
            out, dtype=torch.float32,
            quantization_config=transformers.CompressedTensorsConfig(dequantize=True))
        loaded = model.state_dict()
        for name, value in values.items():
            if renamed(name):
                assert torch.equal(loaded[renamed(name)].float(), value), (form, name)
