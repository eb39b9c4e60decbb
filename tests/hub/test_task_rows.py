"""Rows of tasks from the hub: those that lm-evaluation-harness loads from the same repositories, its configurations and
splits included."""
import collections
import io
import json
import os
import pathlib

import datasets
import pyarrow
import pyarrow.parquet
import pytest
import yaml

import generated_rows
from hub.data_sets import card, write
from programs import ROOT, SHARED
from tiny_models import save_model, save_tokenizer

harness = pytest.importorskip("eval.harness", reason="lm-eval is not installed")

TASKS = json.loads((ROOT / "sleb" / "eval" / "tasks" / "tasks.json").read_text())
SHARED_TASKS = {"piqa", "winogrande", "hellaswag", "arc_easy", "arc_challenge"}


class Loader(yaml.SafeLoader):  # pylint: disable=too-many-ancestors
    """Leaves out what is Python in the harness's files."""


Loader.add_constructor("!function", lambda loader, node: None)


def definition(path: pathlib.Path) -> dict:
    own = yaml.load(path.read_text(), Loader)
    return {**(definition(path.parent / own["include"]) if "include" in own else {}), **own}


@pytest.mark.parametrize("task", TASKS)
def test_tasks_name_what_the_harness_names(task):
    """By the rules of Task.eval_docs and Task.fewshot_docs."""
    theirs, ours = definition(harness.HARNESS / harness.DEFINITIONS[task][0]), TASKS[task]
    assert ours["dataset_path"] == theirs["dataset_path"]
    assert ours.get("dataset_name") == theirs.get("dataset_name")
    splits = {kind: theirs.get(f"{kind}_split") for kind in ("training", "validation", "test", "fewshot")}
    assert ours["split"] == (splits["test"] or splits["validation"])
    examples = splits["fewshot"] or splits["training"] or splits["validation"] or splits["test"]
    assert ours.get("fewshot_split", ours["split"]) == examples
    assert theirs.get("dataset_kwargs", {}).keys() <= {"trust_remote_code"}


@pytest.fixture(name="model", scope="module")
def a_tiny_model(tmp_path_factory) -> pathlib.Path:
    return save_tokenizer(save_model(tmp_path_factory.mktemp("tiny") / "model", num_hidden_layers=2, max_position_embeddings=4096))


def rows_of(task: str, split: str, count: int, shared: bool) -> list[dict]:
    if shared and split == TASKS[task]["split"]:
        (path,) = (SHARED / "data" / "zeroshot").glob(f"{task}.*.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()[:count]]
    writer = generated_rows.Writer(len(task) + len(split))
    return [getattr(writer, task)(number) for number in range(count)]


def parquet_of(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def repositories(tasks, shared: bool = False) -> dict[str, dict[str, bytes]]:
    """Files of the data sets that these tasks are of: Parquet in one or two parts, lines of JSON, and an array."""
    files, configs = collections.defaultdict(dict), collections.defaultdict(list)
    for task in tasks:
        repository, config = TASKS[task]["dataset_path"], TASKS[task].get("dataset_name")
        paths = {}
        for split in ("train", "validation", "test"):
            if split != TASKS[task]["split"] and split != TASKS[task].get("fewshot_split"):
                continue
            rows = rows_of(task, split, 30, shared)
            place = f"{config}/{split}" if config else f"data/{split}"
            if task == "lambada_openai":
                parts = {f"data/lambada_{split}.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode()}
            elif task == "piqa":
                parts = {f"{place}.json": json.dumps(rows, indent=1).encode()}
            elif task == "hellaswag":
                parts = {f"{place}-{part:05}-of-00002.parquet": parquet_of(rows[10 * part:][:10 + 20 * part]) for part in range(2)}
            else:
                parts = {f"{place}-00000-of-00001.parquet": parquet_of(rows)}
            files[repository] |= parts
            paths[split] = list(parts)
        if config:
            configs[repository].append({"config_name": config, "data_files": [{"split": split, "path": path}
                                                                              for split, path in paths.items()]})
    for repository, names in configs.items():
        files[repository]["README.md"] = card(yaml.safe_dump({"configs": names}))
    return files


def serve(hub, folder: pathlib.Path, repos: dict) -> dict[str, str]:
    """Commits them, and writes them for the harness; commits by repository."""
    for name, files in repos.items():
        write(folder / name, files)
    return {name: hub.commit(f"datasets/{name}", files) for name, files in repos.items()}


def theirs(folder: pathlib.Path, tasks, limit: int, examples: int, seed: int, sampler: str) -> dict:
    """The harness's own tasks, of the same files on disk."""
    definitions = folder / "definitions"
    definitions.mkdir()
    for task in tasks:
        (definitions / f"local_{task}.yaml").write_text("\n".join([
            f"include: {harness.HARNESS / harness.DEFINITIONS[task][0]}", f"task: local_{task}",
            f"dataset_path: {folder / TASKS[task]['dataset_path']}", "fewshot_config:", f"  sampler: {sampler}"]) + "\n")
    manager = harness.lm_eval.tasks.TaskManager(include_path=str(definitions), include_defaults=False)
    # Repositories of one name and configuration would else be those of the test before.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
        return harness.build_tasks(manager, tasks, limit=limit, examples=examples, seed=seed)


def evaluated(machine, model, tasks, *options, **variables) -> tuple[dict, dict[str, list]]:
    """The JSON, and of each task its questions' requests."""
    log = machine.home.parent / "samples.jsonl"
    result = json.loads(machine.ok("eval", model, "--tasks", ",".join(tasks), "--dtype", "float32", "--threads", 1, "--json", "-",
                                   "--log-samples", log, "--force", *options, **variables))
    requests = collections.defaultdict(list)
    for line in log.read_text().split("\n")[:-1]:
        sample = json.loads(line)
        requests[sample["task"]] += [[request["prompt"], request["continuation"]] for request in sample["requests"]]
    return result, requests


def expect_same(requests: dict, tasks: dict) -> None:
    for name, task in tasks.items():
        expected = [list(instance.args) if len(instance.args) == 2 else ["", instance.args[0]] for instance in task.instances]
        assert requests[name] == expected, name


@pytest.mark.parametrize("examples, seed, sampler", [(0, 1234, "default"), (2, 1234, "default"), (3, 0, "first_n")])
def test_rows_are_those_that_the_harness_loads(machine, hub, model, tmp_path, examples, seed, sampler):
    # A whole text has no examples; of lambada_openai, which has one split, the harness may show a question's own answer.
    tasks = [task for task in TASKS if examples == 0 or task not in ("wikitext", "lambada_openai")]
    commits = serve(hub, tmp_path / "repositories", repositories(tasks))
    options = ["--limit", 12, "--num-fewshot", examples, *(["--fewshot-seed", seed] if sampler == "default" else [])]
    result, requests = evaluated(machine, model, tasks, *options)
    expect_same(requests, theirs(tmp_path / "repositories", tasks, 12, examples, seed, sampler))
    for task in tasks:
        source = result["sources"][task]
        assert source["repository"] == TASKS[task]["dataset_path"] and source["commit"] == commits[source["repository"]]
        assert source["config"] == TASKS[task].get("dataset_name", "default") and source["split"] == TASKS[task]["split"]
        assert result["n-samples"][task] == {"original": 30, "effective": 12}
        shown = result.get("fewshot_sources", {}).get(task)
        assert (shown or {}).get("split") == (TASKS[task].get("fewshot_split") if examples else None)
        cached = machine.cached(f"datasets/{source['repository']}")
        assert set(source["files"]) <= set(cached)
        if not examples:
            assert not any("train" in name for name in cached), "fetched for nothing"


def test_rows_of_the_real_data_sets(machine, hub, model, tmp_path):
    if not (SHARED / "data" / "zeroshot").exists():
        pytest.skip("the rows are not there")
    tasks = [task for task in TASKS if task in SHARED_TASKS]
    serve(hub, tmp_path / "repositories", repositories(tasks, shared=True))
    _, requests = evaluated(machine, model, tasks, "--limit", 25)
    expect_same(requests, theirs(tmp_path / "repositories", tasks, 25, 0, 1234, "default"))


def test_what_is_cached_needs_no_network(machine, hub, model, tmp_path):
    serve(hub, tmp_path / "repositories", repositories(["piqa"]))
    first, requests = evaluated(machine, model, ["piqa"])
    hub.requests.clear()
    again, the_same = evaluated(machine, model, ["piqa"], HF_HUB_OFFLINE="1", SLEB_HF="/nowhere")
    assert not hub.requests and the_same == requests and again["sources"] == first["sources"]


def test_a_folder_goes_first(machine, hub, model, tmp_path):
    serve(hub, tmp_path / "repositories", repositories(["piqa"]))
    rows = generated_rows.write(tmp_path / "rows", 4, "validation", tasks=["piqa"])
    result, _ = evaluated(machine, model, ["piqa"], "--tasks-data", rows)
    assert result["n-samples"]["piqa"]["original"] == 4 and "sources" not in result
    assert not hub.requests


ENTRY = {"prompt": "{{goal}}", "choices": ["{{sol1}}", "{{sol2}}"], "target": "{{label}}", "metrics": ["acc"]}


def tasks_file(folder: pathlib.Path, **changes) -> pathlib.Path:
    path = folder / "own.json"
    path.write_text(json.dumps({"own": {**ENTRY, **changes}}))
    return path


def test_a_users_task(machine, hub, model, tmp_path):
    serve(hub, tmp_path / "repositories", repositories(["piqa"]))
    own = tasks_file(tmp_path, dataset_path="baber/piqa", dataset_split="train", fewshot_split="validation")
    result, requests = evaluated(machine, model, ["own"], "--tasks-file", own, "--num-fewshot", 1, "--limit", 3)
    first = rows_of("piqa", "train", 1, False)[0]
    assert requests["own"][0][0].endswith("\n\n" + first["goal"])
    assert result["sources"]["own"]["split"] == "train" and result["fewshot_sources"]["own"]["split"] == "validation"


@pytest.mark.parametrize("changes, message", [
    ({}, "the task own names no data set on the hub (dataset_path); give its rows with --tasks-data DIR"),
    ({"dataset_path": "not a name"}, "is not the name of a data set on the hub, org/name"),
    ({"dataset_name": "x"}, "dataset_name: says nothing without dataset_path"),
    ({"dataset_path": "baber/piqa", "split": "test"}, "has no split test"),
    ({"dataset_path": "baber/piqa", "dataset_name": "x", "split": "validation"}, "has no configuration x"),
    ({"dataset_path": "org/none"}, "org/none"),
], ids=str)
def test_refused(machine, hub, model, tmp_path, changes, message):
    serve(hub, tmp_path / "repositories", repositories(["piqa"]))
    refusal = machine.refusal("eval", model, "--tasks", "own", "--tasks-file", tasks_file(tmp_path, **changes))
    assert message in refusal, refusal


def test_rows_are_fetched_before_the_model_is_loaded(machine, hub, model, tmp_path):
    """And all of them before any is read: the second task's are not there."""
    serve(hub, tmp_path / "repositories", repositories(["piqa"]))
    assert "allenai/sciq" in machine.refusal("eval", model, "--tasks", "piqa,sciq")


def test_rows_are_no_output(machine, hub, model, tmp_path):
    serve(hub, tmp_path / "repositories", repositories(["piqa"]))
    evaluated(machine, model, ["piqa"])
    (path,) = machine.cache.rglob("validation*.*")
    content = path.read_bytes()
    assert "would overwrite a file that this command reads" in machine.refusal("eval", model, "--tasks", "piqa", "--json", os.path.realpath(path), "--force")
    assert path.read_bytes() == content
