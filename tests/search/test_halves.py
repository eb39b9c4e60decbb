"""`sleb prune --units half`: the losses of its candidates against transformers, its choices against a greedy search
written down here, and what eval, generate, latency and info make of halves."""
import copy
import json
import os
import pathlib
import socket
import subprocess

import numpy as np
import pytest
import torch

import family_models
import oracle
from tiny_models import random_ids, save_model, save_tokenizer

BLOCKS, SEQLEN, SEGMENTS = 5, 60, 40
UNITS = [f"{block}.{half}" for block in range(1, BLOCKS - 1) for half in ("attention", "mlp")]


class NoAttention(torch.nn.Module):
    def forward(self, hidden_states, **_):
        return torch.zeros_like(hidden_states), None


class NoMlp(torch.nn.Module):
    def forward(self, hidden_states):
        return torch.zeros_like(hidden_states)


def without(model, removed):
    """transformers' Llama without these units, "4" or "4.mlp"; a copy."""
    model = copy.deepcopy(model)
    for unit in removed:
        block, _, half = str(unit).partition(".")
        if half != "mlp":
            model.model.layers[int(block)].self_attn = NoAttention()
        if half != "attention":
            model.model.layers[int(block)].mlp = NoMlp()
    return model


class Reference:
    def __init__(self, folder: pathlib.Path, ids: np.ndarray):
        self.model, self.segments = oracle.load(folder), torch.from_numpy(ids).view(-1, SEQLEN)
        self.dense, self.made = self.log_probabilities(()), {}

    def log_probabilities(self, removed) -> torch.Tensor:
        with torch.no_grad():
            logits = without(self.model, removed)(self.segments, use_cache=False).logits
        return logits.double().log_softmax(-1)[:, :-1]

    def __call__(self, removed) -> dict[str, float]:
        """Loss in the reference's unit, and KL from the dense model, nats a token."""
        removed = frozenset(map(str, removed))
        if removed not in self.made:
            own = self.log_probabilities(removed)
            nll = -own.gather(2, self.segments[:, 1:, None])
            self.made[removed] = {"loss": nll.mean().item() * self.segments.numel(),
                                  "kl": (self.dense.exp() * (self.dense - own)).sum(-1).mean().item()}
        return self.made[removed]

    def greedy(self, each: int) -> list[str]:
        """As many of each kind."""
        removed = []
        while len(removed) < 2 * each:
            full = {kind for kind in ("attention", "mlp") if sum(unit.endswith(kind) for unit in removed) == each}
            candidates = [unit for unit in UNITS if unit not in removed and unit.split(".")[1] not in full]
            removed.append(min(candidates, key=lambda unit: self([*removed, unit])["loss"]))
        return removed


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("halves")
    save_tokenizer(save_model(folder / "model", seed=4, num_hidden_layers=BLOCKS, intermediate_size=256))
    np.save(folder / "ids.npy", random_ids(SEGMENTS * SEQLEN))
    return folder


@pytest.fixture(scope="module")
def reference(ground) -> Reference:
    return Reference(ground / "model", np.load(ground / "ids.npy"))


def arguments(*options, model="model") -> list:
    return ["prune", model, "--tokens", "ids.npy", "--seqlen", SEQLEN, "--units", "half", "--num-remove-blocks", 2,
            "--device", "cpu", "--dtype", "float32", "--threads", 1, "--prompt-tokens", 0, *options]


@pytest.fixture(scope="module")
def prune(sleb_ok, ground):
    return lambda *options: json.loads(sleb_ok(*arguments(*options, "--json", "-"), cwd=ground))


@pytest.mark.parametrize("search", ["exact", "race"])
def test_greedy(prune, reference, search):
    result = prune("--search", search)
    assert result["units"] == "half"
    assert result["removal_list"] == reference.greedy(2)
    assert sorted(unit.split(".")[1] for unit in result["removal_list"]) == ["attention"] * 2 + ["mlp"] * 2
    assert result["dense_loss"] == pytest.approx(reference(())["loss"], rel=2e-6)
    before = []
    for step in result["steps"]:
        assert [one["block"] for one in result["steps"][0]["candidates"]] == UNITS
        for one in step["candidates"]:
            if one["segments"] < SEGMENTS:
                continue
            expected = reference([*before, one["block"]])
            assert one["loss"] == pytest.approx(expected["loss"], rel=2e-6)
            assert one["kl"] == pytest.approx(expected["kl"], rel=2e-5)
        before.append(step["removed"])


def test_best_is_never_worse_and_takes_as_many_of_each(prune, reference):
    greedy = prune("--criterion", "kl")
    best = prune("--search", "best", "--search-budget", 20)
    plans = [str(unit) for unit in best["removal_list"]]
    halves = [half for unit in plans for half in ([f"{unit}.attention", f"{unit}.mlp"] if "." not in unit else [unit])]
    assert sorted(half.split(".")[1] for half in halves) == ["attention"] * 2 + ["mlp"] * 2
    assert reference(plans)["kl"] <= reference(greedy["removal_list"])["kl"] * (1 + 1e-6)
    every = [[f"{a}.attention", f"{b}.attention", f"{c}.mlp", f"{d}.mlp"]
             for a, b in ((1, 2), (1, 3), (2, 3)) for c, d in ((1, 2), (1, 3), (2, 3))]
    assert reference(plans)["kl"] == pytest.approx(min(reference(units)["kl"] for units in every), rel=1e-6)
    assert [one["halves"] for one in best["best_sets"]] == [1, 2, 3, 4]


def unit_number(name: str) -> int:
    block, half = name.split(".")
    return 2 * int(block) + (half == "mlp")


def state_after_one_round(result: dict) -> dict:
    """What a run that was killed then has kept."""
    step = copy.deepcopy(result["steps"][0])
    step["removed"] = unit_number(step["removed"])
    for candidate in step["candidates"]:
        candidate["block"] = unit_number(candidate["block"])
        if (error := candidate.pop("difference_stderr")) is not None:
            candidate["error"] = error
    return {"sleb_search_state": 3, "fingerprint": result["fingerprint"], "dense_loss": result["dense_loss"],
            "steps": [step], "round": []}


def test_resume(sleb, ground, tmp_path):
    for name in ("model", "ids.npy"):
        (tmp_path / name).symlink_to(ground / name)
    assert sleb(*arguments("--json", "whole.json"), cwd=tmp_path).returncode == 0
    expected = json.loads((tmp_path / "whole.json").read_text())
    assert expected["fingerprint"]["--units"] == "half"
    (tmp_path / "again.json.sleb-state.json").write_text(json.dumps(state_after_one_round(expected)))
    done = sleb(*arguments("--json", "again.json", "--resume"), cwd=tmp_path)
    assert done.returncode == 0 and "going on after 1 finished round" in done.stderr, done.stderr
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["removal_list"] == expected["removal_list"] and again["steps"][-1]["loss"] == expected["steps"][-1]["loss"]
    done = sleb(*arguments("--json", "again.json", "--resume"), cwd=tmp_path)
    assert "finished already" in done.stdout and ",".join(expected["removal_list"]) in done.stdout
    (tmp_path / "blocks.json.sleb-state.json").write_text(json.dumps(state_after_one_round(expected)))
    whole_blocks = [option for option in arguments("--json", "blocks.json", "--resume") if option not in ("--units", "half")]
    done = sleb(*whole_blocks, cwd=tmp_path)
    assert done.returncode == 2 and "is of another search" in done.stderr and "--units was half" in done.stderr


def test_two_processes(sleb_program, prune, ground, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sleb_program, *map(str, arguments("--json", tmp_path / "two.json"))]
    ranks = [subprocess.Popen(command, cwd=ground, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                                   "MASTER_PORT": str(port)}) for rank in range(2)]
    said = [rank.communicate(timeout=120) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert json.loads((tmp_path / "two.json").read_text())["removal_list"] == prune()["removal_list"]


def test_evaluation_sees_the_plan(sleb_ok, ground):
    text = ground / "text.txt"
    random = np.random.default_rng(0)
    text.write_text("".join("".join(random.choice(list("abcdefgh "), 40)) + "\n" for _ in range(40)))
    lists = ["2.mlp", "1,3.attention,2.mlp"]
    options = [part for given in lists for part in ("--removal-list", given)]
    result = json.loads(sleb_ok("eval", ground / "model", "--ppl", text, "--seqlen", SEQLEN, "--dtype", "float32",
                                *options, "--json", "-"))
    details = result["perplexity_details"][str(text)]
    assert result["removal_lists"] == [["2.mlp"], [1, "3.attention", "2.mlp"]]
    vocabulary = json.loads((ground / "model" / "tokenizer.json").read_text())["model"]["vocab"]
    rows = "\n\n".join(text.read_text().splitlines(keepends=True))
    ids = np.array([vocabulary[{"\n": "Ċ", " ": "Ġ"}.get(letter, letter)] for letter in rows])
    reference = Reference(ground / "model", ids[:len(ids) // SEQLEN * SEQLEN])
    for given, row in zip(lists, details["rows"][1:], strict=True):
        expected = reference(given.split(","))
        assert row["perplexity"] == pytest.approx(np.exp(expected["loss"] / reference.segments.numel()), rel=1e-5)
        assert row["divergence"] == pytest.approx(expected["kl"], rel=2e-5)


def test_generation_and_speed(sleb_ok, ground):
    removed = "1.attention,2,3.mlp"
    written = json.loads(sleb_ok("generate", ground / "model", "--prompt", "abcd", "--removal-list", removed,
                                 "--max-new-tokens", 12, "--dtype", "float32", "--json", "-"))
    ids = torch.tensor([written["prompt_ids"]])
    model = without(oracle.load(ground / "model"), removed.split(","))
    for expected in written["outputs"][0]["ids"]:
        with torch.no_grad():
            assert model(ids, use_cache=False).logits[0, -1].argmax().item() == expected
        ids = torch.cat([ids, torch.tensor([[expected]])], 1)
    assert written["removal_list"] == ["1.attention", 2, "3.mlp"]
    speed = json.loads(sleb_ok("latency", ground / "model", "--removal-list", removed, "--mode", "prompt",
                               "--prompt-tokens", 32, "--repeats", 2, "--json", "-"))["results"]
    assert speed[1]["blocks"] == 3 and speed[1]["removal_list"] == ["1.attention", 2, "3.mlp"]
    attention, mlp = 2 * 64 * 64 + 2 * 64 * 32 + 64, 3 * 64 * 256 + 64
    removed_bytes = speed[0]["weight_bytes"] - speed[1]["weight_bytes"]
    assert removed_bytes in (4 * 2 * (attention + mlp), 2 * 2 * (attention + mlp))


@pytest.mark.parametrize("family", ["gpt_neox", "cohere"])
def test_parallel_halves_are_refused(sleb, ground, tmp_path, family):
    family_models.save_model(tmp_path / "model", family, next(iter(family_models.FAMILIES[family][1])))
    (tmp_path / "ids.npy").symlink_to(ground / "ids.npy")
    for command in (arguments(), ["latency", "model", "--removal-list", "1.mlp"]):
        done = sleb(*command, cwd=tmp_path)
        assert done.returncode == 2 and "go together; name whole blocks" in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1


def test_no_repair_of_halves(sleb, ground):
    done = sleb(*arguments("--repair"), cwd=ground)
    assert done.returncode == 2 and "--repair: what is fitted are whole blocks" in done.stderr


def test_what_people_see(sleb, ground):
    done = sleb(*arguments("--search", "best", "--search-budget", 3), cwd=ground)
    assert done.returncode == 0, done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("round")]
    assert max(map(len, lines)) <= 80, [line for line in lines if len(line) > 80]
    for beginning in ("candidates", "for "):
        assert any(line.startswith(beginning) for line in lines), beginning
    shown = json.loads(sleb(*arguments("--dry-run", "--json", "-"), cwd=ground).stdout)
    assert (shown["candidates"], shown["rounds"]) == (6, 4)
