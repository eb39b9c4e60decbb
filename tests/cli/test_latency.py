"""sleb latency: what it prints and writes, and what it refuses. How fast it is, bench/latency.py says."""
import csv
import io
import json
import statistics

import pytest

from tiny_models import save_model

SMALL = ["--dtype", "float32", "--device", "cpu", "--threads", 1, "--batch-size", 2, "--prompt-tokens", 6,
         "--repeats", 3]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("latency") / "model")


@pytest.mark.parametrize("mode", ["generation", "prompt"])
def test_result(sleb_ok, tmp_path, model, mode):
    """Every figure follows from the seconds of the runs and the model's shape."""
    new = ["--new-tokens", 5] if mode == "generation" else []
    sleb_ok("latency", model, "--mode", mode, *SMALL, *new, "--removal-list", "1", "--removal-list", "[3, 1]", "--json",
            tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["mode"], result["batch_size"], result["prompt_tokens"], result["repeats"]) == (mode, 2, 6, 3)
    assert [record["removal_list"] for record in result["results"]] == [[], [1], [3, 1]]
    assert [record["blocks"] for record in result["results"]] == [5, 4, 3]
    dense = result["results"][0]
    parameters = sum(size for _, size in _tensors(model))
    block = sum(size for name, size in _tensors(model) if ".layers.0." in name)
    for removed, record in enumerate(result["results"]):
        seconds = record["seconds"]
        mean = statistics.mean(seconds)
        assert len(seconds) == 3
        assert record["mean_ms"] == pytest.approx(mean * 1e3)
        assert record["median_ms"] == pytest.approx(statistics.median(seconds) * 1e3)
        assert record["stddev_ms"] == pytest.approx(statistics.stdev(seconds) * 1e3)
        assert record["tokens_per_second"] == pytest.approx(2 * (5 if new else 6) / mean)
        assert record["speed_up"] == pytest.approx(dense["mean_ms"] / record["mean_ms"])
        outside = record["outside_blocks_ms"]
        assert record["block_speed_up"] == pytest.approx((dense["mean_ms"] - outside) / (record["mean_ms"] - outside))
        assert record["ideal_speed_up"] == pytest.approx(5 / (5 - removed))
        assert record["weight_bytes"] == 4 * (parameters - removed * block)
        if new:
            assert record["ms_per_token"] == pytest.approx(mean * 1e3 / 5)
            assert 0 < record["first_token_ms"] < record["mean_ms"]
            # keys and values x blocks x sequences x tokens x heads x head size x bytes
            assert record["kv_cache_bytes"] == 2 * (5 - removed) * 2 * (6 + 5) * 2 * 16 * 4


def _tensors(model) -> list[tuple[str, int]]:
    import safetensors
    with safetensors.safe_open(model / "model.safetensors", "pt") as file:
        return [(name, file.get_tensor(name).numel()) for name in file.keys()]


def test_formats_say_the_same(sleb_ok, model):
    def output(form):
        return sleb_ok("latency", model, *SMALL, "--new-tokens", 3, "-o", form)

    table = output("md").splitlines()
    assert len({len(line) for line in table}) == 1 and len(table[0]) <= 80
    assert [row.split("|")[1].strip() for row in table][2:4] == ["blocks", "mean, ms"]
    records = json.loads(output("json"))
    lines = [json.loads(line) for line in output("jsonl").splitlines()]
    rows = list(csv.DictReader(io.StringIO(output("csv"))))
    for form in (records, lines, rows):
        assert [list(record) for record in form] == [list(records[0])] * 2
        assert [int(record["blocks"]) for record in form] == [5, 4]  # a fifth, rounded up
    assert rows[1]["removal_list"] == "3" and records[1]["removal_list"] == [3]


@pytest.mark.parametrize("arguments, words", [
    (["--removal-list", "1,1"], ["1", "twice"]),
    (["--removal-list", "-1"], ["-1"]),
    (["--removal-list", "5"], ["5", "0 to 4"]),
    (["--removal-list", "0,1,2,3,4"], ["all"]),
    (["--removal-ratio", "1.0"], ["--removal-ratio"]),
    (["--removal-ratio", "0"], ["--removal-ratio"]),
    (["--mode", "prompt", "--new-tokens", "3"], ["--new-tokens"]),
    (["--logits", "last"], ["--logits"]),
    (["--seed", "-1"], ["-1"]),
    (["--removal-list", "1", "--removal-ratio", "0.4"], ["--removal-ratio", "--removal-list"]),
    (["--mode", "dream"], ["--mode"]),
    (["--batch-size", "0"], ["--batch-size"]),
    (["--repeats", "0"], ["--repeats"]),
    (["-o", "xml"], ["xml"]),
    (["--json", "nowhere/result.json"], ["nowhere"]),
], ids=lambda value: " ".join(value))
def test_refused(sleb, tmp_path, model, arguments, words):
    done = sleb("latency", model, *SMALL[:6], *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    for word in words:
        assert word in last, last


@pytest.mark.parametrize("mode", ["generation", "prompt"])
def test_a_batch_that_memory_does_not_hold_is_refused_before_work(sleb, model, mode):
    done = sleb("latency", model, *SMALL[:6], "--mode", mode, "--batch-size", 10**6, "--prompt-tokens", 10**5)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "1000000 sequences of 100" in last and "need" in last and "would fit" in last
    assert ("keys and values" in last) == (mode == "generation")


def test_learned_positions_end(sleb, tmp_path):
    opt = save_model(tmp_path / "model", "opt")
    done = sleb("latency", opt, *SMALL[:6], "--prompt-tokens", 200, "--new-tokens", 100)
    assert done.returncode == 2
    assert "--prompt-tokens and --new-tokens" in done.stderr and "256" in done.stderr
