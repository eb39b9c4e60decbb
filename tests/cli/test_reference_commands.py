"""The published code's own command lines, for `python -m sleb`, `eval` and `latency` `sleb prune`, `eval` and `latency`:
its options as it spells them, with its meaning, or refused by name."""
import ast
import json
import pathlib
import re
import shlex

import pytest

import generated_rows
from tiny_models import save_model, save_tokenizer

NUM_BLOCKS = 6
FIVE = ["piqa", "winogrande", "hellaswag", "arc_challenge", "arc_easy"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    """Where the commands run: a model, texts and the five tasks' rows."""
    folder = tmp_path_factory.mktemp("reference")
    save_tokenizer(save_model(folder / "model", seed=2, num_hidden_layers=NUM_BLOCKS, max_position_embeddings=2048))
    (folder / "text.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 60)
    generated_rows.write(folder, 4, "validation", seed=5, tasks=FIVE)
    return folder


@pytest.fixture
def at(sleb, ground, tmp_path):
    """Runs a command line as it is pasted; what is written goes to a folder of the test's own."""

    def run(command: str):
        return sleb(*shlex.split(command.format(out=tmp_path)), cwd=ground)

    return run


@pytest.fixture
def at_ok(at):
    def run(command: str) -> str:
        done = at(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


PRUNE = ("prune --model_name model --num_blocks 6 --num_remove_blocks 2 --dataset text.txt --seed 3 --nsamples 50 "
         "--early_barrier 2 --latter_barrier 0 --seqlen 100 --prompt_tokens 0 --dtype float32 ")


def test_prune(at_ok, tmp_path):
    """Perplexity and the five tasks after the search, and the record that sleb.py writes."""
    result = json.loads(at_ok(PRUNE + "--eval_ppl text.txt --eval_zeroshot True --tasks-data . --json - "
                                      "--result_folder {out}/results --result_file sleb.txt"))
    assert (result["num_blocks"], len(result["removal_list"]), result["calibration"]["seed"]) == (6, 2, 3)
    assert [candidate["block"] for candidate in result["steps"][0]["candidates"]] == [2, 3, 4, 5]
    tasks = result["evaluation"]["pruned"][0]["results"]
    assert list(tasks) == FIVE
    lines = (tmp_path / "results" / "sleb.txt").read_text().split("\n")
    assert re.fullmatch(r"Time Elapsed: \d+\.\d+", lines[0])
    perplexity = result["evaluation"]["perplexity"]["text.txt"]["pruned"]
    assert lines[1:11] == ["Model Name: model", "# Total Blocks: 6", "# Remove Blocks: 2", "Dataset: text.txt", "Seed: 3",
                           "Barriers: early 2 / latter 0", f"Block Removal Order: {result['removal_list']}",
                           f"text.txt PPL = {perplexity:.2f}", "Zero-shot results: ", lines[10]]
    for line, task in zip(lines[10:15], FIVE, strict=True):
        name, metrics = line.split(": ", 1)
        assert name == task
        metrics = ast.literal_eval(metrics)
        assert metrics.pop("alias") == task
        assert metrics == {f"{metric},none": value for metric, value in tasks[task].items() if "difference" not in metric}
    assert lines[15:] == ["", ""]


def test_eval(at_ok, tmp_path):
    """The list in Python's spelling; a second run's record comes after the first's."""
    command = ("eval --model_name=model --removal_list '[5, 4, 1]' --eval_zeroshot True --ppl text.txt --seqlen 100 "
               "--tasks-data . --json - --result_folder {out} --dtype float32 --device cpu")
    result = json.loads(at_ok(command))
    assert result["removal_lists"] == [[5, 4, 1]]
    assert list(result["results"]) == FIVE
    record = (tmp_path / "eval.txt").read_text()
    assert record.startswith("Model Name: model\nBlock Removal Order: [5, 4, 1]\n"
                             f"text.txt PPL: {result['perplexity']['text.txt']['pruned']:.2f}\nZero-shot results: \npiqa: ")
    at_ok("eval --model_name model --removal_list [] --ppl text.txt --seqlen 100 --result_folder {out} --dtype float32")
    assert (tmp_path / "eval.txt").read_text() == (
        record + "Model Name: model\nBlock Removal Order: []\n"
        f"text.txt PPL: {result['perplexity']['text.txt']['dense']:.2f}\n\n")


@pytest.mark.parametrize("given, mode", [("--generation", "generation"), ("--generation True", "generation"),
                                         ("--generation=False", "prompt"), ("--prompt", "prompt"),
                                         ("--prompt false", "generation")])
def test_latency(at_ok, tmp_path, given, mode):
    sizes = "--batch_size 1 --prompt_tokens 4 --repeats 2 " + ("--new_tokens 2" if mode == "generation" else "")
    result = json.loads(at_ok(f"latency {given} --model_name model {sizes} --removal_ratio 0.2 --json - "
                              "--result_folder {out} --result_file speed.txt --device cpu"))
    assert result["mode"] == mode
    assert len(result["results"][1]["removal_list"]) == 2  # 0.2 of 6, rounded up
    kind = {"generation": "Token Generation", "prompt": "Prompt Processing"}[mode]
    means = [record["mean_ms"] for record in result["results"]]
    assert (tmp_path / "speed.txt").read_text() == (
        f"Current GPU: none, # GPU: 0, Model Name: model, Infernce type : {kind}, Dense Latency: {means[0]:.2f}ms, "
        f"SLEB 0.2 Latency: {means[1]:.2f}ms, Speedup: x{means[0] / means[1]:.2f}\n")


LATENCY = "latency --model_name model --batch_size 1 --prompt_tokens 4 --repeats 1 --device cpu --new_tokens 2 "


def test_latency_of_a_list(at_ok, tmp_path):
    """The published code has none; the title says the share of blocks."""
    at_ok(LATENCY + "--removal_list '[1, 2]' --result_folder {out}")
    assert ", SLEB 0.33 Latency: " in (tmp_path / "latency.txt").read_text()


def test_a_short_option_is_no_value(at, at_ok):
    assert at_ok(LATENCY + "--generation -o csv").startswith(at_ok(LATENCY + "-o csv --generation").split("\n")[0])
    done = at("latency --model_name -o csv")
    assert done.returncode == 2 and "--model-name: its value is missing" in done.stderr


@pytest.mark.parametrize("words, evaluated", [
    ("--eval_ppl False --eval_zeroshot False", False),
    ("--eval_ppl=false --eval_zeroshot=no", False),
    ("--eval_zeroshot 0", False),
    ("--eval_zeroshot", True),
    ("--eval_zeroshot yes --eval_ppl False", True),
])
def test_false_is_false(at_ok, words, evaluated):
    """In any spelling; python-fire takes "false" for true."""
    rows = "--tasks-data . --limit 2" if evaluated else ""
    result = json.loads(at_ok(PRUNE + f"{words} {rows} --json -"))
    assert ("evaluation" in result) == evaluated
    assert not evaluated or "perplexity" not in result["evaluation"]


REFUSED = [
    (PRUNE.replace("--num_blocks 6", "--num_blocks 32"), ["--num-blocks 32", "6 blocks"]),
    (PRUNE + "--eval_zeroshot maybe", ["--eval-zeroshot maybe", "True or False"]),
    (PRUNE + "--save_model True", ["--save-model", "--out"]),
    (PRUNE + "--save_path models/x", ["--save-path", "--out"]),
    (PRUNE + "--eval_mmlu", ["--eval-mmlu", "--tasks-file"]),
    (PRUNE + "--result_path out.txt", ["--result-path", "--result-folder"]),
    (PRUNE + "--model_name other", ["--model-name", "twice"]),
    (PRUNE + "--result_folder . --result_file text.txt", ["--result-file", "text.txt", "reads"]),
    (PRUNE + "--result_folder text.txt/in", ["--result-file", "text.txt"]),
    (PRUNE + "--out {out}/new --result_folder {out}/new", ["--result-file", "--out"]),
    (PRUNE + "--dry_run --out {out}/new --result_folder {out}/new", ["--result-file", "--out"]),
    (PRUNE + "--dry_run --result_folder {out} --result_file ..", ["--result-file", "no file's name"]),
    (PRUNE + "--result_folder {out}/new --result_file ''", ["--result-file", "no file's name", "sleb_results.txt"]),
    (PRUNE + "--result_folder '' --result_file ''", ["--result-file", "no file's name"]),
    (PRUNE + "--result_folder {out}/new --result_file a/", ["--result-file", "no file's name"]),
    (PRUNE + "--result_folder {out}/new --result_file ..", ["--result-file", "no file's name"]),
    ("eval model --ppl text.txt --result_file a/.", ["--result-file", "no file's name", "eval.txt"]),
    (LATENCY + "--result_file ''", ["--result-file", "no file's name", "latency.txt"]),
    ("eval --model_name model --eval_five_shot True", ["--eval-five-shot", "--num-fewshot 5"]),
    ("eval --model_name", ["--model-name", "missing"]),
    ("eval model --model_name model --ppl text.txt", ["model"]),
    ("latency --model_name model --generation perhaps", ["--generation perhaps", "True or False"]),
    ("latency --generation model", ["--generation model", "True or False"]),
]


@pytest.mark.parametrize("command, says", REFUSED)
def test_refused_by_name(at, ground, tmp_path, command, says):
    before = sorted(ground.rglob("*"))
    done = at(command)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1 and all(word in done.stderr for word in says), done.stderr
    assert sorted(ground.rglob("*")) == before and not list(tmp_path.iterdir())


def test_asked_for_nothing_is_not_refused(at_ok):
    at_ok(PRUNE + "--save_model False --eval_mmlu False")


@pytest.mark.parametrize("words, written", [
    ("", False), ("--save_results False --result_folder {out}", False), ("--save_results --result_folder {out}", True),
    ("--result_file {out}/eval.txt", True)])
def test_save_results(at_ok, tmp_path, words, written):
    at_ok(f"eval model --ppl text.txt --seqlen 100 {words}")
    assert (tmp_path / "eval.txt").exists() == written


def test_a_record_is_added_whole(at_ok, tmp_path):
    """To what stands there, also through a link."""
    (tmp_path / "kept.txt").write_text("what was there\n")
    (tmp_path / "link.txt").symlink_to("kept.txt")
    at_ok("eval model --ppl text.txt --seqlen 100 --result_folder {out} --result_file link.txt")
    assert (tmp_path / "kept.txt").read_text().startswith("what was there\nModel Name: model\n")
    assert (tmp_path / "link.txt").is_symlink()


@pytest.mark.parametrize("command, shows", [(PRUNE, "removal list: "), (LATENCY, "dense"),
                                            ("eval model --ppl text.txt --seqlen 100 ", "perplexity")])
def test_a_record_that_is_refused_costs_no_result(at, command, shows):
    """The disk may fill while the command computes."""
    done = at(command + "--result_folder /dev --result_file full")
    assert done.returncode == 1 and shows in done.stdout, done.stderr
    assert done.stderr.splitlines()[-1].endswith("/dev/full: can't write: No space left on device")


@pytest.mark.parametrize("command", [PRUNE, LATENCY, "eval model --ppl text.txt --seqlen 100 "])
def test_a_record_that_cannot_be_read_is_refused_at_once(at, tmp_path, command):
    (tmp_path / "old.txt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 9\n")
    done = at(command + "--result_folder {out} --result_file old.txt")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "old.txt" in done.stderr
