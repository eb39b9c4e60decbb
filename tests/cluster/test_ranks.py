"""Many processes: the same results as one, and nothing lost when one of them dies."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tiny_models import random_ids, save_model, save_tokenizer

STATE = "out.sleb-state.json"
KILLS = os.environ.get("SLEB_TEST_KILLS")
END_SECONDS = 30  # within which a run ends when one of its processes has died
JOIN_SECONDS = 150  # within which all have come, or it ends too


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def torchrun() -> pathlib.Path:
    path = pathlib.Path(sys.executable).with_name("torchrun")
    if not path.exists():
        pytest.skip("torchrun is not there: it comes with the torch wheel, which scripts/setup.sh installs")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """A model, ids and texts."""
    folder = tmp_path_factory.mktemp("ranks")
    save_tokenizer(save_model(folder / "model", seed=1, num_hidden_layers=9))
    np.save(folder / "ids.npy", random_ids(7000))
    letters = np.random.default_rng(0)
    lines = ["".join(chr(97 + c) for c in letters.integers(0, 26, 60)) for _ in range(400)]
    (folder / "text.txt").write_text("\n".join(lines) + "\n")
    rows = [{"goal": line[:20], "sol1": line[20:30], "sol2": line[30:45], "label": i % 2}
            for i, line in enumerate(lines[:90])]
    (folder / "piqa.validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def prune(*options, segments: int = 65) -> list[str]:
    """Three rounds; 65 segments are three chunks of 20 and one of 5."""
    return [str(part) for part in ("prune", "model", "--tokens", "ids.npy", "--segments", segments, "--seqlen", 100,
                                   "--num-remove-blocks", 3, "--dtype", "float32", "--threads", 1,
                                   "--prompt-tokens", 0, *options)]


@pytest.fixture
def single(sleb_ok, folder):
    """Runs one process, which has to succeed; its standard output."""
    return lambda arguments, cwd=folder: sleb_ok(*arguments, cwd=cwd)


class Ranks:
    """Starts the same command in many processes, by torchrun or by hand."""

    def __init__(self, program: pathlib.Path, torchrun: pathlib.Path | None, folder: pathlib.Path):
        self.program, self.torchrun, self.folder = program, torchrun, folder

    def by_torchrun(self, processes: int, arguments: list, *options, folder: pathlib.Path | None = None,
                    standalone: bool = True) -> subprocess.Popen:
        place = ["--standalone"] if standalone else ["--nnodes", 1, "--node-rank", 0, "--master-addr", "127.0.0.1",
                                                     "--master-port", free_port()]
        command = [self.torchrun, "--no-python", *place, "--nproc-per-node", processes, *options, self.program]
        return subprocess.Popen([str(part) for part in [*command, *arguments]], cwd=folder or self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def by_hand(self, processes: int, arguments: list, folder: pathlib.Path | None = None) -> list[subprocess.Popen]:
        port = free_port()
        return [self.rank(rank, processes, port, arguments, folder) for rank in range(processes)]

    def rank(self, rank: int, processes: int, port: int, arguments: list, folder: pathlib.Path | None = None,
             **variables) -> subprocess.Popen:
        environment = {"RANK": str(rank), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1",
                       "MASTER_PORT": str(port), **variables}
        return subprocess.Popen([str(self.program), *map(str, arguments)], cwd=folder or self.folder, text=True,
                                env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def ranks(sleb_program, torchrun, folder) -> Ranks:
    return Ranks(sleb_program, torchrun, folder)


@pytest.fixture
def hand(sleb_program, folder) -> Ranks:
    return Ranks(sleb_program, None, folder)


def ends(processes: list[subprocess.Popen], timeout: float = 120) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each."""
    results = []
    for process in processes:
        stdout, stderr = process.communicate(timeout=timeout)
        results.append((process.returncode, stdout, stderr))
    return results


def output_of(process: subprocess.Popen) -> str:
    (code, stdout, stderr), = ends([process])
    assert code == 0, stderr
    return stdout


def assert_close(actual, expected, place=""):
    """The same but for times and for floats within 1e-6."""
    if isinstance(expected, dict):
        ignored = {"seconds", "operations", "tokens_per_second", "command", "fingerprint", "prompt_speed", "tasks_seconds"}
        assert actual.keys() - ignored == expected.keys() - ignored, place
        for key in expected.keys() - ignored:
            assert_close(actual[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), place
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_close(one, other, f"{place}[{i}]")
    elif isinstance(expected, float):
        # A difference of two losses has no more digits than they have.
        scale = 1e-3 if place.endswith(("difference", "error", "margin")) else 1e-6
        assert actual == pytest.approx(expected, rel=scale, abs=1e-6), place
    else:
        assert actual == expected, place


SEARCHES = [("--search", "exact"), ("--search", "race"), ("--search", "exact", "--criterion", "kl"),
            ("--search", "race", "--criterion", "kl"), ("--search", "best", "--search-budget", "3")]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: "-".join(search[1::2]))
def test_prune_like_one_process(ranks, single, search):
    arguments = prune(*search, "--json", "-")
    expected = json.loads(single(arguments))
    for processes in (2, 3):
        actual = json.loads(output_of(ranks.by_torchrun(processes, arguments)))
        assert actual["removal_list"] == expected["removal_list"]
        assert_close(actual, expected)


def test_with_little_and_with_no_room_for_states(ranks, single):
    """Which states a process keeps changes what it computes, not the losses."""
    expected = json.loads(single(prune("--search", "exact", "--json", "-")))
    for memory in ("0", "1M"):
        arguments = prune("--search", "exact", "--json", "-", "--state-memory", memory)
        assert_close(json.loads(output_of(ranks.by_torchrun(2, arguments))), expected)


def until(*options) -> list[str]:
    """As many blocks as these conditions allow, and a prompt to measure with."""
    arguments = prune(*options)
    most, prompt = arguments.index("--num-remove-blocks"), arguments.index("--prompt-tokens")
    arguments[prompt + 1] = "32"
    return arguments[:most] + arguments[most + 2:]


def test_a_condition_ends_every_rank_alike(ranks, hand, single):
    judged = ["--eval-ppl", "text.txt", "--eval-segments", 30, "--search", "exact", "--json", "-"]
    figures = [one["kl"] for one in json.loads(single(until(*judged, "--until-kl", 1000)))["sizes"]["sets"]]
    count = next(i for i in range(1, len(figures)) if figures[i] > max(figures[:i]) * 1.001)
    limit = (max(figures[:count]) + figures[count]) / 2
    expected = json.loads(single(until(*judged, "--until-kl", limit)))
    assert len(expected["removal_list"]) == count
    assert_close(json.loads(output_of(ranks.by_torchrun(2, until(*judged, "--until-kl", limit)))), expected)
    fast = json.loads(output_of(ranks.by_torchrun(2, until("--speed-up", 1.5, "--json", "-"))))
    assert fast["sizes"]["sets"][-1]["speed_up"] >= 1.5
    results = ends(hand.by_hand(2, until(*judged, "--until-kl", figures[0] / 2)), timeout=END_SECONDS)
    assert [code for code, _, _ in results] == [1, 1], results
    assert "".join(stderr for _, _, stderr in results).count("nothing is written") == 1, results


def test_one_chunk_is_divided(ranks, single):
    """Ten segments are one chunk: candidates are divided, also among more processes than that suits."""
    arguments = prune("--search", "exact", "--criterion", "kl", "--json", "-", segments=10)
    expected = json.loads(single(arguments))
    for processes in (2, 4):
        actual = json.loads(output_of(ranks.by_torchrun(processes, arguments)))
        assert_close(actual, expected)
        # Work is shared: what all did together is little more than what one does.
        total = sum(step["operations"] for step in expected["steps"])
        assert sum(step["operations"] for step in actual["steps"]) < 1.6 * total


@pytest.mark.sampled(1)
@pytest.mark.parametrize("how", ["agent", "static", "hand"])
def test_ways_to_start(ranks, single, how):
    arguments = prune("--json", "-")
    if how == "hand":
        results = ends(ranks.by_hand(3, arguments))
        assert [code for code, _, _ in results] == [0, 0, 0], results
        assert [stderr for _, _, stderr in results[1:]] == ["", ""]  # rank 0 alone talks
        assert [stdout for _, stdout, _ in results[1:]] == ["", ""]
        actual = results[0][1]
    else:
        actual = output_of(ranks.by_torchrun(2, arguments, standalone=how == "agent"))
    assert_close(json.loads(actual), json.loads(single(arguments)))


def test_output_is_rank_zeros(ranks, single, folder, tmp_path):
    single(prune("--out", str(tmp_path / "single")))
    output_of(ranks.by_torchrun(2, prune("--out", str(tmp_path / "two"), "--eval-dataset", "text.txt")))
    assert {path.name for path in tmp_path.iterdir()} == {"single", "two"}
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "single" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_eval_like_one_process(ranks, single):
    arguments = ["eval", "model", "--removal-list", "3,5", "--ppl", "text.txt", "--seqlen", 100, "--tasks", "piqa",
                 "--tasks-data", ".", "--dtype", "float32", "--threads", 1, "--json", "-"]
    expected = json.loads(single(arguments))
    for processes in (2, 3):
        assert_close(json.loads(output_of(ranks.by_torchrun(processes, arguments))), expected)


# One dies.

def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items()
                if key not in ("seconds", "operations", "command")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def result_of(folder: pathlib.Path):
    return without_times(json.loads((folder / "out" / "sleb.json").read_text()))


@pytest.fixture(scope="module")
def undisturbed(sleb_program, folder, tmp_path_factory):
    """The result of two processes that nobody disturbs, and how long they took."""
    work = tmp_path_factory.mktemp("undisturbed") / "work"
    shutil.copytree(folder, work)
    begin = time.monotonic()
    results = ends(Ranks(sleb_program, None, work).by_hand(2, prune("--out", "out")))
    assert [code for code, _, _ in results] == [0, 0], results
    return result_of(work), time.monotonic() - begin


@pytest.fixture
def work(folder, tmp_path) -> pathlib.Path:
    shutil.copytree(folder, tmp_path / "work")
    return tmp_path / "work"


def workers_of(process: subprocess.Popen) -> list[int]:
    """The processes that torchrun has started."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        return [int(pid) for pid in children.read_text().split()
                if b"prune" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    except FileNotFoundError:
        return []


def test_killed_by_hand(hand, work, undisturbed, whole):
    """kill -9 at any moment: the other ends within half a minute and names the dead one; --resume finishes the work."""
    expected, seconds = undisturbed
    chance = random.Random(5)
    named = 0
    for attempt in range(int(KILLS or (4 if whole else 1))):
        processes = hand.by_hand(2, prune("--out", "out"), work)
        victim = attempt % 2
        if attempt < 2:  # surely within the search
            while not (work / STATE).exists() and processes[0].poll() is None:
                time.sleep(0.002)
        else:
            time.sleep(chance.random() * seconds)
        processes[victim].kill()
        killed = time.monotonic()
        results = ends(processes, timeout=JOIN_SECONDS)
        took = time.monotonic() - killed
        code, _, stderr = results[1 - victim]
        if code != 0:  # 0: it was done
            assert code == 1, results
            last = stderr.strip().splitlines()[-1]
            # Whoever dies before it has joined is waited for as if it was still to be started.
            never_came = "finds no store" in last or "has not come" in last
            assert never_came or f"rank {victim}" in last, results
            assert never_came or took < END_SECONDS, results
            named += f"rank {victim}" in last
        whole = (work / "out").exists()
        if whole:
            assert result_of(work) == expected
        assert {path.name for path in work.iterdir() if not path.name.startswith(".")} <= {
            "model", "ids.npy", "text.txt", "piqa.validation.jsonl", "out", STATE}
        results = ends(hand.by_hand(2, prune("--out", "out", "--resume"), work))
        assert [code for code, _, _ in results] == [0, 0], results
        assert result_of(work) == expected, attempt
        assert not (work / STATE).exists()
        shutil.rmtree(work / "out")
    assert named > 0


def test_torchrun_starts_anew(ranks, work, undisturbed, whole):
    """torchrun's restart goes on from the finished rounds by itself."""
    expected, seconds = undisturbed
    chance = random.Random(6)
    restarts = 0
    for attempt in range(int(KILLS or (4 if whole else 1))):
        process = ranks.by_torchrun(2, prune("--out", "out"), "--max-restarts", 1, folder=work)
        deadline = time.monotonic() + 60
        while len(workers_of(process)) < 2:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        if attempt < 2:  # surely within the search
            while not (work / STATE).exists() and process.poll() is None:
                time.sleep(0.002)
        else:
            time.sleep(chance.random() * seconds)
        workers = workers_of(process)
        if workers:
            os.kill(workers[attempt % len(workers)], signal.SIGKILL)
        (code, _, stderr), = ends([process])
        assert code == 0, stderr
        restarts += "going on after" in stderr or "beginning anew" in stderr
        assert result_of(work) == expected, attempt
        assert not (work / STATE).exists()
        shutil.rmtree(work / "out")
    assert restarts > 0


def test_torchrun_without_restart_names_the_rank(ranks, work):
    process = ranks.by_torchrun(2, prune("--out", "out"), folder=work)
    while len(workers := workers_of(process)) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    begin = time.monotonic()
    os.kill(workers[1], signal.SIGKILL)
    (code, _, stderr), = ends([process], timeout=END_SECONDS)
    assert code != 0 and time.monotonic() - begin < END_SECONDS
    assert re.search(r"local_rank: \d", stderr), stderr
    assert not (work / "out").exists()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("victim", [0, 1])
def test_stopped_process_counts_as_dead(hand, work, victim):
    """One that hangs with its connections open, as a machine without power would."""
    processes = hand.by_hand(2, prune("--out", "out", "--search", "exact"), work)
    while not (work / STATE).exists():
        assert processes[0].poll() is None, ends(processes)
        time.sleep(0.002)
    processes[victim].send_signal(signal.SIGSTOP)
    try:
        (code, _, stderr), = ends([processes[1 - victim]], timeout=END_SECONDS)
        assert code == 1 and f"rank {victim}" in stderr.splitlines()[-1], stderr
        assert not (work / "out").exists()
    finally:
        processes[victim].kill()
        processes[victim].communicate()


def test_interrupt_of_one_ends_all(hand, work):
    processes = hand.by_hand(2, prune("--out", "out"), work)
    while not (work / STATE).exists():
        assert processes[0].poll() is None, ends(processes)
        time.sleep(0.002)
    processes[1].send_signal(signal.SIGINT)
    results = ends(processes, timeout=END_SECONDS)
    if results[0][0] != 0:  # 0: it was done already
        assert [code for code, _, _ in results] == [1, 1], results
        assert "rank 1 was stopped" in results[0][2] and "--resume" in results[0][2]
        assert results[1][2] == ""


# Bad input.

ENVIRONMENTS = {
    "rank": ({"RANK": "x"}, "RANK=x"),
    "size": ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0"),
    "rank of size": ({"RANK": "2"}, "RANK=2"),
    "port": ({"MASTER_PORT": None}, "MASTER_PORT is not set"),
    "port number": ({"MASTER_PORT": "99999"}, "MASTER_PORT=99999"),
    "address": ({"MASTER_ADDR": ""}, "MASTER_ADDR has 0 characters"),
}


@pytest.mark.parametrize("changes,message", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_malformed_environment(sleb, folder, changes, message):
    good = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    environment = {**os.environ, **good, **changes}
    done = sleb(*prune(), cwd=folder, env={key: value for key, value in environment.items() if value is not None})
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_bad_input_is_told_once(hand):
    for arguments in (prune("--num-remove-blocks", "77"), ["prune", "nowhere"], ["prune", "model", "--no-such"],
                      prune("--out", "/proc/nowhere/out")):
        results = ends(hand.by_hand(3, arguments), timeout=END_SECONDS)
        assert [code for code, _, _ in results] == [2, 2, 2], results
        assert "".join(stderr for _, _, stderr in results).count("sleb: ") == 1, results


def test_another_text_is_noticed(hand, folder):
    np.save(folder / "other.npy", random_ids(7000)[::-1])
    port = free_port()
    other = [part.replace("ids.npy", "other.npy") for part in prune()]
    results = ends([hand.rank(0, 2, port, prune()), hand.rank(1, 2, port, other)], timeout=END_SECONDS)
    assert [code for code, _, _ in results] == [2, 2], results
    assert "rank 1 does not work on the same as rank 0: the calibration text's ids" in results[0][2]
    assert results[1][2] == ""


def test_problem_of_one_is_told(hand, folder):
    port = free_port()
    other = [part.replace("ids.npy", "missing.npy") for part in prune()]
    results = ends([hand.rank(0, 2, port, prune()), hand.rank(1, 2, port, other)], timeout=END_SECONDS)
    assert [code for code, _, _ in results] == [2, 2], results
    assert "rank 1 ended: missing.npy" in results[0][2] and "rank 1: missing.npy" in results[1][2]


def test_commands_for_one_process(hand):
    for arguments in (["info", "model"], ["latency", "model"]):
        results = ends(hand.by_hand(2, arguments))
        assert [code for code, _, _ in results] == [2, 2]
        assert "is not made for many processes" in results[0][2] and results[1][2] == ""
