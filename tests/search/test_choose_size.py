"""How many blocks: searches that end where a condition does, against each size evaluated by `sleb eval`."""
import json
import os
import pathlib
import signal
import subprocess
import time

import numpy as np
import pytest

from tiny_models import random_ids, save_model, save_tokenizer

NUM_BLOCKS, SEQLEN = 8, 64
MOST = NUM_BLOCKS - 2  # between the barriers
COMMON = ["--dtype", "float32", "--threads", 1, "--device", "cpu"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    """A model, ids to calibrate on, and a text that the model has written: nowhere else is it better than without blocks."""
    folder = tmp_path_factory.mktemp("sizes")
    save_tokenizer(save_model(folder / "model", seed=2, num_hidden_layers=NUM_BLOCKS))
    np.save(folder / "ids.npy", random_ids(12 * SEQLEN))
    (folder / "other.txt").write_text("The quick brown fox jumps over the lazy dog. " * 60)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    return folder


def command(ground, *options) -> list[str]:
    untimed = [] if "--prompt-tokens" in options else ["--prompt-tokens", 0]
    return [str(part) for part in ("prune", ground / "model", "--tokens", ground / "ids.npy", "--seqlen", SEQLEN,
                                   *untimed, *COMMON, *options)]


HELD_OUT = ["--eval-ppl", "self:1024"]


@pytest.fixture(scope="module")
def sizes(sleb_ok, ground) -> dict:
    """Greedy's order with nothing that ends it, and what `sleb eval` says of each size: ratio of perplexities, and KL."""
    order = json.loads(sleb_ok(*command(ground, "--search", "exact", "--num-remove-blocks", MOST, "--json", "-")))["removal_list"]
    lists = [",".join(map(str, order[:count])) for count in range(1, MOST + 1)]
    result = json.loads(sleb_ok("eval", ground / "model", "--ppl", "self:1024", "--seqlen", SEQLEN, *COMMON, "--json", "-",
                                *(part for one in lists for part in ("--removal-list", one))))
    perplexity = result["perplexity"]["self:1024"]
    rows = result["perplexity_details"]["self:1024"]["rows"][1:]
    return {"order": order, "perplexity": perplexity["pruned"],
            "ratio": [pruned / perplexity["dense"] for pruned in perplexity["pruned"]],
            "kl": [row["divergence"] for row in rows]}


def limits(figures: list[float]) -> list[tuple[int, float]]:
    """Numbers of blocks and limits between the figures of that many and of one more, where none of fewer is above it."""
    found = []
    for count in range(1, len(figures)):
        most = max(figures[:count])
        if figures[count] > most * 1.001:
            found.append((count, (most + figures[count]) / 2))
    return found


@pytest.mark.parametrize("search", ["exact", "race"])
@pytest.mark.parametrize("option, figure", [("--until-perplexity", "ratio"), ("--until-kl", "kl")])
def test_ends_where_each_size_evaluated_says(sleb_ok, ground, sizes, search, option, figure):
    chances = limits(sizes[figure])
    assert chances, sizes  # a condition that could never end a search would test nothing
    for count, limit in chances:
        if figure == "ratio" and limit < 1:
            continue
        result = json.loads(sleb_ok(*command(ground, "--search", search, *HELD_OUT, option, limit, "--json", "-")))
        assert result["removal_list"] == sizes["order"][:count]
        assert [step["removed"] for step in result["steps"]] == sizes["order"][:count]
        sets = result["sizes"]["sets"]
        assert [one["blocks"] for one in sets] == list(range(NUM_BLOCKS - 1, NUM_BLOCKS - count - 2, -1))
        assert [one["chosen"] for one in sets] == [*[False] * (count - 1), True, False]
        for i, one in enumerate(sets):
            assert one["removal_list"] == sizes["order"][:i + 1]
            assert one["perplexity"] == pytest.approx(sizes["perplexity"][i], rel=1e-6)
            assert one["perplexity_ratio"] == pytest.approx(sizes["ratio"][i], rel=1e-6)
            assert one["kl"] == pytest.approx(sizes["kl"][i], rel=1e-5)
        assert result["evaluation"]["perplexity"]["self:1024"]["pruned"] == pytest.approx(sizes["perplexity"][count - 1])


def test_a_number_is_the_most(sleb_ok, ground, sizes):
    far = max(sizes["kl"]) * 2
    for most in (["--num-remove-blocks", 2], ["--ratio", 0.25]):
        result = json.loads(sleb_ok(*command(ground, *HELD_OUT, "--until-kl", far, *most, "--json", "-")))
        assert result["removal_list"] == sizes["order"][:2]
        assert [one["chosen"] for one in result["sizes"]["sets"]] == [False, True]
    every = json.loads(sleb_ok(*command(ground, *HELD_OUT, "--until-kl", far, "--json", "-")))
    assert every["removal_list"] == sizes["order"]


def test_both_conditions_must_hold(sleb_ok, ground, sizes):
    counts = dict(limits(sizes["kl"]))
    first, last = min(counts), max(counts)
    ratio = max(sizes["ratio"]) * 2
    result = json.loads(sleb_ok(*command(ground, *HELD_OUT, "--until-kl", counts[first], "--until-perplexity", ratio,
                                         "--json", "-")))
    assert len(result["removal_list"]) == first < last


def test_nothing_is_written_where_the_first_is_too_much(sleb, ground, sizes, tmp_path):
    limit = sizes["kl"][0] / 2
    out, file = tmp_path / "out", tmp_path / "result.json"
    done = sleb(*command(ground, *HELD_OUT, "--until-kl", limit, "--out", out, "--json", file))
    assert done.returncode == 1 and not done.stdout
    said = done.stderr.splitlines()[-1]
    assert f"without {sizes['order'][0]}:" in said and f"KL {sizes['kl'][0]:.4f}" in said and f"--until-kl {limit}" in said
    assert "nothing is written" in said and "--resume with other conditions" in said
    assert {path.name for path in tmp_path.iterdir()} == {"out.sleb-state.json"}
    # The round is not lost: with another limit the search goes on after it.
    again = sleb(*command(ground, *HELD_OUT, "--until-kl", sizes["kl"][0] * 1.0001, "--out", out, "--json", file, "--resume"))
    assert again.returncode == 0 and "going on after 1 finished round" in again.stderr, again.stderr
    assert json.loads(file.read_text())["removal_list"][:1] == sizes["order"][:1]
    assert (out / "sleb.json").exists() and not (tmp_path / "out.sleb-state.json").exists()


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items()
                if key not in ("seconds", "operations", "prompt_speed", "tokens_per_second", "command")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


class Killed:
    """A search with --out that is killed when it has finished so many rounds."""

    def __init__(self, program, ground, folder: pathlib.Path):
        self.program, self.ground, self.folder = program, ground, folder
        self.state = folder / "out.sleb-state.json"

    def start(self, *options) -> subprocess.Popen:
        arguments = command(self.ground, "--out", self.folder / "out", *options)
        return subprocess.Popen([str(self.program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill_after(self, rounds: int, *options) -> None:
        process = self.start(*options)
        while process.poll() is None:
            if self.state.exists():
                if len(json.loads(self.state.read_text())["steps"]) >= rounds:
                    process.send_signal(signal.SIGKILL)
                    break
            time.sleep(0.001)
        process.communicate()

    def resume(self, *options) -> str:
        stdout, stderr = (process := self.start("--resume", *options)).communicate(timeout=120)
        assert process.returncode == 0, stderr
        return stderr

    def result(self) -> dict:
        return json.loads((self.folder / "out" / "sleb.json").read_text())


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_goes_on_after_a_kill(sleb_ok, sleb_program, ground, sizes, tmp_path, rounds):
    count, limit = limits(sizes["kl"])[-1]
    options = [*HELD_OUT, "--until-kl", limit]
    sleb_ok(*command(ground, *options, "--out", tmp_path / "whole"))
    work = Killed(sleb_program, ground, tmp_path)
    work.kill_after(rounds, *options)
    if not (tmp_path / "out").exists():  # else it was faster than the kill
        work.resume(*options)
    assert len(work.result()["removal_list"]) == count
    whole = json.loads((tmp_path / "whole" / "sleb.json").read_text())
    assert without_times(work.result()) == without_times(whole)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "whole")]
    assert weights[0] == weights[1]


def test_other_limits_go_on_from_the_same_rounds(sleb, ground, sizes, tmp_path):
    """A search that found no size, too slow at any, is taken up with a limit that ends earlier, and gives that result."""
    out = tmp_path / "out"
    slow = ["--speed-up", 1000, "--prompt-tokens", 8, "--num-remove-blocks", 3]
    done = sleb(*command(ground, *slow, "--out", out))
    assert done.returncode == 1 and "wants more" in done.stderr and not out.exists()
    state = tmp_path / "out.sleb-state.json"
    assert len(json.loads(state.read_text())["steps"]) == 3
    count, limit = limits(sizes["kl"])[0]
    assert count < 3
    done = sleb(*command(ground, *HELD_OUT, "--until-kl", limit, "--resume", "--out", out))
    assert done.returncode == 0 and "going on after 3 finished rounds" in done.stderr, done.stderr
    assert json.loads((out / "sleb.json").read_text())["removal_list"] == sizes["order"][:count]
    assert not state.exists()


def test_a_finished_result_is_not_that_of_another_limit(sleb, ground, sizes, tmp_path):
    far = max(sizes["kl"]) * 2
    file = tmp_path / "result.json"
    options = [*HELD_OUT, "--num-remove-blocks", 1, "--json", file]
    assert sleb(*command(ground, *options, "--until-kl", far)).returncode == 0
    same = sleb(*command(ground, *options, "--until-kl", far, "--resume"))
    assert same.returncode == 0 and "finished already" in same.stdout + same.stderr
    other = sleb(*command(ground, *options, "--until-kl", far * 2, "--resume"))
    assert other.returncode == 2 and "is the result of another search: " in other.stderr, other.stderr


def test_speed_is_measured_where_blocks_can_do_it(sleb_ok, ground, sizes):
    """A ratio of 1 is reached by the first set that is no slower; 1.3 by none that leaves more than 8 / 1.3 blocks."""
    for ratio in (1, 1.3):
        result = json.loads(sleb_ok(*command(ground, "--speed-up", ratio, "--prompt-tokens", 200, "--json", "-")))
        sets = result["sizes"]["sets"]
        chosen = sets[-1]
        assert chosen["chosen"] and result["removal_list"] == chosen["removal_list"] == sizes["order"][:len(sets)]
        for one in sets[:-1]:
            assert ("speed_up" in one) == (NUM_BLOCKS / one["blocks"] >= ratio)
            assert one.get("speed_up", 0) < ratio
        assert chosen["speed_up"] >= ratio
        speed = result["prompt_speed"]
        assert speed["pruned_tokens_per_second"] / speed["dense_tokens_per_second"] == pytest.approx(chosen["speed_up"])
        assert "text" not in result["sizes"]


def test_a_measured_speed_decides_after_a_restart_too(sleb, sleb_program, ground, sizes, tmp_path):
    """The kept figure counts and nothing is measured anew: the second set's is made what no model reaches."""
    slow = ["--speed-up", 1000, "--prompt-tokens", 8, "--num-remove-blocks", 3]
    assert sleb(*command(ground, *slow, "--out", tmp_path / "out")).returncode == 1
    state = tmp_path / "out.sleb-state.json"
    kept = json.loads(state.read_text())
    assert all("speed" not in one for one in kept["callers"]["sets"])  # 8 blocks can't be 1000 times as fast
    kept["callers"]["sets"][1]["speed"] = {"dense": 1.0, "pruned": 2000.0}
    state.write_text(json.dumps(kept, separators=(",", ":")))
    done = sleb(*command(ground, *slow, "--out", tmp_path / "out", "--resume"))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "sleb.json").read_text())
    assert result["removal_list"] == sizes["order"][:2]
    assert result["prompt_speed"] == {"prompt_tokens": 8, "dense_tokens_per_second": 1.0,
                                      "pruned_tokens_per_second": 2000.0}


def test_too_slow_within_the_limit(sleb, ground, sizes, tmp_path):
    count, limit = limits(sizes["kl"])[0]
    done = sleb(*command(ground, *HELD_OUT, "--until-kl", limit, "--speed-up", 1000, "--prompt-tokens", 8, "--json",
                         tmp_path / "result.json"))
    assert done.returncode == 1 and not (tmp_path / "result.json").exists()
    said = done.stderr.splitlines()[-1]
    removed = ",".join(map(str, sizes["order"][:count]))
    assert f"without {removed}: " in said and "--speed-up 1000 wants more" in said and f"--until-kl {limit}" in said


def test_halves(sleb_ok, ground):
    """The same search of halves, ended by what its own figures say."""
    plain = json.loads(sleb_ok(*command(ground, "--units", "half", "--num-remove-blocks", MOST, "--search", "exact", "--json", "-")))
    order = [step["removed"] for step in plain["steps"]]
    lists = [part for count in range(1, 6) for part in ("--removal-list", ",".join(map(str, order[:count])))]
    rows = json.loads(sleb_ok("eval", ground / "model", "--ppl", "self:1024", "--seqlen", SEQLEN, *COMMON, "--json", "-",
                              *lists))["perplexity_details"]["self:1024"]["rows"][1:]
    count, limit = limits([row["divergence"] for row in rows])[0]
    result = json.loads(sleb_ok(*command(ground, *HELD_OUT, "--units", "half", "--search", "exact", "--until-kl", limit, "--json", "-")))
    assert [step["removed"] for step in result["steps"]] == order[:count]
    assert [one["blocks"] for one in result["sizes"]["sets"]] == [NUM_BLOCKS - one / 2 for one in range(1, count + 2)]


def test_the_set_that_was_too_much_can_be_had(sleb_ok, ground, sizes, tmp_path):
    count, limit = limits(sizes["kl"])[0]
    sleb_ok(*command(ground, *HELD_OUT, "--until-kl", limit, "--out", tmp_path / "out"))
    sleb_ok("export", ground / "model", "--from", tmp_path / "out", "--blocks", NUM_BLOCKS - count - 1, "--out",
            tmp_path / "next")
    written = json.loads((tmp_path / "next" / "sleb.json").read_text())
    assert written["removal_list"] == sizes["order"][:count + 1]


def test_dry_run_and_tables(sleb_ok, ground, sizes, tmp_path):
    count, limit = limits(sizes["kl"])[0]
    condition = [*HELD_OUT, "--until-kl", limit]
    said = sleb_ok(*command(ground, *condition, "--dry-run"))
    assert f"{MOST} rounds at most" in said and "held out" in said
    planned = tmp_path / "planned.json"
    sleb_ok(*command(ground, *condition, "--dry-run", "--json", planned))
    assert json.loads(planned.read_text())["held_out_seconds"] > 0
    tables = json.loads(sleb_ok(*command(ground, *condition, "-o", "json")))
    rows = tables["sizes"]
    assert [row["blocks"] for row in rows] == [NUM_BLOCKS - one for one in range(1, count + 2)]
    assert rows[count - 1][""] == "chosen" and rows[0]["KL"] == pytest.approx(sizes["kl"][0], rel=1e-5)


def test_refusals(sleb, ground, tmp_path):
    def refusal(*options) -> str:
        done = sleb(*command(ground, *options, "--json", tmp_path / "result.json"))
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout, done.stderr
        assert not list(tmp_path.iterdir())
        return done.stderr

    assert "--eval-ppl" in refusal("--until-kl", 1)  # ready ids
    assert "--search race" in refusal("--until-kl", 1, *HELD_OUT, "--search", "best")
    assert "--prompt-tokens 0" in refusal("--speed-up", 2)
    for option, values in (("--until-perplexity", ("0.9", "x", "nan", "-1")), ("--until-kl", ("-0.1", "inf", "nan")),
                           ("--speed-up", ("0.5", "0", "nan"))):
        for value in values:
            assert "expected a number" in refusal(option, value, *HELD_OUT), (option, value)
    assert "--eval-segments needs" in refusal("--speed-up", 2, "--prompt-tokens", 8, "--eval-segments", 3)


def test_texts_without_a_held_out_part(sleb, ground):
    for dataset in (ground / "other.txt", "org/name::train", f"self,{ground / 'other.txt'}"):
        done = sleb("prune", ground / "model", "--dataset", dataset, "--until-perplexity", 2, *COMMON)
        assert done.returncode == 2 and "--eval-ppl" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_the_held_out_part_of_a_data_set_is_found(sleb_ok, ground, tmp_path):
    """Of `self` the text that is written to evaluate on, at most --eval-segments of it."""
    arguments = ["prune", ground / "model", "--dataset", "self:512", "--seqlen", SEQLEN, "--prompt-tokens", 0, *COMMON,
                 "--num-remove-blocks", 2, "--until-kl", 1000, "--eval-segments", 5]
    result = json.loads(sleb_ok(*arguments, "--json", "-"))
    evaluated = json.loads(sleb_ok("eval", ground / "model", "--ppl", f"self:{5 * SEQLEN}", "--seqlen", SEQLEN, *COMMON,
                                   "--removal-list", ",".join(map(str, result["removal_list"])), "--json", "-"))
    text = result["sizes"]["text"]
    name = f"self:{5 * SEQLEN}"
    assert text["segments"] == 5 and text["ids_sha256"] == evaluated["perplexity_details"][name]["ids_sha256"]
    assert result["sizes"]["sets"][-1]["perplexity"] == pytest.approx(evaluated["perplexity"][name]["pruned"], rel=1e-6)
    assert result["sizes"]["dense_perplexity"] == pytest.approx(evaluated["perplexity"][name]["dense"], rel=1e-6)
    assert "evaluation" not in result


@pytest.mark.slow  # four rounds of SmolLM2 in one thread
def test_smollm2(sleb_ok, smollm2, shared, tmp_path):
    """A real model on real text: at most so much more perplexity than the dense model's, by a limit that the second
    removal exceeds."""
    valid, test = (shared(f"data/wikitext2/wiki.{split}.raw") for split in ("valid", "test"))
    search = ["prune", smollm2, "--dataset", valid, "--seqlen", 256, "--segments", 2, "--prompt-tokens", 0,
              "--eval-ppl", test, "--eval-segments", 4, *COMMON]
    found = json.loads(sleb_ok(*search, "--until-perplexity", 1.5, "--num-remove-blocks", 2, "--json", "-"))
    order = found["removal_list"]
    evaluated = json.loads(sleb_ok("eval", smollm2, "--ppl", test, "--segments", 4, "--seqlen", 256, *COMMON, "--json", "-",
                                   "--removal-list", order[0], "--removal-list", f"{order[0]},{order[1]}"))
    dense, pruned = (evaluated["perplexity"][str(test)][name] for name in ("dense", "pruned"))
    ratios = [one / dense for one in pruned]
    assert 1 < ratios[0] < ratios[1] < 1.5
    assert [one["perplexity_ratio"] for one in found["sizes"]["sets"]] == pytest.approx(ratios, rel=1e-5)
    limit = sum(ratios) / 2
    sleb_ok(*search, "--until-perplexity", limit, "--out", tmp_path / "out")
    result = json.loads((tmp_path / "out" / "sleb.json").read_text())
    assert result["removal_list"] == order[:1] and len(result["sizes"]["sets"]) == 2
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_hidden_layers"] == 29
