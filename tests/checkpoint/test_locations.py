"""Models are found by what files hold: a GGUF without its ending, one in a folder; Git LFS pointers are called that."""
import os
import shutil

import numpy as np
import pytest

from gguf_models import save_gguf
from tiny_models import edit_json, make_model, random_ids, save_model, save_tokenizer

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


@pytest.fixture(scope="module", name="template")
def made_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locations")
    save_tokenizer(save_model(folder / "m", num_hidden_layers=3))
    save_gguf(folder / "m.gguf", make_model(num_hidden_layers=3), "Q8_0")
    np.save(folder / "ids.npy", random_ids(200))
    (folder / "text.txt").write_text("some text\n" * 40)
    (folder / "rows").mkdir()
    (folder / "rows" / "piqa.jsonl").write_text('{"goal": "g", "sol1": "a", "sol2": "b", "label": 0}\n')
    return folder


@pytest.fixture(name="place")
def copied(template, tmp_path):
    return shutil.copytree(template, tmp_path / "place")


def test_a_gguf_by_its_content(sleb_ok, place):
    (place / "m.gguf").rename(place / "blob")
    assert '"format": "gguf"' in sleb_ok("info", place / "blob", "--json", "-")
    (place / "hub").mkdir()
    (place / "hub" / "sha256-abc").symlink_to(place / "blob")
    assert '"format": "gguf"' in sleb_ok("info", place / "hub" / "sha256-abc", "--json", "-")


def test_a_folder_with_one_gguf(sleb, sleb_ok, place):
    (place / "g").mkdir()
    (place / "m.gguf").rename(place / "g" / "m.gguf")
    (place / "g" / "README.md").write_text("x")
    assert '"format": "gguf"' in sleb_ok("info", place / "g", "--json", "-")
    shutil.copy(place / "g" / "m.gguf", place / "g" / "other.gguf")
    done = sleb("info", place / "g")
    assert done.returncode == 2 and "several GGUF models; give one of them: m.gguf, other.gguf" in done.stderr
    save_tokenizer(save_model(place / "g", num_hidden_layers=2))
    assert '"format": "safetensors"' in sleb_ok("info", place / "g", "--json", "-"), "config.json goes first"


@pytest.mark.parametrize("name", ["m/config.json", "m/model.safetensors", "m/tokenizer.json", "m/tokenizer_config.json",
                                  "m/generation_config.json", "text.txt", "rows/piqa.jsonl", "m.gguf", "m/special_tokens_map.json",
                                  "m/chat_template.jinja"])
def test_a_pointer_is_called_that(sleb, place, name):
    (place / name).write_text(POINTER)
    commands = [["export", "m", "--removal-list", "1", "--out", "out"]]
    if name == "text.txt":
        commands = [["eval", "m", "--ppl", name, "--seqlen", 50], ["prune", "m", "--dataset", name, "--seqlen", 50]]
    elif name.startswith("rows"):
        commands = [["eval", "m", "--tasks", "piqa", "--tasks-data", "rows"]]
    elif name == "m.gguf":
        commands = [["info", "m.gguf"]]
    for command in commands:
        done = sleb(*command, cwd=place)
        assert done.returncode == 2, done.stdout
        assert f"{name}: a Git LFS pointer and not the file itself; run git lfs pull" in done.stderr
        assert done.stderr.count("\n") == 1 and not (place / "out").exists()


def test_links_out_of_the_folder_are_followed_for_what_is_parsed(sleb, sleb_ok, place):
    for name in ("config.json", "model.safetensors"):
        (place / "m" / name).rename(place / name)
        (place / "m" / name).symlink_to(place / name)
    sleb_ok("export", "m", "--removal-list", "1", "--out", "out", cwd=place)
    (place / "m" / "tokenizer_config.json").unlink()
    (place / "secret").write_text("root:x:0:0")
    (place / "m" / "tokenizer_config.json").symlink_to(place / "secret")
    done = sleb("export", "m", "--removal-list", "1", "--out", "out2", cwd=place)
    assert done.returncode == 2 and not (place / "out2").exists()


@pytest.mark.parametrize("content", ["", "{", "not json", "\x00\x01"])
def test_companions_are_copied_only_if_they_parse(sleb, place, content):
    (place / "m" / "generation_config.json").write_text(content)
    done = sleb("export", "m", "--removal-list", "1", "--out", "out", cwd=place)
    assert done.returncode == 2 and "generation_config.json: not valid JSON" in done.stderr
    assert not (place / "out").exists()


@pytest.mark.parametrize("options,message", [
    (["--early-barrier", 2**63 - 1, "--latter-barrier", 2**63 - 1], "at most 0 can go"),
    (["--early-barrier", 2**63 - 1], "at most 0 can go"), (["--latter-barrier", 2**62], "at most 0 can go"),
    (["--early-barrier", 2**64], "--early-barrier"), (["--num-remove-blocks", 2**63 - 1], "at most"),
    (["--num-remove-blocks", 2**64], "--num-remove-blocks"), (["--seed", 2**63], "--seed"),
    (["--segments", 2**62], "were asked for"), (["--ratio", "nan"], "--ratio"),
    (["--ratio", "inf"], "--ratio"), (["--ratio", "1e-320"], "--ratio"), (["--state-memory", "99999999999G"], "--state-memory"),
    (["--confidence", "nan"], "--confidence"), (["--threads", 10**10], "--threads"), (["--shard-bytes", 0], "--shard-bytes"),
])
def test_numbers_beyond_what_makes_sense(sleb, place, options, message):
    done = sleb("prune", "m", "--tokens", "ids.npy", "--seqlen", 50, "--prompt-tokens", 0, *options, cwd=place)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_generation_without_end_is_refused_by_its_memory(sleb, place):
    edit_json(place / "m" / "config.json", max_position_embeddings=2**40)
    done = sleb("latency", "m", "--batch-size", 2**20, "--prompt-tokens", 2**20, "--new-tokens", 2**20, cwd=place)
    assert done.returncode in (1, 2) and "a batch of" in done.stderr, done.stderr


def test_lists_of_blocks_are_cut_by_name(sleb, place):
    """transformers loads the result; what is not known is left, with a word."""
    from transformers import AutoModelForCausalLM
    edit_json(place / "m" / "config.json", layer_types=["full_attention"] * 3, drop_attn_list=[0, 2], some_sizes=[7, 8, 9])
    done = sleb("export", "m", "--removal-list", "1", "--out", "out", cwd=place)
    assert done.returncode == 0
    assert "some_sizes is as long as the model is deep, but not known as a list of blocks" in done.stderr
    config = AutoModelForCausalLM.from_pretrained(place / "out").config
    assert config.layer_types == ["full_attention"] * 2 and config.some_sizes == [7, 8, 9] and config.drop_attn_list == [0, 1]
    assert os.listdir(place / "out")
