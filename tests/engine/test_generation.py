"""Generated tokens against transformers' generate, dense and pruned, alone and in padded batches."""
import json
import os

import numpy as np
import pytest
import torch

import oracle
from tiny_models import OPT, ROPES, VOCABULARY, save_model

COUNT = 24
REMOVALS = [[], [1, 3]]

MODELS = {
    "llama": ("llama", {}),
    "llama, llama3 rope": ("llama", {"rope_parameters": ROPES["llama3"]}),
    "mistral, window of 7": ("mistral", {"sliding_window": 7}),
    "mistral, window of 30": ("mistral", {"sliding_window": 30, "num_key_value_heads": 1}),
    "opt": ("opt", {}),
    "opt, post-norm": ("opt", OPT["post-norm and projections"]),
}


def prompts_of(lengths: list[int], seed: int = 0) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return [random.integers(0, VOCABULARY, length).tolist() for length in lengths]


def transformers_tokens(model, prompts: list[list[int]], count: int) -> list[list[int]]:
    return [oracle.generate(model, np.array(prompt), count) for prompt in prompts]


@pytest.mark.sampled(7)
@pytest.mark.parametrize("lengths", [[20], [9, 9, 9], [3, 30, 11, 1, 30]], ids=["one", "equal", "padded"])
@pytest.mark.parametrize("name", MODELS)
def test_greedy(run_dump, tmp_path, name, lengths):
    family, changes = MODELS[name]
    save_model(tmp_path / "model", family, **changes, eos_token_id=None)  # which oracle.generate would suppress
    prompts = prompts_of(lengths)
    actual = run_dump(tmp_path / "model", "float32", {"removed": REMOVALS, "prompts": prompts, "count": COUNT})
    dense = oracle.load(tmp_path / "model")
    for removed, tokens in zip(REMOVALS, actual, strict=True):
        assert tokens == transformers_tokens(oracle.without_blocks(dense, tuple(removed)), prompts, COUNT), removed


PLACES = ["Paris", "the desert", "a small village", "space", "the kitchen"]
OPENINGS = ["Once upon a time in {}", "Here is a list of things to see in {}:\n1.", "The history of {} begins when",
            "Question: What should I know about {}? Answer:"]


@pytest.mark.slow
def test_smollm2(run_dump, smollm2):
    """SLEB_PROMPTS=20 tries 20 prompts and 64 tokens; 3 and 24 otherwise."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    texts = [opening.format(place) for place in PLACES for opening in OPENINGS]
    texts = texts[:int(os.environ.get("SLEB_PROMPTS", 3))]
    count = 64 if len(texts) == 20 else 24
    prompts = [tokenizer(text)["input_ids"] for text in texts]
    assert len({len(prompt) for prompt in prompts}) > 1
    removals = [[], [5, 13, 20, 26]]
    dense = oracle.load(smollm2)
    dense.generation_config.eos_token_id = None
    # How many of the prompts run together: none, padded ones.
    results = {batch: [run_dump(smollm2, "float32", {"removed": removals, "prompts": prompts[i:i + batch], "count": count})
                       for i in range(0, len(prompts), batch)] for batch in (1, 8)}
    for place, removed in enumerate(removals):
        expected = transformers_tokens(oracle.without_blocks(dense, tuple(removed)), prompts, count)
        for batch, parts in results.items():
            actual = [ids for part in parts for ids in part[place]]
            assert actual == expected, f"without blocks {removed}, {batch} at once"
    print(json.dumps({"prompts": len(prompts), "tokens": count, "removed": removals, "batches": list(results)}))


def test_a_sequence_ends_with_the_first_stop_id(run_dump, tmp_path):
    save_model(tmp_path / "model")
    request = {"removed": [[]], "prompts": prompts_of([5, 8, 2]), "count": COUNT}
    free = run_dump(tmp_path / "model", "float32", request)[0]
    stop = [free[0][3], free[1][7]]
    stopped = run_dump(tmp_path / "model", "float32", {**request, "stop": stop})[0]
    for all_ids, ids in zip(free, stopped, strict=True):
        ends = [place for place, id in enumerate(all_ids) if id in stop]
        assert ids == all_ids[:ends[0] + 1] if ends else all_ids


def test_temperature_draws_from_the_softmax(run_dump, tmp_path):
    """512 first tokens of one prompt, against the distribution that transformers gives: a chi-squared test."""
    save_model(tmp_path / "model")
    prompt = prompts_of([6])[0]
    request = {"removed": [[]], "prompts": [prompt] * 512, "count": 1, "temperature": 2.5, "seed": 7}
    drawn = [ids[0] for ids in run_dump(tmp_path / "model", "float32", request)[0]]
    assert drawn == [ids[0] for ids in run_dump(tmp_path / "model", "float32", request)[0]]
    assert drawn != [ids[0] for ids in run_dump(tmp_path / "model", "float32", {**request, "seed": 8})[0]]
    logits = torch.from_numpy(oracle.logits(oracle.load(tmp_path / "model"), np.array(prompt)))[-1].double()
    expected = torch.softmax(logits / 2.5, -1) * len(drawn)
    counts = torch.bincount(torch.tensor(drawn), minlength=VOCABULARY).double()
    common = expected >= 5  # rarer ones together
    expected = torch.cat([expected[common], expected[~common].sum(0, keepdim=True)])
    counts = torch.cat([counts[common], counts[~common].sum(0, keepdim=True)])
    freedom = len(expected) - 1
    assert freedom > 5
    statistic = ((counts - expected) ** 2 / expected).sum().item()
    assert statistic < freedom + 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("change, word", [
    ({"prompts": [[]]}, "no tokens"),
    ({"prompts": [[1, 999]]}, "id 999"),
    ({"prompts": [[1] * 250], "count": 10}, "260"),
    ({"count": 0}, "0 new"),
], ids=str)
def test_refused(run_dump_fails, tmp_path, change, word):
    save_model(tmp_path / "model", "opt")
    request = {"removed": [[]], "prompts": [[1, 2]], "count": 4, **change}
    assert word in run_dump_fails(tmp_path / "model", "float32", request)
