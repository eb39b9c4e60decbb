"""Data sets by name: the rows, and so the ids, that Hugging Face datasets and the reference's code give."""
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys

import huggingface_hub
import pytest
import transformers

from hub import data_sets
from hub.conftest import files_of
from hub.data_sets import arrow, card, csv, jsonl, packed, parquet, texts
from programs import SHARED, SLEB
from tiny_models import save_model, save_tokenizer

NAME = "org/data"
KEY = "datasets/" + NAME


@pytest.fixture(name="model", scope="module")
def a_tiny_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save_tokenizer(save_model(folder, num_hidden_layers=3))
    return folder


@pytest.fixture(name="tokenizer", scope="module")
def its_tokenizer(model):
    return transformers.AutoTokenizer.from_pretrained(model)


def evaluated(machine, model, text: str, **variables) -> dict:
    result = json.loads(machine.ok("eval", model, "--ppl", text, "--seqlen", "8", "--segments", "1", "--json", "-", **variables))
    return result["perplexity_details"][text]


def calibrated(machine, model, *arguments, **variables) -> dict:
    search = ["--num-remove-blocks", "1", "--seqlen", "8", "--segments", "1", "--prompt-tokens", "0", "--json", "-"]
    return json.loads(machine.ok("prune", model, *search, *arguments, **variables))


def wikitext_lines(path) -> list[str]:
    """The rows of wikitext-2-raw-v1 (shared/data/README.md)."""
    return [line if line.strip() else "" for line in path.read_text().splitlines(keepends=True)]


def made_up_lines(tag: str, count: int) -> list[str]:
    return list(itertools.chain.from_iterable(
        ["", f" = {tag} {i} = \n", "", f" Some words of {tag} , and ä few more @-@ odd ones . \n"] for i in range(count)))


@pytest.fixture(name="wikitext", params=["made up", "WikiText-2"], scope="module")
def rows_of_wikitext(request):
    if request.param == "made up":
        return made_up_lines("train", 70), made_up_lines("test", 9)
    folder = SHARED / "data" / "wikitext2"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    return wikitext_lines(folder / "wiki.valid.raw"), wikitext_lines(folder / "wiki.test.raw")


def test_wikitext2(machine, hub, model, tokenizer, wikitext, tmp_path):
    files = data_sets.wikitext(*wikitext)
    commit = hub.commit("datasets/Salesforce/wikitext", files)
    folder = data_sets.write(tmp_path / "wikitext", files)
    train = data_sets.loaded(folder, "wikitext-2-raw-v1", "train")
    test = data_sets.loaded(folder, "wikitext-2-raw-v1", "test")
    for seed, arguments in ((0, []), (3, ["--dataset", "wikitext2", "--seed", "3"])):
        record = calibrated(machine, model, *arguments)["calibration"]
        sample = data_sets.sampled(train, seed, 128)
        assert record["ids_sha256"] == data_sets.ids_sha256(tokenizer, "\n\n".join(sample))
    assert record["dataset"] == "wikitext2"
    assert record["source"] == {"repository": "Salesforce/wikitext", "revision": "main", "commit": commit,
                                "config": "wikitext-2-raw-v1", "split": "train", "field": "text",
                                "files": ["wikitext-2-raw-v1/train-00000-of-00001.parquet"]}
    assert set(machine.cached("datasets/Salesforce/wikitext")) == {"README.md", *record["source"]["files"]}
    details = evaluated(machine, model, "wikitext2")
    assert details["ids_sha256"] == data_sets.ids_sha256(tokenizer, "\n\n".join(test["text"]))
    assert details["source"]["split"] == "test"
    judged = calibrated(machine, model, "--until-kl", "1000", "--eval-segments", "1")["sizes"]["text"]
    assert judged == {key: details[key] for key in judged if key != "dataset"} | {"dataset": "wikitext2"}
    hub.requests.clear()
    assert evaluated(machine, model, "wikitext2", HF_HUB_OFFLINE="1", SLEB_HF="/nowhere")["source"] == details["source"]
    assert not hub.requests, "what is whole needs no network"


def documents(tag: str, count: int) -> list[str]:
    words = random.Random(tag)
    return [" ".join(words.choice(("one", "two", "three\n", "vier", "fünf")) for _ in range(words.randrange(1, 9)))
            for _ in range(count)]


def test_c4(machine, hub, model, tokenizer, tmp_path):
    files = data_sets.c4(documents("train", 3000), documents("validation", 1500))
    hub.commit("datasets/allenai/c4", files)
    folder = data_sets.write(tmp_path / "local", files)
    calibration, validation = "en/c4-train.00000-of-01024.json.gz", "en/c4-validation.00000-of-00008.json.gz"
    train = data_sets.datasets.load_dataset(str(folder), data_files={"train": calibration}, split="train",
                                            cache_dir=str(tmp_path / "cache"))
    record = calibrated(machine, model, "--dataset", "c4")["calibration"]
    assert record["ids_sha256"] == data_sets.ids_sha256(tokenizer, " ".join(data_sets.sampled(train, 0, 128)))
    assert record["source"]["files"] == [calibration] and record["source"]["config"] == "en"
    valid = data_sets.datasets.load_dataset(str(folder), data_files={"validation": validation}, split="validation",
                                            cache_dir=str(tmp_path / "cache"))
    details = evaluated(machine, model, "c4")
    ids = tokenizer(" ".join(valid[:1100]["text"])).input_ids[:256 * 8]
    assert details["ids_sha256"] == data_sets.hashlib.sha256(data_sets.np.asarray(ids, "<i8").tobytes()).hexdigest()
    assert set(machine.cached("datasets/allenai/c4")) == {"README.md", calibration, validation}


# Files of a repository, and of each name behind it the configuration, the split and the field that datasets is asked for.
TREES = {
    "configurations on the card": (
        {"README.md": card("configs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/train-*\n"
                           "  - split: test\n    path:\n    - en/b.parquet\n    - en/a.parquet\n"
                           "- config_name: de\n  default: true\n  data_files:\n  - split: test\n    path: 'de/*.parquet'\n"),
         "en/train-00000-of-00002.parquet": parquet(texts("en train", 9)),
         "en/train-00001-of-00002.parquet": parquet(texts("en more", 7)), "en/a.parquet": parquet(texts("a", 5)),
         "en/b.parquet": parquet(texts("b", 5)), "de/x.parquet": parquet(texts("de x", 5)), "de/y.parquet": parquet(texts("de y", 5))},
        {"": ("de", "test", "text"), ":en:train": ("en", "train", "text"), ":en": ("en", "test", "text")}),
    "a folder on the card": (
        {"README.md": card("configs:\n- config_name: all\n  data_dir: all\n"), "all/train.csv": csv(texts("train", 9)),
         "all/test.csv": csv(texts("test, with commas", 9)), "test.csv": b"no"},
        {":all:test": ("all", "test", "text"), "::train": ("all", "train", "text")}),
    "one pattern on the card": (
        {"README.md": card("configs:\n- config_name: default\n  data_files: '**/*.jsonl'\n"), "a/b/c.jsonl": jsonl(texts("deep", 9)),
         "z.jsonl": jsonl(texts("top", 9))},
        {"::train": (None, "train", "text")}),
    ".huggingface.yaml": (
        {"README.md": card("license: mit\n"), ".huggingface.yaml": b"configs:\n- config_name: own\n  data_files: b.csv\n",
         "a.csv": csv(texts("a", 9)), "b.csv": csv(texts("b", 9))},
        {"::train": ("own", "train", "text")}),
    "names of files": (
        {"train.csv": csv(texts("train", 9)), "test.csv": csv(texts("test", 9))},
        {"": (None, "test", "text"), ":default:train": (None, "train", "text")}),
    "names of files, many words": (
        {"my_training_1.jsonl": jsonl(texts("one", 5)), "x-train.jsonl": jsonl(texts("two", 5)), "dev.jsonl": jsonl(texts("dev", 9)),
         "trainer.jsonl": jsonl(texts("no", 5))},
        {"": (None, "validation", "text"), "::train": (None, "train", "text")}),
    "names of folders": (
        {"data/train/1.json": jsonl(texts("one", 5)), "data/train/0.json": jsonl(texts("zero", 5)),
         "data/eval_set/0.json": jsonl(texts("eval", 9)), "README.md": b"# no front matter"},
        {"": (None, "test", "text"), "::train": (None, "train", "text")}),
    "push_to_hub": (
        {"data/train-00000-of-00002-0a1b.parquet": parquet(texts("zero", 5)), "data/odd-00000-of-00001.parquet": parquet(texts("odd", 9)),
         "data/train-00001-of-00002-0a1b.parquet": parquet(texts("one", 5)), "train.parquet": parquet(texts("no", 5))},
        {"::train": (None, "train", "text"), "::odd": (None, "odd", "text")}),
    "one file": ({"rows.jsonl.gz": packed(jsonl(texts("row", 9)))}, {"::train": (None, "train", "text")}),
    "one JSON document": ({"rows.json": json.dumps([{"text": row, "n": 1} for row in texts("row", 9)], indent=1).encode()},
                          {"::train": (None, "train", "text")}),
    "ndjson": ({"rows.ndjson": jsonl(texts("row", 9))}, {"::train": (None, "train", "text")}),
    "lines": ({"train.txt": b"one\r\n\n two \nthree\rfour" * 3, "test.txt.gz": packed(b"a b c\nd e f\n")},
              {"::train": (None, "train", "text"), "": (None, "test", "text")}),
    "arrow": ({"train.arrow": arrow(texts("row", 9))}, {"::train": (None, "train", "text")}),
    "tsv": ({"train.tsv": csv(texts("row", 9), "\t")}, {"::train": (None, "train", "text")}),
    "several formats": ({"a.csv": csv(texts("a", 9)), "b.csv": csv(texts("b", 9)), "c.jsonl": jsonl(texts("no", 9)), "d.py": b"no",
                         "notes.txt": b"no"},
                        {"::train": (None, "train", "text")}),
    "hidden files": ({"a.csv": csv(texts("a", 9)), ".b.csv": csv(texts("no", 9)), "__x__/c.csv": csv(texts("no", 9)),
                      ".git/d.csv": csv(texts("no", 9)), "dataset_info.json": b"{}"},
                     {"::train": (None, "train", "text")}),
    "another field": ({"train.parquet": parquet(texts("body", 9), "body", n=list(range(9)))},
                      {"::train": (None, "train", "body"), "::train:body": (None, "train", "body")}),
    "one of two fields": ({"train.parquet": parquet(texts("body", 9), "body", title=texts("title", 9))},
                          {"::train:title": (None, "train", "title")}),
    "a field of JSON": ({"train.jsonl": jsonl(texts("body", 9), "body")}, {"::train": (None, "train", "body")}),
}


@pytest.mark.parametrize("case", TREES)
def test_rows_are_those_of_datasets(machine, hub, model, tokenizer, tmp_path, case):
    files, names = TREES[case]
    commit = hub.commit(KEY, files)
    folder = data_sets.write(tmp_path / "repository", files)
    wanted = set()
    for name, (config, split, field) in names.items():
        rows = data_sets.loaded(folder, config, split)[field]
        details = evaluated(machine, model, NAME + name)
        joined = ("\n\n" if case == "lines" else " ").join(rows)
        assert details["ids_sha256"] == data_sets.ids_sha256(tokenizer, joined), (name, details["source"])
        source = details["source"]
        assert (source["config"], source["split"], source["field"]) == (config or "default", split, field)
        assert source["commit"] == commit
        wanted |= set(source["files"])
        sample = data_sets.sampled(data_sets.loaded(folder, config, split), 1, 4, field)
        record = calibrated(machine, model, "--dataset", f"{NAME}:{config or ''}:{split}:{field}", "--nsamples", "4", "--seed", "1")
        joined = ("\n\n" if case == "lines" else " ").join(sample)
        assert record["calibration"]["ids_sha256"] == data_sets.ids_sha256(tokenizer, joined)
    assert set(machine.cached(KEY)) - {"README.md", ".huggingface.yaml"} == wanted, "only what is needed"




def test_a_path_that_exists_goes_first(machine, hub, model, tmp_path):
    hub.commit(KEY, {"train.csv": csv(texts("row", 9))})
    (tmp_path / "wikitext2").write_text("some words of text\n" * 20)
    assert "wikitext2: not a text file by its name" in machine.refusal("prune", model)
    (tmp_path / NAME).mkdir(parents=True)
    assert f"{NAME}: is a folder here, which goes before the data set of that name; give one file of it" in machine.refusal("eval", model, "--ppl", NAME, "--seqlen", "8")
    for path in (f"./{NAME}x", "C4", "org/data/x", "org/data.txt"):
        refusal = machine.refusal("eval", model, "--ppl", path, "--seqlen", "8")
        assert f"{path}: no such file; give a file of text, wikitext2, c4 or ORG/NAME[:CONFIG[:SPLIT[:FIELD]]] on the hub" in refusal
    assert not hub.requests


def test_revisions(machine, hub, model):
    first = hub.commit(KEY, {"train.csv": csv(texts("old", 9))}, "v1.0")
    second = hub.commit(KEY, {"train.csv": csv(texts("new", 9))})
    commits = [evaluated(machine, model, f"{NAME}{revision}::train")["source"]["commit"] for revision in ("", "@v1.0", f"@{first}")]
    assert commits == [second, first, first]
    third = hub.commit(KEY, {"train.csv": csv(texts("newest", 9)), "dev.csv": csv(texts("dev", 9))})
    assert evaluated(machine, model, NAME + "::train")["source"]["commit"] == second, "what is there is used"
    assert evaluated(machine, model, NAME + "::validation")["source"]["commit"] == third, "what is not there is looked for anew"


def test_what_is_recorded(machine, hub, model, tmp_path):
    commit = hub.commit(KEY, {"train.csv": csv(texts("train", 30)), "test.csv": csv(texts("test", 30))})
    machine.ok("prune", model, "--dataset", NAME, "--eval-dataset", NAME, "--num-remove-blocks", "1", "--seqlen", "8",
               "--segments", "1", "--prompt-tokens", "0", "--out", "out")
    record = json.loads((tmp_path / "out" / "sleb.json").read_text())
    source = {"repository": NAME, "revision": "main", "commit": commit, "config": "default", "field": "text"}
    assert record["calibration"]["source"] == {**source, "split": "train", "files": ["train.csv"]}
    assert record["evaluation"]["perplexity_details"][NAME]["source"] == {**source, "split": "test", "files": ["test.csv"]}
    text = (tmp_path / "out" / "README.md").read_text()
    assert f"Calibration: {NAME} ({NAME}, configuration default, split train, commit {commit}), 1 segments of 8 tokens" in text
    assert f"Perplexity on {NAME} ({NAME}, configuration default, split test, commit {commit}): " in text
    assert huggingface_hub.ModelCard(text).data.datasets == [NAME]
    refusal = machine.refusal("prune", model, "--dataset", NAME, "--out", machine.repository(KEY) / "snapshots", "--force")
    assert re.search("is or holds an input|is an input|holds files that sleb did not write", refusal), "the cache is not written over"


SHARDS = {"README.md": card("license: mit\n"), "data/train-00000-of-00002.parquet": parquet(texts("zero", 9)),
          "data/train-00001-of-00002.parquet": parquet(texts("one", 9)), "data/test-00000-of-00001.parquet": parquet(texts("test", 9))}


def test_huggingface_hub_finds_what_sleb_left(machine, hub, model):
    commit = hub.commit(KEY, SHARDS)
    evaluated(machine, model, NAME + "::train")
    wanted = {name for name in SHARDS if "test" not in name}
    folder = huggingface_hub.snapshot_download(NAME, repo_type="dataset", cache_dir=machine.cache, local_files_only=True,
                                               allow_patterns=sorted(wanted))
    assert folder == str(machine.repository(KEY) / "snapshots" / commit)
    assert files_of(machine.repository(KEY) / "snapshots" / commit) == {name: SHARDS[name] for name in wanted}
    (repository,) = huggingface_hub.scan_cache_dir(machine.cache).repos
    assert (repository.repo_id, repository.repo_type) == (NAME, "dataset")
    assert not huggingface_hub.scan_cache_dir(machine.cache).warnings


def test_sleb_finds_what_huggingface_hub_left(machine, hub, model):
    """The whole repository; without the listing that only newer versions keep; without one of the shards."""
    commit = hub.commit(KEY, SHARDS)
    hf = os.path.join(os.path.dirname(sys.executable), "hf")
    subprocess.run([hf, "download", NAME, "--repo-type", "dataset"], env=machine.environment, check=True, capture_output=True)
    hub.requests.clear()
    ids = evaluated(machine, model, NAME + "::train")["ids_sha256"]
    shutil.rmtree(machine.repository(KEY) / "trees")
    details = evaluated(machine, model, NAME + "::train")
    assert details["ids_sha256"] == ids and details["source"]["commit"] == commit
    (machine.repository(KEY) / "snapshots" / commit / "data" / "train-00001-of-00002.parquet").unlink()
    text = ["eval", model, "--ppl", NAME + "::train", "--seqlen", "8"]
    assert f"{NAME}: a part of it is missing in {machine.cache}" in machine.refusal(*text, HF_HUB_OFFLINE="1")
    assert not hub.requests
    assert evaluated(machine, model, NAME + "::train")["ids_sha256"] == ids


def test_two_at_once(machine, hub, model):
    hub.commit(KEY, SHARDS)
    hub.faults.seconds_a_chunk = 0.05
    running = [machine.start("eval", model, "--ppl", NAME + "::train", "--seqlen", "8", "--segments", "1") for _ in range(2)]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert not machine.temporaries()


def test_llama_cpps_protocol_takes_files(machine, hub, model):
    hub.commit(KEY, {"train.csv": csv(texts("row", 9))})
    assert "llama.cpp's protocol takes a file of text; leave out --protocol" in machine.refusal(
        "eval", model, "--ppl", NAME + "::train", "--protocol", "llama.cpp")


def test_the_small_program_knows_no_tables():
    """`sleb info` starts at once because it loads neither libtorch nor Arrow nor YAML."""
    loaded = subprocess.run(["ldd", SLEB], capture_output=True, text=True, check=True).stdout
    assert "libz" in loaded or "libfmt" in loaded
    assert not re.search("arrow|parquet|yaml|torch", loaded)
