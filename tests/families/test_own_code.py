"""Models that bring Python code, of families that transformers has no class for: the code goes along and is not run."""
import json

import numpy as np
import pytest
import torch
import transformers

import oracle
from family_models import FAMILIES, save_model
from tiny_models import edit_json, random_ids, save_tokenizer

IDS = random_ids(50)
# What MiniCPM's own files say, by means of Granite's class; the tensors have the same names.
CONFIGURATION = '''\
from transformers import PreTrainedConfig


class MiniCPMConfig(PreTrainedConfig):
    model_type = "minicpm"

    def __init__(self, tie_word_embeddings=True, **others):
        super().__init__(tie_word_embeddings=tie_word_embeddings, **others)
'''
MODEL = '''\
import math

from transformers import GraniteConfig, GraniteForCausalLM

from .configuration_minicpm import MiniCPMConfig


def as_granite(config):
    members = config.to_dict()
    members.update(
        embedding_multiplier=config.scale_emb,
        residual_multiplier=config.scale_depth / math.sqrt(config.num_hidden_layers),
        logits_scaling=config.hidden_size / config.dim_model_base,
        attention_multiplier=1 / math.sqrt(config.hidden_size // config.num_attention_heads),
    )
    for name in ("model_type", "auto_map", "architectures"):
        members.pop(name, None)
    return GraniteConfig(**members)


class MiniCPMForCausalLM(GraniteForCausalLM):
    config_class = MiniCPMConfig

    def __init__(self, config):
        super().__init__(as_granite(config))
'''
AUTO_MAP = {"AutoConfig": "configuration_minicpm.MiniCPMConfig",
            "AutoModelForCausalLM": "modeling_minicpm.MiniCPMForCausalLM"}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    save_model(folder, "minicpm", "usual")
    save_tokenizer(folder)
    (folder / "configuration_minicpm.py").write_text(CONFIGURATION)
    (folder / "modeling_minicpm.py").write_text(MODEL)
    edit_json(folder / "config.json", auto_map=AUTO_MAP)
    return folder


def export(sleb, model, out) -> str:
    done = sleb("export", model, "--removal-list", "1,4", "--out", out)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_pruned_folder_loads_with_the_models_code(sleb, model, tmp_path):
    said = export(sleb, model, tmp_path / "out")
    assert "configuration_minicpm.py, modeling_minicpm.py and auto_map go along" in said
    assert "trust_remote_code=True" in said
    loaded, report = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", dtype=torch.float32, trust_remote_code=True, output_loading_info=True)
    assert not any(report.values()), report
    assert type(loaded).__name__ == "MiniCPMForCausalLM" and len(loaded.model.layers) == 4
    assert np.array_equal(oracle.logits(loaded.eval(), IDS), oracle.logits(oracle.load(model), IDS, (1, 4)))


def test_the_code_is_copied_and_not_run(sleb, model, tmp_path):
    for name in ("configuration_minicpm.py", "modeling_minicpm.py"):
        (model / name).write_text(f"open('{tmp_path}/ran', 'w')\n")
    (model / "sub").mkdir()
    (model / "sub" / "train.py").write_text("raise RuntimeError")
    edit_json(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_own.Own", None]})
    export(sleb, model, tmp_path / "out")
    assert not (tmp_path / "ran").exists()
    out = tmp_path / "out"
    names = ["configuration_minicpm.py", "modeling_minicpm.py"]
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*.py")) == names
    assert all((out / name).read_bytes() == (model / name).read_bytes() for name in names)
    assert json.loads((out / "config.json").read_text())["auto_map"] == AUTO_MAP
    assert (out / "tokenizer_config.json").read_bytes() == (model / "tokenizer_config.json").read_bytes()
    assert set(names) < set(json.loads((out / "sleb.json").read_text())["files"])


def test_code_that_is_not_there(sleb, model, tmp_path):
    for file in model.glob("*.py"):
        file.unlink()
    said = export(sleb, model, tmp_path / "out")
    assert "which is not in its folder: copy its .py files and auto_map" in said
    edit_json(model / "config.json", auto_map=...)
    said = export(sleb, model, tmp_path / "other")
    assert "which config.json does not name: copy its .py files and auto_map" in said


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_what_is_no_code_is_refused_before_anything_is_written(sleb, model, tmp_path, content):
    """Bytes, and a link to a private file."""
    (model / "modeling_minicpm.py").unlink()
    if content is None:
        (tmp_path / "private").write_text("secret")
        (model / "modeling_minicpm.py").symlink_to(tmp_path / "private")
    else:
        (model / "modeling_minicpm.py").write_bytes(content)
    done = sleb("export", model, "--removal-list", "1", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 2)  # a warning and this
    assert "modeling_minicpm.py: " in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", ["exaone", "internlm2", "minicpm"])
def test_warnings(sleb, tmp_path, family):
    """None for a model as it is published but that its code is not run."""
    save_model(tmp_path / "m", family, next(iter(FAMILIES[family][1])))
    edit_json(tmp_path / "m" / "config.json", auto_map=AUTO_MAP, transformers_version="4.41.0")
    done = sleb("info", tmp_path / "m")
    assert done.returncode == 0 and done.stderr.count("\n") == 1, done.stderr
    assert "is computed as the published" in done.stderr
