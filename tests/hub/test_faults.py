"""Whatever goes wrong: one line that says what to do, nothing wrong in the cache, and the next run succeeds."""
import concurrent.futures
import hashlib
import os
import pathlib
import resource
import shutil
import signal
import stat
import time

import pytest

from hub.conftest import NAME, Machine
from hub.loopback_hub import Faults, Hub

WEIGHTS = "/cdn/.*model.safetensors"


def check_cache(machine: Machine, files: dict[str, bytes]):
    """Every file under its name is whole, and nothing is left half-way."""
    for name, content in machine.cached().items():
        assert content == files[name], name
    assert not machine.temporaries()


def check_recovers(machine: Machine, hub, files: dict[str, bytes]):
    hub.faults = Faults()
    machine.ok("info", NAME)
    check_cache(machine, files)
    assert machine.cached()["model.safetensors"] == files["model.safetensors"]


# What the hub does, the environment beside it, and what the line says.
ANSWERS = {
    "no such repository": ({"status": 401, "error_code": "RepoNotFound"}, {},
                           "no such file or folder here, and no such model on {url}; check the name"),
    "a private repository with a token": ({"status": 404, "error_code": "RepoNotFound"}, {"HF_TOKEN": "hf_x"},
                                          "no such model on {url} that your token may read"),
    "gated, no token": ({"status": 401, "error_code": "GatedRepo"}, {},
                        "is gated: accept its licence on {url}/{name}, then log in with: hf auth login"),
    "gated, no access": ({"status": 403, "error_code": "GatedRepo"}, {"HF_TOKEN": "hf_x"},
                         "is gated, and the account of your token has no access: accept its licence on {url}/{name}"),
    "gated files of an open listing": ({"status": 403, "error_code": "GatedRepo", "only": "/resolve/"}, {}, "is gated"),
    "a bad token": ({"status": 401}, {"HF_TOKEN": "hf_x"}, "{url} refuses your token; log in anew with: hf auth login"),
    "forbidden": ({"status": 403}, {}, "{url} forbids it to your account or your network"),
    "no such revision": ({"status": 404, "error_code": "RevisionNotFound"}, {}, "has no revision main; give a branch"),
    "too many requests": ({"status": 429}, {}, "too many requests from here for now; wait some minutes, or log in"),
    "error 500": ({"status": 500}, {}, "{url} has an error of its own; try again later"),
    "error 503": ({"status": 503}, {}, "{url} has an error of its own; try again later"),
    "error 500 of the weights": ({"status": 500, "only": WEIGHTS}, {}, "has an error of its own"),
    "error 404 of the weights": ({"status": 404, "only": WEIGHTS}, {}, "hf download failed: "),
    "not a hub": ({"page": b"<html>log in to the hotel's network</html>"}, {}, "hf download failed: "),
    "the size is a lie": ({"lies": {"head": 7}, "only": "resolve/.*safetensors"}, {}, "a file did not come as long as"),
    "the hash is a lie": ({"wrong": True, "only": WEIGHTS}, {}, "what came is not what {url} lists (SHA-256), and is removed"),
    "the listing's size is a lie": ({"lies": {"listing": 7}, "only": "^model.safetensors"}, {},
                                    "was not as long as {url} says, and is removed"),
}
# What hf tries again for up to half a minute before it gives up.
RETRIED = {
    "too many requests for files": ({"status": 429, "only": "/resolve/.*config"}, {}, "wait some minutes"),
    "error 500 of the listing": ({"status": 500, "only": "/tree/"}, {}, "has an error of its own"),
    "error 500 of the weights' address": ({"status": 500, "only": "/resolve/.*safetensors"}, {}, "has an error of its own"),
    "dropped at once, always": ({"cut_after": 0, "only": WEIGHTS}, {}, "a file did not come as long as {url} said"),
    "dropped half-way, always": ({"cut_after": 100_000, "only": WEIGHTS}, {}, "a file did not come as long as {url} said"),
    "slow beyond patience": ({"seconds_a_chunk": 2, "only": WEIGHTS}, {"HF_HUB_DOWNLOAD_TIMEOUT": "1"}, "can't reach {url} ("),
    "no network half-way": ({}, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "can't reach http://127.0.0.1:9 ("),
}


def check_refusal(machine: Machine, hub: Hub, files: dict[str, bytes], faults: dict, environment: dict, line: str):
    hub.commit(NAME, files)
    hub.faults = Faults(**faults)
    assert line.format(url=hub.url, name=NAME) in machine.refusal("info", NAME, **environment)
    check_cache(machine, files)


@pytest.mark.parametrize("case", ANSWERS)
def test_the_hub_fails(machine, hub, model_files, case):
    check_refusal(machine, hub, model_files, *ANSWERS[case])
    if case == "the listing's size is a lie":  # a commit's listing is kept for good, so the hub's mistake is too
        shutil.rmtree(machine.repository() / "trees")
    check_recovers(machine, hub, model_files)


@pytest.mark.parametrize("fault", [{"cut_after": 200_000, "only": WEIGHTS, "times": 1},
                                   {"status": 500, "only": "/tree/", "times": 1}, {"lies": {"body": 9}, "only": WEIGHTS, "times": 1}],
                         ids=["dropped once", "one error 500", "one body too short"])
def test_what_passes_is_overcome(machine, hub, model_files, fault):
    hub.commit(NAME, model_files)
    hub.faults = Faults(**fault)
    machine.ok("info", NAME)
    check_recovers(machine, hub, model_files)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_no_network(machine, hub, model_files, endpoint):
    hub.commit(NAME, model_files)
    assert f"can't reach {endpoint} (" in machine.refusal("info", NAME, HF_ENDPOINT=endpoint)
    check_recovers(machine, hub, model_files)
    machine.ok("info", NAME, HF_ENDPOINT=endpoint)


@pytest.fixture(name="retried", scope="module", autouse=True)
def started_in_the_background(request, model_files, tmp_path_factory):
    """All at once, each with a hub of its own, beside the other tests: they only wait."""
    if not any(item.originalname == "test_what_hf_tries_again_for_long" for item in request.session.items):
        yield {}
        return

    def check(case: str):
        home = tmp_path_factory.mktemp("retried") / "home"
        hub = Hub()
        try:
            machine = Machine(home, hub.url)
            if case == "no network half-way":
                hub.commit(NAME, model_files)
                (home.parent / "text.txt").write_text("abc")
                machine.ok("tokenize", NAME, "text.txt")
            check_refusal(machine, hub, model_files, *RETRIED[case])
            check_recovers(machine, hub, model_files)
        finally:
            hub.close()

    with concurrent.futures.ThreadPoolExecutor(len(RETRIED)) as pool:
        yield {case: pool.submit(check, case) for case in RETRIED}


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline(machine, hub, model_files, variable):
    hub.commit(NAME, model_files)
    refusal = machine.refusal("info", NAME, **{variable: "1"})
    assert f"{NAME}: is not in {machine.cache}, and HF_HUB_OFFLINE is set; unset it" in refusal
    assert not hub.requests
    check_recovers(machine, hub, model_files)


TOLD_AT_ONCE = {
    "a removal list that is none": (("export", NAME, "--removal-list", "1;2", "--out", "out"), "expected block numbers"),
    "a block twice": (("generate", NAME, "--removal-list", "1,1", "--prompt", "a"), "block 1 stands twice"),
    "halves to repair": (("repair", NAME, "--removal-list", "1.mlp", "--out", "out"), "whole blocks"),
    "an empty list beside others": (("eval", NAME, "--ppl", "text.txt", "--removal-list", ""), "no block"),
    "a device not there": (("latency", NAME, "--removal-list", "1", "--device", "cuda:63"), "--device cuda:63: "),
    "a type not known": (("prune", NAME, "--dataset", "text.txt", "--dtype", "int8"), "--dtype: int8 not in"),
    "a prompt that is no text": (("generate", NAME), "byte 1 is not UTF-8"),
}


@pytest.mark.parametrize("case", TOLD_AT_ONCE)
def test_told_before_anything_is_fetched(machine, hub, model_files, tmp_path, case):
    command, reason = TOLD_AT_ONCE[case]
    hub.commit(NAME, model_files)
    (tmp_path / "text.txt").write_text("abc")
    prompt = tmp_path / "prompt"
    prompt.write_bytes(b"a\xff")
    with open(prompt, "rb") as stdin:
        assert reason in machine.refusal(*command, stdin=stdin)
    assert not hub.requests


def test_a_full_disk(machine, hub, model_files):
    hub.commit(NAME, model_files)
    done = machine.sleb("info", NAME, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
    line = Machine.one_line(done.returncode, done.stderr)
    assert f"no room in {machine.cache}; free some, or set HF_HOME to a folder on another disk" in line
    check_recovers(machine, hub, model_files)


def test_more_than_the_disk_has(machine, hub, model_files):
    commit = hub.commit(NAME, {name: content for name, content in model_files.items() if name != "model.safetensors"})
    hub.repositories[NAME].listed[commit] = {"model.safetensors": 1 << 60}
    assert f"takes 1152921.5 TB, but {machine.cache} has " in machine.refusal("info", NAME)
    assert not [request for request in hub.requests if request.endswith("model.safetensors")], "not even asked for"


def test_a_cache_that_is_no_folder(machine, hub, model_files):
    hub.commit(NAME, model_files)
    machine.home.mkdir()
    machine.cache.write_text("a file")
    assert f"can't write in {machine.cache}; set HF_HOME to a folder" in machine.refusal("info", NAME)
    machine.cache.unlink()
    check_recovers(machine, hub, model_files)


def test_pickled_weights_only(machine, hub, model_files):
    files = {name: content for name, content in model_files.items() if name != "model.safetensors"}
    hub.commit("org/pickled", files)
    refusal = machine.refusal("info", "org/pickled")
    assert "holds its weights as pytorch_model.bin and not as safetensors; such files can run code when read" in refusal
    assert "https://huggingface.co/spaces/safetensors/convert converts them in a pull request" in refusal
    assert not [request for request in hub.requests if request.startswith("GET") and request.endswith(".bin")]
    hub.commit("org/pickled", model_files, "refs/pr/1")
    machine.ok("info", "org/pickled@refs/pr/1")
    hub.commit("org/pickled", model_files)
    machine.ok("info", "org/pickled")


def test_a_model_that_cannot_run_is_refused_before_its_weights_come(machine, hub, model_files):
    config = model_files["config.json"].replace(b'"llama"', b'"mamba"')
    hub.commit(NAME, {**model_files, "config.json": config})
    assert "mamba" in machine.refusal("info", NAME)
    assert not [request for request in hub.requests if request.endswith("model.safetensors")]
    hub.commit(NAME, model_files)
    machine.ok("info", NAME)


def test_a_password_in_the_endpoint_is_not_shown(machine, hub, model_files):
    hub.commit(NAME, model_files)
    done = machine.sleb("info", NAME, HF_ENDPOINT="http://me:secret@127.0.0.1:9")
    assert "from http://127.0.0.1:9\n" in done.stderr and "secret" not in done.stderr


def test_no_weights_at_all(machine, hub, model_files):
    hub.commit(NAME, {"README.md": b"x", "config.json": model_files["config.json"]})
    assert "holds neither model.safetensors nor a GGUF" in machine.refusal("info", NAME)
    assert "holds no GGUF file" in machine.refusal("info", NAME + ":Q8_0")
    hub.commit(NAME, model_files)
    machine.ok("info", NAME)


def test_an_index_whose_shard_is_not_there(machine, hub, sharded_files):
    missing = min(name for name in sharded_files if name.startswith("model-"))
    hub.commit(NAME, {name: content for name, content in sharded_files.items() if name != missing})
    assert f"{NAME}: the repository holds no {missing}" in machine.refusal("info", NAME)
    hub.commit(NAME, sharded_files)
    machine.ok("info", NAME)


def test_every_wrong_shard_is_found(machine, hub, sharded_files):
    hub.commit(NAME, sharded_files)
    hub.faults = Faults(wrong=True, only="/cdn/.*model-")
    assert "is not what" in machine.refusal("info", NAME)
    check_cache(machine, sharded_files)
    hub.faults = Faults()
    machine.ok("info", NAME)
    assert machine.cached() == sharded_files


def test_names_are_no_patterns(machine, hub, sharded_files, gguf):
    index = sharded_files["model.safetensors.index.json"]
    shard = min(name for name in sharded_files if name.startswith("model-"))
    hub.commit(NAME, {**sharded_files, "model.safetensors.index.json": index.replace(shard.encode(), b"*"),
                      "pytorch_model.bin": b"pickled"})
    machine.refusal("info", NAME)
    assert "pytorch_model.bin" not in machine.cached()
    hub.commit("org/brackets", {"m[v2].Q8_0.gguf": gguf})
    machine.ok("info", "org/brackets:Q8_0")


def test_names_that_lead_out(machine, hub, model_files, tmp_path):
    commit = hub.commit(NAME, model_files)
    hub.repositories[NAME].listed[commit] = {name: 100 for name in (
        "../../../../outside.txt", "additional_chat_templates/../../../../../outside.jinja", "/outside.json", "a/../../x-Q8_0.gguf",
        "C:\\outside", "..")}
    machine.sleb("info", NAME)
    assert not list(tmp_path.rglob("outside*")) and not list(tmp_path.parent.glob("outside*"))
    check_cache(machine, model_files)
    hub.repositories[NAME].listed[commit] = {"../../x-Q8_0.gguf": 100, "../y.safetensors": 5}
    shutil.rmtree(machine.home)
    machine.ok("info", NAME)
    assert "holds no GGUF file" in machine.refusal("info", NAME + ":Q8_0")
    check_cache(machine, model_files)


def test_an_index_that_leads_out(machine, hub, sharded_files, tmp_path):
    secret = tmp_path / "secret.safetensors"
    secret.write_bytes(b"s")
    index = sharded_files["model.safetensors.index.json"].replace(b"model-00001-of", b"../../../../../secret-of")
    hub.commit(NAME, {**sharded_files, "model.safetensors.index.json": index})
    assert "secret-of" in machine.refusal("info", NAME)
    assert secret.read_bytes() == b"s"


def hf_in_its_place(folder, script: str) -> str:
    program = folder / "own-hf"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.parametrize("script,line", [
    ("echo \"Error: No such option '--format'.\" >&2; exit 2", "too old for sleb; bring it up to date: pip install -U huggingface_hub"),
    ("exit 0", "did not say where it put the files"),
    ("echo /some/path", "did not say where it put the files"),
    ("kill -9 $$", "hf was killed by signal 9 (Killed); the same command fetches the rest"),
    ("echo first >&2; echo 'Error: the moon is full' >&2; exit 1", "own-hf download failed: the moon is full"),
    ("printf 'Error: \\033[31mred\\r\\n' >&2; exit 1", "own-hf download failed: "),
    ("exit 1", "own-hf download failed: it says nothing"),
])
def test_another_hf(machine, hub, model_files, tmp_path, script, line):
    hub.commit(NAME, model_files)
    refusal = machine.refusal("info", NAME, SLEB_HF=hf_in_its_place(tmp_path, script))
    assert line in refusal and "\x1b" not in refusal
    check_recovers(machine, hub, model_files)


def test_no_hf(machine, hub, model_files, tmp_path):
    hub.commit(NAME, model_files)
    assert "SLEB_HF=/nowhere: no program" in machine.refusal("info", NAME, SLEB_HF="/nowhere")
    (tmp_path / "gone").write_text("#!/nowhere/python\n")
    (tmp_path / "gone").chmod(0o755)
    assert "can't be started; install it anew: pip install huggingface_hub" in machine.refusal(
        "info", NAME, SLEB_HF=str(tmp_path / "gone"))
    check_recovers(machine, hub, model_files)


def children(pid: int) -> list[int]:
    found = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and open(f"/proc/{entry.name}/stat").read().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def runs(pid: int) -> bool:
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_end(pid: int):
    end = time.monotonic() + 10
    while runs(pid):
        assert time.monotonic() < end, "hf goes on"
        time.sleep(0.02)


@pytest.fixture(name="half_way")
def started(machine, hub, model_files):
    """sleb and its hf in the middle of the weights."""
    hub.commit(NAME, model_files)
    hub.faults.seconds_a_chunk = 0.5
    process = machine.start("info", NAME)
    machine.wait_for_temporary(hashlib.sha256(model_files["model.safetensors"]).hexdigest())
    (hf,) = children(process.pid)
    yield process, hf
    process.kill()
    process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way(machine, hub, model_files, half_way, stop):
    process, hf = half_way
    begin = time.monotonic()
    process.send_signal(stop)
    _, errors = process.communicate()
    assert time.monotonic() - begin < 2
    assert process.returncode == 1
    assert "stopped while fetching the model; files that came whole are kept, the same command fetches the rest" in errors
    wait_for_end(hf)
    check_cache(machine, model_files)
    hub.requests.clear()
    check_recovers(machine, hub, model_files)
    assert not [request for request in hub.requests if request.startswith("GET") and "tokenizer" in request], "kept"


def test_killed_half_way(machine, hub, model_files, half_way):
    process, hf = half_way
    process.kill()
    process.communicate()
    wait_for_end(hf)
    assert machine.temporaries(), "hf could not remove its own"
    for file in machine.temporaries():
        age(file)
    check_recovers(machine, hub, model_files)


def age(file: pathlib.Path) -> None:
    """As if nobody had written to it for two hours: what is younger may belong to another machine."""
    os.utime(file, (time.time() - 7200, time.time() - 7200))


def test_what_others_resume_is_left_alone(machine, hub, model_files):
    """BLOB.incomplete is older versions' and other programs'."""
    blobs = machine.repository() / "blobs"
    blobs.mkdir(parents=True)
    for name in ("0" * 64 + ".incomplete", "notes.incomplete"):
        (blobs / name).write_bytes(b"half")
        age(blobs / name)
    hub.commit(NAME, model_files)
    machine.ok("info", NAME)
    assert len(machine.temporaries()) == 2


def test_hf_killed_half_way(machine, hub, model_files, half_way):
    process, hf = half_way
    os.kill(hf, signal.SIGKILL)
    _, errors = process.communicate()
    assert "hf was killed by signal 9" in Machine.one_line(process.returncode, errors)
    check_cache(machine, model_files)
    check_recovers(machine, hub, model_files)


def test_what_another_fetches_is_left_alone(machine, hub, model_files, half_way):
    """What a killed run left is removed, but not the files of one that goes on."""
    process, _ = half_way
    (left,) = machine.temporaries()
    dead = left.with_name("0" * 64 + ".01234567.incomplete")
    dead.write_bytes(b"left by a killed run")
    age(dead)
    young = left.with_name("1" * 64 + ".01234567.incomplete")
    young.write_bytes(b"perhaps another machine's")
    for file in (dead, young):
        (machine.cache / ".locks" / machine.repository().name / f"{file.stem[:64]}.lock").touch()
    other = machine.start("info", NAME)
    end = time.monotonic() + 20
    while dead.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert left.exists() and young.exists()
    young.unlink()
    hub.faults = Faults()
    for running in (process, other):
        _, errors = running.communicate()
        assert running.returncode == 0, errors
    check_cache(machine, model_files)


@pytest.mark.parametrize("case", RETRIED)
def test_what_hf_tries_again_for_long(retried, case):
    retried[case].result()
