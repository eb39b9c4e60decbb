"""Models by name: fetched once, found in the cache afterwards, by sleb and by huggingface_hub alike."""
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import huggingface_hub
import pytest

from hub.conftest import NAME
from programs import ROOT, SLEB

NEEDED = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def info(machine, name, **variables) -> dict:
    return json.loads(machine.ok("info", name, "--json", "-", **variables))


def test_fetched_once(machine, hub, model_files):
    commit = hub.commit(NAME, model_files)
    said = info(machine, NAME)
    assert said["model"] == NAME and said["commit"] == commit
    assert set(machine.cached()) == NEEDED, "only what sleb needs"
    hub.requests.clear()
    assert info(machine, NAME) == said
    assert info(machine, NAME, HF_HUB_OFFLINE="1", SLEB_HF="/nowhere") == said
    assert not hub.requests, "what is whole needs no network"


def test_shards(machine, hub, sharded_files):
    shards = {name for name in sharded_files if name.startswith("model-")}
    assert len(shards) > 2
    hub.commit(NAME, {**sharded_files, "model-00001-of-00099.safetensors": b"of another upload"})
    done = machine.sleb("info", NAME)
    assert done.returncode == 0 and set(machine.cached()) == set(sharded_files)
    size = sum(len(sharded_files[name]) for name in shards)
    assert re.search(rf"fetching {NAME}: {size / 1000:.1f} kB to {machine.cache} \([\d.]+ [GTM]B free there\)", done.stderr)
    (machine.repository() / "snapshots" / hub.repositories[NAME].revisions["main"] / sorted(shards)[1]).unlink()
    hub.requests.clear()
    machine.ok("info", NAME)
    assert not [request for request in hub.requests if request.startswith("GET /cdn")], "the others are kept"


def test_only_what_comes_is_announced(machine, hub, sharded_files):
    """Contents that the cache has of another revision are linked."""
    hub.commit(NAME, sharded_files, "old")
    machine.ok("info", f"{NAME}@old")
    shard = min(name for name in sharded_files if name.startswith("model-"))
    changed = bytearray(sharded_files[shard])
    changed[-1] ^= 1
    hub.commit(NAME, {**sharded_files, shard: bytes(changed)})
    done = machine.sleb("info", NAME)
    assert done.returncode == 0, done.stderr
    assert f"fetching {NAME}: {len(changed) / 1000:.1f} kB to " in done.stderr
    hub.commit(NAME, {**sharded_files, "generation_config.json": b"{}"}, "same")
    hub.requests.clear()
    done = machine.sleb("info", f"{NAME}@same")
    assert done.returncode == 0, done.stderr
    assert " kB to " not in done.stderr and not [request for request in hub.requests if request.startswith("GET /cdn")]


def test_revisions(machine, hub, model_files):
    first = hub.commit(NAME, model_files, "v1.0")
    second = hub.commit(NAME, {**model_files, "generation_config.json": b"{}"}, "main")
    pull = hub.commit(NAME, {**model_files, "generation_config.json": b'{"top_k": 3}'}, "refs/pr/2")
    for revision, commit in {"": second, "@v1.0": first, "@refs/pr/2": pull, f"@{first}": first}.items():
        assert info(machine, NAME + revision)["commit"] == commit
    assert info(machine, f"{NAME}@{pull}", HF_HUB_OFFLINE="1")["commit"] == pull
    third = hub.commit(NAME, {**model_files, "generation_config.json": b'{"top_k": 4}'}, "main")
    assert info(machine, NAME)["commit"] == second, "what is there is used"
    assert info(machine, f"{NAME}@{third}")["commit"] == third


def test_ggufs(machine, hub, gguf):
    files = {"m-Q8_0.gguf": gguf, "m-Q4_K_M.gguf": gguf + b"\0" * 32, "sub/m-BF16.gguf": gguf, "mmproj-Q8_0.gguf": b"p"}
    hub.commit(NAME, files)
    for name, file in {":Q8_0": "m-Q8_0.gguf", ":q4_k_m": "m-Q4_K_M.gguf", "/sub/m-BF16.gguf": "sub/m-BF16.gguf"}.items():
        shutil.rmtree(machine.home, ignore_errors=True)
        assert info(machine, NAME + name)["format"] == "gguf"
        assert set(machine.cached()) == {file}
        assert info(machine, NAME + name, HF_HUB_OFFLINE="1")["format"] == "gguf"
    assert re.search(rf"several GGUF models; give one of them: {NAME}/m-Q4_K_M.gguf, ", machine.refusal("info", NAME))
    assert "holds no GGUF of Q2_K; there are: m-Q4_K_M.gguf, " in machine.refusal("info", NAME + ":Q2_K")
    assert "holds no x.gguf; there are: m-Q4_K_M.gguf, " in machine.refusal("info", NAME + "/x.gguf")
    hub.commit("org/one", {"only.Q8_0.gguf": gguf})
    assert info(machine, "org/one")["format"] == "gguf"
    assert info(machine, "org/one", HF_HUB_OFFLINE="1")["format"] == "gguf"


def test_a_path_that_exists_goes_first(machine, hub, model_files, tmp_path):
    hub.commit(NAME, model_files)
    folder = tmp_path / NAME
    folder.mkdir(parents=True)
    assert "holds neither model.safetensors" in machine.refusal("info", NAME) or not hub.requests
    for name in NEEDED:
        (folder / name).write_bytes(model_files[name])
    assert "commit" not in info(machine, NAME)
    shutil.rmtree(folder)
    for path in (f"./{NAME}", tmp_path / NAME, f"{NAME}/", "name", "a/b/c"):
        assert "no such model; give a checkpoint folder, a .gguf file or a name" in machine.refusal("info", path)
    assert not hub.requests


def test_a_tokenizer_needs_no_weights(machine, hub, model_files, tmp_path):
    hub.commit(NAME, model_files)
    (tmp_path / "text.txt").write_text("abc")
    ids = machine.ok("tokenize", NAME, "text.txt")
    assert set(machine.cached()) == NEEDED - {"model.safetensors"}
    assert machine.ok("tokenize", NAME, "text.txt", HF_HUB_OFFLINE="1") == ids
    assert "model.safetensors is missing in" in machine.refusal("info", NAME, HF_HUB_OFFLINE="1")
    machine.ok("info", NAME)


def test_every_command(machine, hub, model_files, tmp_path):
    commit = hub.commit(NAME, model_files)
    (tmp_path / "text.txt").write_text("some text of many words\n" * 40)
    search = ["--dataset", "text.txt", "--seqlen", "64", "--num-remove-blocks", "1", "--prompt-tokens", "0"]
    machine.ok("prune", NAME + "@main", *search, "--out", "pruned")
    record = json.loads((tmp_path / "pruned" / "sleb.json").read_text())
    assert (record["model"], record["base_model"], record["commit"]) == (NAME + "@main", NAME, commit)
    card = (tmp_path / "pruned" / "README.md").read_text()
    assert card.startswith(f"---\nbase_model: {NAME}\n") and f"# {NAME.split('/')[1]} without 1 of 3 blocks" in card
    assert f"Original model: {NAME}, commit {commit}." in card
    assert huggingface_hub.ModelCard(card).data.base_model == NAME
    machine.ok("eval", NAME, "--ppl", "text.txt", "--seqlen", "64")
    machine.ok("latency", NAME, "--mode", "prompt", "--prompt-tokens", "8", "--repeats", "1", "--removal-list", "1")
    machine.ok("generate", NAME, "--prompt", "x", "--max-new-tokens", "2")
    machine.ok("export", NAME, "--removal-list", "1", "--out", "exported", "--base-model", "other/name")
    assert (tmp_path / "exported" / "README.md").read_text().startswith("---\nbase_model: other/name\n")
    assert json.loads((tmp_path / "exported" / "sleb.json").read_text())["commit"] == commit
    machine.ok("export", "exported", "--removal-list", "1", "--out", "twice")
    assert "base_model" not in (tmp_path / "twice" / "README.md").read_text()
    assert "expected a name on the hub, org/name" in machine.refusal(
        "export", NAME, "--removal-list", "1", "--out", "x", "--base-model", "no name")


def test_the_cache_is_not_written_over(machine, hub, model_files):
    commit = hub.commit(NAME, model_files)
    machine.ok("info", NAME)
    snapshot = machine.repository() / "snapshots" / commit
    for out in (snapshot, machine.cache, machine.repository()):
        refusal = machine.refusal("export", NAME, "--removal-list", "1", "--out", out, "--force")
        assert re.search("is or holds an input|is an input|holds files that sleb did not write", refusal)
    assert "would overwrite a file that this command reads" in machine.refusal(
        "info", NAME, "--json", snapshot / "config.json", "--force")


def test_outputs_are_checked_before_anything_is_fetched(machine, hub, model_files, tmp_path):
    hub.commit(NAME, model_files)
    (tmp_path / "there.json").write_text("x")
    assert "exists already" in machine.refusal("info", NAME, "--json", "there.json")
    assert not hub.requests


@pytest.mark.parametrize("command, says", [
    ("prune NAME --dataset gone.txt", "gone.txt: no such file"),
    ("prune NAME --dataset notes.doc", "notes.doc: not a text file by its name"),
    ("prune NAME --dataset self:1", "expected self or self:TOKENS"),
    ("prune NAME --tokens gone.npy", "gone.npy: can't open"),
    ("prune NAME --eval-ppl wikitext2,gone.txt", "gone.txt: no such file"),
    ("prune NAME --eval-tasks piqa --tasks-data gone", "gone: can't be read as a folder"),
    ("prune NAME --eval-tasks piqa --tasks-file gone.json", "gone.json: can't open"),
    ("prune NAME --eval-tasks own --tasks-file own.json", "names no data set on the hub"),
    ("prune NAME --out there", "there: exists already"),
    ("prune NAME --out new --out-dtype float7", "float7"),
    ("prune NAME --dtype float7", "float7"),
    ("eval NAME --ppl gone.txt", "gone.txt: no such file"),
    ("eval NAME --ppl notes.doc", "notes.doc: not a text file by its name"),
    ("eval NAME --ppl wikitext2 --protocol other", "--protocol: other not in {reference,llama.cpp}"),
    ("eval NAME --ppl self --protocol llama.cpp", "llama.cpp's protocol takes a file of text"),
    ("eval NAME --ppl wikitext2 --protocol llama.cpp", "llama.cpp's protocol takes a file of text"),
    ("eval NAME --ppl wikitext2 --limit 3", "need --tasks"),
    ("latency NAME --mode prompt --new-tokens 3", "--mode prompt generates none"),
    ("export NAME --removal-list 1 --out there", "there: exists already"),
    ("export NAME --removal-list 1 --out new --out-dtype float7", "float7"),
    ("tokenize NAME gone.txt", "gone.txt: can't open"),
])
def test_what_needs_no_model_is_checked_before_one_is_fetched(machine, hub, model_files, tmp_path, command, says):
    hub.commit(NAME, model_files)
    (tmp_path / "there").mkdir()
    (tmp_path / "notes.doc").write_text("some notes\n")
    own = json.loads((ROOT / "sleb" / "eval" / "tasks" / "tasks.json").read_text())["piqa"]
    (tmp_path / "own.json").write_text(json.dumps({"own": {key: own[key] for key in ("version", "prompt", "choices", "target", "metrics")}}))
    assert says in machine.refusal(*command.replace("NAME", NAME).split())
    assert not hub.requests


def test_huggingface_hub_finds_what_sleb_left(machine, hub, model_files, monkeypatch):
    commit = hub.commit(NAME, model_files)
    machine.ok("info", NAME)
    folder = huggingface_hub.snapshot_download(NAME, cache_dir=machine.cache, local_files_only=True,
                                               allow_patterns=sorted(NEEDED))
    assert folder == str(machine.repository() / "snapshots" / commit)
    assert huggingface_hub.try_to_load_from_cache(NAME, "model.safetensors", cache_dir=machine.cache)
    (repository,) = huggingface_hub.scan_cache_dir(machine.cache).repos
    assert repository.repo_id == NAME and not huggingface_hub.scan_cache_dir(machine.cache).warnings


def test_sleb_finds_what_huggingface_hub_left(machine, hub, model_files):
    """The whole repository, and without the listing that only newer versions keep."""
    commit = hub.commit(NAME, model_files)
    hf = os.path.join(os.path.dirname(sys.executable), "hf")
    subprocess.run([hf, "download", NAME], env=machine.environment, check=True, capture_output=True)
    hub.requests.clear()
    assert info(machine, NAME)["commit"] == commit
    shutil.rmtree(machine.repository() / "trees")
    assert info(machine, NAME)["commit"] == commit
    (machine.repository() / "snapshots" / commit / "tokenizer.json").unlink()
    assert "tokenizer.json is missing in" in machine.refusal("info", NAME, HF_HUB_OFFLINE="1")
    assert not hub.requests
    assert info(machine, NAME)["commit"] == commit


def test_contents_that_models_share(machine, hub, sharded_files):
    """What came from Xet storage is kept once for all models, behind two links."""
    hub.commit(NAME, sharded_files)
    machine.ok("info", NAME)
    for i, blob in enumerate(sorted((machine.repository() / "blobs").iterdir())):
        digest = f"{i:02x}" + "0" * 62
        shared = machine.cache / "blobs" / digest[:2] / digest
        shared.parent.mkdir(parents=True)
        blob.rename(shared)
        blob.symlink_to(os.path.relpath(shared, blob.parent))
    machine.ok("info", NAME)
    machine.ok("export", NAME, "--removal-list", "1", "--out", "out")


PLACES = {
    "default": {},
    "XDG_CACHE_HOME": {"XDG_CACHE_HOME": "{tmp}/xdg"},
    "HF_HOME": {"HF_HOME": "{tmp}/hf", "XDG_CACHE_HOME": "{tmp}/xdg"},
    "HUGGINGFACE_HUB_CACHE": {"HF_HOME": "{tmp}/hf", "HUGGINGFACE_HUB_CACHE": "{tmp}/older"},
    "HF_HUB_CACHE": {"HF_HUB_CACHE": "{tmp}/newer", "HUGGINGFACE_HUB_CACHE": "{tmp}/older"},
    "home": {"HF_HOME": "~/hf"},
    "user": {"HF_HOME": "~root/hf"},
    "variables": {"HF_HOME": "$PLACE/${{PLACE}}/$NONE", "PLACE": "p"},
    "relative": {"HF_HUB_CACHE": "here/../there"},
    "empty": {"HF_HOME": "", "HF_HUB_CACHE": "cache"},
}


@pytest.mark.parametrize("case", PLACES)
def test_the_cache_stands_where_huggingface_hub_has_it(machine, tmp_path, case):
    given = {name: value.format(tmp=tmp_path) for name, value in PLACES[case].items()}
    environment = {name: value for name, value in machine.environment.items() if name != "HF_HOME"}
    environment |= {"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", **given}
    asked = subprocess.run([sys.executable, "-c", "from huggingface_hub import constants, _snapshot_download\nimport pathlib\n"
                            "print(pathlib.Path(constants.HF_HUB_CACHE).expanduser().resolve())"],
                           env=environment, cwd=tmp_path, text=True, capture_output=True, check=True)
    done = subprocess.run([SLEB, "info", NAME], env=environment, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert f"is not in {asked.stdout.strip()}, and HF_HUB_OFFLINE is set" in done.stderr


def test_a_token_is_used(machine, hub, model_files):
    hub.commit(NAME, model_files)
    hub.faults.token = "hf_secret"
    machine.ok("info", NAME, HF_TOKEN="hf_secret")


def test_two_at_once(machine, hub, sharded_files):
    hub.commit(NAME, sharded_files)
    hub.faults.seconds_a_chunk = 0.05
    running = [machine.start("info", NAME) for _ in range(2)]
    for process in running:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "F32 100.0%" in output
    assert machine.cached() == sharded_files and not machine.temporaries()


def test_starts_as_fast_as_from_its_folder(machine, hub, model_files, tmp_path):
    hub.commit(NAME, model_files)
    machine.ok("info", NAME)
    folder = next(machine.repository().glob("snapshots/*"))

    def seconds(model) -> float:
        begin = time.perf_counter()
        machine.ok("info", model)
        return time.perf_counter() - begin

    pairs = [(seconds(NAME), seconds(folder)) for _ in itertools.repeat(None, 9)]
    assert statistics.median(name - path for name, path in pairs) < 0.03
