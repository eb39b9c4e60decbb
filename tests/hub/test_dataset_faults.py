"""Whatever goes wrong with a data set: one line that says what to do, nothing wrong in the cache, and the next run succeeds."""
import hashlib
import resource
import signal
import time

import pytest

from hub import data_sets
from hub.conftest import Machine
from hub.data_sets import card, csv, jsonl, packed, parquet, texts
from hub.loopback_hub import Faults
from hub.test_faults import children, hf_in_its_place, wait_for_end

NAME = "org/data"
KEY = "datasets/" + NAME
SHARD = "data/train-00000-of-00001.parquet"
DATA = "/cdn/datasets/.*parquet|/resolve/.*parquet"


@pytest.fixture(name="files", scope="module")
def a_data_set() -> dict[str, bytes]:
    # No two rows alike, so that the file is large enough to count as LFS.
    rows = [hashlib.sha256(bytes([i % 256, i // 256])).hexdigest() for i in range(9000)]
    return {"README.md": card("license: mit\n"), SHARD: parquet(rows), "data/test-00000-of-00001.parquet": parquet(rows[:40])}


@pytest.fixture(name="use")
def a_command_that_reads_it(machine, model_files, tmp_path):
    """The words of a command for a text; the model is a folder."""
    data_sets.write(tmp_path / "model", model_files)
    search = ["prune", "model", "--num-remove-blocks", "1", "--seqlen", "8", "--segments", "1", "--prompt-tokens", "0"]
    return lambda text=NAME: [*search, "--dataset", text]


def check_cache(machine: Machine, files: dict[str, bytes], key: str = KEY):
    for name, content in machine.cached(key).items():
        assert content == files[name], name
    assert not machine.temporaries()


def check_recovers(machine: Machine, hub, files: dict[str, bytes], use):
    hub.faults = Faults()
    machine.ok(*use())
    check_cache(machine, files)
    assert machine.cached(KEY)[SHARD] == files[SHARD]


ANSWERS = {
    "no such repository": ({"status": 401, "error_code": "RepoNotFound"}, {},
                           "org/data: no such file or folder here, and no such data set on {url}; check the name"),
    "a private repository with a token": ({"status": 404, "error_code": "RepoNotFound"}, {"HF_TOKEN": "hf_x"},
                                          "no such data set on {url} that your token may read"),
    "gated, no token": ({"status": 401, "error_code": "GatedRepo"}, {},
                        "is gated: accept its licence on {url}/datasets/org/data, then log in with: hf auth login"),
    "gated, no access": ({"status": 403, "error_code": "GatedRepo"}, {"HF_TOKEN": "hf_x"},
                         "has no access: accept its licence on {url}/datasets/org/data"),
    "gated files of an open listing": ({"status": 403, "error_code": "GatedRepo", "only": "/resolve/"}, {}, "is gated"),
    "a bad token": ({"status": 401}, {"HF_TOKEN": "hf_x"}, "{url} refuses your token; log in anew with: hf auth login"),
    "forbidden": ({"status": 403}, {}, "{url} forbids it to your account or your network; see {url}/datasets/org/data"),
    "no such revision": ({"status": 404, "error_code": "RevisionNotFound"}, {}, "has no revision main; give a branch"),
    "too many requests": ({"status": 429}, {}, "too many requests from here for now"),
    "error 500": ({"status": 500}, {}, "{url} has an error of its own; try again later"),
    "error 500 of the data": ({"status": 500, "only": "/cdn/.*parquet"}, {}, "has an error of its own"),
    "not a hub": ({"page": b"<html>log in</html>"}, {}, "hf download failed: "),
    "the size is a lie": ({"lies": {"head": 7}, "only": "resolve/.*parquet"}, {}, "a file did not come as long as"),
    "the hash is a lie": ({"wrong": True, "only": "/cdn/.*parquet"}, {},
                          "what came is not what {url} lists (SHA-256), and is removed"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_hub_fails(machine, hub, files, use, case):
    faults, environment, line = ANSWERS[case]
    hub.commit(KEY, files)
    hub.faults = Faults(**faults)
    assert line.format(url=hub.url) in machine.refusal(*use(), **environment)
    check_cache(machine, files)
    check_recovers(machine, hub, files, use)


def test_dropped_once(machine, hub, files, use):
    hub.commit(KEY, files)
    hub.faults = Faults(cut_after=100_000, only="/cdn/.*parquet", times=1)
    machine.ok(*use())
    check_recovers(machine, hub, files, use)


def test_no_network(machine, hub, files, use):
    hub.commit(KEY, files)
    assert "org/data: no such file or folder here, and can't reach http://127.0.0.1:9 (" in machine.refusal(
        *use(), HF_ENDPOINT="http://127.0.0.1:9")
    check_recovers(machine, hub, files, use)
    machine.ok(*use(), HF_ENDPOINT="http://127.0.0.1:9")


def test_offline(machine, hub, files, use):
    hub.commit(KEY, files)
    offline = {"HF_HUB_OFFLINE": "1"}
    assert (f"{NAME}: is not in {machine.cache}, and HF_HUB_OFFLINE is set; unset it, or copy the data set there"
            in machine.refusal(*use(), **offline))
    assert "Salesforce/wikitext: is not in" in machine.refusal(*use()[:-2], **offline)
    assert not hub.requests
    machine.ok(*use(NAME + "::test"))
    assert f"{SHARD} is missing in {machine.cache}" in machine.refusal(*use(), **offline)
    assert "has no split dev; give one, org/data:default:SPLIT; there are: train, test" in machine.refusal(
        *use(NAME + "::dev"), **offline)
    check_recovers(machine, hub, files, use)
    machine.ok(*use(), **offline)


def test_a_full_disk(machine, hub, files, use):
    hub.commit(KEY, files)
    assert len(files[SHARD]) > 250_000
    done = machine.sleb(*use(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000)))
    line = Machine.one_line(done.returncode, done.stderr)
    assert f"no room in {machine.cache}; free some, or set HF_HOME to a folder on another disk" in line
    check_recovers(machine, hub, files, use)


def test_more_than_the_disk_has(machine, hub, files, use):
    commit = hub.commit(KEY, {name: content for name, content in files.items() if name != SHARD})
    hub.repositories[KEY].listed[commit] = {SHARD: 1 << 60}
    assert f"{NAME}: takes 1152921.5 TB, but {machine.cache} has " in machine.refusal(*use())
    assert not [request for request in hub.requests if request.endswith(SHARD)], "not even asked for"


def test_stopped_half_way(machine, hub, files, use):
    hub.commit(KEY, files)
    hub.faults.seconds_a_chunk = 0.5
    process = machine.start(*use())
    machine.wait_for_temporary(hashlib.sha256(files[SHARD]).hexdigest())
    (hf,) = children(process.pid)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert time.monotonic() - begin < 2 and process.returncode == 1
    assert "stopped while fetching the data set; files that came whole are kept, the same command fetches the rest" in errors
    wait_for_end(hf)
    check_cache(machine, files)
    check_recovers(machine, hub, files, use)


def test_no_hf(machine, hub, files, use, tmp_path):
    hub.commit(KEY, files)
    assert "SLEB_HF=/nowhere: no program" in machine.refusal(*use(), SLEB_HF="/nowhere")
    own = hf_in_its_place(tmp_path, "echo 'Error: the moon is full' >&2; exit 1")
    assert "org/data: " in machine.refusal(*use(), SLEB_HF=own)
    check_recovers(machine, hub, files, use)


def test_names_that_lead_out(machine, hub, files, use, tmp_path):
    commit = hub.commit(KEY, files)
    hub.repositories[KEY].listed[commit] = {name: 100 for name in (
        "../../../../outside.parquet", "data/../../../../../outside-train.parquet", "/outside.parquet", "data\\train-x.parquet", "..")}
    machine.sleb(*use())
    assert not list(tmp_path.rglob("outside*")) and not list(tmp_path.parent.glob("outside*"))
    check_cache(machine, files)


def alias_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return "\n".join(lines) + "\n"


CARDS = {
    "malformed": ("configs: [\n", "org/data: README.md, line 2: is no YAML: "),
    "a list": ("- a\n", "README.md: its front matter is no mapping"),
    "an alias bomb": (alias_bomb(), "stands for more than 1000000 values"),
    "an alias of itself": ("a: &a [*a]\n", "is nested deeper than 64 levels"),
    "deep": ("a: " + "[" * 5000 + "]" * 5000 + "\n", "is nested deeper than 64 levels"),
    "no name": ("configs:\n- data_files: x.csv\n", "configs[0]: lacks \"config_name\""),
    "a file outside": ("configs:\n- config_name: a\n  data_files: ../../../x.parquet\n", "which is not in the repository"),
    "another host's": ("configs:\n- config_name: a\n  data_files: https://host/x.csv\n", "which is not in the repository"),
    "an absent file": ("configs:\n- config_name: a\n  data_files: x.csv\n", "org/data: holds no x.csv, which its card names"),
    "a bad pattern": ("configs:\n- config_name: a\n  data_files: data/**x\n", "\"**\" must stand alone between slashes"),
    "a separator": ("configs:\n- config_name: a\n  sep: ';'\n", "its configuration a sets sep, which is not followed here"),
    "a control character": ("configs:\n- config_name: \"\\e[31m\"\n- config_name: b\n", "there are: \\x1b[31m, b"),
}


@pytest.mark.parametrize("case", CARDS)
def test_a_wrong_card(machine, hub, files, use, case):
    yaml, line = CARDS[case]
    hub.commit(KEY, {**files, "README.md": card(yaml)})
    begin = time.monotonic()
    refusal = machine.refusal(*use())
    assert line in refusal and "\x1b" not in refusal
    assert time.monotonic() - begin < 20
    assert set(machine.cached(KEY)) == {"README.md"} and not machine.temporaries(), "no data is fetched"


def test_a_card_that_is_mended(machine, hub, files, use):
    """What the cache takes for main is wrong, so the hub is asked again."""
    hub.commit(KEY, {**files, "README.md": card("configs: [\n")})
    machine.refusal(*use())
    assert "README.md, line 2: is no YAML" in machine.refusal(*use(), HF_HUB_OFFLINE="1")
    hub.commit(KEY, files)
    machine.ok(*use())
    assert machine.cached(KEY)[SHARD] == files[SHARD]


def test_what_there_is_is_said(machine, hub, use):
    config = "- config_name: {0}\n  data_files:\n  - split: train\n    path: {0}.parquet\n"
    hub.commit(KEY, {"README.md": card("configs:\n" + config.format("en") + config.format("de")),
                     "en.parquet": parquet(texts("a", 9), "story", title=texts("b", 9)), "de.parquet": parquet(texts("a", 9), "n")})
    assert "org/data: has several configurations; give one, org/data:CONFIG; there are: en, de" in machine.refusal(*use())
    assert "org/data: has no configuration fr; there are: en, de" in machine.refusal(*use(NAME + ":fr"))
    assert "its configuration en has no split test; give one, org/data:en:SPLIT; there are: train" in machine.refusal(
        *use(NAME + ":en:test"))
    assert 'has no column "text", but "story", "title"; name one of them: org/data:en:train:FIELD' in machine.refusal(
        *use(NAME + ":en"))
    assert 'has no column "body", but "story", "title"; name one of them' in machine.refusal(*use(NAME + ":en:train:body"))
    machine.ok(*use(NAME + ":en:train:title"))
    done = machine.sleb(*use(NAME + ":de"))
    assert done.returncode == 0 and 'has no column "text"; the texts are those of its column "n"' in done.stderr
    hub.commit("datasets/org/lines", {"train.jsonl": b'{"a": "x", "b": "y"}\n'})
    assert 'has no field "text", but "a", "b"; name one of them: org/lines:default:train:FIELD' in machine.refusal(*use("org/lines"))


BROKEN = {
    "Parquet cut short": ("train.parquet", parquet(texts("a", 500))[:-40]),
    "gzip cut short": ("train.jsonl.gz", packed(jsonl(texts("a", 500)))[:-40]),
    "a line cut short": ("train.jsonl", jsonl(texts("a", 50))[:-9]),
    "a document cut short": ("train.json", b'[{"text": "a"}, {"text"'),
    "a row without its text": ("train.jsonl", jsonl(texts("a", 5)) + b'{"n": 1}\n'),
    "CSV with an open quote": ("train.csv", b'text\n"a\n' + csv(texts("a", 5))),
    "not UTF-8": ("train.txt", b"a\xff\n" * 50),
    "an LFS pointer": ("train.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file(machine, hub, use, case):
    name, content = BROKEN[case]
    hub.commit(KEY, {name: content})
    refusal = machine.refusal(*use())
    assert name.split(".", maxsplit=1)[0] in refusal
    assert machine.cached(KEY)[name] == content, "as the hub has it"


def test_a_file_packed_in_another_way(machine, hub, use):
    """Its name says so, and it is not fetched."""
    hub.commit(KEY, {"train.jsonl.zst": b"x"})
    assert "org/data: its file train.jsonl.zst is of a type, or packed in a way, that is not read here" in machine.refusal(*use())
    assert "train.jsonl.zst" not in machine.cached(KEY)


def test_a_script_alone(machine, hub, use):
    """datasets runs none, and the hub keeps Parquet files of what it has run."""
    hub.commit(KEY, {"data.py": b"print(1)", "README.md": card("dataset_info:\n- config_name: a\n"), "raw.zip": b"z"})
    assert "org/data: holds no data files that are read here, and the hub has made no Parquet files of it" in machine.refusal(*use())
    rows = texts("converted", 50)
    commit = hub.commit(KEY, {"a/train/0000.parquet": parquet(rows[:20]), "a/train/0001.parquet": parquet(rows[20:]),
                              "b/train/0000.parquet": parquet(rows)}, "refs/convert/parquet")
    assert "has several configurations; give one, org/data:CONFIG; there are: a, b" in machine.refusal(*use())
    machine.ok(*use(NAME + ":a"), "--json", "a.json")
    record = data_sets.json.loads((machine.home.parent / "a.json").read_text())["calibration"]
    assert record["source"]["revision"] == "refs/convert/parquet" and record["source"]["commit"] == commit
    assert record["source"]["files"] == ["a/train/0000.parquet", "a/train/0001.parquet"]
    assert "of the Parquet files that the hub has made" in machine.sleb(*use(NAME + ":a"), HF_HUB_OFFLINE="1").stderr
    hub.commit(KEY, {"data.py": b"print(1)"}, "old")
    assert "org/data: revision old has no data files that are read without running a script; leave out @old" in machine.refusal(
        *use(NAME + "@old:a"))
    assert "data.py" not in machine.cached(KEY) and "raw.zip" not in machine.cached(KEY)


def test_no_data_at_all(machine, hub, use):
    hub.commit(KEY, {"README.md": b"nothing yet"})
    assert "org/data: holds no data files that are read here" in machine.refusal(*use())
    hub.commit(KEY, {"train.png": b"p", "test.png": b"q"})
    assert "is made of .png files, and rows are read from Parquet, Arrow, JSON, CSV and text" in machine.refusal(*use())
