"""What a search takes is said beforehand, within 15 per cent, and chosen or refused by what there is."""
import json
import pathlib
import re
import sys

import numpy as np
import pytest
import torch

from gguf_models import save_gguf
from programs import SLEB, run
from tiny_models import VOCABULARY, make_model, random_ids, save_model

# The program itself takes about 130 MB: weights and states have to weigh more.
WIDE = {"hidden_size": 768, "num_attention_heads": 12, "num_key_value_heads": 4, "num_hidden_layers": 8,
        "max_position_embeddings": 512, "intermediate_size": 2304}
WIDE_OPT = {**WIDE, "ffn_dim": 3072}
del WIDE_OPT["intermediate_size"], WIDE_OPT["num_key_value_heads"]
# Narrow and deep: states are most of it.
DEEP = {"hidden_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 16,
        "max_position_embeddings": 512, "intermediate_size": 256}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Paths of models by name, each made when it is first asked for."""
    folder = tmp_path_factory.mktemp("memory")
    np.save(folder / "ids.npy", random_ids(8192))
    made = {}

    def find(name: str) -> pathlib.Path:
        if name not in made:
            path = made[name] = folder / name
            if name.endswith(".gguf"):
                save_gguf(path, make_model(**WIDE))
            else:
                sizes = {"wide": WIDE, "opt": WIDE_OPT, "deep": DEEP}[name]
                save_model(path, "opt" if name == "opt" else "llama", dtype=torch.bfloat16, **sizes)
        return made[name]

    return find


def arguments(model: pathlib.Path, *more) -> list:
    """Two short segments unless said otherwise."""
    text = [] if "--seqlen" in more else ["--seqlen", 64, "--segments", 2]
    return ["prune", model, "--tokens", model.parent / "ids.npy", *text, "--num-remove-blocks", 1, "--device", "cpu",
            "--prompt-tokens", 0, *more]


def dry_run(sleb_ok, given: list) -> dict:
    return json.loads(sleb_ok(*given, "--dry-run", "--json", "-"))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("model, options", [
    ("wide", ["--dtype", "float32", "--threads", 1]),
    ("wide", ["--dtype", "bfloat16", "--threads", 2, "--search", "exact"]),
    ("wide", ["--dtype", "float32", "--threads", 2, "--criterion", "kl", "--weights-memory", "90M"]),
    ("opt", ["--dtype", "float32", "--threads", 1, "--search", "exact"]),
    ("wide.gguf", ["--dtype", "float32", "--threads", 1, "--state-memory", 0]),
    ("deep", ["--dtype", "float32", "--threads", 1, "--search", "exact", "--state-memory", 0, "--seqlen", 512,
              "--segments", 4]),
    ("deep", ["--dtype", "float32", "--threads", 1, "--search", "exact", "--seqlen", 256, "--segments", 12]),
])
def test_prediction(sleb_ok, sleb_measured, models, model, options):
    given = arguments(models(model), *options)
    predicted = dry_run(sleb_ok, given)["memory"]["peak"]
    _, peak = sleb_measured(*given, "--json", "-")
    assert abs(peak / predicted - 1) < 0.15, f"{peak / 1e6:.0f} MB were taken, {predicted / 1e6:.0f} MB predicted"


def test_better_sets_take_no_more(sleb_ok, sleb_measured, models):
    """No race among sets has more plans than greedy's first round, which is what the prediction goes by."""
    given = arguments(models("deep"), "--dtype", "float32", "--threads", 1, "--seqlen", 256, "--segments", 12)
    given[given.index("--num-remove-blocks") + 1] = 4
    best = [*given, "--search", "best", "--search-budget", 4]
    predicted = dry_run(sleb_ok, best)["memory"]["peak"]
    assert predicted == pytest.approx(dry_run(sleb_ok, given)["memory"]["peak"], rel=0.03)
    output, peak = sleb_measured(*best, "--json", "-")
    _, peak_of_race = sleb_measured(*given, "--criterion", "kl", "--json", "-")
    result = json.loads(output)
    assert max(len(race["candidates"]) for race in result["races"]) <= len(result["steps"][0]["candidates"])
    assert peak < 1.1 * peak_of_race and peak < predicted, f"{peak / 1e6:.0f} MB, {peak_of_race / 1e6:.0f} MB as a race"


def test_dry_run_loads_little_and_writes_nothing(sleb, sleb_ok, sleb_measured, models):
    model = models("wide")
    out = model.parent / "out"
    given = arguments(model, "--dtype", "float32", "--out", out)
    before = sorted(model.parent.rglob("*"))
    text, peak = sleb_measured(*given, "--dry-run")
    assert sorted(model.parent.rglob("*")) == before
    shown = dry_run(sleb_ok, given)
    memory = shown["memory"]
    assert peak < memory["program"] + 0.5 * memory["weights"]
    parts = sum(memory[part] for part in ("program", "weights", "states", "kept_states", "other"))
    assert parts == memory["peak"]
    assert (shown["candidates"], shown["rounds"], memory["resident_blocks"]) == (6, 1, 8)
    for line in ("6 candidates at first, 1 round, as a race", "all in memory", "2 segments at a time", "predicted peak",
                 "a race takes less"):
        assert line in text, line
    # The search itself says the same before it begins; what the process has before differs by a little.
    said = re.search(r"a peak of ([\d.]+) MB is expected", sleb(*given).stderr)
    assert abs(float(said[1]) * 1e6 / memory["peak"] - 1) < 0.03


def test_dry_run_counts_operations(sleb_ok, models):
    """Those that the exact search records."""
    given = arguments(models("deep"), "--search", "exact", "--threads", 1)
    shown = dry_run(sleb_ok, given)
    result = json.loads(sleb_ok(*given, "--json", "-"))
    expected = sum(step["operations"] for step in result["steps"])
    assert sum(shown["operations"].values()) == pytest.approx(expected, rel=1e-9)
    rates = shown["operations_per_second"]
    assert shown["seconds"] == pytest.approx(sum(shown["operations"][part] / rates[part] for part in ("blocks", "head")))


def test_what_is_wrong_is_found_by_a_dry_run(sleb, models):
    done = sleb(*arguments(models("deep"), "--seqlen", 10000, "--dry-run"))
    assert done.returncode == 2 and "one segment needs" in done.stderr


_LIMITED = """import os, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])"""


def limited(limit: int, *given):
    """The command line under a limit of private memory."""
    return run(pathlib.Path(sys.executable), "-c", _LIMITED, limit, SLEB, *given, text=True)


def losses(stdout: str) -> list:
    return [[(candidate["block"], candidate["loss"]) for candidate in step["candidates"]]
            for step in json.loads(stdout)["steps"]]


def test_a_limit_is_kept_to(sleb_ok, models):
    given = [*arguments(models("wide"), "--dtype", "float32", "--threads", 1, "--search", "exact"), "--json", "-"]
    refused = limited(100 << 20, *given)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and refused.stdout == "", refused.stderr
    least = int(re.search(r"ulimit -d of (\d+) bytes would do", refused.stderr)[1])
    enough = limited(least, *given)
    assert enough.returncode == 0, enough.stderr
    assert "0 of 8 blocks stay in memory" in enough.stderr and "1 segment at a time instead of 2" in enough.stderr
    # Blocks are streamed and states not kept where that suffices: not a bit changes.
    streamed = limited(least + (40 << 20), *given)
    assert "blocks stay in memory" in streamed.stderr and "at a time" not in streamed.stderr
    assert losses(streamed.stdout) == losses(sleb_ok(*given))


def test_what_the_user_said_is_not_reduced(models):
    given = arguments(models("wide"), "--dtype", "float32", "--threads", 1, "--weights-memory", "8G")
    refused = limited(200 << 20, *given)
    assert refused.returncode == 2 and "or less --weights-memory" in refused.stderr
    given = arguments(models("deep"), "--threads", 1, "--search", "exact", "--seqlen", 256, "--segments", 30,
                      "--state-memory", "8G")
    refused = limited(120 << 20, *given)
    assert refused.returncode == 2 and "or less --state-memory" in refused.stderr


def test_resume_goes_on_with_as_many_segments_at_a_time(sleb, models, tmp_path):
    given = [*arguments(models("wide"), "--dtype", "float32", "--threads", 1), "--json", tmp_path / "result.json"]
    refused = limited(100 << 20, *given)
    least = int(re.search(r"ulimit -d of (\d+) bytes would do", refused.stderr)[1])
    assert limited(least, *given).returncode == 0
    fingerprint = json.loads((tmp_path / "result.json").read_text())["fingerprint"]
    assert fingerprint["the number of segments computed at a time"] == "1"
    # What such a run leaves when it is stopped; resumed where there is memory enough, it ends as it would have.
    first = losses((tmp_path / "result.json").read_text())
    (tmp_path / "result.json").unlink()
    state = {"sleb_search_state": 3, "fingerprint": fingerprint, "dense_loss": 0, "steps": [], "round": []}
    (tmp_path / "result.json.sleb-state.json").write_text(json.dumps(state))
    resumed = sleb(*given, "--resume")
    assert resumed.returncode == 0 and "1 segment at a time instead of 2" in resumed.stderr, resumed.stderr
    assert losses((tmp_path / "result.json").read_text()) == first
