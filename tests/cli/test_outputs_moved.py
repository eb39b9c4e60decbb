"""Paths that lead elsewhere than they read, and targets that are not what an earlier run left there."""
import json
import os
import signal
import stat
import subprocess
import time

import pytest

from test_outputs import EVAL, EXPORT, GENERATE, INFO, PRUNE, contents, copied, made_once  # noqa: F401 (fixtures)


def refused(done, *words: str):
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("command", [EXPORT, PRUNE], ids=["export", "prune"])
def test_a_link_in_the_middle_of_a_path_is_followed(sleb, place, command):
    """The system takes ".." from where the link leads; taken from the text alone, this is the model's folder."""
    (place / "elsewhere" / "deep").mkdir(parents=True)
    (place / "par" / "link").symlink_to(place / "elsewhere" / "deep")
    model = contents(place / "par" / "m")
    done = sleb(*command, "--out", "par/link/../m", "--force", cwd=place)
    assert contents(place / "par" / "m") == model
    assert done.returncode == 0, done.stderr
    assert (place / "elsewhere" / "m" / "model.safetensors").exists()


def test_resume_does_not_overwrite_a_file_that_no_run_wrote(sleb, place):
    (place / "precious.json").write_text('{"mine": 1}')
    refused(sleb(*PRUNE, "--json", "precious.json", "--resume", cwd=place), "precious.json", "exists already")
    refused(sleb(*PRUNE, "--out", "out", "--json", "precious.json", "--resume", cwd=place), "precious.json")
    assert (place / "precious.json").read_text() == '{"mine": 1}'


def test_resume_writes_the_result_of_the_same_run_again(sleb_ok, place):
    sleb_ok(*PRUNE, "--out", "out", "--json", "result.json", cwd=place)
    before = (place / "result.json").read_text()
    shown = sleb_ok(*PRUNE, "--out", "out", "--json", "result.json", "--resume", cwd=place)
    assert "finished already" in shown
    assert json.loads(before)["removal_list"] == json.loads((place / "result.json").read_text())["removal_list"]


def test_the_result_is_not_written_where_rounds_are_kept(sleb, place):
    """The file of kept rounds is removed at the end, and the result would go with it."""
    refused(sleb(*PRUNE, "--out", "out", "--json", "out.sleb-state.json", cwd=place), "out.sleb-state.json")
    assert not (place / "out").exists()


@pytest.mark.parametrize("kind", ["text", "JSON", "pipe", "folder"])
@pytest.mark.parametrize("option", ["--force", "--resume"])
def test_kept_rounds_that_no_run_wrote_stay(sleb, place, kind, option):
    path = place / "out.sleb-state.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("mine" if kind == "text" else '{"mine": 1}')
    before = path.lstat().st_mode
    refused(sleb(*PRUNE, "--out", "out", option, cwd=place), "out.sleb-state.json")
    assert path.lstat().st_mode == before
    if stat.S_ISREG(before):
        assert "mine" in path.read_text()


def test_the_prompt_s_file_stays(sleb, place):
    (place / "prompt.txt").write_text("a prompt")
    command = [word for word in GENERATE if word not in ("--prompt", "a")]
    with open(place / "prompt.txt") as prompt:
        refused(sleb(*command, "--json", "prompt.txt", "--force", cwd=place, stdin=prompt), "prompt.txt")
    assert (place / "prompt.txt").read_text() == "a prompt"


def test_a_link_to_a_folder_is_a_file_of_the_user_s(sleb, sleb_ok, place):
    sleb_ok(*EXPORT, "--out", "out", cwd=place)
    (place / "out" / "shortcut").symlink_to(place / "notes")
    refused(sleb(*EXPORT, "--out", "out", "--force", cwd=place), "shortcut")
    assert (place / "out" / "shortcut").is_symlink()


def test_a_file_put_there_during_the_work_stays(sleb_program, place):
    """Between the first check and the last step nothing is known of what the user does."""
    assert subprocess.run([sleb_program, *EXPORT, "--out", "out"], cwd=place, check=False).returncode == 0
    for pause in (0, 0.01, 0.02, 0.03, 0.05, 0.08):
        notes = place / "out" / "notes"
        process = subprocess.Popen([sleb_program, *EXPORT, "--out", "out", "--force"], cwd=place, stderr=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 10
            while not list(place.glob(".out.tmp-*/model.safetensors")) and process.poll() is None:
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGSTOP)  # nothing, if it has ended
            writing = bool(list(place.glob(".out.tmp-*/model.safetensors")))
            if writing and (place / "out").exists():
                notes.write_text("kept")
            process.send_signal(signal.SIGCONT)
            process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                process.kill()
        if process.returncode != 0:
            assert notes.read_text() == "kept"
            return
        time.sleep(pause)
    pytest.skip("the export was always done before it could be stopped")


def test_a_filled_file_behind_standard_output_is_written_on(sleb_program, place):
    (place / "log").write_text("line\n")
    for name in ("/dev/stdout", "/dev/fd/1"):
        done = subprocess.run(["bash", "-c", f"{sleb_program} {' '.join(map(str, INFO))} --json {name} >> log"], cwd=place,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (place / "log").read_text().startswith("line\n{")


def test_a_pipe_that_does_not_wait_takes_everything(sleb_program, place):
    """A parent that uses the pipe without waiting (as event loops do) leaves it like that for its children."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    (place / "text.txt").write_text("some text\n" * 40_000)
    process = subprocess.Popen([sleb_program, "tokenize", "par/m", "text.txt"], cwd=place, stdout=write,
                               stderr=subprocess.PIPE)
    os.close(write)
    time.sleep(1)
    with open(read) as pipe:
        text = pipe.read()
    assert process.wait(timeout=60) == 0, process.stderr.read()
    assert len(text) > 1 << 17 and text.endswith("\n")


@pytest.mark.parametrize("command", [EXPORT, PRUNE], ids=["export", "prune"])
def test_a_file_of_the_model_whose_name_json_cannot_hold(sleb, place, command):
    folder = os.fsencode(place / "par" / "m" / "additional_chat_templates")
    os.mkdir(folder)
    with open(os.path.join(folder, b"caf\xe9.jinja"), "w") as file:
        file.write("{{ messages }}")
    done = sleb(*command, "--out", "out", cwd=place)
    refused(done, "UTF-8", "caf")
    assert "round" not in done.stderr and not (place / "out").exists()


def test_a_format_has_nothing_to_say_of_a_dry_run(sleb, place):
    refused(sleb(*PRUNE, "--dry-run", "-o", "json", cwd=place), "--dry-run", "--json")


@pytest.mark.parametrize("form", ["csv", "md"])
def test_odd_names_stay_one_cell(sleb_ok, place, form):
    name = 'a|b "c"\r\nd.txt'
    (place / "text.txt").rename(place / name)
    shown = sleb_ok(*EVAL[:2], "--ppl", name, "--seqlen", 50, "-o", form, cwd=place)
    if form == "md":
        assert len(shown.rstrip("\n").split("\n")) == 3 and "a\\|b" in shown
    else:
        assert '"a|b ""c""\r\nd.txt",none,' in shown or '"a|b ""c""\n' in shown
