"""What --resume may not replace and when it is finished, paths that are none, and the parts of a GGUF."""
import json
import os
import resource
import shutil

import numpy as np
import pytest

from tiny_models import random_ids, save_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    save_model(folder / "m", num_hidden_layers=6)
    save_model(folder / "other", num_hidden_layers=6, seed=5)
    np.save(folder / "ids.npy", random_ids(600))
    return folder


def prune(model: str, count: int, *options) -> list:
    return ["prune", model, "--tokens", "ids.npy", "--segments", 1, "--seqlen", 128, "--prompt-tokens", 0, "--num-remove-blocks",
            count, "--dtype", "float32", *options]  # fmt: skip


@pytest.mark.parametrize("model, count, options, word", [
    ("m", 3, [], "--num-remove-blocks was 2, is 3"),
    ("m", 2, ["--criterion", "kl"], "--criterion was loss, is kl"),
    ("other", 2, [], "the model was "),
])
def test_another_search_s_result(sleb, sleb_ok, place, tmp_path, model, count, options, word):
    result = tmp_path / "result.json"
    sleb_ok(*prune("m", 2, "--json", result), cwd=place)
    before = result.read_bytes()
    done = sleb(*prune(model, count, *options, "--json", result, "--resume"), cwd=place)
    assert done.returncode == 2 and "is the result of another search: " in done.stderr and word in done.stderr, done.stderr
    assert result.read_bytes() == before
    sleb_ok(*prune(model, count, *options, "--json", result, "--resume", "--force"), cwd=place)
    assert len(json.loads(result.read_text())["removal_list"]) == count


@pytest.mark.parametrize("name, text", [("r.html", "<p>mine</p>"), ("r.svg", "<svg/>"), ("r.json", '{"mine": 1}'), ("r.json", "no")])
def test_a_report_of_somebody_else(sleb, place, tmp_path, name, text):
    report = tmp_path / name
    report.write_text(text)
    done = sleb(*prune("m", 1, "--json", tmp_path / "result.json", "--resume", "--report", report), cwd=place)
    assert done.returncode == 2 and "exists already" in done.stderr, done.stderr
    assert report.read_text() == text


@pytest.mark.parametrize("name", ["r.html", "r.svg", "r.json"])
def test_its_own_report_is_written_again(sleb_ok, place, tmp_path, name):
    command = prune("m", 1, "--json", tmp_path / "result.json", "--report", tmp_path / name)
    sleb_ok(*command, cwd=place)
    before = (tmp_path / name).read_bytes()
    assert "finished already" in sleb_ok(*command, "--resume", cwd=place)
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("option", ["--out", "--json", "--report", "--recipe", "--log-samples"])
def test_empty_paths(sleb, place, option):
    done = sleb(*prune("m", 1, option, ""), cwd=place)
    assert done.returncode == 2 and option in done.stderr and "an empty path" in done.stderr, done.stderr


def test_a_part_of_the_gguf_is_no_other_output(sleb, place, tmp_path):
    out = tmp_path / "model.gguf"
    done = sleb(*prune("m", 1, "--out", out, "--json", tmp_path / "model-00001-of-00007.gguf"), cwd=place)
    assert done.returncode == 2 and "--out may write a part of its GGUF there" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def contents(folder) -> dict:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def gguf_and_record(sleb_ok, place, out, *options) -> dict:
    """Pruned to a GGUF; what stands beside it."""
    sleb_ok(*prune("m", 2, "--out", out, *options), cwd=place)
    return json.loads((out.parent / f"{out.stem}.sleb.json").read_text())


@pytest.mark.parametrize("options, parts", [([], None), (["--shard-bytes", 100_000], 2)])
def test_a_gguf_s_record_stands_beside_it(sleb_ok, place, tmp_path, options, parts):
    """All that a search found, as a folder's sleb.json has it; it is read again by the GGUF's name."""
    record = gguf_and_record(sleb_ok, place, tmp_path / "m.gguf", *options)
    result = json.loads(sleb_ok(*prune("m", 2, "--json", "-"), cwd=place))
    assert [step["loss"] for step in record["steps"]] == [step["loss"] for step in result["steps"]]
    assert record["files"] == sorted(path.name for path in tmp_path.iterdir()) and len(record["files"]) >= (parts or 2)
    for name in {"m.gguf", record["files"][0]}:
        assert json.loads(sleb_ok("latency", "m", "--from", tmp_path / name, "--mode", "prompt", "--prompt-tokens", 8,
                                  "--repeats", 1, "--json", "-", cwd=place))["results"][1]["removal_list"] == record["removal_list"]
    sleb_ok("report", tmp_path / "m.gguf", "-o", tmp_path / "m.html", cwd=place)
    before = contents(tmp_path)
    assert "finished already" in sleb_ok(*prune("m", 2, "--out", tmp_path / "m.gguf", *options, "--resume"), cwd=place)
    assert contents(tmp_path) == before


def test_a_gguf_s_record_is_guarded(sleb, sleb_ok, place, tmp_path):
    record = tmp_path / "m.sleb.json"
    record.write_text("mine")
    for command in (prune("m", 2, "--out", tmp_path / "m.gguf"), prune("m", 2, "--out", tmp_path / "m.gguf", "--resume"),
                    ["export", "m", "--removal-list", 1, "--out", tmp_path / "m.gguf"]):
        done = sleb(*command, cwd=place)
        assert done.returncode == 2 and "m.sleb.json: exists already" in done.stderr, done.stderr
    assert contents(tmp_path) == {"m.sleb.json": b"mine"}
    done = sleb(*prune("m", 2, "--out", tmp_path / "n.gguf", "--json", tmp_path / "n.sleb.json"), cwd=place)
    assert done.returncode == 2 and "--out writes there too" in done.stderr, done.stderr
    gguf_and_record(sleb_ok, place, tmp_path / "m.gguf", "--force")
    done = sleb("export", "m", "--from", tmp_path / "m.gguf", "--blocks", 5, "--out", tmp_path / "m.gguf", "--force", cwd=place)
    assert done.returncode == 2 and "would overwrite a file that this command reads" in done.stderr, done.stderr


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def remove(path):
    path.unlink()


@pytest.mark.parametrize("out, damaged", [("out", "model.safetensors"), ("out", "config.json"), ("out.gguf", "out.gguf")])
@pytest.mark.parametrize("damage", [cut, remove])
def test_a_damaged_output_is_not_finished(sleb, sleb_ok, place, tmp_path, out, damaged, damage):
    """Nobody knows what became of it, so nothing is done but to say so; what was found is there still."""
    if (damage, damaged) == (cut, "config.json"):
        pytest.skip("no file of the model's says how long it was")
    command = prune("m", 2, "--out", tmp_path / out)
    sleb_ok(*command, cwd=place)
    damage(tmp_path / "out" / damaged if out == "out" else tmp_path / damaged)
    before = contents(tmp_path)
    done = sleb(*command, "--resume", cwd=place)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].count(damaged) >= 1, done.stderr
    assert "is finished, but not as it would be written now" in done.stderr and contents(tmp_path) == before
    sleb_ok("export", "m", "--from", tmp_path / out, "--out", tmp_path / "elsewhere", cwd=place)
    shutil.rmtree(tmp_path / "elsewhere")
    sleb_ok(*command, "--force", cwd=place)
    assert "finished already" in sleb_ok(*command, "--resume", cwd=place)


@pytest.mark.parametrize("out", ["out", "out.gguf"])
@pytest.mark.parametrize("asked", [["--out-dtype", "bfloat16"], ["--shard-bytes", 100_000]])
def test_another_form_is_not_finished(sleb, sleb_ok, place, tmp_path, out, asked):
    command = prune("m", 2, "--out", tmp_path / out)
    sleb_ok(*command, cwd=place)
    before = contents(tmp_path)
    done = sleb(*command, *asked, "--resume", cwd=place)
    assert done.returncode == 2 and "not as it would be written now" in done.stderr, done.stderr
    assert contents(tmp_path) == before
    sleb_ok(*command, *asked, "--force", cwd=place)
    assert "finished already" in sleb_ok(*command, *asked, "--resume", cwd=place)


@pytest.mark.parametrize("there", [["m.sleb.json"], ["m.sleb.json", -1], ["m.sleb.json", 0]])
def test_a_gguf_whose_parts_were_being_renamed(sleb, sleb_ok, place, tmp_path, there):
    """A kill met that: the rounds are kept still, and say that the parts are the run's own."""
    command = prune("m", 2, "--out", tmp_path / "m.gguf", "--shard-bytes", 100_000)
    sleb_ok(*command, cwd=place)
    expected = contents(tmp_path)
    parts = [name for name in sorted(expected) if name.endswith(".gguf")]
    for path in tmp_path.iterdir():
        path.unlink()
    failed = sleb(*command, cwd=place, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)))
    assert failed.returncode == 1 and "--resume goes on" in failed.stderr, failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf.sleb-state.json"]
    for name in there:
        name = name if isinstance(name, str) else parts[name]
        (tmp_path / name).write_bytes(expected[name])
    done = sleb(*command, "--resume", cwd=place)
    assert done.returncode == 0 and "going on after 2 finished rounds" in done.stderr, done.stderr
    assert contents(tmp_path).keys() == expected.keys()
    assert all(contents(tmp_path)[name] == expected[name] for name in parts)


def test_permissions_stay(sleb_ok, place, tmp_path):
    command = prune("m", 1, "--out", tmp_path / "out", "--json", tmp_path / "r.json", "--report", tmp_path / "r.html")
    sleb_ok(*command, cwd=place)
    places = {tmp_path / "out": 0o700, tmp_path / "r.json": 0o600, tmp_path / "r.html": 0o640}
    for path, mode in places.items():
        path.chmod(mode)
    sleb_ok(*command, "--force", cwd=place)
    assert {path: path.stat().st_mode & 0o7777 for path in places} == places
    for name in ("x.gguf", "x.sleb.json"):
        (tmp_path / name).touch(mode=0o600)
    sleb_ok("export", "m", "--removal-list", 1, "--out", tmp_path / "x.gguf", "--force", cwd=place)
    assert [(tmp_path / name).stat().st_mode & 0o7777 for name in ("x.gguf", "x.sleb.json")] == [0o600, 0o600]


def test_an_ending_in_capitals(sleb_ok, place, tmp_path):
    sleb_ok("export", "m", "--removal-list", 1, "--out", tmp_path / "X.GGUF", cwd=place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X.GGUF", "X.sleb.json"]
    assert (tmp_path / "X.GGUF").read_bytes()[:4] == b"GGUF"
    for model in (tmp_path / "X.GGUF", tmp_path):
        assert json.loads(sleb_ok("info", model, "--json", "-"))["num_blocks"] == 5
