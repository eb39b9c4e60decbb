"""--config FILE.toml: the same as the options typed; what is typed goes first; whatever else the file says is refused."""
import json
import shlex

import numpy as np
import pytest

from tiny_models import random_ids, save_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    save_model(folder / "m", num_hidden_layers=5)
    np.save(folder / "ids.npy", random_ids(300))
    return folder


TYPED = ["prune", "m", "--tokens", "ids.npy", "--seqlen", 100, "--num-remove-blocks", 2, "--prompt-tokens", 0, "--dtype",
         "float32", "--threads", 1, "--search", "exact", "--json", "-"]  # fmt: skip
FILE = """\
model = "m"
threads = 1
[prune]
tokens = "ids.npy"
seqlen = 100
num_remove_blocks = 2
prompt-tokens = 0
dtype = "float32"
search = "exact"
json = "-"
"""


def result_of(text: str) -> dict:
    result = json.loads(text)
    return {"removal_list": result["removal_list"],
            "losses": [[candidate["loss"] for candidate in step["candidates"]] for step in result["steps"]]}


def test_a_file_is_what_is_typed(sleb_ok, place):
    (place / "run.toml").write_text(FILE)
    typed = sleb_ok(*TYPED, cwd=place)
    assert result_of(sleb_ok("prune", "--config", "run.toml", cwd=place)) == result_of(typed)
    assert result_of(sleb_ok("prune", "m", "--config=run.toml", cwd=place)) == result_of(typed)


def test_the_recorded_command_needs_no_file(sleb_ok, place):
    """That of the result is whole: run again without the file it gives the same."""
    (place / "run.toml").write_text(FILE)
    result = sleb_ok("prune", "--config", "run.toml", cwd=place)
    (place / "run.toml").unlink()
    words = shlex.split(json.loads(result)["command"])
    assert words[:2] == ["sleb", "prune"] and not any("config" in word for word in words)
    assert result_of(sleb_ok(*words[1:], cwd=place)) == result_of(result)


def test_what_is_typed_goes_first(sleb_ok, place):
    (place / "run.toml").write_text(FILE.replace('model = "m"', 'model = "nowhere"'))
    for typed in (["--num-remove-blocks", 1], ["--num_remove_blocks=1"]):
        result = json.loads(sleb_ok("prune", "m", *typed, "--config", "run.toml", cwd=place))
        assert len(result["removal_list"]) == 1


def test_a_command_s_table_goes_before_what_is_for_all(sleb_ok, place):
    (place / "run.toml").write_text(FILE.replace("threads = 1", "num-remove-blocks = 1\n[eval]\nsegments = 77"))
    assert len(json.loads(sleb_ok("prune", "--config", "run.toml", cwd=place))["removal_list"]) == 2


@pytest.mark.parametrize("written, lists", [
    ("[1, 3]", [[1, 3]]),
    ('"1,3"', [[1, 3]]),
    ('["1,3", "2"]', [[1, 3], [2]]),
    ("[[1, 3], [2]]", [[1, 3], [2]]),
])
def test_arrays(sleb_ok, place, written, lists):
    (place / "run.toml").write_text(f'model = "m"\nremoval-list = {written}\njson = "-"\nmode = "prompt"\nprompt-tokens = 8\n')
    result = json.loads(sleb_ok("latency", "--config", "run.toml", cwd=place))
    assert [row["removal_list"] for row in result["results"] if row["removal_list"]] == lists


@pytest.mark.parametrize("typed, table, count, note", [
    (["--num-remove-blocks", 1], "ratio = 0.9", 1, "line 2: --ratio is left out, as --num-remove-blocks is given"),
    (["--ratio=0.2"], "num_remove_blocks = 3", 1, "line 2: --num-remove-blocks is left out, as --ratio is given"),
    ([], "ratio = 0.9\n[prune]\nnum-remove-blocks = 1", 1, None),
    (["--num_remove_blocks=1"], "num-remove-blocks = 3", 1, None),
])
def test_what_excludes_an_option_goes_before_it(sleb, place, typed, table, count, note):
    """What is typed before the file's, which is said; a command's own table before what is for all."""
    (place / "run.toml").write_text(f'model = "m"\n{table}\n')
    words = [word for word in TYPED[2:] if word not in ("--num-remove-blocks", 2)]
    done = sleb("prune", *typed, *words, "--config", "run.toml", cwd=place)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["removal_list"]) == count
    assert ([line for line in done.stderr.splitlines() if "left out" in line] ==
            ([f"warning: run.toml: {note}"] if note else []))


def test_what_needs_an_option_that_is_left_out_goes_with_it(sleb, sleb_ok, place):
    sleb_ok("export", "m", "--removal-list", "1,2", "--out", "found", cwd=place)
    (place / "run.toml").write_text('model = "nowhere"\nblocks = 3\nfrom = "found"\n')
    for typed in (["m"], ["--model-name", "m"]):
        done = sleb("latency", *typed, "--removal-list", 3, "--mode", "prompt", "--prompt-tokens", 8, "--repeats", 1, "--json",
                    "-", "--config", "run.toml", cwd=place)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["results"][1]["removal_list"] == [3]
        assert [line for line in done.stderr.splitlines() if "left out" in line] == [
            "warning: run.toml: line 3: --from is left out, as --removal-list is given",
            "warning: run.toml: line 2: --blocks is left out, as --from is"]


@pytest.mark.parametrize("typed", [["-o", "csv"], ["-ocsv"], ["--output=csv"]])
def test_an_option_by_its_other_name(sleb_ok, place, typed):
    (place / "run.toml").write_text('model = "m"\nremoval-list = [1]\nmode = "prompt"\nprompt-tokens = 8\noutput = "json"\n')
    assert sleb_ok("latency", *typed, "--config", "run.toml", cwd=place).count(",") > 2


def test_flags(sleb_ok, sleb, place):
    (place / "run.toml").write_text('model = "m"\nremoval-list = [1]\nout = "flags"\nforce = true\n')
    (place / "flags").mkdir(exist_ok=True)
    assert sleb("export", "--config", "run.toml", cwd=place).returncode == 0
    (place / "run.toml").write_text('model = "m"\nremoval-list = [1]\nout = "flags"\nforce = false\n')
    done = sleb("export", "--config", "run.toml", cwd=place)
    assert done.returncode == 2 and "flags" in done.stderr


@pytest.mark.parametrize("text, word", [
    ("ratioo = 0.2", "ratioo"),
    ("ratio = ", "line 1: no TOML"),
    ("ratio = 0.2\nratio = 0.3", "line 2: no TOML"),
    ("\n[prun]\nratio = 0.2", "line 2: a table [prun], but sleb has no such command"),
    ("ratio = 1979-05-27", "line 1: ratio: expected true, false, a number, a text"),
    ("[prune.ratio]\nx = 1", "ratio: expected true, false"),
    ("ratio = [{}]", "ratio: expected true, false"),
    ("model = 3", "model: expected a text"),
    ('config = "other.toml"', "can't name another"),
    ("num-remove-blocks = 2\nnum_remove_blocks = 2", "line 2: num-remove-blocks stands twice; it is in line 1 already"),
    ("seed = 1\n[prune]\nlatter_barrier = 1\nlatter-barrier = 2", "line 4: latter-barrier stands twice; it is in line 3 already"),
    ("ratio = \"\xff\"", "no TOML"),
    ("\x00", "no TOML"),
    ("a = [" * 5000, "no TOML"),
])
def test_malformed_files(sleb, place, text, word):
    (place / "bad.toml").write_bytes(text.encode("latin-1"))
    done = sleb("prune", "m", "--config", "bad.toml", cwd=place)
    assert done.returncode == 2 and word in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, word", [
    (["prune", "m", "--config"], "its file is missing"),
    (["prune", "m", "--config", "no.toml"], "no.toml"),
    (["prune", "m", "--config", "."], "."),
    (["prune", "m", "--config", "a", "--config", "b"], "stands twice"),
    (["--config", "a"], "no command in front"),
])
def test_usage(sleb, place, arguments, word):
    done = sleb(*arguments, cwd=place)
    assert done.returncode == 2 and word in done.stderr, done.stderr


def test_the_file_is_an_input(sleb, place):
    """No output goes over it."""
    (place / "run.toml").write_text(FILE.replace('json = "-"', 'json = "run.toml"\nforce = true'))
    before = (place / "run.toml").read_bytes()
    done = sleb("prune", "--config", "run.toml", cwd=place)
    assert done.returncode == 2 and "run.toml" in done.stderr
    assert (place / "run.toml").read_bytes() == before
