"""Nothing that a command reads, and nothing that nobody wants gone, is overwritten; devices and pipes are written into."""
import json
import os
import pathlib
import shutil
import subprocess
import threading

import numpy as np
import pytest

from tiny_models import random_ids, save_model, save_tokenizer


@pytest.fixture(scope="module", name="template")
def made_once(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("outputs")
    save_tokenizer(save_model(folder / "par" / "m", num_hidden_layers=4))
    np.save(folder / "ids.npy", random_ids(300))
    (folder / "text.txt").write_text("some text\n" * 60)
    (folder / "rows").mkdir()
    row = {"goal": "a goal", "sol1": "this", "sol2": "that", "label": 0}
    (folder / "rows" / "piqa.validation.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "notes").mkdir()
    (folder / "notes" / "diary.txt").write_text("dear diary")
    return folder


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(name="place")
def copied(template, tmp_path, monkeypatch) -> pathlib.Path:
    place = tmp_path / "place"
    shutil.copytree(template, place)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return place


PRUNE = ["prune", "par/m", "--tokens", "ids.npy", "--seqlen", 50, "--num-remove-blocks", 1, "--prompt-tokens", 0]
EXPORT = ["export", "par/m", "--removal-list", "1"]
EVAL = ["eval", "par/m", "--ppl", "text.txt", "--seqlen", 50]
TASKS = ["eval", "par/m", "--tasks", "piqa", "--tasks-data", "rows"]
LATENCY = ["latency", "par/m", "--batch-size", 1, "--prompt-tokens", 4, "--new-tokens", 2, "--repeats", 1]
GENERATE = ["generate", "par/m", "--prompt", "a", "--max-new-tokens", 2]
INFO = ["info", "par/m"]


@pytest.mark.parametrize("command", [EXPORT, PRUNE], ids=["export", "prune"])
@pytest.mark.parametrize("out,reason", [
    ("par", "an input of this command"), ("par/m", "an input"), ("par/../par/", "an input"), ("link", "an input"),
    (".", "the working directory"), ("..", "the working directory"), ("/", "the working directory"),
    ("../home", "a home directory"), ("notes", "diary.txt"), ("text.txt", "is a file"), ("/proc", "mount point"),
])
def test_a_folder_that_must_stay_stays(sleb, place, command, out, reason):
    (place / "link").symlink_to("par")
    (place.parent / "home" / "letter").write_text("x")
    before = contents(place.parent)
    done = sleb(*command, "--out", out, "--force", cwd=place)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert reason in done.stderr and done.stderr.count("\n") == 1
    assert contents(place.parent) == before


def test_inputs_under_another_name_stay(sleb, place):
    """Hard links to the model's files, and data inside the folder that would be replaced."""
    (place / "out").mkdir()
    shutil.move(place / "ids.npy", place / "out" / "ids.npy")
    done = sleb(*PRUNE[:3], "out/ids.npy", *PRUNE[4:], "--out", "out", "--force", cwd=place)
    assert done.returncode == 2 and "an input of this command" in done.stderr
    os.link(place / "par" / "m" / "model.safetensors", place / "same.json")
    done = sleb(*EVAL, "--json", "same.json", "--force", cwd=place)
    assert done.returncode == 2 and "a file that this command reads" in done.stderr


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("command,option,file", [
    (EVAL, "--json", "par/m/model.safetensors"), (EVAL, "--json", "par/m/config.json"), (EVAL, "--json", "text.txt"),
    (EVAL, "--json", "link"), (TASKS, "--json", "rows/piqa.validation.jsonl"),
    (TASKS, "--log-samples", "rows/piqa.validation.jsonl"), (PRUNE, "--json", "ids.npy"),
    (PRUNE, "--json", "par/m/tokenizer.json"), (LATENCY, "--json", "par/m/model.safetensors"),
    (GENERATE, "--json", "par/m/model.safetensors"), (INFO, "--json", "par/m/config.json"),
])
def test_a_file_that_is_read_stays(sleb, place, command, option, file, force):
    (place / "link").symlink_to("text.txt")
    before = contents(place)
    done = sleb(*command, option, file, *force, cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert "would overwrite a file that this command reads" in done.stderr
    assert contents(place) == before


def test_outputs_beside_the_rows(sleb_ok, place):
    """Of a folder of rows only the tasks' own files are inputs."""
    (place / "rows" / "piqa.train.jsonl").write_text((place / "rows" / "piqa.validation.jsonl").read_text())
    command = ["eval", "../par/m", "--tasks", "piqa", "--tasks-data", ".", "--json", "out.json", "--log-samples", "s.jsonl"]
    before = contents(place / "rows")
    for again in ([], ["--force"]):
        sleb_ok(*command, *again, cwd=place / "rows")
    assert {name: contents(place / "rows")[name] for name in before} == before
    assert contents(place / "rows").keys() - before.keys() == {"out.json", "s.jsonl"}


@pytest.mark.parametrize("options,reason", [
    (["--json", "x", "--log-samples", "x"], "--json writes there too"),
    (["--json", "x", "--log-samples", "../place/x"], "--json writes there too"),
])
def test_two_outputs_do_not_share_a_file(sleb, place, options, reason):
    done = sleb(*TASKS, *options, cwd=place)
    assert done.returncode == 2 and reason in done.stderr


def test_json_inside_the_folder_that_is_replaced(sleb, sleb_ok, place):
    sleb_ok(*EXPORT, "--out", "out", cwd=place)
    done = sleb(*PRUNE, "--out", "out", "--force", "--json", "out/result.json", cwd=place)
    assert done.returncode == 2 and "lies inside the folder that --out writes" in done.stderr


@pytest.mark.parametrize("command", [PRUNE, EVAL, LATENCY, GENERATE, INFO], ids=lambda command: command[0])
def test_one_rule_for_files_that_exist(sleb, sleb_ok, place, command):
    """Refused without --force, in the same words everywhere; an empty file may be filled."""
    (place / "result.json").write_text("mine")
    done = sleb(*command, "--json", "result.json", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sleb: result.json: exists already; give another file, or --force to replace it\n"
    assert (place / "result.json").read_text() == "mine"
    sleb_ok(*command, "--json", "result.json", "--force", cwd=place)
    assert "model" in json.loads((place / "result.json").read_text())
    (place / "empty.json").touch()
    sleb_ok(*command, "--json", "empty.json", cwd=place)
    assert "model" in json.loads((place / "empty.json").read_text())


def test_force_replaces_what_sleb_wrote_and_nothing_else(sleb, sleb_ok, place):
    sleb_ok(*EXPORT, "--out", "out", cwd=place)
    written = json.loads((place / "out" / "sleb.json").read_text())["files"]
    assert sorted(written) == sorted(contents(place / "out"))
    done = sleb(*EXPORT, "--out", "out", cwd=place)
    assert done.returncode == 2 and "exists already" in done.stderr
    sleb_ok(*EXPORT, "--out", "out", "--force", cwd=place)
    (place / "out" / "my-notes.md").write_text("mine")
    done = sleb(*EXPORT, "--out", "out", "--force", cwd=place)
    assert done.returncode == 2 and "would delete: my-notes.md;" in done.stderr
    assert (place / "out" / "my-notes.md").read_text() == "mine"
    (place / "empty").mkdir()
    sleb_ok(*EXPORT, "--out", "empty", "--force", cwd=place)


@pytest.mark.parametrize("record", ["{}", "[]", "no json", '{"removal_list": [1]}', '{"removal_list": [], "files": 3}',
                                    '{"removal_list": [], "files": [1, "notes.txt"]}'])
def test_a_foreign_sleb_json_proves_nothing(sleb, place, record):
    (place / "notes" / "sleb.json").write_text(record)
    done = sleb(*EXPORT, "--out", "notes", "--force", cwd=place)
    assert done.returncode == 2 and "files that sleb did not write" in done.stderr
    assert (place / "notes" / "diary.txt").read_text() == "dear diary"


def test_links_are_followed(sleb_ok, place):
    (place / "real.json").write_text("old")
    (place / "link.json").symlink_to("real.json")
    sleb_ok(*INFO, "--json", "link.json", "--force", cwd=place)
    assert (place / "link.json").is_symlink()
    assert "model" in json.loads((place / "real.json").read_text())
    (place / "real-out").mkdir()
    (place / "out").symlink_to("real-out")
    sleb_ok(*EXPORT, "--out", "out", "--force", cwd=place)
    assert (place / "out").is_symlink() and (place / "real-out" / "config.json").exists()


@pytest.mark.parametrize("command", [PRUNE, EVAL, INFO], ids=lambda command: command[0])
def test_a_link_to_a_file_that_is_not_there_yet_is_followed(sleb_ok, place, command):
    (place / "dangling.json").symlink_to("notes/new.json")
    sleb_ok(*command, "--json", "dangling.json", cwd=place)
    assert (place / "dangling.json").is_symlink() and "model" in json.loads((place / "notes" / "new.json").read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make device nodes")
def test_devices_are_written_into(sleb, sleb_ok, place):
    os.mknod(place / "null", 0o666 | 0o020000, os.makedev(1, 3))
    sleb_ok(*INFO, "--json", "null", cwd=place)
    assert (place / "null").is_char_device()
    os.mknod(place / "full", 0o666 | 0o020000, os.makedev(1, 7))
    done = sleb(*INFO, "--json", "full", cwd=place)
    assert done.returncode == 1 and "full: can't write: No space left" in done.stderr
    assert (place / "full").is_char_device()


def test_pipes_are_written_into(sleb_ok, place):
    os.mkfifo(place / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((place / "pipe").read_text()))
    reader.start()
    sleb_ok(*INFO, "--json", "pipe", cwd=place)
    reader.join(timeout=20)
    assert "model" in json.loads(read[0]) and (place / "pipe").is_fifo()


@pytest.mark.parametrize("shell", [
    "{sleb} info par/m --json /dev/stdout", "{sleb} info par/m --json /dev/fd/1", "{sleb} info par/m --json /proc/self/fd/1",
    "{sleb} info par/m --json >(cat) ; sleep 1", "{sleb} info par/m --json /dev/stdout > file; cat file",
    "{sleb} info par/m --json /dev/stderr 2>&1",
])
def test_open_descriptors_are_written_into(sleb_program, place, shell):
    done = subprocess.run(["bash", "-c", shell.format(sleb=sleb_program)], cwd=place, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    begin, end = done.stdout.index("{"), done.stdout.rindex("}")
    assert json.loads(done.stdout[begin:end + 1])["num_blocks"] == 4
    assert "blocks        4 of" in done.stdout, "both the table and the JSON"


def test_names_that_json_cannot_hold_are_refused_at_once(sleb_program, place):
    (place / os.fsdecode(b"caf\xe9.txt")).write_text("text\n" * 40)
    search = ["prune", "par/m", "--dataset", b"caf\xe9.txt", "--seqlen", "20", "--num-remove-blocks", "1", "--json", "out.json"]
    for arguments in (search, ["info", b"caf\xe9"], ["--json", b"\xff"]):
        done = subprocess.run([sleb_program, *arguments], cwd=place, capture_output=True, check=False)
        assert done.returncode == 2 and b"not valid UTF-8" in done.stderr and done.stderr.count(b"\n") == 1


def test_a_text_whose_name_has_a_comma(sleb_ok, place):
    shutil.copy(place / "text.txt", place / "a,b.txt")
    result = json.loads(sleb_ok("eval", "par/m", "--ppl", "a,b.txt", "--ppl", "text.txt", "--seqlen", 50, "--json", "-",
                                cwd=place))
    assert list(result["perplexity"]) == ["a,b.txt", "text.txt"]


@pytest.mark.parametrize("command", [PRUNE, EVAL, LATENCY, [*EVAL, *TASKS[2:]]], ids=["prune", "eval", "latency", "both"])
def test_a_format_is_all_of_standard_output(sleb_ok, sleb, place, command):
    document = json.loads(sleb_ok(*command, "-o", "json", cwd=place))
    rows = document if isinstance(document, list) else [row for table in document.values() for row in table]
    assert rows and any(isinstance(value, float) and len(str(value)) > 8 for row in rows for value in row.values())
    lines = sleb_ok(*command, "-o", "jsonl", cwd=place).splitlines()
    assert [list(json.loads(line)) for line in lines] == [list(row) for row in rows]
    assert "removal list:" not in sleb_ok(*command, "-o", "csv", cwd=place)
    done = sleb(*command, "-o", "json", "--json", "-", cwd=place)
    assert done.returncode == 2 and "both write to standard output" in done.stderr


def test_a_format_and_a_folder(sleb, place):
    done = sleb(*PRUNE, "--out", "out", "-o", "csv", cwd=place)
    assert done.returncode == 0 and done.stdout.startswith(",dense,pruned,ratio\n")
    assert "written: out" in done.stderr and "written" not in done.stdout
