"""Text that the model writes itself, against transformers' distributions and numpy's random numbers, token by token; and
what is kept of it."""
import hashlib
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
import torch
import transformers

import oracle
from tiny_models import OPT, VOCABULARY, edit_json, save_model, save_tokenizer, set_template

TRAIN, EVALUATION = 0, 1
BOS = VOCABULARY - 1
SHEETS = 32
SHORTEST_SHEET, LONGEST_SHEET = 128, 512


class Sheet:
    """What sleb/engine/sequences/self_text.h says of one."""

    def __init__(self, seed: int, part: int, number: int, before: list[int], stop_ids: list[int], tokenizer):
        self.random = np.random.default_rng([seed, part, number])
        self.before, self.stop_ids, self.tokenizer = before, stop_ids, tokenizer
        self.ids, self.waiting = [*before, self.first_token()], []

    def first_token(self) -> int:
        while True:
            token = int(self.random.random() * VOCABULARY)
            text = self.tokenizer.decode([token])
            added = token in self.tokenizer.added_tokens_decoder
            if not added and self.tokenizer.encode(text, add_special_tokens=False) == [token]:
                return token

    def add(self, logits: torch.Tensor) -> None:
        sums = torch.softmax(logits.double(), -1).cumsum(-1).numpy()
        token = int(np.searchsorted(sums, self.random.random() * sums[-1], side="right"))
        if self.waiting:
            token = self.waiting.pop(0)
        elif token in self.stop_ids:
            before = self.before[1:] if self.before[:1] == [token] else self.before
            self.waiting = [*before, self.first_token()]
        self.ids.append(token)


def written(folder: pathlib.Path, tokens: int, seed: int = 0, part: int = TRAIN, before: tuple = ()) -> list[int]:
    model = oracle.load(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    stop_ids = model.config.eos_token_id or []
    length = min(max(SHORTEST_SHEET, min(LONGEST_SHEET, -(-tokens // SHEETS))), model.config.max_position_embeddings, tokens)
    sheets = [Sheet(seed, part, i, list(before), stop_ids, tokenizer) for i in range(-(-tokens // length))]
    cache = None
    while len(sheets[0].ids) < length:
        new = [sheet.ids if cache is None else sheet.ids[-1:] for sheet in sheets]
        with torch.no_grad():
            output = model(torch.tensor(new), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        for sheet, logits in zip(sheets, output.logits[:, -1]):
            sheet.add(logits)
    return [token for sheet in sheets for token in sheet.ids][:tokens]


class Place:
    """A model, a cache and commands."""

    def __init__(self, sleb, folder: pathlib.Path):
        self.run, self.folder, self.cache = sleb, folder, folder / "cache"
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(self.cache)}

    def sleb(self, *arguments, **options) -> subprocess.CompletedProcess:
        return self.run(*arguments, cwd=self.folder, env=self.environment, **options)

    def prune(self, *more, **options) -> tuple[dict, str]:
        """sleb.json and what was said."""
        done = self.sleb(*self.arguments(*more), "--json", "-", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    @staticmethod
    def arguments(*more) -> list:
        usual = {"--dataset": "self:300", "--seqlen": 60, "--dtype": "float32", "--threads": 1}
        options = [part for name, value in usual.items() if name not in more for part in (name, value)]
        return ["prune", "model", "--num-remove-blocks", 1, "--prompt-tokens", 0, *options, *more]

    def kept(self) -> list[pathlib.Path]:
        return sorted(path for path in self.cache.rglob("*") if path.is_file())

    def kept_ids(self) -> list[int]:
        (path,) = self.kept()
        return json.loads(path.read_text())["ids"]


@pytest.fixture
def place(sleb, tmp_path) -> Place:
    save_tokenizer(save_model(tmp_path / "model", eos_token_id=[5]))
    return Place(sleb, tmp_path)


def sha256(ids: list[int]) -> str:
    return hashlib.sha256(np.array(ids, "<i8").tobytes()).hexdigest()


ENDS = [*range(0, 200, 10), BOS]  # of a text; these models write some of them often

MODELS = {
    "llama": ("llama", {"eos_token_id": ENDS}),
    "no end of text": ("llama", {"eos_token_id": None}),
    "window": ("mistral", {"sliding_window": 30, "eos_token_id": ENDS}),
    "opt": ("opt", {**OPT["post-norm and projections"], "eos_token_id": ENDS}),
    "longer than a sheet": ("llama", {"eos_token_id": ENDS, "max_position_embeddings": 2048}),
}


@pytest.mark.parametrize("before", [(), (BOS,)], ids=["no BOS", "BOS"])
@pytest.mark.parametrize("name", MODELS)
def test_every_token_is_drawn_from_transformers_distribution(place, name, before):
    family, changes = MODELS[name]
    save_model(place.folder / "model", family, **changes)
    edit_json(place.folder / "model" / "generation_config.json", eos_token_id=...)
    if before:
        set_template(place.folder / "model", "<bos>", "$A")
    result, _ = place.prune("--dataset", "self:600", "--seed", 3)
    ids = place.kept_ids()
    assert ids == written(place.folder / "model", 600, seed=3, before=before)
    calibration = result["calibration"]
    assert calibration["ids_sha256"] == sha256(ids)
    assert calibration["dataset"] == "self" and calibration["seed"] == 3
    assert calibration["tokens"] == 600 and calibration["segments"] == 10
    assert calibration["self_text"] == {"tokens": 600, "temperature": 1, "seed": 3, "part": "train"}
    if changes["eos_token_id"] is not None:
        assert len(set(ids) & set(ENDS)) > 1, "no second text"


def test_evaluation_has_a_text_of_its_own(place):
    done = place.sleb("eval", "model", "--ppl", "self:300", "--seqlen", 60, "--dtype", "float32", "--threads", 1, "--json", "-",
                      "--removal-list", 2)
    assert done.returncode == 0, done.stderr
    ids = place.kept_ids()
    assert ids == written(place.folder / "model", 300, part=EVALUATION)
    details = json.loads(done.stdout)["perplexity_details"]["self:300"]
    assert details["ids_sha256"] == sha256(ids) and details["segments"] == 5
    assert details["self_text"]["part"] == "evaluation"
    # The perplexity is the one of these ids.
    np.save(place.folder / "ids.npy", np.array(ids))
    model = oracle.load(place.folder / "model")
    rows = torch.tensor(ids).view(5, 60)
    with torch.no_grad():
        losses = [model(row[None], labels=row[None]).loss.item() for row in rows]
    assert details["rows"][0]["perplexity"] == pytest.approx(np.exp(np.mean(losses)), rel=1e-5)


def test_both_texts_of_a_search(place):
    result, _ = place.prune("--eval-dataset", "self:240")
    assert sorted(len(json.loads(path.read_text())["ids"]) for path in place.kept()) == [240, 300]
    assert result["evaluation"]["perplexity_details"]["self:240"]["tokens"] == 240


def test_the_number_of_tokens(place):
    assert place.prune("--dataset", "self", "--seqlen", 250, "--segments", 3)[0]["calibration"]["tokens"] == 750
    by_default = place.prune("--dataset", "self", "--seqlen", 250)[0]["calibration"]
    assert (by_default["tokens"], by_default["segments"]) == (33 * 250, 33)  # the first multiple from 8,192


def test_the_same_again(place):
    first, said = place.prune("--seqlen", 60)
    assert "self:300: the model writes 300 tokens, once for this seed" in said
    (path,) = place.kept()
    content = path.read_bytes()
    again, said = place.prune("--seqlen", 50)  # cut otherwise, the same text
    assert f"self:300: 300 tokens that the model has written before: {path}" in said
    assert again["calibration"]["ids_sha256"] == first["calibration"]["ids_sha256"]
    path.unlink()
    place.prune()
    assert path.read_bytes() == content
    for change in (["--seed", 1], ["--dataset", "self:301"], ["--dtype", "bfloat16"], ["--threads", 2]):
        _, said = place.prune(*change)
        assert "once for this seed" in said, change
    assert len(place.kept()) == 5
    (place.folder / "model" / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 7]}))
    assert "once for this seed" in place.prune()[1]
    edit_json(place.folder / "model" / "config.json", rms_norm_eps=1e-3)
    assert "once for this seed" in place.prune()[1]


def test_blocks_that_are_streamed_write_the_same(place):
    place.prune()
    content = [path.read_bytes() for path in place.kept()]
    place.kept()[0].unlink()
    weights = sum(path.stat().st_size for path in (place.folder / "model").glob("*.safetensors"))
    result, said = place.prune("--weights-memory", int(weights * 0.75), "--out", "out", "--force")
    assert "blocks stay in memory" in said
    assert [path.read_bytes() for path in place.kept()] == content


def test_resume(place):
    place.prune("--out", "out")
    place.kept()[0].unlink()  # written anew, the same
    done = place.sleb(*place.arguments("--out", "out", "--resume"))
    assert done.returncode == 0 and "finished already: out" in done.stdout, done.stderr


def test_the_card_says_who_wrote_the_text(place):
    place.prune("--out", "out")
    card = (place.folder / "out" / "README.md").read_text()
    assert "Calibration: text that the unpruned model wrote itself, 5 segments of 60 tokens, seed 0." in card


def test_dry_run(place):
    done = place.sleb(*place.arguments("--dry-run"))
    assert done.returncode == 0, done.stderr
    assert "writing text " in done.stdout and "estimated; nothing if it is kept" in done.stdout
    assert place.kept() == []
    figures = json.loads(place.sleb(*place.arguments("--dry-run", "--json", "-")).stdout)
    assert figures["seconds_to_write_texts"] > 0


def test_many_processes_have_one_text(place, sleb_program):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sleb_program, *map(str, place.arguments("--json", "ranks.json"))]
    ranks = []
    for rank in range(3):
        # Each with a cache of its own: rank 0's alone is used.
        variables = {"RANK": str(rank), "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
                     "XDG_CACHE_HOME": str(place.folder / f"cache of {rank}")}
        ranks.append(subprocess.Popen(arguments, cwd=place.folder, env={**os.environ, **variables}, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True))
    said = [rank.communicate(timeout=120) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0, 0], said
    assert [(place.folder / f"cache of {rank}").exists() for rank in range(3)] == [True, False, False]
    alone, _ = place.prune()
    together = json.loads((place.folder / "ranks.json").read_text())
    assert together["calibration"] == alone["calibration"] and together["removal_list"] == alone["removal_list"]


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_bytes(path.read_bytes()[:-40]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text(path.read_text().replace('"ids":[', '"ids":[1')),
    lambda path: (path.unlink(), path.mkdir()),
    lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "key": {}})),
], ids=["cut off", "empty", "another id", "a folder", "another text's"])
def test_a_damaged_text_is_written_anew(place, spoil):
    first, _ = place.prune()
    (path,) = place.kept()
    content = path.read_bytes()
    spoil(path)
    again, said = place.prune()
    assert f"warning: the kept text is damaged, and written anew: {path}" in said
    assert again["calibration"] == first["calibration"]
    if not path.is_dir():
        assert path.read_bytes() == content


def test_a_disk_that_refuses_costs_the_cache_alone(place):
    first, said = place.prune(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)))
    assert "warning: the text is used, but can't be kept for the next time: " in said
    assert place.kept() == []
    place.cache.rename(place.folder / "moved")
    place.cache.write_text("a file in its place")
    again, said = place.prune()
    assert "warning: the text is used, but can't be kept for the next time: " in said
    assert again["calibration"] == first["calibration"]


@pytest.mark.parametrize("environment, where", [
    ({"XDG_CACHE_HOME": "{tmp}/x"}, "x"), ({"HOME": "{tmp}/h"}, "h/.cache"), ({"HOME": "{tmp}/h", "XDG_CACHE_HOME": ""}, "h/.cache"),
    ({"HOME": "{tmp}/h", "XDG_CACHE_HOME": "relative"}, "h/.cache"),
], ids=str)
def test_where_texts_are_kept(place, environment, where):
    """By the XDG Base Directory Specification."""
    del place.environment["XDG_CACHE_HOME"]
    place.environment |= {name: value.format(tmp=place.folder) for name, value in environment.items()}
    place.prune()
    assert len(list((place.folder / where / "sleb" / "self-text").glob("*.json"))) == 1
    assert not (place.folder / "relative").exists()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_run_that_ends_while_the_model_writes(place, sleb_program, sign):
    save_model(place.folder / "model", eos_token_id=[5], hidden_size=256, num_hidden_layers=8)
    arguments = [sleb_program, *map(str, place.arguments("--dataset", "self:200000"))]
    process = subprocess.Popen(arguments, cwd=place.folder, env=place.environment, stderr=subprocess.PIPE, text=True)
    said = ""
    while "the model writes" not in said:
        said += process.stderr.readline()
        assert process.poll() is None, said
    time.sleep(0.3)
    process.send_signal(sign)
    rest = process.communicate(timeout=20)[1]
    assert process.returncode == (1 if sign == signal.SIGINT else -sign)
    if sign == signal.SIGINT:
        assert "stopped before the end" in rest
    assert place.kept() == []


@pytest.mark.parametrize("arguments, message", [
    (["--dataset", "self:"], "--dataset self:: expected self or self:TOKENS, a whole number from 2 to 16777216"),
    (["--dataset", "self:many"], "--dataset self:many: expected self or self:TOKENS"),
    (["--dataset", "self:1"], "--dataset self:1: expected self or self:TOKENS"),
    (["--dataset", "self:16777217"], "--dataset self:16777217: expected self or self:TOKENS"),
    (["--dataset", "self:50"], "self:50: 50 tokens, one segment needs 60"),
    (["--dataset", "self", "--segments", 10**9], "--dataset self: 1000000000 segments of 60 tokens are more than"),
    (["--dataset", "self:120", "--segments", 3], "self:120: 120 tokens make 2 segments of 60, 3 were asked for"),
    (["--eval-dataset", "self:x"], "--eval-ppl self:x: expected self or self:TOKENS"),
], ids=str)
def test_refused(place, arguments, message):
    done = place.sleb(*place.arguments(*arguments))
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert place.kept() == []


def test_llama_cpps_protocol_takes_no_such_text(place):
    done = place.sleb("eval", "model", "--ppl", "self", "--protocol", "llama.cpp")
    assert done.returncode == 2 and "--ppl self: llama.cpp's protocol takes a file of text" in done.stderr


def test_a_decoder_that_is_not_known_is_refused_before_the_model_is_loaded(place):
    edit_json(place.folder / "model" / "tokenizer.json", decoder={"type": "Mystery"})
    done = place.sleb(*place.arguments())
    assert done.returncode == 2 and "Mystery" in done.stderr and "the model writes" not in done.stderr


def test_a_vocabulary_without_a_plain_token(place):
    """Every token an added one."""
    path = place.folder / "model" / "tokenizer.json"
    tokens = json.loads(path.read_text())["model"]["vocab"]
    edit_json(path, added_tokens=[{"id": id, "content": token, "special": False, "single_word": False, "lstrip": False,
                                   "rstrip": False, "normalized": False} for token, id in tokens.items()])
    done = place.sleb(*place.arguments())
    assert done.returncode == 2 and "has no token that stands for a plain piece of text" in done.stderr


def test_a_file_of_that_name_goes_first(place):
    (place.folder / "self").write_text("a text\n" * 100)
    done = place.sleb(*place.arguments("--dataset", "self"))
    assert done.returncode == 2 and "self: not a text file by its name" in done.stderr


def test_rows_to_sample_are_none(place):
    assert "--nsamples counts for nothing" in place.prune("--nsamples", 5)[1]
