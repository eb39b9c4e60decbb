"""The three examples of the published code's README, pasted but for the model's name and block counts: model and data sets
come from the hub."""
import collections
import io
import json
import re
import shlex

import pyarrow
import pyarrow.parquet
import pytest
import yaml

import generated_rows
from hub import data_sets
from hub.conftest import files_of
from programs import ROOT
from tiny_models import save_model, save_tokenizer

NAME = "meta-llama/Llama-2-tiny-hf"
FIVE = ["piqa", "winogrande", "hellaswag", "arc_challenge", "arc_easy"]
TASKS = json.loads((ROOT / "sleb" / "eval" / "tasks" / "tasks.json").read_text())
ROW = "The quick brown fox jumps over the lazy dog.\n"


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("llama") / "model"
    return files_of(save_tokenizer(save_model(folder, num_hidden_layers=6, max_position_embeddings=2048)))


def task_repositories() -> dict[str, dict[str, bytes]]:
    """Of the five tasks, three rows each."""
    files, configs = collections.defaultdict(dict), collections.defaultdict(list)
    for task in FIVE:
        writer, buffer = generated_rows.Writer(len(task)), io.BytesIO()
        rows = [getattr(writer, task)(number) for number in range(3)]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
        repository, split = TASKS[task]["dataset_path"], TASKS[task]["split"]
        config = TASKS[task].get("dataset_name") or "default"
        path = f"{config}/{split}-00000-of-00001.parquet"
        files[repository][path] = buffer.getvalue()
        configs[repository].append({"config_name": config, "data_files": [{"split": split, "path": path}]})
    for repository, names in configs.items():
        files[repository]["README.md"] = data_sets.card(yaml.safe_dump({"configs": names}))
    return files


@pytest.fixture
def paste(machine, hub, llama):
    """Runs a command line in a machine that has nothing yet."""
    hub.commit(NAME, llama)
    hub.commit("datasets/Salesforce/wikitext", data_sets.wikitext([ROW, ""] * 150, [ROW] * 100))
    hub.commit("datasets/allenai/c4", data_sets.c4([ROW] * 10, [ROW * 10] * 20))
    for name, files in task_repositories().items():
        hub.commit(f"datasets/{name}", files)
    return lambda command, *more: machine.ok(*shlex.split(command), *more)


def test_sleb(paste, tmp_path):
    shown = paste(f"prune --model_name {NAME} --num_blocks 6 --num_remove_blocks 2 --eval_ppl True --eval_zeroshot True",
                  "--out", tmp_path / "out")
    result = json.loads((tmp_path / "out" / "sleb.json").read_text())
    assert (result["calibration"]["dataset"], result["calibration"]["seqlen"]) == ("wikitext2", 2048)
    assert list(result["evaluation"]["perplexity"]) == ["wikitext2", "c4"]
    assert list(result["evaluation"]["results"]) == FIVE
    for words in (r"\n\| wikitext2 +\| +none", r"\n\| c4 +\| +\d,\d", r"\n\| arc_easy +\| +acc_norm +\| +none"):
        assert re.search(words, shown), words


def test_eval(paste):
    shown = paste(f"eval --model_name {NAME} --removal_list '[5, 4, 2]' --eval_zeroshot True")
    assert re.search(r"\n\| wikitext2 +\| +5,4,2 ", shown)
    assert re.search(r"\n\| winogrande +\| +acc +\| +5,4,2 ", shown)


def test_eval_without_zero_shot(paste):
    result = json.loads(paste(f"eval --model_name {NAME} --removal_list '[5, 4, 2]'", "--json", "-"))
    assert list(result["perplexity"]) == ["wikitext2", "c4"]
    assert "results" not in result


def test_latency(paste):
    """Of fewer and shorter sequences than the published code's, which would take minutes."""
    shown = paste(f"latency --model_name {NAME} --generation", "--batch-size", 1, "--new-tokens", 2, "--repeats", 1)
    assert "speed-up" in shown


@pytest.mark.slow
def test_on_a_real_model(machine, hub, shared, smollm2):
    """SmolLM2 and the real texts and rows, a little of each; -s shows what the commands say."""
    wikitext = shared("data/wikitext2")
    lines = {part: [line if line.strip() else "" for line in (wikitext / f"wiki.{part}.raw").read_text().splitlines(True)]
             for part in ("valid", "test")}
    speeches = [json.loads(line)["text"] for line in shared("data/speeches/speeches.jsonl").read_text().splitlines()]
    name = "HuggingFaceTB/SmolLM2-135M-Instruct"
    hub.commit(name, files_of(smollm2))
    hub.commit("datasets/Salesforce/wikitext", data_sets.wikitext(lines["valid"], lines["test"]))
    hub.commit("datasets/allenai/c4", data_sets.c4(speeches[:20], speeches))
    rows = ["--tasks-data", shared("data/zeroshot"), "--limit", 5]
    for command, more in (
            (f"prune --model_name {name} --num_blocks 30 --num_remove_blocks 2 --eval_ppl True --eval_zeroshot True",
             ["--segments", 1, "--eval-segments", 1, *rows]),
            (f"eval --model_name {name} --removal_list '[5, 4, 9, 2, 14, 25]' --eval_zeroshot True", ["--segments", 1, *rows]),
            (f"latency --model_name {name} --generation", ["--batch-size", 8, "--repeats", 1, "--new-tokens", 16])):
        print(f"\n$ sleb {command} {' '.join(map(str, more))}\n{machine.ok(*shlex.split(command), *more)}")
