"""--from and --blocks: any set of a search that was done, in the place of a removal list."""
import json

import numpy as np
import pytest

from tiny_models import edit_json, random_ids, save_model, save_tokenizer

NUM_BLOCKS = 7


@pytest.fixture(scope="module")
def ground(tmp_path_factory, sleb_ok):
    """A model, and results of searches for three blocks: greedy's as a folder, better sets as a file, one of halves."""
    folder = tmp_path_factory.mktemp("found")
    save_tokenizer(save_model(folder / "model", seed=3, num_hidden_layers=NUM_BLOCKS,
                              intermediate_size=256))
    np.save(folder / "ids.npy", random_ids(12 * 100))
    (folder / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 40)

    def search(*options) -> None:
        sleb_ok("prune", folder / "model", "--tokens", folder / "ids.npy", "--seqlen", 100, "--num-remove-blocks", 3,
                "--dtype", "float32", "--threads", 1, "--prompt-tokens", 0, *options)

    search("--search", "exact", "--out", folder / "greedy")
    search("--search", "best", "--search-budget", 20, "--json", folder / "best.json")
    search("--units", "half", "--search", "exact", "--json", folder / "halves.json")
    return folder


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without_command(files: dict[str, bytes]) -> dict[str, bytes]:
    card = files["README.md"].decode()
    return {**files, "README.md": card[:card.index("Made by")].encode()}


def set_of(result: dict, gone: int) -> str:
    """What the result says of its own search, read by other means: greedy's first blocks, or the best set of that many."""
    if "best_sets" in result:
        return ",".join(map(str, next(one["removal_list"] for one in result["best_sets"] if one["blocks"] == gone)))
    return ",".join(str(step["removed"]) for step in result["steps"][:gone])


@pytest.mark.parametrize("name", ["greedy", "greedy/sleb.json", "best.json"])
@pytest.mark.parametrize("gone", [1, 2, 3])
def test_exports_what_the_removal_list_does(sleb_ok, ground, tmp_path, name, gone):
    result = json.loads((ground / name.replace("greedy", "greedy/sleb.json", name == "greedy")).read_text())
    removed = set_of(result, gone)
    assert len(removed.split(",")) == gone
    sleb_ok("export", ground / "model", "--from", ground / name, "--blocks", NUM_BLOCKS - gone, "--out", tmp_path / "one")
    sleb_ok("export", ground / "model", "--removal-list", removed, "--out", tmp_path / "other")
    one, other = files_of(tmp_path / "one"), files_of(tmp_path / "other")
    assert without_command(one) == without_command(other)
    assert json.loads(one["config.json"])["num_hidden_layers"] == NUM_BLOCKS - gone


def test_without_a_number_it_is_the_results_own_list(sleb_ok, ground, tmp_path):
    sleb_ok("export", ground / "model", "--from", ground / "greedy", "--out", tmp_path / "out")
    weights = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert weights == (ground / "greedy" / "model.safetensors").read_bytes()


def test_halves(sleb_ok, ground, tmp_path):
    result = json.loads((ground / "halves.json").read_text())
    removed = ",".join(str(step["removed"]) for step in result["steps"][:3])
    sleb_ok("export", ground / "model", "--from", ground / "halves.json", "--blocks", NUM_BLOCKS - 1.5,
            "--out", tmp_path / "one")
    sleb_ok("export", ground / "model", "--removal-list", removed, "--out", tmp_path / "other")
    assert without_command(files_of(tmp_path / "one")) == without_command(files_of(tmp_path / "other"))


def test_commands_that_take_several(sleb_ok, ground):
    result = json.loads((ground / "greedy" / "sleb.json").read_text())
    lists = [[step["removed"] for step in result["steps"][:gone]] for gone in (1, 2, 3)]
    common = ["--dtype", "float32", "--threads", 1, "--json", "-"]
    text = ["--ppl", ground / "text.txt", "--seqlen", 100]
    every = json.loads(sleb_ok("eval", ground / "model", "--from", ground / "greedy", "--blocks", "all", *text, *common))
    assert every["removal_lists"] == lists
    given = [part for one in lists for part in ("--removal-list", ",".join(map(str, one)))]
    expected = json.loads(sleb_ok("eval", ground / "model", *given, *text, *common))
    assert every["perplexity"] == expected["perplexity"]
    speed = json.loads(sleb_ok("latency", ground / "model", "--from", ground / "greedy", "--blocks", "4,6", "--mode",
                               "prompt", "--prompt-tokens", 16, "--repeats", 1, *common))
    assert [one["removal_list"] for one in speed["results"]] == [[], lists[2], lists[0]]
    said = json.loads(sleb_ok("generate", ground / "model", "--from", ground / "greedy", "--blocks", 5, "--prompt", "a",
                              "--compare", "--max-new-tokens", 2, *common))
    assert said["removal_list"] == lists[1]


def test_repair_and_recipe(sleb_ok, ground, tmp_path):
    result = json.loads((ground / "best.json").read_text())
    removed = set_of(result, 2)
    fit = ["--repair-dataset", ground / "text.txt", "--repair-tokens", 1200, "--seqlen", 50, "--dtype", "float32",
           "--threads", 1]
    sleb_ok("repair", ground / "model", "--from", ground / "best.json", "--blocks", 5, "--out", tmp_path / "one", *fit)
    sleb_ok("repair", ground / "model", "--removal-list", removed, "--out", tmp_path / "other", *fit)
    one, other = files_of(tmp_path / "one"), files_of(tmp_path / "other")
    assert one["model.safetensors"] == other["model.safetensors"]
    recipe = sleb_ok("recipe", ground / "best.json", "--blocks", 5)
    sleb_ok("export", ground / "model", "--removal-list", removed, "--out", tmp_path / "plain")
    assert recipe == sleb_ok("recipe", tmp_path / "plain")


def test_a_repair_is_not_taken_unseen(sleb, ground, tmp_path):
    result = json.loads((ground / "best.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps({**result, "repair": {}}))
    done = sleb("export", ground / "model", "--from", tmp_path / "result.json", "--out", tmp_path / "out")
    assert done.returncode == 0 and "no matrix is fitted" in done.stderr


def test_a_result_of_another_model_is_said(sleb, ground, tmp_path):
    """By the hash of the whole model, whatever it is called; which the user may want, of a model that was tuned further."""
    save_model(tmp_path / "tuned", seed=4, num_hidden_layers=NUM_BLOCKS, intermediate_size=256)
    (tmp_path / "same").symlink_to(ground / "model")
    measure = ["--mode", "prompt", "--prompt-tokens", 8, "--repeats", 1]
    for model, is_another in (("tuned", True), ("same", False), (ground / "model", False)):
        for command in (["export", model, "--out", "out", "--force"], ["latency", model, *measure]):
            done = sleb(*command, "--from", ground / "greedy", cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            words = f"warning: {ground}/greedy is of {ground}/model, whose files are others than those of {model}"
            assert (words in done.stderr) == is_another, done.stderr
    result = json.loads((ground / "greedy" / "sleb.json").read_text())
    result["fingerprint"] = {"the model": 3}
    (tmp_path / "r.json").write_text(json.dumps(result))
    done = sleb("export", "same", "--from", "r.json", "--out", "new", cwd=tmp_path)
    assert done.returncode == 2 and "r.json: fingerprint.the model" in done.stderr, done.stderr


@pytest.fixture
def refusal(sleb, ground, tmp_path):
    """The one line of a refused export, which writes nothing."""

    def run(*options, command: str = "export") -> str:
        out = ["--out", tmp_path / "out"] if command in ("export", "repair") else []
        done = sleb(command, ground / "model", *options, *out)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout, done.stderr
        assert not (tmp_path / "out").exists()
        return done.stderr

    return run


def test_refused_results(refusal, ground, tmp_path):
    file = tmp_path / "result.json"
    good = {"model": "a", "num_blocks": NUM_BLOCKS, "removal_list": [1]}
    for content in ("", "[]", "{", "{}", json.dumps({**good, "removal_list": [1, 1]}),
                    json.dumps({**good, "removal_list": [NUM_BLOCKS]}), json.dumps({**good, "removal_list": ["1.head"]}),
                    json.dumps({**good, "steps": [{}]}), json.dumps({**good, "best_sets": 3})):
        file.write_text(content)
        assert "result.json" in refusal("--from", file)
    file.write_text(json.dumps({**good, "num_blocks": 9}))
    assert "is of a model of 9 blocks" in refusal("--from", file)
    assert "no such file" in refusal("--from", tmp_path / "nothing").lower()
    file.write_text(json.dumps({**good, "removal_list": []}))
    assert "no block" in refusal("--from", file, "--blocks", 6)


def test_refused_sizes(refusal, ground):
    greedy = ["--from", ground / "greedy"]
    for size in (7, 3, 5.5):
        assert "sets that leave 6, 5, 4" in refusal(*greedy, "--blocks", size)
    for size in ("", "0", "-1", "x", "5,6", "all", "4.3", "nan", "1e3"):
        assert "expected a number of blocks" in refusal(*greedy, "--blocks", size), size
    assert "another list" in refusal(*greedy, "--blocks", "5,5", command="eval")
    assert "--blocks" in refusal(*greedy, "--blocks", "5,", command="eval")


def test_refused_options(refusal, ground):
    greedy = ["--from", ground / "greedy"]
    for command in ("export", "repair"):
        assert "--removal-list" in refusal(command=command) and "--from" in refusal(command=command)
        assert "--from" in refusal(*greedy, "--removal-list", "1", command=command)
        assert "--from" in refusal("--from", "", command=command)
    assert "--from" in refusal("--blocks", 5, "--removal-list", "1")
    assert "--from" in refusal(*greedy, "--removal-ratio", 0.2, command="latency")


def test_a_result_is_never_written(sleb, ground, tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "sleb.json").write_bytes((ground / "greedy" / "sleb.json").read_bytes())
    for command, option in (("export", ["--out", tmp_path / "result", "--force"]),
                            ("eval", ["--json", tmp_path / "result" / "sleb.json", "--force"])):
        done = sleb(command, ground / "model", "--from", tmp_path / "result", *option)
        assert done.returncode == 2 and "result" in done.stderr
    assert (tmp_path / "result" / "sleb.json").read_bytes() == (ground / "greedy" / "sleb.json").read_bytes()
