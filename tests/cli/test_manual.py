"""What is made of the options' declarations: the page of options, the man page, and the completion of three shells, each
asked as a user would."""
import re
import shutil
import subprocess

import pytest

from programs import ROOT

COMMANDS = ["prune", "eval", "repair", "latency", "generate", "export", "recipe", "report", "info", "tokenize", "completion", "manual"]


def test_the_page_of_options_is_the_program_s(sleb_ok):
    """Otherwise: build/release/sleb manual options > docs/options.md"""
    assert (ROOT / "docs" / "options.md").read_text() == sleb_ok("manual", "options")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_pages_have_what_help_has(sleb_ok, command):
    names = set(re.findall(r"(?<!\S)--[a-z][a-z-]+", sleb_ok(command, "--help").split("Options:")[1].split("Example")[0]))
    names = {name for name in names if re.search(rf"^  (-., ?)?{name}\b", sleb_ok(command, "--help"), re.MULTILINE)}
    assert names
    page = sleb_ok("manual", "options").split(f"## sleb {command}\n")[1].split("\n## ")[0]
    assert names <= set(re.findall(r"`(--[a-z-]+)`", page))
    page = sleb_ok("manual").split(f'.SS "sleb {command}"')[1].split(".SS")[0].replace("\\-", "-")
    assert names <= set(re.findall(r"\\fB(--[a-z-]+)\\fR", page))


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def test_the_man_page_has_no_fault(sleb_ok, tmp_path):
    needs("mandoc")
    (tmp_path / "sleb.1").write_text(sleb_ok("manual"))
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", tmp_path / "sleb.1"], capture_output=True, text=True,
                          check=False)
    faults = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert faults == []
    shown = subprocess.run(["mandoc", "-T", "utf8", tmp_path / "sleb.1"], capture_output=True, text=True, check=True).stdout
    shown = re.sub(".\b", "", shown)
    assert "--num-remove-blocks N" in shown and "sleb prune MODEL [OPTIONS]" in shown


def bash(script: str, words: list[str]) -> list[str]:
    asked = ("source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _sleb; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", asked, "bash", script, *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def fish(script: str, words: list[str]) -> list[str]:
    line = " ".join(words)
    done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], capture_output=True,
                          text=True, check=True)
    assert done.stderr == ""
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


# zsh completes in a terminal of its own; _describe and _arguments are replaced by what says how they were called.
ZSH = """
_files() { print -- FILES }
_describe() { local name=$2; print -l -- ${${(P)name}%%:*} }
_arguments() {
  local spec
  for spec in "$@"; do print -r -- "$spec"; done
}
compdef() { }
source $1; shift
words=("$@"); CURRENT=$#
_sleb
"""


def zsh(script: str, words: list[str]) -> list[str]:
    done = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", script, *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture(params=["bash", "fish"])
def complete(request, sleb_ok, tmp_path):
    needs(request.param)
    (tmp_path / "script").write_text(sleb_ok("completion", request.param))
    (tmp_path / "model.gguf").write_text("")
    return lambda *words: {"bash": bash, "fish": fish}[request.param](str(tmp_path / "script"), list(words)), tmp_path


def test_completions(complete):
    ask, folder = complete
    assert set(COMMANDS) <= set(ask("sleb", ""))
    assert ask("sleb", "pru") == ["prune"]
    assert ask("sleb", "prune", "--num-rem") == ["--num-remove-blocks"]
    assert ask("sleb", "info", "--num-rem") == []
    assert set(ask("sleb", "prune", "m", "--search", "")) == {"exact", "race", "best"}
    assert ask("sleb", "prune", "m", "--search", "ra") == ["race"]
    assert ask("sleb", "prune", "m", "--num-remove-blocks", "") == []
    assert set(ask("sleb", "export", "m", "--out-dtype", "")) == {"auto", "float32", "bfloat16", "float16", "q8_0"}
    assert ask("sleb", "eval", "m", "--protocol", "l") == ["llama.cpp"]
    assert set(ask("sleb", "latency", "m", "-o", "")) == {"md", "csv", "json", "jsonl"}
    assert set(ask("sleb", "completion", "")) == {"bash", "zsh", "fish"}
    for words in (["sleb", "prune"], ["sleb", "prune", "m", "--out"]):
        assert ask(*words, f"{folder}/mod") == [f"{folder}/model.gguf"]


def test_bash_completes_behind_an_equals_sign(sleb_ok, tmp_path):
    """Which bash takes for a word of its own."""
    (tmp_path / "script").write_text(sleb_ok("completion", "bash"))
    assert bash(str(tmp_path / "script"), ["sleb", "prune", "m", "--search", "=", "ra"]) == ["race"]
    assert set(bash(str(tmp_path / "script"), ["sleb", "prune", "m", "--search", "="])) == {"exact", "race", "best"}


def test_zsh(sleb_ok, tmp_path):
    needs("zsh")
    (tmp_path / "_sleb").write_text(sleb_ok("completion", "zsh"))
    script = str(tmp_path / "_sleb")
    assert set(COMMANDS) == set(zsh(script, ["sleb", ""]))
    specs = zsh(script, ["sleb", "prune", "--se"])
    assert any(spec.startswith("*--search=[") and spec.endswith(":KIND:(exact race best)") for spec in specs)
    assert any(spec.startswith("*--out=[") and spec.endswith(":DIR:_files") for spec in specs)
    assert any(spec.startswith("*--force[") and spec.endswith("]") for spec in specs)
    assert ":MODEL:_files" in specs


def test_version_says_what_it_runs_with(sleb_ok):
    lines = sleb_ok("--version").splitlines()
    assert re.fullmatch(r"sleb \d+\.\d+\.\d+", lines[0])
    assert re.fullmatch(r"libtorch \S+, \S+ on \d+ threads?", lines[1])
    assert all(re.match(r"no GPU|cuda:\d+: ", line) for line in lines[2:]) and len(lines) > 2
