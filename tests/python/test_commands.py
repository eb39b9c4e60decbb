"""The Python layer says what the command line says: every result is its JSON, every failure its one line."""
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import sleb as layer

import searched_folder
from programs import ROOT
from tiny_models import save_model, save_tokenizer


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> pathlib.Path:
    """A folder with a model, texts and rows of a task."""
    return searched_folder.save(tmp_path_factory.mktemp("ground"), ["piqa"], "held,out.txt", num_hidden_layers=6,
                                intermediate_size=256)


@pytest.fixture(autouse=True)
def built_program(monkeypatch, sleb_program):
    monkeypatch.setenv("SLEB", str(sleb_program))


def search(ground: pathlib.Path) -> dict:
    return {"dataset": ground / "text.txt", "seqlen": 100, "dtype": "float32", "num_remove_blocks": 2, "prompt_tokens": 0}


SEARCH_FLAGS = ["--seqlen", 100, "--dtype", "float32", "--num-remove-blocks", 2, "--prompt-tokens", 0]
TIMES = {"seconds", "tasks_seconds", "tokens_per_second", "seconds_to_write_texts", "operations_per_second", "free", "peak",
         "program"}


def without_times(value):
    """Nor the command, whose options and paths may be spelled otherwise."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES | {"command"}}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def assert_fields_are_members(result):
    """Each field is the JSON's member of its name, down to the innermost."""
    for name, value in vars(result).items():
        if name in ("json", "out"):
            continue
        member = result.json.get(name)
        if isinstance(value, layer._results.Result):
            assert value.json == member
            assert_fields_are_members(value)
        elif isinstance(value, list) and value and isinstance(value[0], layer._results.Result):
            assert [item.json for item in value] == member
            for item in value:
                assert_fields_are_members(item)
        elif isinstance(value, dict) and any(isinstance(item, layer._results.Result) for item in value.values()):
            assert {key: item.json for key, item in value.items()} == member
            for item in value.values():
                assert_fields_are_members(item)
        else:
            assert value == member, name


def test_info(ground, sleb_ok):
    result = layer.info(ground / "model")
    assert result.json == json.loads(sleb_ok("info", ground / "model", "--json", "-"))
    assert (result.num_blocks, result.family, result.warnings) == (6, "llama", [])
    assert_fields_are_members(result)


def test_prune(ground, sleb_ok, tmp_path):
    result = layer.prune(ground / "model", **search(ground), eval_ppl=ground / "text.txt", out=tmp_path / "out")
    expected = sleb_ok("prune", ground / "model", "--dataset", ground / "text.txt", *SEARCH_FLAGS, "--eval-ppl",
                       ground / "text.txt", "--out", tmp_path / "expected", "--json", "-")
    assert without_times(result.json) == without_times(json.loads(expected))
    assert [step.removed for step in result.steps] == result.removal_list and len(result.removal_list) == 2
    assert result.evaluation.perplexity_details[str(ground / "text.txt")].rows[1].removal_list == result.removal_list
    assert (tmp_path / "out" / "config.json").exists()
    assert_fields_are_members(result)


def test_sizes(ground, sleb_ok):
    """With a condition, which sets were held against it; without one the sizes of the two models alone."""
    result = layer.prune(ground / "model", **search(ground))
    info = layer.info(ground / "model")
    assert result.sizes is None
    assert (result.size.dense.blocks, result.size.pruned.blocks) == (6, 4)
    assert result.size.dense.parameters - result.size.pruned.parameters == 2 * info.block_parameters
    held_out = layer.prune(ground / "model", **search(ground), until_perplexity=1000, eval_ppl=ground / "text.txt")
    assert held_out.sizes.until_perplexity == 1000 and [found.blocks for found in held_out.sizes.sets] == [5, 4]
    assert [found.chosen for found in held_out.sizes.sets] == [False, True]
    assert_fields_are_members(held_out)


def test_halves_and_their_names(ground):
    result = layer.prune(ground / "model", **search(ground), units="half")
    assert isinstance(result.steps[0].candidates[0].block, str)
    evaluation = layer.evaluate(ground / "model", removal_list=result.removal_list, ppl=ground / "text.txt", seqlen=100)
    assert evaluation.removal_lists == [result.removal_list]


def test_dry_run(ground, sleb_ok):
    result = layer.dry_run(ground / "model", **search(ground))
    expected = sleb_ok("prune", ground / "model", "--dataset", ground / "text.txt", *SEARCH_FLAGS, "--dry-run", "--json", "-")
    assert without_times(result.json) == without_times(json.loads(expected))
    assert (result.rounds, result.candidates) == (2, 4)
    assert_fields_are_members(result)


def test_evaluate_lists_texts_and_tasks(ground, sleb_ok):
    """A list of lists is an option given again: two removal lists, and a text whose name has a comma."""
    texts = [[ground / "text.txt"], [ground / "held,out.txt"]]
    result = layer.evaluate(ground / "model", removal_list=[[1, 2], [4]], ppl=texts, tasks="piqa", tasks_data=ground,
                            seqlen=100, dtype="float32")
    expected = sleb_ok("eval", ground / "model", "--removal-list", "1,2", "--removal-list", "4", "--ppl", ground / "text.txt",
                       "--ppl", ground / "held,out.txt", "--tasks", "piqa", "--tasks-data", ground, "--seqlen", 100,
                       "--dtype", "float32", "--json", "-")
    assert without_times(result.json) == without_times(json.loads(expected))
    assert result.removal_lists == [[1, 2], [4]]
    assert result.pruned[1].results["piqa"].keys() > result.results["piqa"].keys()
    assert_fields_are_members(result)


def test_latency(ground):
    result = layer.latency(ground / "model", removal_list=[1, 2], repeats=2, batch_size=1, prompt_tokens=4, new_tokens=3)
    assert [row.removal_list for row in result.results] == [[], [1, 2]]
    assert (result.mode, result.new_tokens, len(result.results[1].seconds)) == ("generation", 3, 2)
    assert_fields_are_members(result)


def test_export(ground, sleb_ok, tmp_path):
    result = layer.export(ground / "model", removal_list=[2, "4.mlp"], out=tmp_path / "by-layer")
    sleb_ok("export", ground / "model", "--removal-list", "2,4.mlp", "--out", tmp_path / "by-program")
    assert result.json == json.loads((tmp_path / "by-program" / "sleb.json").read_text())
    assert result.out == tmp_path / "by-layer" and result.removal_list == [2, "4.mlp"]
    for name in result.files:
        if name != "README.md":  # which has the command in it
            assert (result.out / name).read_bytes() == (tmp_path / "by-program" / name).read_bytes()
    assert layer.export(ground / "model", removal_list=[], out=tmp_path / "whole").removal_list == []


@pytest.mark.parametrize("options, count", [({}, 1), ({"shard_bytes": 100_000}, 2)])
def test_export_of_a_gguf(ground, tmp_path, options, count):
    """One file, or parts with numbers in their names."""
    result = layer.export(ground / "model", removal_list=[2, 0], out=tmp_path / "out.gguf", **options)
    assert sorted(result.removal_list) == [0, 2] and result.num_blocks == layer.info(ground / "model").num_blocks
    assert len(result.files) >= count and sorted(result.files) == sorted(path.name for path in tmp_path.iterdir())
    assert layer.info(tmp_path / result.files[0]).num_blocks == result.num_blocks - 2


@pytest.mark.parametrize("options,kind", [
    ({"ppl": "nowhere.txt"}, layer.InputError),
    ({"ppl": "nowhere.txt", "nonsense": 3}, layer.InputError),
    ({"ppl": "nowhere.txt", "segments": -1}, layer.InputError),
    ({"bos": "nowhere"}, layer.InputError),
])
def test_a_failure_is_the_command_lines_line(ground, sleb, options, kind):
    done = sleb("eval", ground / "model", *layer._options.arguments(options), "--json=-")
    with pytest.raises(kind) as failure:
        layer.evaluate(ground / "model", **options)
    assert f"sleb: {failure.value}\n" == done.stderr.splitlines(keepends=True)[-1]
    assert isinstance(failure.value, layer.SlebError)


def test_a_program_that_is_killed(ground, monkeypatch, tmp_path):
    (tmp_path / "sleb").write_text("#!/bin/sh\necho dying >&2\nkill -9 $$\n")
    (tmp_path / "sleb").chmod(0o755)
    monkeypatch.setenv("SLEB", str(tmp_path / "sleb"))
    with pytest.raises(layer.SlebError, match="^ended by SIGKILL: dying$"):
        layer.info(ground / "model")
    monkeypatch.setenv("SLEB", str(tmp_path / "nothing"))
    with pytest.raises(layer.SlebError, match="No such file"):
        layer.info(ground / "model")


@pytest.mark.parametrize("options", [{"json": "x"}, {"version": True}, {"help": True}, {"output": "csv"}, {"dry_run": True}, {"dataset": b"x"}, {"ppl": [True]}])
def test_what_no_option_may_be(ground, options):
    with pytest.raises(TypeError, match="^dry_run: "):
        layer.prune(ground / "model", **{"dry-run": True})
    with pytest.raises(TypeError, match=f"^{next(iter(options))}: "):
        layer.prune(ground / "model", **options)


@pytest.mark.parametrize("options,arguments", [
    ({"ratio": 0.2, "num_remove_blocks": None, "force": True, "resume": False}, ["--ratio=0.2", "--force"]),
    ({"removal_list": [5, "4.mlp"]}, ["--removal-list=5,4.mlp"]),
    ({"removal_list": [[5, 4], [9], "7,8"]}, ["--removal-list=5,4", "--removal-list=9", "--removal-list=7,8"]),
    ({"removal_list": [np.int64(5), 4], "ratio": np.float32(0.25)}, ["--removal-list=5,4", "--ratio=0.25"]),
    ({"json": "x --force", "out": "--force", "y": "a\nb"}, ["--json=x --force", "--out=--force", "--y=a\nb"]),
    ({"ppl": (pathlib.Path("a b"), "c4"), "x": "-1", "empty": ""}, ["--ppl=a b,c4", "--x=-1", "--empty", ""]),
])
def test_options_by_rule(options, arguments):
    assert layer._options.arguments(options) == arguments


@pytest.mark.parametrize("written, text, word", [
    ("dry-run = true", None, "KeyError"),
    ("help = true", None, "not the JSON of a result, which begins 'Find"),
    ("num-remove-blocks = 2\nnum_remove_blocks = 2", layer.InputError, "stands twice"),
])
def test_a_file_of_options_asks_for_something_else(ground, tmp_path, written, text, word):
    (tmp_path / "run.toml").write_text(written + "\n")
    with pytest.raises(text or layer.SlebError, match=word):
        layer.prune(ground / "model", **search(ground), config=tmp_path / "run.toml")


@pytest.mark.parametrize("script, word", [
    ("echo hello", "not the JSON of a result, which begins 'hello"),
    ("echo 7", "no Info"),
    ("echo '{}'", "no Info .*model"),
    ("true", "there is no result"),
    ("printf '\\377'", "not the JSON of a result"),
])
def test_another_program(ground, monkeypatch, tmp_path, script, word):
    (tmp_path / "sleb").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "sleb").chmod(0o755)
    monkeypatch.setenv("SLEB", str(tmp_path / "sleb"))
    with pytest.raises(layer.SlebError, match=word):
        layer.info(ground / "model")
    with pytest.raises(layer.SlebError, match="is SLEB sleb's program"):
        layer.export(ground / "model", removal_list=[1], out=tmp_path / "out")


def test_a_name_is_no_option(ground, tmp_path, monkeypatch):
    """A model called like an option is a folder of that name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "--help").symlink_to(ground / "model")
    assert layer.info("--help").num_blocks == 6
    with pytest.raises(layer.InputError, match="no such model"):
        layer.info("--version")
    for name in ("a\0b", "a\ud800b"):
        with pytest.raises(layer.InputError, match="not to be said on a command line"):
            layer.info(name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_the_program_ends_with_the_one_that_called_it(ground, tmp_path, number, sleb_program):
    """And as it ends where it is told to stop: with its rounds kept."""
    np.save(tmp_path / "ids.npy", np.arange(400_000) % 90)
    script = f"""import sleb
sleb.prune({str(ground / "model")!r}, tokens={str(tmp_path / "ids.npy")!r}, seqlen=100, dtype="float32", search="exact",
           num_remove_blocks=4, out={str(tmp_path / "out")!r})
"""
    process = python(script, stderr=subprocess.DEVNULL)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    state = tmp_path / "out.sleb-state.json"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    [child] = children.read_text().split()
    assert os.readlink(f"/proc/{child}/exe").startswith(str(sleb_program.parent))
    process.send_signal(number)
    process.wait()
    while pathlib.Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pathlib.Path(f"/proc/{child}").exists()
    assert state.exists() and not (tmp_path / "out").exists()


def test_warnings(ground, tmp_path):
    """Where no terminal shows them."""
    save_tokenizer(save_model(tmp_path / "short", num_hidden_layers=4, max_position_embeddings=32))
    with pytest.warns(layer.SlebWarning, match="^segments of 100 tokens are longer than the 32 positions"):
        layer.prune(tmp_path / "short", **search(ground))


PRUNE = """import sys, sleb
try:
    result = sleb.prune({model!r}, dataset={text!r}, seqlen=100, dtype="float32", num_remove_blocks=2, prompt_tokens=0)
    print("removed", *result.removal_list)
except sleb.SlebError as error:
    print("error:", error)
except KeyboardInterrupt as interrupt:
    print("interrupted:", interrupt)
"""


def python(script: str, **options) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, text=True, **options)


@pytest.mark.parametrize("on_terminal", [True, False])
def test_progress_goes_to_a_terminal(ground, on_terminal):
    own, given = pty.openpty() if on_terminal else os.pipe()
    process = python(PRUNE.format(model=str(ground / "model"), text=str(ground / "text.txt")), stderr=given)
    os.close(given)
    shown = b""
    try:
        while part := os.read(own, 1 << 16):
            shown += part
    except OSError:
        pass  # how a pseudoterminal ends
    os.close(own)
    assert process.communicate()[0].startswith("removed ")
    assert (b"round 2 of 2" in shown) == on_terminal, shown


def test_an_error_on_a_terminal(ground):
    own, given = pty.openpty()
    process = python(PRUNE.format(model=str(ground / "nothing"), text=str(ground / "text.txt")), stderr=given)
    os.close(given)
    assert process.communicate()[0].startswith(f"error: {ground}/nothing: no such model")
    os.close(own)


def test_an_interrupt_lets_the_program_end_in_its_own_way(ground, tmp_path):
    """It is told once, says how it ended, and nothing of it is left."""
    program = tmp_path / "sleb"
    program.write_text(f"#!{sys.executable}\n" + """import os, signal, sys, time
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(time.monotonic()))
open(os.environ["READY"], "w").close()
while not told or time.monotonic() < told[0] + 0.5:
    time.sleep(0.01)
print(f"sleb: stopped in round 3, told {len(told)} times", file=sys.stderr)
sys.exit(1)
""")
    program.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "SLEB": str(program), "READY": str(tmp_path / "ready")}
    process = subprocess.Popen([sys.executable, "-c", PRUNE.format(model="m", text="t")], stdout=subprocess.PIPE, text=True,
                               env=environment, start_new_session=True)
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C
    assert process.communicate(timeout=30)[0] == "interrupted: stopped in round 3, told 1 times\n"
