"""`sleb prune --repair`: the folder that `sleb repair` would write for the blocks that the search found, and what is
said of it."""
import json
import math
import pathlib
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
import transformers

import generated_rows
import oracle
from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import VOCABULARY, make_model, random_ids, save_model, save_tokenizer

SEQLEN, TOKENS = 64, 2048
WORDS = "the quick brown fox jumps over a lazy dog while five dozen liquor jugs pack my box".split()


def words(count: int, seed: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count))


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    """Two models, texts of one row (which no shuffle changes) and rows of a task."""
    folder = tmp_path_factory.mktemp("ground")
    save_tokenizer(save_model(folder / "model", seed=4, num_hidden_layers=6))
    save_gguf(folder / "model.gguf", make_model(seed=4, num_hidden_layers=6), "Q8_0", tokens=BYTE_TOKENS)
    (folder / "text.jsonl").write_text(json.dumps({"text": words(1500, 1)}) + "\n")
    (folder / "other.jsonl").write_text(json.dumps({"text": words(300, 2)}) + "\n")
    (folder / "long.jsonl").write_text(json.dumps({"text": words(15000, 3)}) + "\n")
    generated_rows.write(folder, 9, "validation", seed=5, tasks=["piqa"])
    return folder


def prune(ground: pathlib.Path, *options, model: str = "model", tokens: int = TOKENS) -> list:
    return ["prune", ground / model, "--dataset", ground / "text.jsonl", "--seqlen", SEQLEN, "--segments", 6, "--dtype",
            "float32", "--threads", 1, "--num-remove-blocks", 2, "--prompt-tokens", 0, "--repair", "--repair-dataset",
            ground / "long.jsonl", "--repair-tokens", tokens, *options]


def repair(ground: pathlib.Path, removal_list: list, *options, model: str = "model") -> list:
    return ["repair", ground / model, "--removal-list", ",".join(map(str, removal_list)), "--dtype", "float32",
            "--threads", 1, "--seqlen", SEQLEN, "--repair-dataset", ground / "long.jsonl", "--repair-tokens", TOKENS,
            *options]


def result_of(folder: pathlib.Path) -> dict:
    return json.loads((folder / "sleb.json").read_text())


def weights_of(folder: pathlib.Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def without_seconds(record: dict) -> dict:
    return {**record, "seconds": 0}


@pytest.mark.parametrize("model, search", [("model", "exact"), ("model", "race"), ("model", "best"),
                                           ("model.gguf", "race")])
def test_the_same_as_a_search_and_then_a_repair(sleb_ok, ground, tmp_path, model, search):
    sleb_ok(*prune(ground, "--search", search, "--out", tmp_path / "out", model=model))
    result = result_of(tmp_path / "out")
    assert any(matrix["ridge"] for matrix in result["repair"]["matrices"])
    sleb_ok(*repair(ground, result["removal_list"], "--out", tmp_path / "after", model=model))
    assert weights_of(tmp_path / "out") == weights_of(tmp_path / "after")
    assert without_seconds(result["repair"]) == without_seconds(result_of(tmp_path / "after")["repair"])


@pytest.fixture(scope="module", params=["model", "model.gguf"])
def repaired(sleb_ok, ground, tmp_path_factory, request) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("repaired") / "out"
    sleb_ok(*prune(ground, "--out", folder, model=request.param))
    return folder


def test_transformers_computes_the_engines_logits(repaired, logits_dump, tmp_path):
    ids = random_ids(100)
    np.save(tmp_path / "ids.npy", ids)
    content = logits_dump(repaired, tmp_path / "ids.npy", "float32", "")
    actual = np.frombuffer(content, np.float32).reshape(len(ids), VOCABULARY)
    assert np.abs(actual - oracle.logits(oracle.load(repaired), ids)).max() <= 1e-4


def test_transformers_generates_the_same_tokens(repaired, run_dump):
    ids = random_ids(20, seed=3)
    model = oracle.load(repaired)
    model.generation_config.eos_token_id = None  # oracle.generate would suppress it
    [[tokens]] = run_dump(repaired, "float32", {"removed": [[]], "prompts": [ids.tolist()], "count": 24})
    assert tokens == oracle.generate(model, ids, 24)


def divergence_between(dense: pathlib.Path, other: pathlib.Path, text: str) -> float:
    """KL(dense || other) of the next token's distribution, nats per scored token, by transformers."""
    row = json.loads(pathlib.Path(text).read_text())["text"]
    ids = transformers.AutoTokenizer.from_pretrained(dense)(row)["input_ids"]
    segments = np.array(ids[:len(ids) // SEQLEN * SEQLEN]).reshape(-1, SEQLEN)
    own, others = (torch.log_softmax(torch.from_numpy(oracle.logits(oracle.load(folder), segments))[:, :-1].double(), -1)
                   for folder in (dense, other))
    return (own.exp() * (own - others)).sum(-1).mean().item()


def test_evaluated_beside_removed_and_dense(sleb_ok, ground, tmp_path):
    """The repaired model's figures are those of the folder by itself; differences are paired with the dense model's."""
    evaluation = ["--eval-ppl", f"{ground}/text.jsonl,{ground}/other.jsonl", "--eval-tasks", "piqa", "--tasks-data",
                  ground]
    samples = tmp_path / "samples.jsonl"
    shown = sleb_ok(*prune(ground, *evaluation, "--out", tmp_path / "out", "--log-samples", samples))
    result = result_of(tmp_path / "out")
    alone = json.loads(sleb_ok("eval", tmp_path / "out", "--ppl", evaluation[1], "--tasks", "piqa", "--tasks-data",
                               ground, "--seqlen", SEQLEN, "--dtype", "float32", "--threads", 1, "--json", "-"))
    beside = result["evaluation"]
    assert beside["removal_lists"] == [result["removal_list"]] * 2
    for text, values in alone["perplexity"].items():
        assert beside["perplexity"][text]["repaired"] == pytest.approx(values["dense"], rel=1e-9)
        dense, removed, row = beside["perplexity_details"][text]["rows"]
        assert "repaired" not in removed and row["repaired"] is True
        divergence = divergence_between(ground / "model", tmp_path / "out", text)
        assert row["divergence"] == pytest.approx(divergence, abs=2e-6)
        assert abs(row["divergence"] - removed["divergence"]) > 1e-4  # not the removed model's
        expected = math.log(row["perplexity"]) - math.log(dense["perplexity"])
        assert row["difference"] == pytest.approx(expected, abs=1e-9)
    removed, row = beside["pruned"]
    assert "repaired" not in removed and row["repaired"] is True
    for name in ("acc", "acc_norm"):
        assert row["results"]["piqa"][name] == alone["results"]["piqa"][name]
        difference = row["results"]["piqa"][name] - beside["results"]["piqa"][name]
        assert row["results"]["piqa"][f"{name}_difference"] == pytest.approx(difference, abs=1e-12)
    repaired_samples = [json.loads(line).get("repaired", False) for line in samples.read_text().splitlines()]
    assert repaired_samples == [False] * 18 + [True] * 9
    tokens = result["calibration"]["segments"] * SEQLEN
    losses = [result["dense_loss"], result["steps"][-1]["loss"], result["repaired_loss"]]
    perplexities = " | ".join(f"{math.exp(loss / tokens):.2f}" for loss in losses)
    assert f"| calibration perplexity | {perplexities} |" in " ".join(shown.split())
    card = " ".join((tmp_path / "out" / "README.md").read_text().split())
    for part in (f"| calibration perplexity | {perplexities} |", "were fitted anew", "| held after |"):
        assert part in card, part
    assert "No weight was changed" not in card


def test_repairs_without_an_output(sleb_ok, ground, tmp_path):
    result = json.loads(sleb_ok(*prune(ground, "--json", "-")))
    sleb_ok(*prune(ground, "--out", tmp_path / "out"))
    assert result["repaired_loss"] == result_of(tmp_path / "out")["repaired_loss"] != result["steps"][-1]["loss"]


def test_fitted_to_what_the_model_writes_and_to_the_calibration_text(sleb_ok, ground, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = prune(ground, "--json", "-")
    at = command.index("--repair-dataset")
    del command[at:at + 2]
    command[command.index(ground / "text.jsonl")] = ground / "long.jsonl"
    result = json.loads(sleb_ok(*command))
    assert [text["dataset"] for text in result["repair"]["texts"]] == ["self", str(ground / "long.jsonl")]


def start(program: pathlib.Path, command: list) -> subprocess.Popen:
    return subprocess.Popen([str(part) for part in (program, *command)], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def kill_in_repair(program: pathlib.Path, command: list, seconds: float) -> bool:
    """So long after the repair begins; whether the kill met it."""
    process = start(program, command)
    while not (line := process.stderr.readline()).startswith("repair: 2"):
        assert line, process.wait()
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("search", ["race", "best"])
def test_killed_in_the_repair_and_resumed(sleb, sleb_ok, sleb_program, ground, tmp_path, search):
    """The search's rounds are kept: the same bytes, without a second search."""
    options = ["--search", search, "--eval-ppl", ground / "other.jsonl", "--out", tmp_path / "out"]
    command = prune(ground, *options, tokens=16_000)
    sleb_ok(*command)
    expected, result = weights_of(tmp_path / "out"), result_of(tmp_path / "out")
    met = 0
    for seconds in (0, 0.2) if search == "race" else (0.1,):
        shutil.rmtree(tmp_path / "out")
        met += kill_in_repair(sleb_program, command, seconds)
        done = sleb(*command, "--resume")
        assert done.returncode == 0, done.stderr
        assert "going on after" in done.stderr and "round 1" not in done.stderr
        assert weights_of(tmp_path / "out") == expected
        again = result_of(tmp_path / "out")
        assert all(again[key] == result[key] for key in ("removal_list", "repaired_loss"))
        assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert met
    assert "finished already" in sleb_ok(*command, "--resume")
    # Another repair of the same search is not that result.
    refused = sleb(*prune(ground, *options), "--resume")
    assert refused.returncode == 2 and "exists already" in refused.stderr


def test_a_repair_that_is_killed_leaves_no_output(sleb_ok, sleb_program, ground, tmp_path):
    """`sleb repair` has nothing to resume: the same command again writes the same file."""
    command = repair(ground, [1, 3], "--out", tmp_path / "out")
    command[command.index(TOKENS)] = 16_000
    sleb_ok(*command)
    expected = weights_of(tmp_path / "out")
    for seconds in (0, 0.2):
        shutil.rmtree(tmp_path / "out")
        if kill_in_repair(sleb_program, command, seconds):
            assert not (tmp_path / "out").exists()
            sleb_ok(*command)
        assert weights_of(tmp_path / "out") == expected
        assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_a_dry_run_says_what_the_repair_takes(sleb_ok, ground, tmp_path):
    sleb_ok(*prune(ground, "--dry-run", "--json", tmp_path / "dry.json"))
    planned = json.loads((tmp_path / "dry.json").read_text())["repair"]
    assert planned["segments"] == TOKENS // SEQLEN and planned["seqlen"] == SEQLEN
    assert planned["memory"]["states"] == 2 * TOKENS * 64 * 4 and planned["seconds"] > 0
    assert "predicted peak of the repair, 1.05 MB on disk" in sleb_ok(*prune(ground, "--dry-run", "--state-memory", 0))


REFUSED = {
    "the texts alone": (["--repair-dataset", "x.txt"], "--repair-dataset needs --repair"),
    "the tokens alone": (["--repair-tokens", "4096"], "--repair-tokens needs --repair"),
    "a missing file": (["--repair", "--repair-dataset", "missing.txt"], "missing.txt"),
    "too few tokens": (["--repair", "--repair-dataset", "self", "--repair-tokens", "256"], "at least"),
    "a text that is too short": (["--repair", "--repair-tokens", "60000"], "are wanted of it; give a longer text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_the_search(sleb, ground, tmp_path, case):
    options, message = REFUSED[case]
    done = sleb("prune", ground / "model", "--dataset", ground / "text.jsonl", "--seqlen", SEQLEN,
                "--num-remove-blocks", 1, "--out", tmp_path / "out", *options)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not any(tmp_path.iterdir())


def test_nothing_kept_behind_is_no_reason_to_lose_a_search(sleb, ground, tmp_path):
    done = sleb(*prune(ground, "--early-barrier", 4, "--latter-barrier", 0, "--out", tmp_path / "out"))
    assert done.returncode == 0 and "warning: not repaired: no block is kept behind block 4" in done.stderr
    assert "repair" not in result_of(tmp_path / "out")
    assert oracle.load(tmp_path / "out").dtype == torch.float32
