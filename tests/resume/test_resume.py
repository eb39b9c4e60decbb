"""Nothing lost: runs that are killed, stopped or run out of disk, and what is there afterwards."""
import hashlib
import json
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import safetensors.numpy
import torch

from tiny_models import edit_json, random_ids, save_model, save_tokenizer

STATE = "out.sleb-state.json"
KILLS = 25
KILLS_WHILE_WRITING = 10


class Work:
    """A folder with a model and ids, in which commands run."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path):
        self.program, self.folder = program, folder

    def prune(self, *options, out: tuple = ("--out", "out")) -> list[str]:
        """Three rounds of 60 segments, in chunks of 20."""
        return [str(part) for part in (self.program, "prune", "model", "--tokens", "ids.npy", "--segments", 60,
                                       "--seqlen", 100, "--num-remove-blocks", 3, "--dtype", "float32", "--threads", 1,
                                       "--prompt-tokens", 0, *out, *options)]

    def start(self, command: list, **options) -> subprocess.Popen:
        return subprocess.Popen(list(map(str, command)), cwd=self.folder, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def run(self, command: list, **options) -> subprocess.CompletedProcess:
        process = self.start(command, **options)
        stdout, stderr = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def run_well(self, command: list) -> str:
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def finished_rounds(self) -> int:
        state = self.folder / STATE
        if not state.exists():
            return 0
        found = json.loads(state.read_text())
        return len(found["steps"]) + len(found.get("races", []))

    def wait_for_round_or_end(self, process: subprocess.Popen) -> None:
        while self.finished_rounds() == 0 and process.poll() is None:
            time.sleep(0.002)

    def wait_for_round(self, process: subprocess.Popen) -> None:
        self.wait_for_round_or_end(process)
        assert process.poll() is None, process.communicate()

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items()
                if key not in ("seconds", "operations", "prompt_speed", "command")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def result_of(path: pathlib.Path) -> str:
    """sleb.json to the last digit, apart from times and from how much of the work was this run's; without the list of
    files, which --json FILE does not have."""
    result = without_times(json.loads(path.read_text()))
    result.pop("files", None)
    return json.dumps(result)


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("resume")
    save_tokenizer(save_model(folder / "model", seed=1, num_hidden_layers=9))
    np.save(folder / "ids.npy", random_ids(6000))
    return folder


@pytest.fixture
def work(sleb_program, ground, tmp_path) -> Work:
    shutil.copytree(ground, tmp_path / "work")
    return Work(sleb_program, tmp_path / "work")


def result_undisturbed(sleb_program, ground, folder: pathlib.Path, *options) -> tuple[str, float]:
    shutil.copytree(ground, folder)
    work = Work(sleb_program, folder)
    begin = time.monotonic()
    work.run_well(work.prune(*options))
    seconds = time.monotonic() - begin
    assert work.names() == {"model", "ids.npy", "out"}
    return result_of(folder / "out" / "sleb.json"), seconds


@pytest.fixture(scope="module")
def undisturbed(sleb_program, ground, tmp_path_factory) -> tuple[str, float]:
    """The result of a run that nobody disturbs, and how long it took."""
    return result_undisturbed(sleb_program, ground, tmp_path_factory.mktemp("undisturbed") / "work")


def smallest_weights_memory(work: Work) -> int:
    refused = work.run(work.prune("--weights-memory", 1))
    assert refused.returncode == 2
    return int(re.search(r"give at least (\d+)\n", refused.stderr)[1])


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", [("--search", "exact"), ("--search", "best", "--search-budget", 20),
                                  ("--search", "race", "--criterion", "kl", "--weights-memory")],
                         ids=["exact", "best", "streamed race"])
def test_killed_at_any_moment(work, ground, tmp_path, kind):
    """kill -9, then --resume: the same result, whether the kill met the loading, the search or the writing."""
    if kind[-1] == "--weights-memory":
        kind = (*kind, smallest_weights_memory(work))
    expected, seconds = result_undisturbed(work.program, ground, tmp_path / "undisturbed", *kind)
    chance = random.Random(7)
    killed_after = []
    for number in range(KILLS):
        process = work.start(work.prune(*kind))
        moment = chance.random() * seconds
        if number % 3 == 0:  # after a round, which may take a small part of the time
            work.wait_for_round_or_end(process)
            moment *= 0.1
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        killed_after.append(work.finished_rounds())
        work.run_well(work.prune(*kind, "--resume"))
        assert result_of(work.folder / "out" / "sleb.json") == expected, f"killed after {moment} s"
        assert work.names() == {"model", "ids.npy", "out"}
        shutil.rmtree(work.folder / "out")
    assert len(set(killed_after)) > 1, killed_after  # some kills met a search with rounds to go on from


def test_killed_again_and_again(work, undisturbed):
    """Each run gets a little further."""
    expected, seconds = undisturbed
    for attempt in range(40):
        process = work.start(work.prune("--resume"))
        try:
            process.wait(0.6 * seconds + 0.1 * attempt)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            break
    assert result_of(work.folder / "out" / "sleb.json") == expected


def test_result_without_folder(work, undisturbed):
    """--json FILE alone: rounds are kept beside it."""
    command = work.prune(out=("--json", "result.json"))
    process = work.start(command)
    while not (work.folder / "result.json.sleb-state.json").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.communicate()
    work.run_well([*command, "--resume"])
    assert result_of(work.folder / "result.json") == undisturbed[0]
    assert work.names() == {"model", "ids.npy", "result.json"}
    refused = work.run(command)
    assert refused.returncode == 2 and "result.json: exists already" in refused.stderr
    assert "finished already" in work.run_well([*command, "--resume"])


def interrupt(work: Work, latest: float, *options) -> str:
    """A run that Ctrl-C met after its first round and before its end; its standard error."""
    for _ in range(40):
        process = work.start(work.prune(*options))
        work.wait_for_round(process)
        time.sleep(random.random() * latest)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        if process.returncode == 1:
            return stderr
        shutil.rmtree(work.folder / "out")  # it was done already
    pytest.fail("no interrupt met the search")


def test_interrupt_finishes_the_chunk_and_saves(work, undisturbed):
    stderr = interrupt(work, latest=0)
    assert "finished round" in stderr.splitlines()[-1] and "--resume" in stderr.splitlines()[-1], stderr
    assert work.names() == {"model", "ids.npy", STATE}
    going_on = work.run(work.prune("--resume"))
    assert going_on.returncode == 0 and "going on after" in going_on.stderr
    assert result_of(work.folder / "out" / "sleb.json") == undisturbed[0]


def test_a_round_is_gone_on_with_in_its_middle(work, undisturbed):
    """The chunks that an interrupted round had finished are not computed again."""
    for _ in range(40):
        interrupt(work, latest=undisturbed[1] / 3)
        state = json.loads((work.folder / STATE).read_text())
        if state["round"]:
            break
        (work.folder / STATE).unlink()
    assert {len(loss["nll"]) for loss in state["round"]} <= {20, 40} and state["round"]  # whole chunks
    work.run_well(work.prune("--resume"))
    assert result_of(work.folder / "out" / "sleb.json") == undisturbed[0]


def test_second_interrupt_stops_at_once(work):
    process = work.start(work.prune())
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGINT, 1)  # 1: the two came as one
    assert "out" not in work.names()


@pytest.fixture
def stopped(work) -> Work:
    """Killed after its first round."""
    process = work.start(work.prune())
    work.wait_for_round(process)
    process.kill()
    process.communicate()
    return work


def with_option(*options):
    def command(work):
        base = work.prune("--resume")
        name = options[0]
        if name in base:
            base[base.index(name) + 1] = str(options[1])
            return base
        return [*base, *options]
    return command


def change_one_weight(work):
    path = work.folder / "model" / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors["model.layers.8.mlp.up_proj.weight"][0, 0] += 1e-3
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})
    return work.prune("--resume")


def change_configuration(work):
    edit_json(work.folder / "model" / "config.json", rms_norm_eps=1e-3)
    return work.prune("--resume")


def change_one_id(work):
    ids = np.load(work.folder / "ids.npy")
    ids[17] ^= 1
    np.save(work.folder / "ids.npy", ids)
    return work.prune("--resume")


@pytest.mark.parametrize("change, named", [
    (change_one_weight, "the model was"),
    (change_configuration, "the model was"),
    (change_one_id, "the calibration text's ids was"),
    (with_option("--seed", "1"), "--seed was 0, is 1"),
    (with_option("--segments", "40"), "the number of segments was 60, is 40"),
    (with_option("--num-remove-blocks", "4"), "--num-remove-blocks was 3, is 4"),
    (with_option("--early-barrier", "2"), "--early-barrier was 1, is 2"),
    (with_option("--latter-barrier", "0"), "--latter-barrier was 1, is 0"),
    (with_option("--dtype", "bfloat16"), "--dtype was float32, is bfloat16"),
    (with_option("--threads", "2"), "--threads was 1, is 2"),
], ids=lambda value: getattr(value, "__name__", None) or value.split(" was")[0])
def test_another_search_is_refused_by_name(stopped, change, named):
    before = (stopped.folder / STATE).read_bytes()
    refused = stopped.run(change(stopped))
    assert refused.returncode == 2
    assert named in refused.stderr.splitlines()[-1]
    assert (stopped.folder / STATE).read_bytes() == before
    assert "out" not in stopped.names()


def test_kept_rounds_are_not_overwritten_unasked(stopped, undisturbed):
    refused = stopped.run(stopped.prune())
    assert refused.returncode == 2 and "--resume to go on" in refused.stderr
    stopped.run_well(stopped.prune("--force"))
    assert result_of(stopped.folder / "out" / "sleb.json") == undisturbed[0]
    assert stopped.names() == {"model", "ids.npy", "out"}


def test_what_was_left_to_sleb_stays_as_it_was(stopped, undisturbed):
    """--threads and --dtype not given again: those of the first run."""
    command = stopped.prune("--resume")
    for option in ("--threads", "--dtype"):
        del command[command.index(option):command.index(option) + 2]
    stopped.run_well(command)
    assert result_of(stopped.folder / "out" / "sleb.json") == undisturbed[0]


def edit_fingerprint(work: Work, **entries) -> None:
    state = json.loads((work.folder / STATE).read_text())
    state["fingerprint"] |= {name.replace("_", " "): value for name, value in entries.items()}
    (work.folder / STATE).write_text(json.dumps(state))


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
@pytest.mark.parametrize("first, asked", [("cuda:0", "cuda"), ("cuda:1", "cuda:1")])
def test_a_search_on_gpus_goes_on_on_those_that_it_had(stopped, first, asked):
    """A model that began on cuda:0 may have been spread over others."""
    edit_fingerprint(stopped, **{"--device": first})
    refused = stopped.run(stopped.prune("--resume"))
    assert refused.returncode == 2
    assert refused.stderr == f"sleb: --device {asked}: libtorch finds no CUDA device here; use --device cpu\n"


def test_another_card_is_another_search(stopped):
    edit_fingerprint(stopped, what_computes="NVIDIA H100 PCIe, libtorch 2.11.0")
    refused = stopped.run(stopped.prune("--resume"))
    assert refused.returncode == 2 and "what computes was NVIDIA H100 PCIe, libtorch 2.11.0" in refused.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sleb_search_state": 1}', '{"sleb_search_state": 9}', "\xff"])
def test_a_damaged_state_is_refused(stopped, content):
    (stopped.folder / STATE).write_bytes(content.encode("latin-1"))
    refused = stopped.run(stopped.prune("--resume"))
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1 and STATE in refused.stderr


def test_invented_rounds_are_refused(stopped):
    path = stopped.folder / STATE
    state = json.loads(path.read_text())
    state["steps"][0]["removed"] = 8
    path.write_text(json.dumps(state))
    refused = stopped.run(stopped.prune("--resume"))
    assert refused.returncode == 2 and "does not belong to this search" in refused.stderr


def test_full_disk_while_writing(work, undisturbed):
    """Files of at most 200 kB: the state fits, the weights don't."""
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    failed = work.run(work.prune(), preexec_fn=small_files)
    assert failed.returncode == 1
    assert "can't write" in failed.stderr.splitlines()[-1] and "--resume goes on" in failed.stderr.splitlines()[-1]
    assert work.names() == {"model", "ids.npy", STATE}
    resumed = work.run(work.prune("--resume"))
    assert resumed.returncode == 0 and "round" not in resumed.stderr.replace("finished round", "")
    assert result_of(work.folder / "out" / "sleb.json") == undisturbed[0]


def test_full_disk_while_saving_a_round(work):
    """The search goes on with a warning."""
    def tiny_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    failed = work.run(work.prune(out=("--json", "result.json")), preexec_fn=tiny_files)
    assert failed.returncode == 1
    assert failed.stderr.count("warning: the search goes on") >= 3
    assert work.names() == {"model", "ids.npy"}


def test_lost_folder(work):
    """The folder that was to hold the output goes away during the search."""
    (work.folder / "deep").mkdir()
    process = work.start(work.prune(out=("--out", "deep/out")))
    while not (work.folder / "deep" / STATE).exists():
        assert process.poll() is None
        time.sleep(0.002)
    (work.folder / "deep").rename(work.folder / "elsewhere")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode in (0, 1)
    if process.returncode == 1:
        assert stderr.splitlines()[-1].startswith("sleb: "), stderr
    assert not any(name.startswith(".") for name in work.names())


def contents(folder: pathlib.Path) -> dict[str, str]:
    """README.md holds the command, which may differ in --force."""
    return {path.name: hashlib.sha256(path.read_bytes().replace(b" --force", b"")).hexdigest()
            for path in folder.iterdir()}


@pytest.fixture(scope="module")
def large(sleb_program, tmp_path_factory) -> Work:
    """A model whose writing takes a while, and its export undisturbed."""
    folder = tmp_path_factory.mktemp("large")
    save_model(folder / "model", hidden_size=512, intermediate_size=2048, vocab_size=20000, num_hidden_layers=6)
    return Work(sleb_program, folder)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("replacing", [False, True], ids=["new target", "--force"])
def test_killed_while_writing(large, replacing):
    """The target is whole or as it was; what was left unfinished is gone after the next run."""
    def export(removal_list, *options):
        return [large.program, "export", "model", "--removal-list", removal_list, "--out", "out", "--shard-bytes",
                20_000_000, *options]

    out = large.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    large.run_well(export("3", "--force"))
    old = contents(out)
    begin = time.monotonic()
    large.run_well(export("1,2", "--force"))
    seconds = time.monotonic() - begin
    new = contents(out)
    assert old != new
    chance = random.Random(3)
    unfinished = 0
    for _ in range(KILLS_WHILE_WRITING):
        shutil.rmtree(out)
        if replacing:
            large.run_well(export("3"))
        process = large.start(export("1,2", *(["--force"] if replacing else [])))
        try:
            process.wait(chance.uniform(0.1, 1) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        found = contents(out) if out.exists() else None
        assert found in ((old, new) if replacing else (None, new))
        unfinished += found != new
        large.run_well(export("1,2", "--force"))
        assert contents(out) == new
        assert large.names() == {"model", "out"}
    assert unfinished > 0


def test_force_leaves_no_moment_without_a_target(large):
    out = large.folder / "out"
    export = [large.program, "export", "model", "--removal-list", "1", "--out", "out", "--force"]
    large.run_well(export)
    process = large.start(export)
    looks = 0
    while process.poll() is None:
        assert (out / "config.json").exists()
        looks += 1
    process.communicate()
    assert looks > 100
