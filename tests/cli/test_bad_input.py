"""Bad input: one line that says what is wrong, the exit code, and nothing written."""
import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch

from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import (ROPES, VOCABULARY, edit_json, make_model, random_ids, save_model, save_tokenizer,
                         set_template)

NUM_BLOCKS = 4


@dataclasses.dataclass
class Ground:
    """A good model, good ids and good text, for a case to spoil one of them."""
    folder: pathlib.Path

    @property
    def model(self) -> pathlib.Path:
        return self.folder / "model"

    @property
    def gguf(self) -> pathlib.Path:
        return self.folder / "model.gguf"

    @property
    def ids(self) -> pathlib.Path:
        return self.folder / "ids.npy"

    @property
    def text(self) -> pathlib.Path:
        return self.folder / "text.txt"

    def prune(self, *options, model: pathlib.Path | None = None, calibration: tuple = ("--tokens", "ids.npy"),
              rounds: tuple = ("--num-remove-blocks", 1), out: tuple = ("--out", "out")) -> list:
        """A small search; the command is run in the folder."""
        return ["prune", model or self.model, *calibration, "--seqlen", 50, *rounds, *out, "--prompt-tokens", 0,
                *options]

    def prune_by_text(self, name: str) -> list:
        return self.prune(calibration=("--dataset", name))

    def export(self, removal_list: str = "1", *options, out: str = "out") -> list:
        return ["export", self.model, "--removal-list", removal_list, "--out", self.folder / out, *options]

    def eval(self, *options, texts: tuple = ("--ppl", "text.txt"), model: pathlib.Path | None = None,
             seqlen: int = 50) -> list:
        return ["eval", model or self.model, *texts, "--seqlen", seqlen, *options]

    def without(self, *removal_lists: str) -> list:
        return self.eval(*(word for one in removal_lists for word in ("--removal-list", one)))

    def configure(self, **changes) -> None:
        edit_json(self.model / "config.json", **changes)

    def cut(self, path: pathlib.Path, keep: int) -> None:
        path.write_bytes(path.read_bytes()[:keep])

    def edit_tensors(self, change) -> None:
        path = self.model / "model.safetensors"
        tensors = safetensors.torch.load_file(path)
        change(tensors)
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("good")
    ground = Ground(folder)
    save_tokenizer(save_model(ground.model, num_hidden_layers=NUM_BLOCKS))
    save_gguf(ground.gguf, make_model(num_hidden_layers=NUM_BLOCKS), "Q8_0")
    np.save(ground.ids, random_ids(200))
    ground.text.write_text("some text\n" * 20)
    (folder / "taken").mkdir()
    return folder


@pytest.fixture
def ground(good, tmp_path) -> Ground:
    return Ground(shutil.copytree(good, tmp_path / "ground"))


def contents(folder: pathlib.Path) -> dict:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# What is wrong: a function that spoils the ground and gives the command, and words that the message must have.
CASES = {}


def case(name: str, *words: str):
    def register(function):
        assert name not in CASES
        CASES[name] = (function, words)
        return function

    return register


def option_case(name: str, arguments, *words: str) -> None:
    """Nothing is spoiled; the command itself is wrong."""
    case(name, *words)(arguments)


option_case("no such model", lambda g: g.prune(model=g.folder / "nowhere"), "nowhere", "no such model")
option_case("a model that is neither folder nor GGUF", lambda g: g.prune(model=g.text), "text.txt", "not a model")
option_case("no command", lambda g: [], "subcommand")
option_case("unknown command", lambda g: ["prun", g.model], "unknown command", "prun")
option_case("unknown option", lambda g: g.prune("--speed", "high"), "--speed")
option_case("no model", lambda g: ["info"], "model")
option_case("no target of export", lambda g: ["export", g.model, "--removal-list", "1"], "--out")
option_case("no removal list", lambda g: ["export", g.model, "--out", g.folder / "out"], "--removal-list")
option_case("two calibration texts", lambda g: g.prune("--dataset", g.text), "--dataset", "--tokens")
option_case("a word for a number", lambda g: g.prune("--nsamples", "many"), "--nsamples", "many")
option_case("no segments", lambda g: g.prune("--segments", 0), "--segments")
option_case("a seed below zero", lambda g: g.prune("--seed", -1), "--seed")
option_case("unknown search", lambda g: g.prune("--search", "magic"), "--search", "magic")
option_case("unknown table format", lambda g: g.prune("-o", "xml"), "xml")
option_case("unknown device", lambda g: g.prune("--device", "tpu"), "tpu", "cpu", "cuda")
option_case("a CUDA device that is not there", lambda g: g.prune("--device", "cuda:99"), "cuda:99")
if not torch.cuda.is_available():
    option_case("no CUDA device at all", lambda g: g.prune("--device", "cuda"), "cuda", "--device cpu")
option_case("unknown compute type", lambda g: g.prune("--dtype", "float7"), "float7", "bfloat16")
option_case("unknown type to write", lambda g: g.export("1", "--out-dtype", "int4"), "int4", "bfloat16")
option_case("as many blocks as there are", lambda g: g.prune(rounds=("--num-remove-blocks", 4)),
            "4 of 4", "at most 2")
option_case("all blocks by ratio", lambda g: g.prune(rounds=("--ratio", 1)), "4 of 4")
option_case("barriers that leave nothing", lambda g: g.prune("--early-barrier", 2, "--latter-barrier", 2), "at most 0")
option_case("a barrier below zero", lambda g: g.prune("--early-barrier", -1), "from 0")
option_case("no such text", lambda g: g.prune_by_text("nothing.txt"), "nothing.txt")
option_case("a folder for a text", lambda g: g.prune_by_text("model"), "model: is a folder; give one file of it")
option_case("a text of unknown kind", lambda g: g.prune_by_text("ids.npy"), "ids.npy")
option_case("a word for a text", lambda g: g.prune_by_text("C4"), "C4: no such file", "wikitext2, c4 or ORG/NAME")
option_case("text in place of ids", lambda g: g.prune(calibration=("--tokens", "text.txt")), "text.txt")
option_case("too little text", lambda g: ["prune", g.model, "--dataset", g.text], "tokens", "2048")
option_case("fewer segments than asked for", lambda g: g.prune("--segments", 5), "5", "4")
option_case("a removal list with a block twice", lambda g: g.export("1,2,1"), "1,2,1", "twice")
option_case("a removal list beyond the last block", lambda g: g.export("1,4"), "no block 4", "0 to 3")
option_case("a removal list below zero", lambda g: g.export("-1"), "-1")
option_case("a removal list of words", lambda g: g.export("first"), "first", "5,4,9")
option_case("a removal list without end", lambda g: g.export("[1, 2"), "[1, 2")
option_case("a removal list with a gap", lambda g: g.export("1,,2"), "1,,2")
option_case("a number that overflows", lambda g: g.export("99999999999999999999"), "99999999999999999999")
option_case("all blocks in the removal list", lambda g: g.export("0,1,2,3"), "all 4 blocks")
option_case("a target below a file", lambda g: g.export(out="ids.npy/out"), "ids.npy/out")
option_case("a target below a file, before a search", lambda g: g.prune(out=("--out", "ids.npy/out")),
            "ids.npy/out")
option_case("an existing target of export", lambda g: g.export(out="taken"), "taken", "--force")
option_case("an existing target of prune", lambda g: g.prune(out=("--out", "taken")), "taken", "--force")
option_case("a target of export that is its model", lambda g: g.export(out="model"), "model", "input")
option_case("a target of prune that is its model", lambda g: g.prune(out=("--out", "model")), "model", "input")
option_case("no such text to evaluate", lambda g: g.eval(texts=("--ppl", "text.txt,nothing.txt")), "nothing.txt")
option_case("the same text twice", lambda g: g.eval(texts=("--ppl", "text.txt,./text.txt")), "text.txt", "twice")
option_case("a text without a name", lambda g: g.eval(texts=("--ppl", "text.txt,")), "--ppl", "commas")
option_case("an empty --ppl", lambda g: g.eval(texts=("--ppl", "")), "--ppl")
option_case("a text to evaluate of unknown kind", lambda g: g.eval(texts=("--ppl", "ids.npy")), "ids.npy", "--tokens")
option_case("too little text to evaluate", lambda g: ["eval", g.model, "--ppl", g.text], "238 tokens", "2048")
option_case("too little text for llama.cpp", lambda g: ["eval", g.model, "--ppl", g.text, "--protocol", "llama.cpp"],
            "199 tokens", "512")
option_case("more segments to evaluate than there are", lambda g: g.eval("--segments", 5), "5 were asked for", "4 segments")
option_case("no segments to evaluate", lambda g: g.eval("--segments", 0), "--segments")
option_case("segments of one token", lambda g: g.eval(seqlen=1), "--seqlen")
option_case("segments without a second half", lambda g: g.eval("--protocol", "llama.cpp", seqlen=2), "at least 3")
option_case("unknown protocol", lambda g: g.eval("--protocol", "gguf"), "--protocol: gguf not in", "llama.cpp")
option_case("a removal list of eval with a block twice", lambda g: g.without("1,2,1"), "1,2,1", "twice")
option_case("a removal list of eval below zero", lambda g: g.without("-1"), "-1", "0 to 3")
option_case("a removal list of eval beyond the last block", lambda g: g.without("1", "2,4"), "no block 4", "0 to 3")
option_case("all blocks in a removal list of eval", lambda g: g.without("[0, 1, 2, 3]"), "all 4 blocks")
option_case("more blocks than there are", lambda g: g.without("0,1,2,3,4"), "no block 4")
option_case("an empty removal list of eval", lambda g: g.without(""), "dense", "always")
option_case("removal lists of the same blocks", lambda g: g.without("1,2", "3", "[2, 1]"), "[2, 1]", "same blocks")
option_case("a folder for a result of eval", lambda g: g.eval("--json", "model"), "model")
option_case("unknown table format of eval", lambda g: g.eval("-o", "xml"), "xml")
option_case("a device of eval that is not there", lambda g: g.eval("--device", "cuda:99"), "cuda:99")
option_case("no tokenizer to evaluate with", lambda g: g.eval(model=g.gguf), "model.gguf", "tokenizer")
option_case("no such text to tokenize", lambda g: ["tokenize", g.model, g.folder / "nothing.txt"], "nothing.txt")
option_case("no tokenizer in a GGUF", lambda g: ["tokenize", g.gguf, g.text], "model.gguf", "tokenizer")


@case("no config.json", "config.json")
def _(g):
    (g.model / "config.json").unlink()
    return ["info", g.model]


@case("a configuration cut short", "config.json")
def _(g):
    g.cut(g.model / "config.json", 100)
    return ["info", g.model]


@case("unknown family", "config.json", "whale", "llama")
def _(g):
    g.configure(model_type="whale")
    return g.prune()


@case("key/value heads that do not divide the heads", "config.json", "4", "3")
def _(g):
    g.configure(num_key_value_heads=3)
    return g.prune()


@case("heads that do not divide the hidden size", "config.json", "64", "5")
def _(g):
    g.configure(num_attention_heads=5, num_key_value_heads=5, head_dim=...)
    return g.prune()


@case("a member of the wrong kind", "config.json", "hidden_size")
def _(g):
    g.configure(hidden_size="large")
    return g.prune()


@case("an absurd number of blocks", "config.json", "num_hidden_layers")
def _(g):
    g.configure(num_hidden_layers=10**15)
    return g.prune()


@case("unknown rope scaling", "config.json", "mrope", "llama3")
def _(g):
    g.configure(rope_parameters={"rope_type": "mrope", "factor": 2.0, "rope_theta": 10000.0})
    return g.prune()


@case("more blocks configured than stored", "model.layers.4.")
def _(g):
    g.configure(num_hidden_layers=NUM_BLOCKS + 1)
    return g.prune()


@case("fewer blocks configured than stored", "model.layers.3.", "3 blocks")
def _(g):
    g.configure(num_hidden_layers=NUM_BLOCKS - 1)
    return g.prune()


@case("a missing tensor", "model.layers.2.mlp.up_proj.weight", "missing")
def _(g):
    g.edit_tensors(lambda tensors: tensors.pop("model.layers.2.mlp.up_proj.weight"))
    return g.export()


@case("a tensor of the wrong shape", "model.norm.weight", "[63]", "[64]")
def _(g):
    g.edit_tensors(lambda tensors: tensors.update({"model.norm.weight": torch.ones(63)}))
    return g.export()


@case("biases that the configuration does not mention", "self_attn.q_proj.bias")
def _(g):
    g.edit_tensors(lambda tensors: tensors.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(64)}))
    return g.export()


@case("weights of unknown type", "model.norm.weight", "F8_E4M3")
def _(g):
    g.edit_tensors(lambda tensors: tensors.update({"model.norm.weight": torch.ones(64).to(torch.float8_e4m3fn)}))
    return g.export()


@case("safetensors cut in the data", "model.safetensors", "cut short")
def _(g):
    g.cut(g.model / "model.safetensors", 100_000)
    return g.prune()


@case("safetensors cut in the header", "model.safetensors", "cut short")
def _(g):
    g.cut(g.model / "model.safetensors", 100)
    return g.prune()


@case("empty safetensors", "model.safetensors")
def _(g):
    g.cut(g.model / "model.safetensors", 0)
    return g.prune()


@case("a shard outside the folder", "model.safetensors.index.json", "../elsewhere")
def _(g):
    (g.model / "model.safetensors").rename(g.folder / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (g.model / "model.safetensors.index.json").write_text(json.dumps(index))
    return g.export()


@case("GGUF cut in the data", "model.gguf")
def _(g):
    g.cut(g.gguf, g.gguf.stat().st_size - 1000)
    return g.prune(model=g.gguf)


@case("GGUF cut in the metadata", "model.gguf")
def _(g):
    g.cut(g.gguf, 200)
    return g.prune(model=g.gguf)


@case("empty GGUF", "model.gguf")
def _(g):
    g.cut(g.gguf, 0)
    return ["info", g.gguf]


@case("GGUF of an unknown architecture", "model.gguf", "whale")
def _(g):
    content = g.gguf.read_bytes()
    key, value = b"general.architecture", b"llama"
    place = content.index(value, content.index(key) + len(key))
    g.gguf.write_bytes(content[:place] + b"whale" + content[place + len(value):])
    return ["info", g.gguf]


@case("unknown tokenizer part", "tokenizer.json", "Mystery")
def _(g):
    edit_json(g.model / "tokenizer.json", normalizer={"type": "Mystery"})
    return g.prune_by_text("text.txt")


@case("no tokenizer", "tokenizer.json")
def _(g):
    (g.model / "tokenizer.json").unlink()
    return g.prune_by_text("text.txt")


@case("ids outside the vocabulary", "ids.npy", str(VOCABULARY), "position 7")
def _(g):
    ids = random_ids(200)
    ids[7] = VOCABULARY
    np.save(g.ids, ids)
    return g.prune()


@case("ids below zero", "ids.npy", "-3")
def _(g):
    np.save(g.ids, np.array([1, 2, -3] * 50))
    return g.prune()


@case("segments of eval longer than the learned positions", "--seqlen", "61", "60 positions")
def _(g):
    shutil.rmtree(g.model)
    save_tokenizer(save_model(g.model, "opt", max_position_embeddings=60))
    return g.eval(seqlen=61)


@case("a packed text for llama.cpp", "text.jsonl.gz", "unpack")
def _(g):
    g.text.rename(g.folder / "text.jsonl.gz")
    return g.eval("--protocol", "llama.cpp", texts=("--ppl", "text.jsonl.gz"))


@case("a tokenizer that ends texts, for llama.cpp", "text.txt", "token 256 after a text")
def _(g):
    set_template(g.model, "$A", "<bos>")
    return g.eval("--protocol", "llama.cpp")


@case("a row of eval that is no JSON", "rows.jsonl", "line 2")
def _(g):
    (g.folder / "rows.jsonl").write_text('{"text": "one"}\nnonsense\n')
    return g.eval(texts=("--ppl", "rows.jsonl"))


@case("ids of the tokenizer outside the vocabulary", "text.txt", "vocabulary of 100")
def _(g):
    shutil.rmtree(g.model)
    save_tokenizer(save_model(g.model, vocab_size=100))
    return g.eval()


@case("a row that is no JSON", "rows.jsonl", "line 2")
def _(g):
    (g.folder / "rows.jsonl").write_text('{"text": "one"}\nnonsense\n')
    return g.prune_by_text("rows.jsonl")


for _option, _value in [("--segments", 3), ("--seqlen", 64), ("--protocol", "reference"), ("--bos", "each")]:
    @case(f"{_option} without texts", f"{_option} needs --ppl")
    def _(g, words=(_option, _value)):
        return ["eval", g.model, "--tasks", "piqa", "--tasks-data", ".", *words]


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_written(sleb, ground, name):
    spoil, words = CASES[name]
    arguments = spoil(ground)
    before = contents(ground.folder)
    done = sleb(*arguments, cwd=ground.folder)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("sleb: ") and done.stderr.endswith("\n") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert contents(ground.folder) == before


@pytest.mark.parametrize("command", ["prune", "eval"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(sleb, ground, value, command):
    """Found while working: exit code 1, after the lines that say what was being done."""
    ground.edit_tensors(lambda tensors: tensors["model.layers.0.mlp.down_proj.weight"].fill_(value))
    before = contents(ground.folder)
    arguments = ground.prune() if command == "prune" else ground.eval("--removal-list", "2", "--json", "result.json")
    done = sleb(*arguments, "--dtype", "float32", "--device", "cpu", cwd=ground.folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if line.startswith("sleb: ")] == done.stderr.splitlines()[-1:]
    assert "its weights may hold NaN or infinity" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith(f"sleb: {ground.model}")
    assert contents(ground.folder) == before


@pytest.mark.parametrize("name", ["a result file", "the tokenizer of a GGUF", "rope frequencies of a GGUF"])
def test_what_can_not_be_written_is_known_before_the_search(sleb, ground, name):
    arguments = ground.prune("--json", "nowhere/result.json")
    if "GGUF" in name:
        model = make_model(rope_parameters=ROPES["llama3" if "rope" in name else "default"])
        tokens = BYTE_TOKENS if "rope" in name else None
        save_gguf(ground.gguf, model, "F32", tokens)
        arguments = ground.prune(model=ground.gguf)
    before = contents(ground.folder)
    done = sleb(*arguments, cwd=ground.folder)
    assert "round 1" not in done.stderr
    assert done.returncode == 2
    assert contents(ground.folder) == before


def test_the_ground_is_good(sleb, ground):
    """The cases above fail for what they spoil and nothing else."""
    for arguments in (ground.prune("--json", "result.json"), ground.prune(model=ground.gguf, out=()),
                      ground.prune(calibration=("--dataset", "text.txt"), out=()), ground.export(out="other"),
                      ["info", ground.model], ["info", ground.gguf], ["tokenize", ground.model, ground.text],
                      ground.without("1,2", "3", "1,3"), ground.eval("--protocol", "llama.cpp", "--segments", 3)):
        done = sleb(*arguments, cwd=ground.folder)
        assert done.returncode == 0, done.stderr
