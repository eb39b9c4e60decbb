"""Models whose blocks lack halves, as DeciLM: transformers' logits, by the code that sleb writes, and sleb's own against
those of the original model without these halves."""
import json
import pathlib

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers

import family_models
from tiny_models import ROPES, edit_json, random_ids, save_model, save_tokenizer

IDS = random_ids(50)
REMOVED = "1.attention,3.mlp,2,4.attention"
LLAMA3 = {**ROPES["llama3"], "original_max_position_embeddings": 24}

# Every part that the format can express: (family, changes to the configuration).
MODELS = {
    "llama": ("llama", {}),
    "biases, llama3": ("llama", {"attention_bias": True, "mlp_bias": True, "rope_parameters": LLAMA3}),
    "tied, linear rope": ("llama", {"tie_word_embeddings": True, "rope_parameters": ROPES["linear"]}),
    "mistral": ("mistral", {"sliding_window": None, "rope_parameters": ROPES["default"], "intermediate_size": 512}),
}


def model_in(folder: pathlib.Path, name: str) -> pathlib.Path:
    family, changes = MODELS[name]
    save_model(folder, family, seed=3, **{"num_hidden_layers": 6, "intermediate_size": 256, **changes})
    save_tokenizer(folder)
    return folder


@pytest.fixture
def logits(logits_dump, tmp_path):
    """sleb's, [tokens, vocabulary]."""
    np.save(tmp_path / "ids.npy", IDS)

    def of(folder: pathlib.Path, removed: str) -> np.ndarray:
        content = logits_dump(folder, tmp_path / "ids.npy", "float32", removed)
        return np.frombuffer(content, np.float32).reshape(len(IDS), -1)

    return of


def load(folder: pathlib.Path) -> transformers.PreTrainedModel:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32).eval()


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_the_bypass(sleb, sleb_ok, logits, tmp_path, name):
    model = model_in(tmp_path / "model", name)
    done = sleb("export", model, "--removal-list", REMOVED, "--out", tmp_path / "out")
    assert done.returncode == 0 and "give it trust_remote_code=True" in done.stderr, done.stderr
    assert "5 of 6 blocks" in done.stdout
    bypassed = logits(model, REMOVED)
    halved = load(tmp_path / "out")
    assert type(halved).__name__ == "DeciLMForCausalLM"
    with torch.no_grad():
        assert np.abs(halved(torch.tensor(IDS[None])).logits[0].numpy() - bypassed).max() < 1e-4
    assert np.array_equal(logits(tmp_path / "out", ""), bypassed)  # the same operations on the same weights
    prompt = torch.tensor(IDS[None, :20])
    cached = halved.generate(prompt, max_new_tokens=8, do_sample=False)
    assert torch.equal(cached, halved.generate(prompt, max_new_tokens=8, do_sample=False, use_cache=False))
    shown = sleb_ok("info", tmp_path / "out")
    assert "no attention in blocks 1,3; no MLP in block 2" in shown and "nemotron-nas" in shown
    info = json.loads(sleb_ok("info", tmp_path / "out", "--json", "-"))
    assert (info["without_attention"], info["without_mlp"]) == ([1, 3], [2])
    assert info["parameters"] == sum(parameter.numel() for parameter in halved.parameters())


def test_what_runtimes_read(sleb_ok, tmp_path):
    """vLLM's nemotron_nas.py and llama.cpp's conversion look these members up, as attributes or as items."""
    sleb_ok("export", model_in(tmp_path / "model", "llama"), "--removal-list", REMOVED, "--out", tmp_path / "out")
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out", trust_remote_code=True)
    assert config.model_type == "nemotron-nas" and config.architectures == ["DeciLMForCausalLM"]
    assert len(config.block_configs) == config.num_hidden_layers == 5
    for index, block in enumerate(config.block_configs):
        assert block.attention.no_op == (index in (1, 3)) and block.ffn.no_op == (index == 2)
        assert block.attention.replace_with_linear is False and block.ffn.replace_with_linear is False
        assert block["attention"]["n_heads_in_group"] == (None if index in (1, 3) else 2)
        multiple = block["ffn"]["ffn_mult"]
        assert (multiple is None) == (index == 2)
        if multiple is not None:
            size = int(2 * multiple * config.hidden_size / 3)
            assert size + -size % 256 == config.intermediate_size
        assert not hasattr(block.ffn, "hidden_act")  # the configuration's own counts then
    names = set(safetensors.torch.load_file(tmp_path / "out" / "model.safetensors"))
    assert not [name for name in names if name.startswith("model.layers.1.") and ("attn" in name or "input_layernorm" in name)]
    assert not [name for name in names if name.startswith("model.layers.2.") and "mlp" in name]


def test_prune_writes_it_and_it_can_be_pruned_again(sleb, sleb_ok, logits, tmp_path):
    model = model_in(tmp_path / "model", "llama")
    np.save(tmp_path / "calibration.npy", random_ids(1200))
    options = ["--tokens", tmp_path / "calibration.npy", "--seqlen", 60, "--dtype", "float32", "--prompt-tokens", 0]
    sleb_ok("prune", model, *options, "--units", "half", "--num-remove-blocks", 2, "--out", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "sleb.json").read_text())
    removed = ",".join(record["removal_list"])
    assert np.array_equal(logits(tmp_path / "out", ""), logits(model, removed))
    assert removed in (tmp_path / "out" / "README.md").read_text()
    assert {"configuration_decilm.py", "modeling_decilm.py"} <= set(record["files"])
    # Whole blocks of it may go, and its code goes along.
    sleb_ok("prune", tmp_path / "out", *options, "--num-remove-blocks", 1, "--out", tmp_path / "again")
    again = json.loads((tmp_path / "again" / "sleb.json").read_text())
    assert np.array_equal(logits(tmp_path / "again", ""), logits(tmp_path / "out", str(again["removal_list"][0])))
    with torch.no_grad():
        own = load(tmp_path / "again")(torch.tensor(IDS[None])).logits[0].numpy()
    assert np.abs(own - logits(tmp_path / "again", "")).max() < 1e-4
    done = sleb("prune", tmp_path / "out", *options, "--units", "half", "--num-remove-blocks", 1)
    assert done.returncode == 2 and "lacks halves of blocks already" in done.stderr
    done = sleb("repair", tmp_path / "out", "--removal-list", "1", "--out", tmp_path / "repaired")
    assert done.returncode == 2 and "repair is not for models whose blocks lack halves" in done.stderr


def test_both_halves_of_a_block_are_the_block(sleb_ok, tmp_path):
    model = model_in(tmp_path / "model", "llama")
    sleb_ok("export", model, "--removal-list", "2.mlp,4,2.attention", "--out", tmp_path / "halves")
    sleb_ok("export", model, "--removal-list", "2,4", "--out", tmp_path / "blocks")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "halves" / name).read_bytes() == (tmp_path / "blocks" / name).read_bytes()


REFUSED = {
    "an MLP of another size": ("llama", {"intermediate_size": 250}, "an MLP of 250, which is no multiple of 256"),
    "windows": ("mistral", {"intermediate_size": 256, "sliding_window": 20}, "can't express sliding windows"),
    "qwen2": ("qwen2", {"intermediate_size": 256}, "biases of queries, keys and values alone"),
    "gemma": ("gemma", {"intermediate_size": 256}, "the arithmetic of a gemma model"),
    "gpt2": ("gpt2", {}, "the tensors of a gpt2 model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_the_search(sleb, tmp_path, name):
    family, changes, message = REFUSED[name]
    if family == "gpt2":
        family_models.save_model(tmp_path / "model", family, next(iter(family_models.FAMILIES[family][1])))
    else:
        save_model(tmp_path / "model", family, **changes)
    save_tokenizer(tmp_path / "model")
    np.save(tmp_path / "ids.npy", random_ids(600))
    for command in (["prune", tmp_path / "model", "--tokens", tmp_path / "ids.npy", "--seqlen", 60, "--units", "half",
                     "--num-remove-blocks", 1, "--out", tmp_path / "out"],
                    ["export", tmp_path / "model", "--removal-list", "1.mlp", "--out", tmp_path / "out"]):
        done = sleb(*command)
        assert done.returncode == 2 and message in done.stderr, done.stderr
        assert done.stderr.count("sleb: ") == 1 and not (tmp_path / "out").exists()
    done = sleb("repair", tmp_path / "model", "--removal-list", "1.mlp", "--out", tmp_path / "out", "--repair-dataset", "self")
    assert done.returncode == 2 and "1.mlp is one half of a block; name whole blocks" in done.stderr


BLOCKS = {
    "a list too short": (lambda blocks: blocks[:-1], "4 entries for 5 blocks"),
    "no object": (lambda blocks: [1, *blocks[1:]], "block_configs"),
    "linear layers": (lambda blocks: [{**blocks[0], "attention": {"replace_with_linear": True}}, *blocks[1:]],
                      "such a block is not known here"),
    "sizes that differ": (lambda blocks: [{**blocks[0], "ffn": {"ffn_mult": 12.0}}, *blocks[1:]],
                          "MLP of several sizes is not known here"),
    "a huge size": (lambda blocks: [{**blocks[0], "ffn": {"ffn_mult": 1e300}}, *blocks[1:]], "makes no size"),
    "no heads": (lambda blocks: [{**blocks[0], "attention": {"n_heads_in_group": 0}}, *blocks[1:]], "n_heads_in_group"),
    "no attention at all": (lambda blocks: [{**block, "attention": {"no_op": True}} for block in blocks],
                            "no block has attention"),
    "a tensor that is not there": (lambda blocks: [{**blocks[1], "ffn": blocks[0]["ffn"]}, *[blocks[0]] * 4],
                                   "model.layers"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_malformed_block_configs(sleb, sleb_ok, tmp_path, name):
    change, message = BLOCKS[name]
    sleb_ok("export", model_in(tmp_path / "model", "llama"), "--removal-list", REMOVED, "--out", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    edit_json(tmp_path / "out" / "config.json", block_configs=change(config["block_configs"]))
    done = sleb("info", tmp_path / "out")
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
