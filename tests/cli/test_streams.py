"""Standard output that takes nothing is a failure that is said; standard error that takes nothing stops no work."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import numpy as np
import pytest

from tiny_models import random_ids, save_model, save_tokenizer


@pytest.fixture(scope="module", name="folder")
def made_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    save_tokenizer(save_model(folder / "m", num_hidden_layers=4))
    np.save(folder / "ids.npy", random_ids(300))
    np.save(folder / "long.npy", random_ids(400_000))
    (folder / "text.txt").write_text("some text\n" * 60)
    return folder


COMMANDS = {
    "help": "--help", "help of one": "prune --help", "version": "--version", "info": "info m",
    "tokenize": "tokenize m text.txt", "export": "export m --removal-list 1 --out {out}",
    "prune": "prune m --tokens ids.npy --seqlen 50 --num-remove-blocks 1 --prompt-tokens 0 --json {out}",
    "eval": "eval m --ppl text.txt --seqlen 50 --json {out}", "dry run": "prune m --tokens ids.npy --seqlen 50 --dry-run",
    "generate": "generate m --prompt a --max-new-tokens 2",
    "latency": "latency m --batch-size 1 --prompt-tokens 4 --new-tokens 2 --repeats 1 --json {out}",
}


def shell(sleb_program, folder, command: str, rest: str) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-c", f"{sleb_program} {command} {rest}"], cwd=folder, capture_output=True, text=True,
                          check=False, timeout=120)


@pytest.mark.parametrize("rest", [">/dev/full", ">&-", ">&- <&-", "| true; exit ${{PIPESTATUS[0]}}"],
                         ids=["full", "closed", "closed with input", "no reader"])
@pytest.mark.parametrize("name", COMMANDS)
def test_output_that_is_lost_is_a_failure(sleb_program, folder, tmp_path, name, rest):
    if rest.startswith("|"):  # the reader is gone before anything is written
        command = f"{sleb_program} {COMMANDS[name].format(out=tmp_path / 'out')}"
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(["bash", "-c", command], cwd=folder, stdout=write, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=120)
        os.close(write)
    else:
        done = shell(sleb_program, folder, COMMANDS[name].format(out=tmp_path / "out"), rest)
    assert done.returncode == 1, done.stderr
    assert re.search(r"^sleb: standard output: can't write: ", done.stderr, re.MULTILINE), done.stderr


@pytest.mark.parametrize("rest", ["2>/dev/full", "2>&-", "2>&- <&-"])
@pytest.mark.parametrize("name", ["prune", "eval", "latency", "export", "info", "generate"])
def test_messages_that_are_lost_stop_no_work(sleb_program, folder, tmp_path, name, rest):
    done = shell(sleb_program, folder, COMMANDS[name].format(out=tmp_path / "out"), rest)
    assert done.returncode == 0
    assert done.stdout
    if "{out}" in COMMANDS[name]:
        written = tmp_path / "out" / "config.json" if name == "export" else tmp_path / "out"
        assert json.loads(written.read_text())


def test_closed_descriptors_are_not_taken_by_files(sleb_program, folder, tmp_path):
    """A file that is opened as descriptor 1 or 2 would get what is printed."""
    done = shell(sleb_program, folder, COMMANDS["prune"].format(out=tmp_path / "out"), "<&- >&- 2>&-")
    assert done.returncode == 1
    assert json.loads((tmp_path / "out").read_text())["removal_list"]


class Terminal:
    """The program on a terminal of so many columns, and what it shows there."""

    def __init__(self, program, folder, columns: int, *arguments):
        self.master, slave = pty.openpty()
        self.resize(columns)
        self.process = subprocess.Popen([program, *map(str, arguments)], cwd=folder, stdin=slave, stderr=slave,
                                        stdout=subprocess.DEVNULL, start_new_session=True)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.shown = ""

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self, seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.shown += os.read(self.master, 65536).decode()
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                break
        return self.shown

    def bars(self) -> list[str]:
        """Each is drawn from the first column on."""
        return [text for text in re.findall(r"\r(?:\x1b\[J)?([^\r\n\x1b]+)", self.shown) if "%" in text]

    def lines(self) -> list[str]:
        """What is left of each line in the end."""
        lines = []
        for line in self.shown.split("\n"):
            left = ""
            for drawn in line.split("\r"):
                erased = re.match(r"(\x1b\[\d*A)?\x1b\[[JK]", drawn)
                text = re.sub(r"\x1b\[\d*[A-Z]", "", drawn)
                left = text if erased or drawn.endswith("\x1b[K") else text + left[len(text):]
            lines.append(left)
        return lines

    def wait_for_bar(self) -> None:
        for _ in range(300):
            self.read(0.1)
            if self.bars():
                return
        pytest.fail(f"no bar in {self.shown!r}")


LONG = ["prune", "m", "--tokens", "long.npy", "--seqlen", 100, "--num-remove-blocks", 2, "--search", "exact",
        "--threads", 1, "--prompt-tokens", 0]


@pytest.mark.parametrize("columns", [10, 20, 40, 80, 200])
def test_the_bar_fits_and_says_the_share(sleb_program, folder, columns):
    terminal = Terminal(sleb_program, folder, columns, *LONG)
    terminal.wait_for_bar()
    terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait(30)
    for bar in terminal.bars():
        assert len(bar) < columns
        assert re.search(r"\d%", bar), bar


def test_a_stage_of_a_long_name_leaves_the_share(sleb_program, folder):
    name = "a-text-with-a-name-as-long-as-a-line.txt"
    (folder / name).write_text("some text\n" * 40_000)
    terminal = Terminal(sleb_program, folder, 40, "eval", "m", "--ppl", name, "--seqlen", 100, "--threads", 1)
    terminal.wait_for_bar()
    terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait(30)
    assert all(len(bar) < 40 and re.search(r"\d%", bar) for bar in terminal.bars()), terminal.bars()


@pytest.mark.parametrize("interrupts", [1, 2])
def test_ctrl_c_leaves_no_half_bar(sleb_program, folder, interrupts):
    expected = 1 if interrupts == 1 else -signal.SIGINT
    for _ in range(6):
        terminal = Terminal(sleb_program, folder, 80, *LONG)
        terminal.wait_for_bar()
        for _ in range(interrupts):
            terminal.process.send_signal(signal.SIGINT)
            terminal.read(0.05)
        status, shown = terminal.process.wait(60), terminal.read(0.5)
        assert not [line for line in terminal.lines() if "%" in line], terminal.lines()
        assert "stopping at the next good place" in shown
        if status == expected:
            return
        assert status == 1, "it had come to a good place before the second"
    raise AssertionError("the second interrupt never ended it")


def test_a_narrower_terminal_gets_a_narrower_bar(sleb_program, folder):
    terminal = Terminal(sleb_program, folder, 80, *LONG)
    terminal.wait_for_bar()
    terminal.resize(30)
    terminal.read(1)
    terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait(30)
    assert "\x1b[2A" in terminal.shown, "the rows that the old bar fills now are erased"
    assert len(terminal.bars()[-1]) < 30
