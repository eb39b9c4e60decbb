"""`sleb repair` against the same method in float64 on transformers' modules; what it writes, and what it refuses."""
import json
import os
import pathlib
import signal
import subprocess

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers

import family_models
import oracle
from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import VOCABULARY, make_model, random_ids, save_model, save_tokenizer

RIDGES = [0.01, 0.03, 0.1, 0.3, 1.0]
SEQLEN, SEGMENTS = 64, 16
REMOVED = (1, 3)
TEXT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference.md"
# Where a block of a family writes to the hidden state: attention's output matrix, the MLP's.
OUTPUTS = {
    "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "gpt_neox": ("attention.dense", "mlp.dense_4h_to_h"),
    "opt": ("self_attn.out_proj", "fc2"),
    "phi": ("self_attn.dense", "mlp.fc2"),
}
LLAMA = ("self_attn.o_proj", "mlp.down_proj")
# The norms behind these matrices, and what is added to their weights.
POST_NORMS = {
    "gemma2": ("post_attention_layernorm", "post_feedforward_layernorm", 1.0),
    "olmo2": ("post_attention_layernorm", "post_feedforward_layernorm", 0.0),
}
VARIANTS = [("llama", "llama3"), ("gpt2", "usual"), ("gpt_neox", "parallel"), ("gpt_neox", "one after the other"),
            ("opt", "usual"), ("phi", "usual"), ("granite", "multipliers"), ("olmo2", "usual"), ("gemma2", "usual")]


def save_text(path: pathlib.Path, characters: int) -> pathlib.Path:
    """One row, so that no shuffle changes it."""
    path.write_text(json.dumps({"text": TEXT.read_text()[:characters]}) + "\n")
    return path


@pytest.fixture
def text(tmp_path):
    return save_text(tmp_path / "text.jsonl", 2 * SEQLEN * SEGMENTS)


def segments_of(folder: pathlib.Path, text: pathlib.Path) -> torch.Tensor:
    """[segments, tokens]"""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(json.loads(text.read_text())["text"])[:SEQLEN * SEGMENTS]
    return torch.tensor(ids).view(SEGMENTS, SEQLEN)


def held_out(segments: int) -> list[bool]:
    count = max(2, (segments + 4) // 8)
    return [(i + 1) * count // segments > i * count // segments for i in range(segments)]


class States:
    """The hidden states of a model around each of its output matrices, on all segments, in float64."""

    def __init__(self, model: transformers.PreTrainedModel, family: str, ids: torch.Tensor):
        self.model, self.ids = model, ids
        self.names = OUTPUTS.get(family, LLAMA)
        self.post_norms = POST_NORMS.get(family)
        self.parallel = getattr(model.config, "use_parallel_residual", family == "phi")
        self.scale = getattr(model.config, "residual_multiplier", 1.0)

    def matrix(self, block: int, half: int) -> torch.nn.Module:
        return oracle.blocks_of(self.model)[block].get_submodule(self.names[half])

    def gains(self, block: int, half: int) -> torch.Tensor | None:
        """a of sleb/engine/repair/output_terms.h."""
        if not self.post_norms:
            return None
        norm = oracle.blocks_of(self.model)[block].get_submodule(self.post_norms[half])
        return norm.weight.data.double() + self.post_norms[2]

    def rms(self, output: torch.Tensor) -> torch.Tensor:
        return (output.square().mean(-1, keepdim=True) + self.model.config.rms_norm_eps).sqrt()

    def run(self, block: int) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Of each half: what its matrix is multiplied with, what comes of it, and the state after the half; of a
        parallel residual of both together."""
        seen = {}
        layer = oracle.blocks_of(self.model)[block]
        hooks = [layer.register_forward_pre_hook(lambda _, given: seen.update(state=given[0]))]
        for half in (0, 1):
            def keep(_, given, output, half=half):
                seen[half] = given[0].reshape(*self.ids.shape, -1), output.reshape(*self.ids.shape, -1)
            hooks.append(self.matrix(block, half).register_forward_hook(keep))
        with torch.no_grad():
            self.model(self.ids)
        for hook in hooks:
            hook.remove()
        (mixed, attention), (inner, mlp) = seen[0], seen[1]
        if self.parallel:
            return [(torch.cat([mixed, inner], -1), attention + mlp, seen["state"] + attention + mlp)]
        steps, state = [], seen["state"]
        for half, (given, output) in enumerate([(mixed, attention), (inner, mlp)]):
            gains = self.gains(block, half)
            state = state + (self.scale * output if gains is None else gains * output / self.rms(output))
            steps.append((given, output, state))
        return steps


def solve(given: torch.Tensor, lacking: torch.Tensor, ridge: float) -> torch.Tensor:
    gram = given.T @ given
    regular = gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    return torch.linalg.solve(regular, given.T @ lacking).T


def norm(rows: torch.Tensor) -> torch.Tensor:
    return rows.norm(dim=-1, keepdim=True)


def fit_once(pruned: States, place: int, half: int, target: torch.Tensor,
             apart: torch.Tensor) -> tuple[dict, torch.Tensor]:
    """Fits one matrix; the record and the change."""
    given, output, after = pruned.run(place)[half]
    gains = pruned.gains(place, half)
    before = after - (pruned.scale * output if gains is None else gains * output / pruned.rms(output))
    weight = 1 / norm(target)

    def error(change: torch.Tensor, rows: torch.Tensor) -> float:
        changed = output + given @ change.T
        state = before + (pruned.scale * changed if gains is None else gains * changed / pruned.rms(changed))
        return ((target - state) * weight)[rows][:, 1:].square().sum(-1).mean().sqrt().item()

    if gains is None:
        inputs, lacking = pruned.scale * given * weight, (target - after) * weight
    else:
        written, wanted = after - before, target - before
        share = weight * (norm(wanted) / norm(written)).sqrt()
        inputs = given / pruned.rms(output) * share
        lacking = (norm(written) / norm(wanted) * wanted - written) * share
    fit = [rows[~apart][:, 1:].flatten(0, 1) for rows in (inputs, lacking)]

    def change(ridge: float) -> torch.Tensor:
        solution = solve(*fit, ridge)
        return solution if gains is None else (gains / (gains**2 + ridge * (gains**2).mean()))[:, None] * solution

    none = torch.zeros(target.shape[-1], given.shape[-1], dtype=torch.float64)
    least, ridge, best = min(((error(tried, apart), ridge, tried) for ridge in RIDGES for tried in [change(ridge)]),
                             key=lambda one: one[0])
    if least >= error(none, apart):
        ridge, best = None, none
    return {"ridge": ridge, "fitted": {"before": error(none, ~apart), "after": error(best, ~apart)},
            "held_out": {"before": error(none, apart), "after": error(best, apart)}}, best


def repaired(folder: pathlib.Path, family: str, ids: torch.Tensor) -> tuple[transformers.PreTrainedModel, list[dict]]:
    """The pruned model in float64, and a record a fit."""
    dense_model = oracle.load(folder).double()
    dense = States(dense_model, family, ids)
    kept = [block for block in range(dense_model.config.num_hidden_layers) if block not in REMOVED]
    pruned = States(oracle.without_blocks(dense_model, REMOVED), family, ids)
    apart = torch.tensor(held_out(SEGMENTS))
    records = []
    for place, block in enumerate(kept):
        if block < min(REMOVED):
            continue
        for half, (_, _, target) in enumerate(dense.run(block)):
            record, change = fit_once(pruned, place, half, target, apart)
            records.append({"block": block, "half": "attention" if half == 0 else "mlp", **record})
            add(pruned, place, [0, 1] if pruned.parallel else [half], change)
    return pruned.model, records


def add(states: States, place: int, halves: list[int], change: torch.Tensor) -> None:
    for half in halves:
        matrix = states.matrix(place, half)
        transposed = isinstance(matrix, transformers.pytorch_utils.Conv1D)
        columns = matrix.weight.shape[0 if transposed else 1]
        own, change = change[:, :columns], change[:, columns:]
        matrix.weight.data += own.T if transposed else own


@pytest.fixture
def repair(sleb_ok, tmp_path, text):
    """The folder written and its record."""

    def call(model, *options, out: str = "out", removed=REMOVED) -> tuple[pathlib.Path, dict]:
        sleb_ok("repair", model, "--removal-list", ",".join(map(str, removed)), "--repair-dataset", text,
                "--repair-tokens", SEQLEN * SEGMENTS, "--seqlen", SEQLEN, "--dtype", "float32", "--out",
                tmp_path / out, *options)
        return tmp_path / out, json.loads((tmp_path / out / "sleb.json").read_text())["repair"]

    return call


def tensors_of(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def expect_errors(actual: list[dict], expected: list[dict]) -> None:
    """Relative, 1e-6: what float32 makes of states, and of sums over a thousand tokens."""
    for one, other in zip(actual, expected, strict=True):
        assert all(one[key] == other[key] for key in ("block", "half", "ridge"))
        for part in ("fitted", "held_out"):
            assert one[part] == pytest.approx(other[part], rel=1e-6), (one, other)


@pytest.mark.parametrize("family, variant", VARIANTS, ids=lambda value: value)
def test_as_in_float64(repair, tmp_path, text, family, variant):
    family_models.save_model(tmp_path / "model", family, variant)
    save_tokenizer(tmp_path / "model")
    ids = segments_of(tmp_path / "model", text)
    out, record = repair(tmp_path / "model", "--out-dtype", "float32", "--bos", "first")
    expected, records = repaired(tmp_path / "model", family, ids)
    expect_errors(record["matrices"], records)
    assert any(one["ridge"] for one in records)
    before = oracle.without_blocks(oracle.load(tmp_path / "model"), REMOVED).state_dict()
    after = oracle.load(out).state_dict()
    for name, values in expected.state_dict().items():
        change = (values - before[name]).abs().max()
        # Float32's sums of products, through a matrix whose condition the ridge bounds.
        assert (after[name] - values).abs().max() <= 2e-4 * change, name
        assert change == 0 or not torch.equal(after[name], before[name])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tokenizer(save_model(tmp_path_factory.mktemp("repair") / "model", num_hidden_layers=6, dtype=torch.bfloat16))


def test_the_folder_loads_with_the_engines_logits(repair, logits_dump, tmp_path, model):
    out, _ = repair(model)
    ids = random_ids(100)
    np.save(tmp_path / "ids.npy", ids)
    content = logits_dump(out, tmp_path / "ids.npy", "float32", "")
    actual = np.frombuffer(content, np.float32).reshape(len(ids), VOCABULARY)
    assert np.abs(actual - oracle.logits(oracle.load(out), ids)).max() <= 1e-4


def test_what_is_not_repaired_stays_byte_for_byte(repair, sleb_ok, tmp_path, model):
    out, record = repair(model)
    sleb_ok("export", model, "--removal-list", ",".join(map(str, REMOVED)), "--out", tmp_path / "plain")
    plain, changed = tensors_of(tmp_path / "plain"), tensors_of(out)
    assert plain.keys() == changed.keys()
    kept = [block for block in range(6) if block not in REMOVED]
    renumbered = {f"model.layers.{kept.index(int(name.split('.')[2]))}.{name.split('.', 3)[3]}"
                  for name in record["changed_tensors"]}
    assert {name for name in plain if not torch.equal(plain[name], changed[name])} == renumbered
    assert len(renumbered) == sum(one["ridge"] is not None for one in record["matrices"]) > 0
    assert all(changed[name].dtype == torch.bfloat16 for name in changed)


def test_the_same_command_gives_the_same_bytes_wherever_states_and_blocks_are(repair, model):
    once, record = repair(model, out="once")
    for out, options in {"again": [], "disk": ["--state-memory", "0"], "streamed": ["--weights-memory", "500K"]}.items():
        again, other = repair(model, *options, out=out)
        assert (again / "model.safetensors").read_bytes() == (once / "model.safetensors").read_bytes(), out
        assert {**record, "seconds": 0} == {**other, "seconds": 0}


def test_a_gguf(repair, tmp_path):
    save_gguf(tmp_path / "model.gguf", make_model(num_hidden_layers=6), "Q8_0", tokens=BYTE_TOKENS)
    out, record = repair(tmp_path / "model.gguf")
    assert any(one["ridge"] for one in record["matrices"])
    assert all(tensor.dtype == torch.bfloat16 for tensor in tensors_of(out).values())
    oracle.load(out)


def test_texts_are_mixed_by_tokens(sleb_ok, tmp_path, text, model):
    sleb_ok("repair", model, "--removal-list", "1", "--repair-dataset", f"self:{4 * SEQLEN},{text}", "--repair-dataset",
            save_text(tmp_path / "other.jsonl", 3000), "--repair-tokens", 15 * SEQLEN, "--seqlen", SEQLEN, "--out",
            tmp_path / "out", env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)})
    record = json.loads((tmp_path / "out" / "sleb.json").read_text())["repair"]
    assert [(one["dataset"], one["segments"]) for one in record["texts"]] == [
        ("self", 4), (str(text), 6), (str(tmp_path / "other.jsonl"), 5)]
    assert record["fitted_segments"] == 13 and record["held_out_segments"] == 2


def test_text_of_its_own_counts_three_times(sleb_ok, tmp_path, text, model):
    other = save_text(tmp_path / "other.jsonl", 3000)
    sleb_ok("repair", model, "--removal-list", "1", "--repair-dataset", f"{text},self,{other}", "--repair-tokens",
            17 * SEQLEN, "--seqlen", SEQLEN, "--out", tmp_path / "out", env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)})
    record = json.loads((tmp_path / "out" / "sleb.json").read_text())["repair"]
    assert [one["segments"] for one in record["texts"]] == [4, 10, 3]


def test_nothing_is_left_of_an_interrupted_repair(sleb_program, tmp_path, model):
    text = save_text(tmp_path / "text.jsonl", 20_000)
    command = [sleb_program, "repair", model, "--removal-list", "1", "--repair-dataset", text, "--repair-tokens", "16000",
               "--seqlen", "64", "--state-memory", "0", "--out", tmp_path / "out"]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    while not process.stderr.readline().startswith("repair: "):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 1
    assert "nothing was written" in process.stderr.read()
    assert [path.name for path in tmp_path.iterdir()] == ["text.jsonl"]


REFUSED = {
    "nothing to repair": (["--removal-list", ""], "nothing is removed"),
    "nothing kept behind": (["--removal-list", "5"], "no block is kept behind block 5"),
    "too few tokens": (["--repair-tokens", "256"], "at least 384 would do"),
    "too few segments": (["--repair-tokens", "512", "--seqlen", "256"], "at least 4 segments"),
    "text that is too short": (["--repair-tokens", "40000"], "are wanted of it; give a longer text"),
    "a text twice": (["--repair-dataset", "self:512,self:512"], "twice"),
    "no number": (["--repair-dataset", "self:many"], "expected self or self:TOKENS"),
    "nothing left for others": (["--repair-dataset", "self:1024,wikitext2"], "leave too few for the others"),
    "two numbers": (["--repair-dataset", "self:1024"], "leave one of them out"),
    "a missing file": (["--repair-dataset", "missing.txt"], "missing.txt"),
    "a type": (["--out-dtype", "int8"], "int8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(sleb, tmp_path, text, model, case):
    options, message = REFUSED[case]
    given = {"--removal-list": "1,3", "--repair-dataset": str(text), "--repair-tokens": str(SEQLEN * SEGMENTS),
             "--seqlen": str(SEQLEN)}
    given.update(zip(options[::2], options[1::2]))
    done = sleb("repair", model, *(part for pair in given.items() for part in pair), "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not (tmp_path / "out").exists()


def test_a_norm_of_the_sum_is_refused_by_name(sleb, tmp_path, text):
    family_models.save_model(tmp_path / "model", "opt", "post-norm")
    save_tokenizer(tmp_path / "model")
    done = sleb("repair", tmp_path / "model", "--removal-list", "1", "--repair-dataset", text, "--out", tmp_path / "out")
    assert done.returncode == 2 and "as this opt does" in done.stderr
