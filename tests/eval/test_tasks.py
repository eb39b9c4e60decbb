"""Results of the zero-shot tasks are lm-evaluation-harness's: each log-likelihood, accuracies, perplexities."""
import gzip
import json
import pathlib
import statistics
import subprocess
import sys

import pytest
import torch

import generated_rows
import tiny_models

FIVE = ["piqa", "winogrande", "hellaswag", "arc_easy", "arc_challenge"]
REMOVED = (5, 13, 20, 26)


@pytest.fixture(scope="session")
def harness():
    return pytest.importorskip("harness", reason="lm-eval is not installed")


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pathlib.Path:
    return generated_rows.write(tmp_path_factory.mktemp("rows"), 9, "test", seed=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("llama")
    tiny_models.save_model(folder)
    return tiny_models.save_tokenizer(folder)


def evaluate(sleb_ok, folder: pathlib.Path, model, tasks, rows, *options) -> tuple[dict, dict[str, list[dict]]]:
    """The JSON of `sleb eval`, and of the log every model's questions under its removal list."""
    folder.mkdir(exist_ok=True)
    result, log = folder / "result.json", folder / "samples.jsonl"
    sleb_ok("eval", model, "--dtype", "float32", "--tasks", ",".join(tasks), "--tasks-data", rows, "--json", result,
            "--log-samples", log, *options)
    samples: dict[str, list[dict]] = {}
    for line in log.read_text().split("\n")[:-1]:
        sample = json.loads(line)
        samples.setdefault(",".join(map(str, sample["removal_list"])), []).append(sample)
    return json.loads(result.read_text()), samples


def expect_same(results: dict, samples: list[dict], expected: dict, tolerance: float) -> None:
    """`expected`: {task: {"samples": [{"lls", metric: value}], metric: value}} of the harness."""
    assert set(results) == set(expected)
    for task, theirs in expected.items():
        ours = [sample for sample in samples if sample["task"] == task]
        assert len(ours) == len(theirs["samples"]) > 0
        for mine, sample in zip(ours, theirs["samples"]):
            lls = [request["log_likelihood"] for request in mine["requests"]]
            assert lls == pytest.approx(sample["lls"], rel=1e-6, abs=tolerance), (task, mine["doc_id"])
            for metric in ("acc", "acc_norm"):
                assert mine.get(metric) == sample.get(metric), (task, mine["doc_id"], metric)
        metrics = {name: value for name, value in theirs.items() if name != "samples"}
        assert {name for name in results[task] if not name.endswith(("_stderr", "_difference"))} == set(metrics)
        for metric, value in metrics.items():
            exactly = metric in ("acc", "acc_norm")
            assert results[task][metric] == pytest.approx(value, rel=1e-12 if exactly else 1e-5), (task, metric)
            if exactly:
                values = [sample[metric] for sample in theirs["samples"]]
                error = statistics.stdev(values) / len(values) ** 0.5
                assert results[task][f"{metric}_stderr"] == pytest.approx(error), (task, metric)


@pytest.fixture
def one_thread():
    """For small models: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("family", ["llama", "opt"])
@pytest.mark.usefixtures("one_thread")
def test_all_tasks_on_tiny_models(family, harness, sleb_ok, rows, tmp_path):
    """Contexts of 256 bytes, so that many prompts are cut and texts take several windows."""
    model = tmp_path / "model"
    tiny_models.save_model(model, family, seed=3)
    tiny_models.save_tokenizer(model)
    pruned = tmp_path / "pruned"
    sleb_ok("export", model, "--removal-list", "1,3", "--out", pruned)
    report, samples = evaluate(sleb_ok, tmp_path / "ours", model, generated_rows.TASKS, rows, "--removal-list", "1,3")
    for folder, results, removed in ((model, report["results"], ""), (pruned, report["pruned"][0]["results"], "1,3")):
        theirs, _ = harness.run(folder, rows, generated_rows.TASKS, tmp_path / f"definitions{removed}")
        expect_same(results, samples[removed], harness.by_task(theirs, generated_rows.TASKS), 5e-4)
    assert report["pruned"][0]["removal_list"] == [1, 3]
    assert report["n-samples"]["piqa"] == {"original": 9, "effective": 9}


@pytest.mark.slow
def test_five_tasks_on_smollm2(harness, shared, sleb_ok, smollm2, tmp_path):
    rows, script = shared("data/zeroshot"), shared("reference/lm_eval_local.py")
    pruned = tmp_path / "pruned"
    blocks = ",".join(map(str, REMOVED))
    sleb_ok("export", smollm2, "--removal-list", blocks, "--out", pruned)
    report, samples = evaluate(sleb_ok, tmp_path, smollm2, FIVE, rows, "--limit", 8, "--removal-list", blocks)
    for folder, results, removed in ((smollm2, report["results"], ""), (pruned, report["pruned"][0]["results"], blocks)):
        out = tmp_path / "harness.json"
        subprocess.run([sys.executable, script, folder, "8", out], check=True, capture_output=True)
        theirs = json.loads(out.read_text())
        for rows_of_task in theirs["samples"].values():
            for sample in rows_of_task:
                sample["resps"] = [[value] for value in sample["lls"]]
                if sample["acc_norm"] is None:
                    del sample["acc_norm"]
        expect_same(results, samples[removed], harness.by_task(theirs, FIVE), 1e-3)


def test_differences_are_paired(sleb_ok, model, rows, tmp_path):
    report, samples = evaluate(sleb_ok, tmp_path, model, ["arc_easy", "wikitext"], rows, "--removal-list", "1",
                               "--removal-list", "[2, 3]")
    assert [pruned["removal_list"] for pruned in report["pruned"]] == [[1], [2, 3]]
    for pruned in report["pruned"]:
        removed = ",".join(map(str, pruned["removal_list"]))
        accuracies = [[sample["acc"] for sample in samples[key] if sample["task"] == "arc_easy"] for key in ("", removed)]
        differences = [after - before for before, after in zip(*accuracies)]
        result = pruned["results"]["arc_easy"]
        assert result["acc_difference"] == pytest.approx(statistics.mean(differences))
        assert result["acc_difference_stderr"] == pytest.approx(statistics.stdev(differences) / 9 ** 0.5)
        text = pruned["results"]["wikitext"]
        assert text["bits_per_byte_difference"] == pytest.approx(
            text["bits_per_byte"] - report["results"]["wikitext"]["bits_per_byte"])


def test_a_users_task(sleb_ok, model, tmp_path):
    """A new multiple-choice task is an entry and rows; here compressed."""
    with gzip.open(tmp_path / "capitals.jsonl.gz", "wt") as file:
        file.write('{"land": "France", "cities": ["Rome", "Paris"], "right": "Paris"}\n')
    (tmp_path / "tasks.json").write_text(json.dumps({"capitals": {
        "prompt": "The capital of {{land}} is", "choices": "{{cities}}", "target": "{{right}}", "metrics": ["acc"]}}))
    report, samples = evaluate(sleb_ok, tmp_path / "out", model, ["capitals"], tmp_path, "--tasks-file",
                               tmp_path / "tasks.json")
    assert samples[""][0]["target"] == 1
    assert samples[""][0]["requests"][1]["continuation"] == " Paris"
    assert report["results"]["capitals"]["acc_stderr"] is None


@pytest.mark.parametrize("options,message", [
    (["--tasks", "pica", "--tasks-data", "."], 'there is no task "pica"; known are arc_challenge, arc_easy, '),
    (["--tasks", "piqa", "--tasks-data", "none"], "none: can't be read as a folder"),
    (["--tasks", "piqa", "--tasks-data", "."], ".: has no rows of piqa"),
    (["--tasks-data", ".", "--ppl", "text.txt"], "need --tasks"),
    (["--tasks", "boolq", "--tasks-data", "."], 'boolq.jsonl, line 2: lacks the field "passage"'),
    (["--tasks", "sciq", "--tasks-data", "."], "sciq.jsonl: has no rows"),
    (["--tasks", "arc_easy", "--tasks-data", "."], 'arc_easy.jsonl, line 1: \'E\' is not in [\'A\', \'B\']'),
    (["--tasks", "openbookqa", "--tasks-data", "."], "openbookqa.jsonl, line 1: not valid JSON"),
    (["--tasks", "hellaswag", "--tasks-data", "."], "hellaswag.jsonl, line 1: the answer is 4, but there are choices"),
    (["--tasks", "winogrande", "--tasks-data", "."], "winogrande.jsonl, line 1: the continuation is empty"),
    (["--tasks", "lambada_openai", "--tasks-data", "."],
     "lambada_openai.jsonl, line 1: the continuation has 301 tokens, the model's context 256"),
    (["--tasks", "boolq", "--tasks-data", ".", "--limit", "1", "--num-fewshot", "1"],
     "boolq.jsonl, line 2: lacks the field"),
    (["--tasks", "boolq", "--tasks-data", ".", "--limit", "0"], "--limit: 0: expected a whole number from 1"),
    (["--tasks", "boolq", "--tasks-data", ".", "--tasks-file", "bad.json"],
     'bad.json: mine.choices: line 1 of the template: the filter "shout" is not supported'),
])
def test_bad_input(options, message, sleb, model, tmp_path):
    files = {
        "text.txt": "text", "sciq.jsonl": "\n", "openbookqa.jsonl": '{"question_stem": "\xff"}',
        "boolq.jsonl": '{"passage": "p", "question": "q", "label": 0}\n{"question": "q", "label": 0}\n',
        "arc_easy.jsonl": '{"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "E"}',
        "hellaswag.jsonl": '{"activity_label": "", "ctx_a": "a", "ctx_b": "", "endings": ["a", "b"], "label": "4"}',
        "winogrande.jsonl": '{"sentence": "a _", "option1": "x", "option2": "y", "answer": "1"}',
        "lambada_openai.jsonl": '{"text": "a ' + "b" * 300 + '"}',
        "bad.json": '{"mine": {"prompt": "", "choices": "{{x|shout}}", "target": 0, "metrics": ["acc"]}}',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode("latin-1"))
    done = sleb("eval", model, *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().split("\n")) == 1, done.stderr


def test_long_prompts_are_cut_with_a_note(sleb, model, tmp_path):
    (tmp_path / "lambada_openai.jsonl").write_text(json.dumps({"text": "a " * 300 + "b"}) + "\n")
    done = sleb("eval", model, "--tasks", "lambada_openai", "--tasks-data", tmp_path)
    assert done.returncode == 0
    assert "lambada_openai: 1 prompts were longer than the model's context of 256 tokens" in done.stderr
