"""`sleb prune --search best`: the losses of its sets against transformers, its sets against greedy's and all others."""
import itertools
import json
import pathlib

import numpy as np
import pytest
import torch

import oracle
from tiny_models import make_model, random_ids, save_model

NUM_BLOCKS, SEQLEN, SEGMENTS = 9, 100, 60
CRITERIA = ("loss", "kl")


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    """A model and 60 segments, in chunks of 20."""
    folder = tmp_path_factory.mktemp("best")
    save_model(folder / "model", seed=1, num_hidden_layers=NUM_BLOCKS)
    np.save(folder / "ids.npy", random_ids(SEGMENTS * SEQLEN))
    return folder


def command(model: pathlib.Path, *options) -> list:
    return ["prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", SEQLEN, "--device", "cpu", "--dtype",
            "float32", "--threads", 1, "--prompt-tokens", 0, "--json", "-", *options]


@pytest.fixture(scope="module")
def prune(sleb_ok, ground):
    def run(*options, model: pathlib.Path = ground / "model") -> dict:
        return json.loads(sleb_ok(*command(model, *options)))

    return run


@pytest.fixture(scope="module")
def found(prune) -> dict[str, dict]:
    """What is found by each criterion, with time for everything."""
    return {criterion: prune("--num-remove-blocks", 4, "--search", "best", "--criterion", criterion,
                             "--search-budget", 20) for criterion in CRITERIA}


class Reference:
    """Loss in the reference's unit and KL from the dense model, nats a token, of any set: transformers' logits."""

    def __init__(self, folder: pathlib.Path):
        self.model = oracle.load(folder / "model")
        self.segments = np.load(folder / "ids.npy").reshape(-1, SEQLEN)
        self.dense, self.made = self.log_probabilities(()), {}

    def log_probabilities(self, removed: tuple[int, ...]) -> torch.Tensor:
        return torch.from_numpy(oracle.logits(self.model, self.segments, removed)).double().log_softmax(-1)[:, :-1]

    def __call__(self, removed: tuple[int, ...]) -> dict[str, float]:
        if removed not in self.made:
            own = self.log_probabilities(removed)
            nll = -own.gather(2, torch.from_numpy(self.segments)[:, 1:, None])
            self.made[removed] = {"loss": nll.mean().item() * self.segments.size,
                                  "kl": (self.dense.exp() * (self.dense - own)).sum(-1).mean().item()}
        return self.made[removed]

    def of_all(self, size: int, criterion: str) -> dict[tuple[int, ...], float]:
        """Every set of that size between barriers of one block."""
        sets = itertools.combinations(range(1, NUM_BLOCKS - 1), size)
        return {removed: self(removed)[criterion] for removed in sets}


@pytest.fixture(scope="module")
def reference(ground) -> Reference:
    return Reference(ground)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_losses_of_the_sets_are_transformers(found, reference, criterion):
    result = found[criterion]
    assert [one["blocks"] for one in result["best_sets"]] == [1, 2, 3, 4]
    whole = [(candidate["blocks"], candidate) for race in result["races"] for candidate in race["candidates"]
             if candidate["tokens"] == SEGMENTS * SEQLEN]
    for blocks, scores in [*((one["removal_list"], one) for one in result["best_sets"]), *whole]:
        expected = reference(tuple(blocks))
        assert scores["loss"] == pytest.approx(expected["loss"], rel=2e-6), blocks
        assert scores["kl"] == pytest.approx(expected["kl"], rel=2e-5), blocks  # a difference of two logarithms
    assert result["removal_list"] == result["best_sets"][-1]["removal_list"]
    assert (result["search"], result["criterion"]) == ("best", criterion)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_nothing_is_worse_than_greedys(found, prune, criterion):
    greedy = prune("--num-remove-blocks", 4, "--search", "race", "--criterion", criterion)
    assert found[criterion]["steps"][-1]["removed"] == greedy["removal_list"][-1]
    for best, step in zip(found[criterion]["best_sets"], greedy["steps"], strict=True):
        own = next(one for one in step["candidates"] if one["block"] == step["removed"])
        assert best[criterion] <= own[criterion]  # the same set's is the same to the bit


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_exchange_is_better(found, reference, criterion):
    """Of all sets, computed by transformers, none that differs in one block; which of all the best is one of few."""
    best = tuple(found[criterion]["removal_list"])
    every = reference.of_all(4, criterion)
    for removed, score in every.items():
        if len(set(removed) & set(best)) == 3:
            assert score > every[best], removed
    assert sorted(every, key=every.get).index(best) < 3
    assert not found[criterion]["search_budget"]["spent"]


def plant_run(model, first: int, size: float) -> None:
    """Two blocks that take back what the other does, each much of it by itself: they read one half of the hidden state,
    write to the other, and have no attention."""
    half = model.config.hidden_size // 2
    one, other = model.model.layers[first], model.model.layers[first + 1]
    with torch.no_grad():
        for block in (one, other):
            block.self_attn.o_proj.weight.zero_()
            block.post_attention_layernorm.weight[half:] = 0
            block.mlp.down_proj.weight[:half] = 0
        one.mlp.down_proj.weight.mul_(size)
        other.post_attention_layernorm.weight.copy_(one.post_attention_layernorm.weight)
        for name in ("gate_proj", "up_proj", "down_proj"):
            getattr(other.mlp, name).weight.copy_(getattr(one.mlp, name).weight)
        other.mlp.down_proj.weight.neg_()


@pytest.mark.parametrize("first, size", [(2, 2), (5, 5)])
def test_a_planted_run_is_found(prune, tmp_path, first, size):
    """Greedy, which takes one block after the other, does not see it."""
    model = make_model(seed=3, num_hidden_layers=NUM_BLOCKS)
    plant_run(model, first, size)
    model.save_pretrained(tmp_path / "model")
    np.save(tmp_path / "ids.npy", random_ids(SEGMENTS * SEQLEN))
    greedy = prune("--num-remove-blocks", 2, "--criterion", "kl", model=tmp_path / "model")
    best = prune("--num-remove-blocks", 2, "--search", "best", "--search-budget", 3, model=tmp_path / "model")
    every = Reference(tmp_path).of_all(2, "kl")
    assert min(every, key=every.get) == (first, first + 1) == tuple(best["removal_list"])
    assert set(greedy["removal_list"]) != {first, first + 1}
    assert best["races"][0]["step"] == "runs of 2" and best["races"][0]["best"] == [first, first + 1]


def test_without_budget_the_set_is_greedys(prune):
    greedy = prune("--num-remove-blocks", 4, "--criterion", "kl")
    result = prune("--num-remove-blocks", 4, "--search", "best", "--search-budget", 0)
    assert result["removal_list"] == sorted(greedy["removal_list"]) and result["races"] == []
    assert result["search_budget"]["spent"]
    for count, one in enumerate(result["best_sets"], 1):
        assert one["removal_list"] == sorted(greedy["removal_list"][:count])


@pytest.mark.parametrize("budget", [1, 2])
def test_the_budget_is_kept(prune, budget):
    """Neither what is counted nor what is computed exceeds it; its unit is what the exact search computes."""
    exact = prune("--num-remove-blocks", 4, "--search", "exact", "--state-memory", 0)
    result = prune("--num-remove-blocks", 4, "--search", "best", "--search-budget", budget)
    counts = result["search_budget"]
    unit = sum(step["operations"] for step in exact["steps"])
    assert counts["exact_operations"] == pytest.approx(unit, rel=1e-9)
    assert result["races"] and counts["counted_operations"] <= budget * counts["exact_operations"]
    computed = sum(one["operations"] for one in [*result["steps"], *result["races"]])
    assert computed <= counts["counted_operations"] * (1 + 1e-9)


def test_kept_states_change_nothing(prune, found):
    """Races are decided by losses alone, the budget counts what would be computed without."""
    def decided(result):
        scores = ("blocks", "loss", "kl", "tokens")
        return [(race["step"], race["best"], [[c[key] for key in scores] for c in race["candidates"]])
                for race in result["races"]]

    for memory in ("0", "3M"):
        result = prune("--num-remove-blocks", 4, "--search", "best", "--criterion", "kl", "--search-budget", 20,
                       "--state-memory", memory)
        assert decided(result) == decided(found["kl"])
        assert result["search_budget"] == found["kl"]["search_budget"]


def test_what_people_see_fits_their_terminal(sleb, ground):
    done = sleb(*command(ground / "model")[:-2], "--num-remove-blocks", 4, "--search", "best", "--search-budget", 4)
    assert done.returncode == 0
    lines = (done.stdout + done.stderr).splitlines()
    lines = [line for line in lines if str(ground) not in line and not line.startswith("round")]
    for beginning in ("candidates", "runs of 4", "another for"):
        assert any(line.startswith(beginning) for line in lines), beginning
    assert "best set" in done.stdout
    assert max(map(len, lines)) <= 80, [line for line in lines if len(line) > 80]


def test_dry_run(sleb_ok, ground):
    options = ["--num-remove-blocks", 4, "--search", "best"]
    exact = json.loads(sleb_ok(*command(ground / "model", *options[:2], "--search", "exact", "--dry-run")))
    for budget, factor in ((0.5, 1), (2, 2)):  # greedy's rounds are finished in any case
        shown = json.loads(sleb_ok(*command(ground / "model", *options, "--search-budget", budget, "--dry-run")))
        assert shown["search"] == "best"
        assert shown["operations"]["blocks"] == pytest.approx(factor * exact["operations"]["blocks"])
    text = sleb_ok(*command(ground / "model")[:-2], *options, "--dry-run")
    assert "as a race; then better sets" in text


@pytest.mark.parametrize("value", ["-1", "nan", "much", "1001"])
def test_bad_budgets(sleb, ground, value):
    done = sleb(*command(ground / "model", "--search", "best", "--search-budget", value))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sleb: ") and done.stderr.count("\n") == 1 and "--search-budget" in done.stderr
