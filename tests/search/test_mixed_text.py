"""`sleb prune --dataset a,b`: which ids the search sees, against numpy; the same in many processes and after a stop."""
import hashlib
import json
import os
import pathlib
import socket
import subprocess

import numpy as np
import pytest

from tiny_models import save_model, save_tokenizer

SEQLEN = 40
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def save_text(path: pathlib.Path, lines: int, seed: int) -> pathlib.Path:
    random = np.random.default_rng(seed)
    path.write_text("".join("".join(random.choice(list(LETTERS), 30)) + "\n" for _ in range(lines)))
    return path


def first_segments(path: pathlib.Path, count: int, seed: int) -> np.ndarray:
    """Of a .txt file's rows in numpy's order, which is datasets' shuffle; the tokenizer's ids are bytes."""
    alphabet = json.loads((path.parent / "model" / "tokenizer.json").read_text())["model"]["vocab"]
    with open(path, encoding="utf-8") as file:
        rows = list(file)
    text = "\n\n".join(rows[i] for i in np.random.default_rng(seed).permutation(len(rows)))
    ids = [alphabet["Ċ" if letter == "\n" else letter] for letter in text]
    return np.array(ids[:count * SEQLEN]).reshape(count, SEQLEN)


def spread(*texts: np.ndarray) -> np.ndarray:
    """Segment i of n at (i + 1/2) / n."""
    places = [((i + 0.5) / len(text), number, i) for number, text in enumerate(texts) for i in range(len(text))]
    return np.stack([texts[number][i] for _, number, i in sorted(places)])


def sha256(ids: np.ndarray) -> str:
    return hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()


class Place:
    def __init__(self, sleb, folder: pathlib.Path):
        self.run, self.folder = sleb, folder
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}

    @staticmethod
    def arguments(*more) -> list:
        return ["prune", "model", "--num-remove-blocks", 2, "--prompt-tokens", 0, "--seqlen", SEQLEN, "--seed", 3,
                "--dtype", "float32", "--threads", 1, "--device", "cpu", *more]

    def sleb(self, *more) -> subprocess.CompletedProcess:
        return self.run(*self.arguments(*more), cwd=self.folder, env=self.environment)

    def prune(self, *more) -> tuple[dict, str]:
        done = self.sleb(*more, "--json", "-")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    def written(self, count: int) -> np.ndarray:
        (path,) = (self.folder / "cache").rglob("*.json")
        return np.array(json.loads(path.read_text())["ids"]).reshape(count, SEQLEN)


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("mixed")
    save_tokenizer(save_model(folder / "model", eos_token_id=[5]))
    save_text(folder / "a.txt", 300, 1)
    save_text(folder / "b.txt", 300, 2)
    return folder


@pytest.fixture
def place(sleb, ground, tmp_path) -> Place:
    for name in ("model", "a.txt", "b.txt"):
        (tmp_path / name).symlink_to(ground / name)
    return Place(sleb, tmp_path)


def test_two_texts_and_one_that_the_model_writes(place):
    """A quarter each of what texts without a number have, by segments."""
    result, said = place.prune("--dataset", "a.txt,self:120,b.txt:250", "--segments", 16)
    own = place.written(3)
    texts = [first_segments(place.folder / "a.txt", 7, 3), own, first_segments(place.folder / "b.txt", 6, 3)]
    calibration = result["calibration"]
    assert calibration["ids_sha256"] == sha256(spread(*texts))
    assert calibration["dataset"] == "a.txt,self:120,b.txt"
    assert (calibration["segments"], calibration["tokens"], calibration["seqlen"]) == (16, 640, SEQLEN)
    parts = calibration["texts"]
    assert [part["dataset"] for part in parts] == ["a.txt", "self", "b.txt"]
    assert [part["segments"] for part in parts] == [7, 3, 6]
    assert parts[1]["self_text"]["tokens"] == 120 and parts[1]["ids_sha256"] == sha256(own)
    for line in ("7 segments are of a.txt", "3 segments are of self:120", "6 segments are of b.txt"):
        assert line in said.splitlines()


def test_the_losses_are_those_of_these_ids(place):
    mixed, _ = place.prune("--dataset", "a.txt,b.txt", "--segments", 8)
    ids = spread(first_segments(place.folder / "a.txt", 4, 3), first_segments(place.folder / "b.txt", 4, 3))
    np.save(place.folder / "ids.npy", ids.reshape(-1))
    ready, _ = place.prune("--tokens", "ids.npy")
    for result in (mixed, ready):
        result["steps"] = [(step["removed"], step["loss"], step["candidates"]) for step in result["steps"]]
    for key in ("removal_list", "dense_loss", "steps"):
        assert mixed[key] == ready[key]


def test_numbers_of_tokens(place):
    by_default, said = place.prune("--dataset", "a.txt,b.txt")
    assert [part["segments"] for part in by_default["calibration"]["texts"]] == [205, 205]  # from 8,192 tokens on
    assert "nsamples" not in said
    _, said = place.prune("--dataset", "a.txt", "--dataset", "b.txt", "--segments", 2, "--nsamples", 5)
    assert "warning: --nsamples counts for nothing" in said
    alone, _ = place.prune("--dataset", "b.txt:250")
    as_ever, _ = place.prune("--dataset", "b.txt", "--segments", 6)
    assert alone["steps"][0]["loss"] == as_ever["steps"][0]["loss"]
    assert alone["calibration"] == as_ever["calibration"] and "texts" not in alone["calibration"]


def test_a_path_that_exists_goes_first(place):
    for name in ("a.txt,b.txt", "a.txt:80.txt"):
        (place.folder / name).write_bytes((place.folder / "b.txt").read_bytes())

    def texts(*more) -> list[str]:
        calibration = place.prune(*more)[0]["calibration"]
        return [part["dataset"] for part in calibration.get("texts", [calibration])]

    assert texts("--dataset", "a.txt,b.txt") == ["a.txt,b.txt"]
    assert texts("--dataset", "a.txt,a.txt,b.txt:80") == ["a.txt", "a.txt,b.txt"]
    assert texts("--dataset", "a.txt,b.txt,a.txt:80.txt:120", "--segments", 5) == ["a.txt,b.txt", "a.txt:80.txt"]


def test_resume_and_card(place):
    command = ("--dataset", "a.txt,self", "--segments", 8, "--out", "out")
    assert place.sleb(*command).returncode == 0
    card = (place.folder / "out" / "README.md").read_text()
    assert ("Calibration: segments of several texts, 4 of a.txt, 4 of text that the unpruned model wrote itself, 8 "
            "segments of 40 tokens, seed 3.") in card
    done = place.sleb(*command, "--resume")
    assert done.returncode == 0 and "finished already: out" in done.stdout, done.stderr
    state = {"sleb_search_state": 3, "dense_loss": 0, "steps": [], "round": [],
             "fingerprint": json.loads((place.folder / "out" / "sleb.json").read_text())["fingerprint"]}
    (place.folder / "other.sleb-state.json").write_text(json.dumps(state))
    done = place.sleb("--dataset", "a.txt,self:160", "--segments", 9, "--out", "other", "--resume")
    assert done.returncode == 2 and "is of another search: the calibration text's ids was" in done.stderr
    done = place.sleb(*command[:-1], "other", "--resume")
    assert done.returncode == 0, done.stderr
    assert "going on after" in done.stderr


def test_two_processes(place, sleb_program):
    alone, _ = place.prune("--dataset", "a.txt,self", "--segments", 10)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sleb_program, *map(str, place.arguments("--dataset", "a.txt,self", "--segments", 10, "--json", "2.json"))]
    ranks = [subprocess.Popen(command, cwd=place.folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env={**place.environment, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                                   "MASTER_PORT": str(port)}) for rank in range(2)]
    said = [rank.communicate(timeout=120) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    together = json.loads((place.folder / "2.json").read_text())
    assert together["calibration"] == alone["calibration"] and together["removal_list"] == alone["removal_list"]


@pytest.mark.parametrize("arguments, message", [
    (["--dataset", "a.txt,"], "--dataset: a text without a name"),
    (["--dataset", "a.txt,./a.txt"], "--dataset ./a.txt: the text stands twice"),
    (["--dataset", "a.txt:80,a.txt:120"], "--dataset a.txt: the text stands twice"),
    (["--dataset", "a.txt,missing.txt"], "missing.txt: no such file"),
    (["--dataset", "a.txt:39"], "expected a number of tokens from 40, one segment, to 16777216"),
    (["--dataset", "a.txt,self:x"], "expected self or self:TOKENS"),
    (["--dataset", "a.txt:400,b.txt", "--segments", 10], "--segments 10: the 400 tokens of texts with a number"),
    (["--dataset", "a.txt:400,b.txt:400", "--segments", 10], "--segments 10: every text has a number of its own"),
    (["--dataset", "a.txt,b.txt", "--segments", 2000], "a.txt: all of it makes"),
    (["--dataset", "a.txt,b.txt", "--tokens", "a.txt"], "--dataset excludes --tokens"),
], ids=str)
def test_refused(place, arguments, message):
    done = place.sleb(*arguments)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
