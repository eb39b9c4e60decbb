"""`sleb prune --search race`, `--criterion kl` and `--state-memory`: against the exact search, and against numpy."""
import json

import numpy as np
import pytest
import torch

import oracle
from tiny_models import VOCABULARY, random_ids, save_model

NUM_BLOCKS, HIDDEN_SIZE, SEQLEN = 9, 64, 100


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A model and 60 segments, in chunks of 20."""
    folder = tmp_path_factory.mktemp("race")
    save_model(folder / "model", seed=1, num_hidden_layers=NUM_BLOCKS)
    np.save(folder / "ids.npy", random_ids(6000))
    return folder


@pytest.fixture(scope="module")
def prune(sleb_ok, ground):
    def run(*options) -> dict:
        return json.loads(sleb_ok("prune", ground / "model", "--tokens", ground / "ids.npy", "--seqlen", SEQLEN,
                                  "--num-remove-blocks", 4, "--device", "cpu", "--dtype", "float32", "--threads", 1,
                                  "--prompt-tokens", 0, "--json", "-", *options))

    return run


KINDS = [(search, criterion) for search in ("exact", "race") for criterion in ("loss", "kl")]


@pytest.fixture(scope="module")
def without_memory(prune):
    """The result of each kind of search that keeps no states."""
    return {kind: prune("--search", kind[0], "--criterion", kind[1], "--state-memory", 0) for kind in KINDS}


def operations(result: dict) -> float:
    return sum(step["operations"] for step in result["steps"])


def without_work(value):
    if isinstance(value, dict):
        return {key: without_work(item) for key, item in value.items() if key not in ("seconds", "operations", "command")}
    return [without_work(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", KINDS)
def test_kept_states_change_no_bit(prune, without_memory, kind):
    """Whatever fits, no state (512 kB each), some or all of them; the more fits the less is computed."""
    expected = without_memory[kind]
    work = [operations(expected)]
    for memory in ("100K", "3M", "1G"):
        result = prune("--search", kind[0], "--criterion", kind[1], "--state-memory", memory)
        assert without_work(result) == without_work(expected), memory
        work.append(operations(result))
    assert work[1] == work[0]
    assert work[-1] < min(work[:-1])
    assert all(more <= 1.02 * less for less, more in zip(work, work[1:]))


def applications(removed: list[int]) -> set:
    """The blocks that a round applies after these removals: (units bypassed before, block), each once."""
    alive = [block for block in range(NUM_BLOCKS) if block not in removed]
    plans = [[], *([*removed, candidate] for candidate in alive[1:-1])]  # the dense model's is the first
    return {(tuple(sorted(unit for unit in off if unit < block)), block)
            for off in plans for block in range(NUM_BLOCKS) if block not in off}


def test_what_kept_states_save(prune, without_memory):
    """What a round and the round before have in common is not computed again; the dense model is computed once."""
    kept = prune("--search", "exact", "--state-memory", "1G")
    without = without_memory["exact", "loss"]
    removed = []
    for last, ours, theirs in zip(kept["steps"], kept["steps"][1:], without["steps"][1:]):
        before = applications(removed)
        removed.append(last["removed"])
        needed = applications(removed)
        head = 2 * HIDDEN_SIZE * VOCABULARY * (SEQLEN - 1) / SEQLEN * kept["calibration"]["tokens"]
        heads = head * (len(ours["candidates"]) + 1)  # the dense model's
        share = (ours["operations"] - heads) / (theirs["operations"] - heads)
        assert share == pytest.approx(len(needed - before) / len(needed), rel=1e-3), removed


@pytest.mark.parametrize("criterion", ["loss", "kl"])
def test_the_race_finds_what_the_exact_search_finds(without_memory, criterion):
    exact, race = without_memory["exact", criterion], without_memory["race", criterion]
    assert race["removal_list"] == exact["removal_list"]
    assert race["dense_loss"] == exact["dense_loss"]
    for ours, theirs in zip(race["steps"], exact["steps"], strict=True):
        assert ours["loss"] == theirs["loss"]  # to the bit
        losses = {candidate["block"]: candidate for candidate in theirs["candidates"]}
        for candidate in ours["candidates"]:
            other = losses[candidate["block"]]
            if candidate["tokens"] == 6000:
                assert candidate["loss"] == other["loss"]
                assert candidate["kl"] == other["kl"]
            else:
                assert candidate["segments"] in (20, 40) and candidate["tokens"] == candidate["segments"] * SEQLEN
                assert candidate["difference"] > 3 * candidate["difference_stderr"] > 0
                assert candidate["loss"] == pytest.approx(other["loss"], rel=0.1)
    assert race["search"] == "race" and race["confidence"] == 0.999 and race["criterion"] == criterion


def test_the_race_drops_candidates(without_memory):
    exact, race = without_memory["exact", "kl"], without_memory["race", "kl"]
    for step in race["steps"]:
        assert sum(c["tokens"] for c in step["candidates"]) < 0.7 * 6000 * len(step["candidates"])
    assert operations(race) < 0.7 * operations(exact)


def test_more_confidence_drops_fewer(prune):
    seen = [sum(c["tokens"] for s in prune("--search", "race", "--criterion", "kl", "--confidence", level)["steps"]
                for c in s["candidates"]) for level in (0.9, 0.99999999)]
    assert seen[0] < seen[1]


def test_differences_are_paired_by_segment(ground, without_memory):
    """difference and difference_stderr of the exact search, and kl, from transformers' logits."""
    model = oracle.load(ground / "model")
    segments = np.load(ground / "ids.npy").reshape(-1, SEQLEN)
    for criterion in ("loss", "kl"):
        step = without_memory["exact", criterion]["steps"][0]
        dense = torch.from_numpy(oracle.logits(model, segments, ())).log_softmax(-1).double()[:, :-1]
        values = {}
        for candidate in step["candidates"]:
            own = torch.from_numpy(oracle.logits(model, segments, (candidate["block"],))).log_softmax(-1).double()[:, :-1]
            nll = -own.gather(2, torch.from_numpy(segments)[:, 1:, None])[..., 0]
            divergence = (dense.exp() * (dense - own)).sum(-1)
            values[candidate["block"]] = (nll if criterion == "loss" else divergence).mean(1).numpy()
            assert candidate["kl"] == pytest.approx(divergence.mean().item(), rel=1e-4)
            assert candidate["loss"] == pytest.approx(nll.mean().item() * 6000, rel=1e-4)
        assert step["removed"] == min(values, key=lambda block: values[block].mean())
        margins = []
        for candidate in step["candidates"]:
            if candidate["block"] == step["removed"]:
                assert candidate["difference"] == 0 and candidate["difference_stderr"] is None
                continue
            paired = values[candidate["block"]] - values[step["removed"]]
            assert candidate["difference"] == pytest.approx(paired.mean(), rel=1e-3, abs=1e-5)
            assert candidate["difference_stderr"] == pytest.approx(batch_error(paired), rel=1e-3)
            margins.append(candidate["difference"] / candidate["difference_stderr"])
        assert step["margin"] == pytest.approx(min(margins), rel=1e-6)


def batch_error(values: np.ndarray) -> float:
    """The largest standard error of batch means over batches of 1, 2, 4 segments; 60 make 60, 30, 15 batches."""
    errors = []
    for size in (1, 2, 4):
        groups = np.split(values, range(size, len(values) - size + 1, size))
        totals, counts = np.array([group.sum() for group in groups]), np.array([len(group) for group in groups])
        residuals = totals - values.mean() * counts
        errors.append(np.sqrt((residuals ** 2).sum() * len(groups) / (len(groups) - 1)) / len(values))
    return max(errors)


@pytest.mark.parametrize("segments", [8, 16])
def test_short_texts_race_on_prefixes(sleb_ok, ground, segments):
    """One and two chunks (of 8 segments): candidates that are dropped saw a quarter of each segment."""
    def search(kind):
        return json.loads(sleb_ok("prune", ground / "model", "--tokens", ground / "ids.npy", "--seqlen", 256,
                                  "--segments", segments, "--num-remove-blocks", 3, "--device", "cpu", "--dtype",
                                  "float32", "--threads", 1, "--prompt-tokens", 0, "--json", "-", "--criterion", "kl",
                                  "--search", kind))

    exact, race = search("exact"), search("race")
    assert race["removal_list"] == exact["removal_list"]
    assert [step["loss"] for step in race["steps"]] == [step["loss"] for step in exact["steps"]]
    dropped = [c for step in race["steps"] for c in step["candidates"] if c["tokens"] < 256 * c["segments"]]
    assert dropped and all((c["segments"], c["tokens"]) == (segments, 64 * segments) for c in dropped)


@pytest.mark.parametrize("option", [("--confidence", "1"), ("--confidence", "nan"), ("--confidence", "0.2"), ("--state-memory", "much"),
                                    ("--state-memory", "-1"), ("--state-memory", "5Q"),
                                    ("--state-memory", "99999999999T"), ("--criterion", "both"), ("--search", "guess"), ("--search-budget", "2"),
                                    ("--search-budget", "nan"), ("--confidence", "0.9", "--search", "exact")])
def test_bad_options(sleb, ground, option):
    done = sleb("prune", ground / "model", "--tokens", ground / "ids.npy", "--seqlen", SEQLEN, *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sleb: ") and done.stderr.count("\n") == 1 and option[0] in done.stderr
