"""Log-likelihoods of sequences' ends against transformers, which computes each sequence on its own."""
import json

import numpy as np
import pytest
import torch

import oracle
from tiny_models import OPT, ROPES, VOCABULARY, save_model

REMOVALS = [[], [1, 3]]

MODELS = {
    "llama": ("llama", {}),
    "llama, dynamic rope": ("llama", {"rope_parameters": ROPES["dynamic"], "max_position_embeddings": 80}),
    "mistral, window of 7": ("mistral", {"sliding_window": 7}),
    "mistral, no grouped heads": ("mistral", {"sliding_window": 64, "num_key_value_heads": 4}),
    "opt": ("opt", {}),
    "opt, post-norm": ("opt", OPT["post-norm and projections"]),
}


def random_groups(seed: int) -> list:
    """Groups of all forms: choices after a context, contexts that differ, one sequence, one that goes on in another."""
    random = np.random.default_rng(seed)

    def ids(count):
        return random.integers(0, VOCABULARY, count).tolist()

    groups = []
    for _ in range(12):
        context, end = ids(random.integers(1, 40)), ids(random.integers(1, 9))
        choices = [ids(random.integers(1, 20)) for _ in range(4)]
        choices[1] = choices[0][:1] + choices[1]
        groups.append([{"ids": context + choice, "scored": len(choice)} for choice in choices])
        groups.append([{"ids": context + choice + end, "scored": len(end)} for choice in choices])
    groups.append([{"ids": ids(70), "scored": 69}])
    line = ids(30)
    groups.append([{"ids": line[:20], "scored": 5}, {"ids": line, "scored": 10}, {"ids": line[:2], "scored": 1}])
    groups.append([{"ids": [1, 2, 3], "scored": 1}, {"ids": [4, 2, 3], "scored": 2}])
    return groups


def expected_score(model, sequence: dict) -> tuple[float, bool]:
    ids, scored = np.array(sequence["ids"]), sequence["scored"]
    logs = torch.log_softmax(torch.from_numpy(oracle.logits(model, ids[:-1])), -1)[-scored:]
    targets = torch.from_numpy(ids[-scored:])
    value = logs.gather(1, targets[:, None]).double().sum().item()
    return value, bool((logs.argmax(-1) == targets).all())


@pytest.mark.parametrize("name", MODELS)
def test_groups(run_dump, tmp_path, name):
    family, changes = MODELS[name]
    save_model(tmp_path / "model", family, **changes)
    groups = random_groups(seed=len(name))
    actual = run_dump(tmp_path / "model", "float32", {"removed": REMOVALS, "groups": groups})
    dense = oracle.load(tmp_path / "model")
    for removed, of_plan in zip(REMOVALS, actual, strict=True):
        model = oracle.without_blocks(dense, tuple(removed))
        for group, of_group in zip(groups, of_plan, strict=True):
            for sequence, (value, greedy) in zip(group, of_group, strict=True):
                expected, expected_greedy = expected_score(model, sequence)
                assert value == pytest.approx(expected, rel=2e-5, abs=2e-4), (removed, json.dumps(sequence))
                assert greedy == expected_greedy


@pytest.mark.parametrize("sequence, word", [
    ({"ids": [1, 2], "scored": 0}, "0 of a sequence's 2"),
    ({"ids": [1, 2], "scored": 2}, "2 of a sequence's 2"),
    ({"ids": [1, 2], "scored": -1}, "-1 of"),
    ({"ids": [], "scored": 1}, "1 of a sequence's 0"),
    ({"ids": [1, 999], "scored": 1}, "id 999"),
    ({"ids": [1] * 300, "scored": 1}, "299"),
], ids=str)
def test_refused(run_dump_fails, tmp_path, sequence, word):
    save_model(tmp_path / "model", "opt")
    assert word in run_dump_fails(tmp_path / "model", "float32", {"removed": [[]], "groups": [[sequence]]})
