"""`sleb prune --eval-ppl --eval-tasks`: the dense and the pruned model are evaluated after the search, as `sleb eval` does."""
import json
import pathlib
import signal
import subprocess

import numpy as np
import pytest

import generated_rows
import searched_folder
from tiny_models import random_ids, save_model, save_tokenizer

TASKS = ["piqa", "arc_easy"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    """A folder with a model, texts and rows of tasks."""
    folder = searched_folder.save(tmp_path_factory.mktemp("ground"), TASKS, "held,out.txt", num_hidden_layers=6)
    (folder / "more.jsonl").write_text('{"text": "How vexingly quick daft zebras jump!"}\n' * 30)
    return folder


def prune(ground: pathlib.Path, *options) -> list:
    return ["prune", ground / "model", "--dataset", ground / "text.txt", "--seqlen", 100, "--dtype", "float32",
            "--num-remove-blocks", 2, "--prompt-tokens", 0, *options]


def evaluation(ground: pathlib.Path) -> list:
    return ["--eval-ppl", f"{ground}/text.txt,{ground}/more.jsonl", "--eval-ppl", ground / "held,out.txt",
            "--eval-tasks", "piqa", "--eval-tasks", "arc_easy", "--tasks-data", ground]


def eval_of(ground: pathlib.Path, removal_list: list) -> list:
    return ["eval", ground / "model", "--removal-list", ",".join(map(str, removal_list)), "--ppl", ground / "text.txt",
            "--ppl", ground / "more.jsonl", "--ppl", ground / "held,out.txt", "--tasks", ",".join(TASKS), "--tasks-data",
            ground, "--seqlen", 100, "--dtype", "float32"]


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items()
                if not key.endswith("seconds") and key not in ("tokens_per_second", "command")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_the_same_as_sleb_eval(sleb_ok, ground, tmp_path):
    """Its tables on standard output and in the card, its JSON in sleb.json, to the last bit."""
    shown = sleb_ok(*prune(ground, *evaluation(ground), "--out", tmp_path / "out"))
    result = json.loads((tmp_path / "out" / "sleb.json").read_text())
    expected = json.loads(sleb_ok(*eval_of(ground, result["removal_list"]), "--json", "-"))
    assert without_times(result["evaluation"]) == without_times(expected)
    tables = sleb_ok(*eval_of(ground, result["removal_list"]))
    assert f"\n\n{tables}\nwritten: " in shown
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"\n\n{tables}\n" in card
    assert f"Perplexity on {ground}/more.jsonl: " in card
    assert "lm-evaluation-harness" in card


@pytest.mark.parametrize("form", ["json", "csv", "jsonl"])
def test_tables_for_programs(sleb_ok, ground, form):
    shown = sleb_ok(*prune(ground, *evaluation(ground), "-o", form))
    if form == "json":
        assert {name: len(rows) for name, rows in json.loads(shown).items()} == {"comparison": 4, "perplexity": 6,
                                                                                 "tasks": 8}
    elif form == "csv":
        assert [len(block.splitlines()) for block in shown.split("\n\n")] == [5, 7, 9]
    else:
        assert len([json.loads(line) for line in shown.splitlines()]) == 4 + 6 + 8


def wrong(ground: pathlib.Path, case: str) -> list:
    return {
        "a task that is not known": ["--eval-tasks", "piqa,arc_esay", "--tasks-data", ground],
        "a text that is not there": ["--eval-ppl", ground / "gone.txt"],
        "a text twice": ["--eval-ppl", ground / "text.txt", "--eval-dataset", f"{ground}/model/../text.txt"],
        "rows that are not there": ["--eval-tasks", "hellaswag", "--tasks-data", ground],
        "options of tasks without tasks": ["--limit", 3],
        "segments of texts without texts": ["--eval-segments", 5, "--eval-tasks", "piqa", "--tasks-data", ground],
        "samples over a text": ["--eval-tasks", "piqa", "--tasks-data", ground, "--log-samples", ground / "text.txt"],
        "the output over the rows": ["--eval-tasks", "piqa", "--tasks-data", ground, "--out", ground],
        "segments that the text does not have": ["--eval-ppl", ground / "text.txt", "--eval-segments", 1000],
    }[case]


@pytest.mark.parametrize("case, says", [
    ("a task that is not known", "arc_esay"), ("a text that is not there", "gone.txt"), ("a text twice", "twice"),
    ("rows that are not there", "hellaswag"), ("options of tasks without tasks", "need --eval-tasks"),
    ("segments of texts without texts", "--eval-segments needs --eval-ppl"),
    ("samples over a text", "--log-samples"), ("the output over the rows", "--out"),
    ("segments that the text does not have", "1000"),
])
def test_wrong_input_is_found_before_the_search(sleb, ground, case, says):
    before = sorted(ground.rglob("*"))
    for dry in ([], ["--dry-run"]):
        done = sleb(*prune(ground, *wrong(ground, case), *dry))
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert done.stderr.count("\n") == 1 and says in done.stderr, done.stderr
    assert sorted(ground.rglob("*")) == before


def test_ids_outside_the_vocabulary_are_found_before_the_search(sleb, ground, tmp_path):
    """Of a model that has fewer embeddings than its tokenizer has ids."""
    model = save_tokenizer(save_model(tmp_path / "model", vocab_size=200, bos_token_id=1))
    np.save(tmp_path / "ids.npy", random_ids(300) % 200)
    (tmp_path / "piqa.jsonl").write_text(json.dumps({"goal": "a b", "sol1": "a", "sol2": "b", "label": 0}) + "\n")
    done = sleb("prune", model, "--tokens", tmp_path / "ids.npy", "--seqlen", 50, "--prompt-tokens", 0, "--eval-tasks",
                "piqa", "--tasks-data", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "piqa" in done.stderr and "200" in done.stderr and "round" not in done.stderr


@pytest.mark.parametrize("calibration, evaluation, times", [
    ("--dataset", 2, 1), ("--tokens", 1, 1), ("--tokens", 0, 0),
])
def test_bos_of_every_segment_is_noted_once(sleb, ground, tmp_path, calibration, evaluation, times):
    """Of a Gemma, however many texts there are; ready ids are none."""
    model = save_tokenizer(save_model(tmp_path / "model", "gemma", num_hidden_layers=4, head_dim=16))
    np.save(tmp_path / "ids.npy", random_ids(300))
    text = ground / "text.txt" if calibration == "--dataset" else tmp_path / "ids.npy"
    texts = [word for name in ["text.txt", "more.jsonl"][:evaluation] for word in ["--eval-ppl", ground / name]]
    done = sleb("prune", model, calibration, text, *texts, "--seqlen", 50, "--num-remove-blocks", 1, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("BOS in front of every segment") == times


def test_resume_after_a_stop_in_the_evaluation(sleb_program, sleb_ok, ground, tmp_path):
    """The search is not run again."""
    (tmp_path / "long.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 20000)
    command = prune(ground, *evaluation(ground), "--eval-ppl", tmp_path / "long.txt", "--out", tmp_path / "out")
    process = subprocess.Popen(list(map(str, [sleb_program, *command])), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    for line in process.stderr:
        if "more.jsonl: " in line:  # the second text is done, the search before it
            break
    process.send_signal(signal.SIGTERM)
    shown, log = process.communicate(timeout=120)
    assert (process.returncode, shown) == (1, ""), log
    assert "2 finished rounds kept in" in log
    assert not (tmp_path / "out").exists()
    done = subprocess.run(list(map(str, [sleb_program, *command, "--eval-segments", 5, "--resume"])), capture_output=True,
                          text=True, check=True)
    assert "round 1 of 2" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"out", "long.txt"}
    result = json.loads((tmp_path / "out" / "sleb.json").read_text())
    assert result["evaluation"]["perplexity_details"][str(tmp_path / "long.txt")]["segments"] == 5
    more = [*command, "--eval-tasks", "hellaswag"]
    (tmp_path / "rows").mkdir()
    generated_rows.write(tmp_path / "rows", 3, "validation", tasks=["piqa", "arc_easy", "hellaswag"])
    more[more.index("--tasks-data") + 1] = tmp_path / "rows"
    done = subprocess.run(list(map(str, [sleb_program, *more, "--resume"])), capture_output=True, text=True, check=True)
    assert "finished already" in done.stdout
    assert "that run did not evaluate hellaswag; sleb eval" in done.stderr


def test_resume_replaces_samples_and_nothing_else(sleb, sleb_ok, ground, tmp_path):
    command = prune(ground, "--eval-tasks", "piqa", "--tasks-data", ground, "--json", tmp_path / "r.json", "--log-samples",
                    tmp_path / "samples.jsonl", "--resume")
    for mine in ("dear diary\n", '{"task": "wash up"}\n', "[1]\n"):
        (tmp_path / "samples.jsonl").write_text(mine)
        done = sleb(*command)
        assert (done.returncode, done.stdout) == (2, "") and "samples.jsonl: exists already" in done.stderr
        assert (tmp_path / "samples.jsonl").read_text() == mine
    (tmp_path / "samples.jsonl").unlink()
    sleb_ok(*command)
    (tmp_path / "r.json").unlink()
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    (tmp_path / "samples.jsonl").write_text(lines[0] + "\n")
    sleb_ok(*command)
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == len(lines) == 2 * 9


def test_a_finished_run_says_what_it_did_not_do(sleb, sleb_ok, ground, tmp_path):
    command = prune(ground, "--eval-tasks", "piqa", "--tasks-data", ground, "--eval-ppl", ground / "text.txt", "--json",
                    tmp_path / "r.json")
    sleb_ok(*command, "--eval-segments", 3, "--limit", 4)
    asked = ["--eval-segments", 2, "--limit", 5, "--num-fewshot", 1, "--log-samples", tmp_path / "s.jsonl",
             "--result-folder", tmp_path / "records"]
    done = sleb(*command, *asked, "--resume")
    assert done.returncode == 0 and "finished already" in done.stdout
    assert (f"warning: that run evaluated {ground}/text.txt on 3 segments, not 2; piqa on 4 rows, not 5; "
            "piqa with 0 examples, not 1; sleb eval") in done.stderr
    assert (f"not written now: {tmp_path}/s.jsonl (--log-samples), {tmp_path}/records/sleb_results.txt (the record)"
            in done.stderr)
    assert {path.name for path in tmp_path.iterdir()} == {"r.json"}
    done = sleb(*command, "--eval-segments", 3, "--limit", 4, "--resume")
    assert done.returncode == 0 and "warning" not in done.stderr


def test_dry_run_knows_of_it(sleb_ok, ground):
    """Its time, and its memory where that is the most."""
    shown = json.loads(sleb_ok(*prune(ground, "--dry-run", "--json", "-")))
    with_tasks = json.loads(sleb_ok(*prune(ground, *evaluation(ground), "--dry-run", "--json", "-")))
    assert shown["evaluation_seconds"] == 0 < with_tasks["evaluation_seconds"]
    text = sleb_ok(*prune(ground, *evaluation(ground), "--dry-run"))
    assert "18 questions, dense and pruned" in text


def test_the_peak_is_foreseen(sleb_ok, sleb_measured, tmp_path):
    """Of long questions after a search on a short text, where the evaluation takes the most."""
    sizes = {"hidden_size": 512, "num_attention_heads": 8, "num_key_value_heads": 8, "intermediate_size": 2048}
    model = save_tokenizer(save_model(tmp_path / "model", num_hidden_layers=3, max_position_embeddings=2048, **sizes))
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 5)
    with open(tmp_path / "piqa.jsonl", "w", encoding="utf-8") as rows:
        for number in range(6):
            rows.write(json.dumps({"goal": "long " * 380, "sol1": "a", "sol2": f"b{number}", "label": 0}) + "\n")
    command = ["prune", model, "--dataset", tmp_path / "text.txt", "--seqlen", 20, "--segments", 2, "--dtype", "float32",
               "--num-remove-blocks", 1, "--prompt-tokens", 0, "--threads", 1]
    tasks = ["--eval-tasks", "piqa", "--tasks-data", tmp_path]
    without = json.loads(sleb_ok(*command, "--dry-run", "--json", "-"))["memory"]["peak"]
    predicted = json.loads(sleb_ok(*command, *tasks, "--dry-run", "--json", "-"))["memory"]["peak"]
    _, peak = sleb_measured(*command, *tasks, "--json", "-")
    assert predicted > without + 20e6
    assert abs(peak / predicted - 1) < 0.15, f"{peak / 1e6:.0f} MB were taken, {predicted / 1e6:.0f} MB predicted"
