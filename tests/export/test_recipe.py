"""What `sleb recipe` says, carried out by mergekit: the same model that sleb writes."""
import json
import subprocess
import sys

import pytest
import safetensors.torch
import torch
import yaml
from mergekit.config import MergeConfiguration

from tiny_models import save_model, save_tokenizer


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return save_tokenizer(save_model(tmp_path_factory.mktemp("recipe") / "whole model", num_hidden_layers=6))


def tensors_of(folder) -> dict[str, torch.Tensor]:
    files = [safetensors.torch.load_file(file) for file in folder.glob("*.safetensors")]
    return {name: tensor for tensors in files for name, tensor in tensors.items()}


@pytest.mark.parametrize("removed", ["1,4", "0,5,2"])
def test_mergekit_makes_the_same_model(sleb_ok, source, tmp_path, removed):
    sleb_ok("export", source, "--removal-list", removed, "--out", tmp_path / "sleb")
    recipe = tmp_path / "recipe.yml"
    sleb_ok("recipe", tmp_path / "sleb", "--out", recipe)
    parsed = MergeConfiguration.model_validate(yaml.safe_load(recipe.read_text()))
    assert parsed.merge_method == "passthrough"
    kept = [block for part in parsed.slices for block in range(*part.sources[0].layer_range)]
    assert kept == [block for block in range(6) if str(block) not in removed.split(",")]
    command = "from mergekit.scripts.run_yaml import main; main()"
    subprocess.run([sys.executable, "-c", command, recipe, tmp_path / "mergekit"], check=True, capture_output=True)
    expected, found = tensors_of(tmp_path / "sleb"), tensors_of(tmp_path / "mergekit")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("sleb", "mergekit")]
    assert configs[0]["num_hidden_layers"] == configs[1]["num_hidden_layers"] == len(kept)


def test_what_it_prints(sleb_ok, source, tmp_path):
    sleb_ok("export", source, "--removal-list", "4,1", "--out", tmp_path / "out")
    printed = sleb_ok("recipe", tmp_path / "out" / "sleb.json", "--model", "org/name@main")
    assert yaml.safe_load(printed) == {"merge_method": "passthrough", "slices": [
        {"sources": [{"model": "org/name@main", "layer_range": layers}]} for layers in ([0, 1], [2, 4], [5, 6])]}
    assert "llama-quantize --prune-layers 1,4 MODEL.gguf PRUNED.gguf COPY" in printed
    of_gguf = sleb_ok("recipe", tmp_path / "out", "--model", "it's.gguf")
    assert "llama-quantize --prune-layers 1,4 'it'\\''s.gguf' PRUNED.gguf COPY" in of_gguf
    assert yaml.safe_load(of_gguf) is None


def prune(source, *options) -> list:
    (source.parent / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 40)
    return ["prune", source, "--dataset", source.parent / "text.txt", "--seqlen", 64, "--num-remove-blocks", 2, "--dtype",
            "float32", "--threads", 1, "--prompt-tokens", 0, *options]


def test_a_search_writes_its_own(sleb_ok, sleb, source, tmp_path):
    recipe, out = tmp_path / "recipe.yml", tmp_path / "out"
    sleb_ok(*prune(source, "--recipe", recipe, "--out", out))
    assert recipe.read_text() == sleb_ok("recipe", out)
    again = sleb(*prune(source, "--recipe", recipe, "--json", tmp_path / "result.json"))
    assert again.returncode == 2 and "recipe.yml: exists already" in again.stderr and not (tmp_path / "result.json").exists()
    recipe.unlink()  # a finished search has one to give, too
    assert "finished already" in sleb_ok(*prune(source, "--recipe", recipe, "--out", out, "--resume"))
    assert recipe.read_text() == sleb_ok("recipe", out)
    sleb_ok(*prune(source, "--recipe", recipe, "--out", out, "--resume"))
    (tmp_path / "other.yml").write_text("mine: 1\n")
    refused = sleb(*prune(source, "--recipe", tmp_path / "other.yml", "--out", out, "--resume"))
    assert refused.returncode == 2 and (tmp_path / "other.yml").read_text() == "mine: 1\n"


def test_a_search_whose_result_no_recipe_says(sleb, source, tmp_path):
    for option in (["--repair"], ["--units", "half"]):
        done = sleb(*prune(source, *option, "--recipe", tmp_path / "recipe.yml"))
        assert done.returncode == 2 and "--recipe" in done.stderr and len(done.stderr.splitlines()) == 1
    file = source.parent / "text.txt"
    done = sleb(*prune(source, "--recipe", file, "--force"))
    assert done.returncode == 2 and file.read_text().startswith("The quick")
    assert not list(tmp_path.iterdir())


def test_refusals(sleb, tmp_path):
    def refusal(*arguments) -> str:
        done = sleb("recipe", *arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout, done.stderr
        return done.stderr

    result = tmp_path / "result.json"
    result.write_text(json.dumps({"model": "a", "num_blocks": 3, "removal_list": ["1.mlp"]}))
    assert "whole blocks" in refusal(result)
    for content in ("", "[]", "{", '{"model": "a", "num_blocks": 3, "removal_list": [0, 1, 2]}'):
        result.write_text(content)
        assert "result.json" in refusal(result)
    assert "no such" in refusal(tmp_path / "nothing").lower()
    result.write_text(json.dumps({"model": "a", "num_blocks": 3, "removal_list": [1], "repair": {}}))
    assert "--repair" in refusal(result)
    result.write_text(json.dumps({"model": "a", "num_blocks": 3, "removal_list": [1]}))
    assert "result.json" in refusal(result, "--out", result)
    assert json.loads(result.read_text())["num_blocks"] == 3
