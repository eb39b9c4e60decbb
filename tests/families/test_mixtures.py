"""Mixtures of experts beyond what test_families.py asks of every family: streamed blocks, what a token meets, what a repair
writes (tests/repair/test_repair_experts.py says what it fits), and files that are no such model."""
import json
import pathlib
import shutil

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch

import family_models
import gguf_files
from tiny_models import edit_json, random_ids, save_tokenizer

SEQLEN, SEGMENTS = 64, 12


@pytest.fixture(scope="module")
def ids(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("ids") / "ids.npy"
    np.save(path, random_ids(SEQLEN * SEGMENTS, seed=3))
    return path


@pytest.fixture
def model(tmp_path) -> pathlib.Path:
    family_models.save_model(tmp_path / "model", "qwen2_moe", "usual")
    return save_tokenizer(tmp_path / "model")


def search(model: pathlib.Path, ids: pathlib.Path, *options) -> list:
    return ["prune", model, "--tokens", ids, "--seqlen", SEQLEN, "--num-remove-blocks", 2, "--device", "cpu", "--dtype",
            "float32", "--prompt-tokens", 0, "--json", "-", *options]


def test_streamed_blocks_give_the_same_losses(sleb_ok, model, ids):
    resident, streamed = (json.loads(sleb_ok(*search(model, ids, *options)))
                          for options in ([], ["--weights-memory", "640K"]))
    assert streamed["steps"][0]["candidates"] == resident["steps"][0]["candidates"]
    assert [step["loss"] for step in streamed["steps"]] == [step["loss"] for step in resident["steps"]]


def test_what_a_token_meets(sleb_ok, model):
    known = json.loads(sleb_ok("info", model, "--json", "-"))
    weights = safetensors.torch.load_file(model / "model.safetensors")
    experts = sum(weight.numel() for name, weight in weights.items() if ".mlp.experts." in name)
    assert known["parameters"] == sum(weight.numel() for weight in weights.values())
    assert known["parameters"] - known["active_parameters"] == experts * 4 // 6
    shown = sleb_ok("info", model)
    assert "6 experts of 40, 2 for each token, one of 56 for all" in shown


def repair(sleb_ok, model: pathlib.Path, out: pathlib.Path, *options) -> dict:
    """Without blocks 1 and 3; the record."""
    text = out.parent / "text.txt"
    text.write_text(pathlib.Path(__file__).read_text())
    sleb_ok("repair", model, "--removal-list", "1,3", "--repair-dataset", text, "--repair-tokens", SEQLEN * 48, "--seqlen",
            SEQLEN, "--dtype", "float32", "--out", out, *options)
    record = out.with_suffix(".sleb.json") if out.suffix == ".gguf" else out / "sleb.json"
    return json.loads(record.read_text())["repair"]


def test_a_repair_changes_output_matrices_alone(sleb_ok, model, tmp_path):
    record = repair(sleb_ok, model, tmp_path / "out")
    assert [(fit["block"], fit["half"]) for fit in record["matrices"]] == [
        (block, half) for block in (2, 4, 5) for half in ("attention", "mlp")]
    assert any(fit["held_out"]["after"] < fit["held_out"]["before"] for fit in record["matrices"] if "experts" in fit)
    assert any(".mlp.experts." in name for name in record["changed_tensors"])
    before, after = (safetensors.torch.load_file(folder / "model.safetensors") for folder in (model, tmp_path / "out"))
    for place, block in enumerate((0, 2, 4, 5)):
        for name in [name for name in before if name.startswith(f"model.layers.{block}.")]:
            same = torch.equal(after[name.replace(f"layers.{block}.", f"layers.{place}.")], before[name])
            assert same == (name not in record["changed_tensors"]), name
            assert same or name.endswith(("o_proj.weight", "down_proj.weight"))


def matrices_of(path: pathlib.Path, ending: str) -> dict[str, np.ndarray]:
    """Values of a GGUF's tensors in float32, and their types."""
    return {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            for tensor in gguf.GGUFReader(path).tensors if tensor.name.endswith(ending)}


@pytest.mark.parametrize("family", ["qwen2_moe", "mixtral"])
def test_a_gguf_has_all_experts_in_one_tensor(sleb_ok, tmp_path, family):
    """A repaired GGUF of a GGUF holds what the folder of the same repair does: also of the experts that were left."""
    path = tmp_path / "model.gguf"
    gguf_files.save_gguf(path, family, family_models.make_model(family, "usual"))
    record = repair(sleb_ok, path, tmp_path / "out.gguf")
    assert {**repair(sleb_ok, path, tmp_path / "out"), "seconds": 0} == {**record, "seconds": 0}
    folder = safetensors.torch.load_file(tmp_path / "out" / "model.safetensors")
    written, old = matrices_of(tmp_path / "out.gguf", "ffn_down_exps.weight"), matrices_of(path, "ffn_down_exps.weight")
    stem = "mlp.experts.{}.down_proj" if family == "qwen2_moe" else "block_sparse_moe.experts.{}.w2"
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(tmp_path / "out.gguf").tensors}
    repaired_names = gguf.GGUFReader(tmp_path / "out.gguf").fields["sleb.repaired_tensors"].contents()
    changed = 0
    for place, block in enumerate((0, 2, 4, 5)):
        name = f"blk.{place}.ffn_down_exps.weight"
        names = [f"model.layers.{block}.{stem.format(expert)}.weight" for expert in range(len(written[name]))]
        is_changed = any(own in record["changed_tensors"] for own in names)
        changed += is_changed
        assert (kinds[name] == "BF16") == (name in repaired_names) == is_changed
        for expert, own in enumerate(names):
            in_folder = folder[own.replace(f"layers.{block}.", f"layers.{place}.")].float().numpy()
            expected = in_folder if is_changed else old[f"blk.{block}.ffn_down_exps.weight"][expert]
            assert np.array_equal(written[name][expert], expected), own
    assert changed
    sleb_ok("info", tmp_path / "out.gguf")
    # What is neither an output matrix nor of a block keeps its bytes.
    for tensors in zip(*(matrices_of(file, "output_norm.weight").values() for file in (path, tmp_path / "out.gguf"))):
        assert np.array_equal(*tensors)


def test_a_folder_made_a_gguf(sleb_ok, model, tmp_path):
    record = repair(sleb_ok, model, tmp_path / "out.gguf")
    repair(sleb_ok, model, tmp_path / "out")
    folder = safetensors.torch.load_file(tmp_path / "out" / "model.safetensors")
    assert any(".mlp.experts." in name for name in record["changed_tensors"])
    for name, values in matrices_of(tmp_path / "out.gguf", "ffn_down_exps.weight").items():
        for expert, value in enumerate(values):
            own = f"model.layers.{name.split('.')[1]}.mlp.experts.{expert}.down_proj.weight"
            assert np.array_equal(value, folder[own].float().numpy()), own


@pytest.mark.parametrize("family, variant, dense", [("qwen3_moe", "two blocks without experts", 4),
                                                    ("glm4_moe_lite", "listed, biases", 5)])
def test_a_repair_fits_mlps_between_experts(sleb_ok, tmp_path, family, variant, dense):
    model = saved(tmp_path / "model", family, variant)
    (tmp_path / "text.txt").write_text(pathlib.Path(__file__).read_text() * 2)
    sleb_ok("repair", model, "--removal-list", "2", "--repair-dataset", tmp_path / "text.txt", "--repair-tokens",
            SEQLEN * SEGMENTS, "--seqlen", SEQLEN, "--dtype", "float32", "--out", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "sleb.json").read_text())["repair"]
    fitted = {(fit["block"], fit["half"]) for fit in record["matrices"]}
    assert fitted == {(block, half) for block in (3, 4, 5) for half in ("attention", "mlp")}
    assert {fit["block"] for fit in record["matrices"] if fit["half"] == "mlp" and "experts" not in fit} == {dense}
    assert any(name.endswith("mlp.down_proj.weight") for name in record["changed_tensors"])
    family_models.transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")


EXPERT = "model.layers.2.mlp.experts.3.up_proj.weight"
ROUTER = "model.layers.0.mlp.gate.weight"
MALFORMED = {
    "an expert is missing": (lambda weights: weights.pop(EXPERT), {}, f"tensor '{EXPERT}' is missing"),
    "an expert of another size": (lambda weights: weights.update({EXPERT: weights[EXPERT][:-1].clone()}), {},
                                  "has shape [39, 64], the configuration needs [40, 64]"),
    "one expert too many": (lambda weights: weights.update({EXPERT.replace(".3.", ".6."): weights[EXPERT].clone()}), {},
                            "is not part of this qwen2_moe model"),
    "a router of fewer experts": (lambda weights: weights.update({ROUTER: weights[ROUTER][:-1].clone()}), {},
                                  "has shape [5, 64], the configuration needs [6, 64]"),
    "more chosen than there are": (lambda _: None, {"num_experts_per_tok": 7}, "each token chooses 7 of 6 experts"),
    "none chosen": (lambda _: None, {"num_experts_per_tok": 0}, "num_experts_per_tok: 0 is less than 1"),
    "no experts": (lambda _: None, {"num_experts": 0}, "num_experts: 0 is less than 1"),
    "more experts than tensors": (lambda _: None, {"num_experts": 65536}, "with 65536 experts, by the configuration, but only"),
    "two numbers of experts": (lambda _: None, {"num_local_experts": 5}, "num_local_experts: 5 experts here, and 6 by"),
    "a block of experts where an MLP belongs": (lambda _: None, {"mlp_only_layers": [1]},
                                                "tensor 'model.layers.1.mlp.gate_proj.weight' is missing"),
    "a negative block": (lambda _: None, {"mlp_only_layers": [-1]}, "mlp_only_layers[0]: -1 is less than 0"),
    "every block of none": (lambda _: None, {"decoder_sparse_step": 0}, "decoder_sparse_step: 0 is less than 1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refused(sleb, model, ids, tmp_path, name):
    change, settings, message = MALFORMED[name]
    bad = shutil.copytree(model, tmp_path / "bad")
    weights = safetensors.torch.load_file(bad / "model.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, bad / "model.safetensors", {"format": "pt"})
    edit_json(bad / "config.json", **settings)
    done = sleb(*search(bad, ids))
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def saved(folder: pathlib.Path, family: str, variant: str, **settings) -> pathlib.Path:
    family_models.save_model(folder, family, variant)
    edit_json(folder / "config.json", **settings)
    return save_tokenizer(folder)


@pytest.mark.parametrize("settings, message", [
    ({"n_group": 3}, "8 experts don't divide into 3 groups"),
    ({"topk_group": 5}, "experts are chosen from 5 of 4 groups"),
    ({"num_experts_per_tok": 5}, "each token chooses 5 experts from 2 groups of 2"),
    ({"n_group": 8, "topk_group": 4}, "groups of 1 expert, where the 2 best of each are compared"),
    ({"n_shared_experts": 0}, "n_shared_experts: 0 is less than 1"),
    ({"scoring_func": "softmax"}, "scoring_func: \"softmax\", where transformers' class has \"sigmoid\""),
    ({"topk_method": "greedy"}, "topk_method: \"greedy\", where transformers' class has \"noaux_tc\""),
    ({"moe_layer_freq": 2}, "moe_layer_freq: transformers' class has experts in all blocks behind the first"),
    ({"kv_lora_rank": 0}, "kv_lora_rank: 0 is less than 1"),
    ({"kv_lora_rank": 21}, "kv_a_proj_with_mqa.weight' has shape [28, 64], the configuration needs [29, 64]"),
    ({"qk_rope_head_dim": 7}, "odd, rope needs pairs"),
    ({"v_head_dim": 25}, "values of 25 dimensions beside keys of 24: not known here"),
    ({"num_key_value_heads": 2}, "2 key/value heads, of 4 heads that have their keys from one vector"),
    ({"q_lora_rank": None}, "tensor 'model.layers.0.self_attn.q_proj.weight' is missing"),
    ({"first_k_dense_replace": 3}, "tensor 'model.layers.2.mlp.gate_proj.weight' is missing"),
    ({"routed_scaling_factor": 1e999}, "routed_scaling_factor"),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_refused_of_deepseek(sleb, tmp_path, settings, message):
    done = sleb("info", saved(tmp_path / "model", "deepseek_v3", "usual", **settings))
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("settings, message", [
    ({"topk_method": "noaux_tc"}, "topk_method: \"noaux_tc\" is not known here"),
    ({"norm_topk_prob": True}, "norm_topk_prob: transformers' class does not divide"),
    ({"mlp_bias": True}, "mlp_bias: biases of experts are not known here"),
])
def test_refused_of_deepseek_v2(sleb, tmp_path, settings, message):
    done = sleb("info", saved(tmp_path / "model", "deepseek_v2", "usual", **settings))
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_refused_of_glm(sleb, tmp_path):
    for settings, message in (({"mlp_layer_types": ["dense"] * 5}, "mlp_layer_types: 5 entries for 6 blocks"),
                              ({"mlp_layer_types": ["dense"] * 5 + ["wide"]}, "unknown kind of MLP \"wide\""),
                              ({"head_dim": 16}, "head_dim: another than qk_rope_head_dim, 8")):
        folder = tmp_path / next(iter(settings)) / str(len(message))
        done = sleb("info", saved(folder, "glm4_moe_lite", "usual", **settings))
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_blocks_without_experts_follow_a_removal(sleb_ok, tmp_path):
    expected = {
        ("qwen2_moe", "every other block, and one without"): {"decoder_sparse_step": 1, "mlp_only_layers": [0, 1, 2]},
        ("qwen3_moe", "two blocks without experts"): {"decoder_sparse_step": 1, "mlp_only_layers": [2]},
        ("glm4_moe", "groups, q/k norms, biases"): {"first_k_dense_replace": 2},
        ("glm4_moe_lite", "listed, biases"): {"first_k_dense_replace": 2,
                                             "mlp_layer_types": ["dense", "dense", "sparse", "dense"]}}
    for (family, variant), settings in expected.items():
        folder = tmp_path / family
        model = saved(folder / "model", family, variant)
        sleb_ok("export", model, "--removal-list", "1,3", "--out", folder / "out")
        config = json.loads((folder / "out" / "config.json").read_text())
        assert {key: config[key] for key in settings} == settings


def with_block_behind(model: pathlib.Path, block: int) -> dict:
    """As published: one more block, which predicts the token after the next."""
    weights = safetensors.torch.load_file(model / "model.safetensors")
    prefix = f"model.layers.{block}."
    more = {name.replace("layers.5.", f"layers.{block}."): torch.randn_like(tensor)
            for name, tensor in weights.items() if ".layers.5." in name}
    more |= {prefix + "eh_proj.weight": torch.randn(64, 128), prefix + "enorm.weight": torch.randn(64),
             prefix + "shared_head.head.weight": torch.randn(257, 64)}
    safetensors.torch.save_file(weights | more, model / "model.safetensors", {"format": "pt"})
    return more


@pytest.mark.parametrize("family, variant", [("glm4_moe", "usual"), ("deepseek_v3", "usual")])
def test_a_block_behind_the_models(sleb, sleb_ok, ids, tmp_path, family, variant):
    model = saved(tmp_path / "model", family, variant)
    before = json.loads(sleb_ok(*search(model, ids)))
    more = with_block_behind(model, 6)
    edit_json(model / "config.json", num_nextn_predict_layers=1)
    known = json.loads(sleb_ok("info", model, "--json", "-"))
    assert known["num_blocks"] == 6 and known["warnings"] == []
    after = json.loads(sleb_ok(*search(model, ids)))
    assert after["removal_list"] == before["removal_list"] and after["dense_loss"] == before["dense_loss"]
    sleb_ok("export", model, "--removal-list", "1,3", "--out", tmp_path / "out")
    written = safetensors.torch.load_file(tmp_path / "out" / "model.safetensors")
    for name, tensor in more.items():
        assert torch.equal(written[name.replace("layers.6.", "layers.4.")], tensor), name
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_nextn_predict_layers"] == 1
    edit_json(model / "config.json", num_nextn_predict_layers=0)
    done = sleb("info", model)
    assert done.returncode == 2 and "'model.layers.6." in done.stderr and "is not part of this" in done.stderr


def test_a_block_behind_the_models_and_gguf(sleb, sleb_ok, tmp_path):
    model = saved(tmp_path / "model", "glm4_moe", "usual", num_nextn_predict_layers=1)
    with_block_behind(model, 6)
    done = sleb("export", model, "--removal-list", "1", "--out", tmp_path / "out.gguf")
    assert done.returncode == 0 and "what stands behind the model's blocks" in done.stderr, done.stderr
    known = json.loads(sleb_ok("info", tmp_path / "out.gguf", "--json", "-"))
    assert known["num_blocks"] == 5


def test_a_gguf_with_a_block_behind_the_models(sleb, sleb_ok, tmp_path):
    """Carried along into a GGUF, left out of a folder."""
    def with_one_more(tensors: dict, config) -> dict:
        tensors = gguf_files.RECIPES["glm4_moe"].change(tensors, config)
        more = {name.replace("layers.5.", "layers.6."): tensor for name, tensor in tensors.items() if ".layers.5." in name}
        return tensors | more | {"model.layers.6.enorm.weight": torch.randn(64)}

    def keys(writer, config) -> None:
        config.num_mtp_layers = 1
        gguf_files.RECIPES["glm4_moe"].keys(writer, config)
    path = tmp_path / "model.gguf"
    model = family_models.make_model("glm4_moe", "usual")
    gguf_files.save_gguf(path, "glm4_moe", model, change=with_one_more, keys=keys, more_blocks=1)
    assert json.loads(sleb_ok("info", path, "--json", "-"))["num_blocks"] == 6
    sleb_ok("export", path, "--removal-list", "2,4", "--out", tmp_path / "out.gguf")
    assert json.loads(sleb_ok("info", tmp_path / "out.gguf", "--json", "-"))["num_blocks"] == 4
    old, new = gguf.GGUFReader(path), gguf.GGUFReader(tmp_path / "out.gguf")
    assert new.fields["glm4moe.block_count"].contents() == 5
    tensors = [{tensor.name: tensor.data for tensor in reader.tensors} for reader in (old, new)]
    for name, data in tensors[0].items():
        if name.startswith("blk.6."):
            assert np.array_equal(tensors[1][name.replace("blk.6.", "blk.4.")], data), name
    done = sleb("export", path, "--removal-list", "2", "--out", tmp_path / "out")
    assert done.returncode == 0 and "behind the model's" in done.stderr, done.stderr
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_nextn_predict_layers"] == 0


def test_the_correction_of_scores_keeps_its_type(sleb_ok, tmp_path):
    model = saved(tmp_path / "model", "deepseek_v3", "usual")
    sleb_ok("export", model, "--removal-list", "1", "--out-dtype", "bfloat16", "--out", tmp_path / "out")
    before, after = (safetensors.torch.load_file(folder / "model.safetensors") for folder in (model, tmp_path / "out"))
    name = "model.layers.{}.mlp.gate.e_score_correction_bias"
    assert torch.equal(after[name.format(3)], before[name.format(4)]) and after[name.format(3)].dtype == torch.float32
    assert after["model.layers.3.mlp.gate.weight"].dtype == torch.bfloat16


def other_count(path: pathlib.Path) -> None:
    field = gguf.GGUFReader(path, "r+").fields["qwen2moe.expert_count"]
    field.parts[field.data[0]][0] = 5


def slices_of_nothing(tensors: dict, config) -> dict:
    """Two numbers each, and a tensor of its own for each: a small file would take much memory."""
    tensors = gguf_files.RECIPES["qwen2_moe"].change(tensors, config)
    return tensors | {"model.layers.1.mlp.experts.up_proj.weight": torch.zeros(100_000, 1, 2)}


@pytest.mark.parametrize("changes, edit, message", [
    ({}, other_count, "qwen2moe.expert_count': 5, where the experts' tensors hold 6"),
    ({"change": slices_of_nothing}, lambda _: None, "blk.1.ffn_up_exps.weight' holds 100000 parts, of a model of"),
], ids=["another number of experts", "experts of nothing"])
def test_gguf_refused(sleb, tmp_path, changes, edit, message):
    path = tmp_path / "model.gguf"
    gguf_files.save_gguf(path, "qwen2_moe", family_models.make_model("qwen2_moe", "usual"), **changes)
    edit(path)
    done = sleb("info", path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
