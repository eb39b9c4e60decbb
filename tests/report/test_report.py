"""What `sleb report` and `sleb prune --report` show is what the result says."""
import html.parser
import json
import math
import pathlib
import re
import xml.etree.ElementTree

import pytest

from searches import SEARCHES

SVG = "{http://www.w3.org/2000/svg}"


class Page(html.parser.HTMLParser):
    """Cells of the maps, points, values of tables."""

    def __init__(self, text: str):
        super().__init__()
        self.parts, self.values, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        attributes = dict(attributes)
        if tag == "g" and "tabindex" in attributes:
            self.parts.append(attributes)
        if tag == "data":
            self.values.append(float(attributes["value"]))


def read(path: pathlib.Path) -> dict:
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", SEARCHES)
def test_every_candidate_is_a_cell_with_its_own_numbers(results, name):
    result, page = read(results[name]), Page(results[name].with_suffix(".html").read_text())
    cells = [part for part in page.parts if "data-round" in part]
    expected = [(str(i + 1), str(one["block"]), one["loss"], one["kl"], str(one["tokens"]))
                for i, step in enumerate(result["steps"]) for one in step["candidates"]]
    found = [(cell["data-round"], cell["data-block"], float(cell["data-loss"]), float(cell["data-kl"]),
              cell["data-tokens"]) for cell in cells]
    assert found == expected * 2, "a map by loss and one by KL"
    for cell, step in zip(cells, [step for step in result["steps"] for _ in step["candidates"]]):
        removed = cell["data-block"] == str(step["removed"])
        assert (": removed" in cell["aria-label"]) == removed
        tokens = result["calibration"]["segments"] * result["calibration"]["seqlen"]
        assert (": dropped early" in cell["aria-label"]) == (int(cell["data-tokens"]) < tokens and not removed)
    for step in result["steps"]:
        for one in step["candidates"]:
            assert one["loss"] in page.values and one["kl"] in page.values, "in a table too"


def test_a_race_has_candidates_that_were_dropped_early(results):
    assert "dropped early;" in results["race"].with_suffix(".html").read_text()
    assert "dropped early;" not in results["exact"].with_suffix(".html").read_text()


@pytest.mark.parametrize("name", SEARCHES)
def test_numbers_are_those_of_the_result(sleb_ok, results, tmp_path, name):
    sleb_ok("report", results[name], "-o", tmp_path / "numbers.json")
    result, [numbers] = read(results[name]), read(tmp_path / "numbers.json")["results"]
    assert numbers["removal_list"] == result["removal_list"] and numbers["name"] == name
    tokens = result["calibration"]["segments"] * result["calibration"]["seqlen"]
    losses = [result["dense_loss"], *(one["loss"] for one in result.get("best_sets", result["steps"]))]
    assert [point["loss"] for point in numbers["path"]] == losses
    for point in numbers["path"]:
        assert point["perplexity"] == pytest.approx(math.exp(point["loss"] / tokens), rel=1e-14)
    key = {"loss": "added_loss", "kl": "added_kl"}[result["criterion"]]
    for step, row in zip(result["steps"], numbers["map"]):
        least = min(row["cells"], key=lambda cell: cell[key])
        assert row["removed"] == step["removed"]
        assert least["block"] == step["removed"], "the removed one adds least"


def test_evaluations_are_shown_with_their_errors(sleb_ok, results, tmp_path):
    sleb_ok("report", results["repaired"], "-o", tmp_path / "numbers.json")
    evaluation, [numbers] = read(results["repaired"])["evaluation"], read(tmp_path / "numbers.json")["results"]
    page = Page(results["repaired"].with_suffix(".html").read_text())
    for text in ("text.txt", "other.txt"):
        rows = evaluation["perplexity_details"][text]["rows"]
        shown = [row for row in numbers["perplexity"] if row["text"] == text]
        assert [row["model"] for row in shown] == ["dense", "removed", "repaired"]
        assert [row["perplexity"] for row in shown] == [row["perplexity"] for row in rows]
        assert [row["perplexity_stderr"] for row in shown] == [row["perplexity_stderr"] for row in rows]
        assert {row["perplexity"] for row in rows} <= set(page.values)
        assert {row["divergence"] for row in rows[1:]} <= set(page.values)
    shown = [row for row in numbers["tasks"] if row["metric"] == "acc"]
    assert [row["value"] for row in shown] == [evaluation["results"]["piqa"]["acc"],
                                               *(one["results"]["piqa"]["acc"] for one in evaluation["pruned"])]
    assert [row["stderr"] for row in shown] == [evaluation["results"]["piqa"]["acc_stderr"],
                                                *(one["results"]["piqa"]["acc_stderr"] for one in evaluation["pruned"])]


@pytest.mark.parametrize("name", SEARCHES)
def test_prune_writes_the_page_that_report_writes(sleb_ok, results, tmp_path, name):
    sleb_ok("report", results[name], "-o", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == results[name].with_suffix(".html").read_text()


def test_several_beside_each_other(sleb_ok, results, tmp_path):
    names = ["exact", "kl", "best"]
    for ending in ("html", "json", "svg"):
        sleb_ok("report", *(results[name] for name in names), "-o", tmp_path / f"all.{ending}")
    assert [one["name"] for one in read(tmp_path / "all.json")["results"]] == names
    page = Page((tmp_path / "all.html").read_text())
    for name in names:
        result = read(results[name])
        removed = ",".join(map(str, result["removal_list"]))
        assert any(part["aria-label"] == f"{name}: without {removed}" for part in page.parts)
        last = [part for part in page.parts if part["aria-label"].startswith(f"{name}: 3 blocks removed")]
        assert [float(part["data-loss"]) for part in last] == [result.get("best_sets", result["steps"])[-1]["loss"]]
        assert last[0]["data-removed"] == removed
        assert result["seconds"] in page.values


def test_pictures_are_svg_files(sleb_ok, results, tmp_path):
    for name, path in results.items():
        sleb_ok("report", path, "-o", tmp_path / f"{name}.svg")
        picture = xml.etree.ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert picture.tag == SVG + "svg"
        cells = [part for part in picture.iter(SVG + "g") if "data-round" in part.attrib]
        assert len(cells) == sum(len(step["candidates"]) for step in read(path)["steps"])
        assert not {element.tag for element in picture.iter()} & {SVG + "script", SVG + "image", SVG + "foreignObject"}


def test_an_output_folder_has_a_picture_and_its_card_shows_it(sleb_ok, ground, results, tmp_path):
    sleb_ok("prune", "model", "--tokens", "ids.npy", "--seqlen", 60, "--dtype", "float32", "--num-remove-blocks", 3,
            "--prompt-tokens", 0, "--search", "exact", "--out", tmp_path / "pruned", cwd=ground)
    sleb_ok("export", ground / "model", "--removal-list", "2,5", "--out", tmp_path / "exported")
    for folder in (tmp_path / "pruned", tmp_path / "exported"):
        assert re.search(r"^!\[[^]]+\]\(sleb\.svg\)$", (folder / "README.md").read_text(), re.MULTILINE)
        assert "sleb.svg" in read(folder / "sleb.json")["files"]
        xml.etree.ElementTree.parse(folder / "sleb.svg")
    sleb_ok("report", tmp_path / "pruned", "-o", tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == (tmp_path / "pruned" / "sleb.svg").read_text()
    exported = (tmp_path / "exported" / "sleb.svg").read_text()
    assert exported.count('class="gone"') == 2 and exported.count('class="kept"') == 8


def test_names_are_text_and_nothing_else(sleb_ok, results, tmp_path):
    result = read(results["repaired"])
    evil = "\"><script>alert(1)</script>'&<img src=x onerror=alert(1)>]]>\u202e"
    result["model"] = result["command"] = result["calibration"]["dataset"] = result["processor"] = evil
    result["evaluation"]["perplexity_details"][evil] = result["evaluation"]["perplexity_details"].pop("text.txt")
    for part in (result["evaluation"]["results"], result["evaluation"]["n-samples"],
                 *(one["results"] for one in result["evaluation"]["pruned"])):
        part[evil] = part.pop("piqa")
    (tmp_path / "evil.json").write_text(json.dumps(result))
    for inputs in ([tmp_path / "evil.json"], [tmp_path / "evil.json", results["exact"]]):
        sleb_ok("report", *inputs, "-o", tmp_path / "page.html", "--force")
        text = (tmp_path / "page.html").read_text()
        assert not Page(text).tags & {"script", "img", "image", "a:href", "iframe", "object"}
        assert "onerror=alert(1)>" not in text
        sleb_ok("report", *inputs, "-o", tmp_path / "picture.svg", "--force")
        xml.etree.ElementTree.parse(tmp_path / "picture.svg")


MALFORMED = {
    "not JSON": "{",
    "NaN": '{"removal_list": [1], "steps": [], "dense_loss": NaN}',
    "a list": "[]",
    "of sleb eval": '{"model": "m", "num_blocks": 3, "removal_lists": [[1]], "perplexity": {}}',
    "of sleb export": '{"model": "m", "num_blocks": 3, "removal_list": [1]}',
    "huge": lambda result: result.update(dense_loss=1e308),
    "beyond a double": lambda result: result["steps"][0].update(loss="BIG"),
    "text for a number": lambda result: result["steps"][0].update(loss="1"),
    "a block too many": lambda result: result["steps"][0].update(removed=99),
    "no candidates": lambda result: result["steps"][1].update(candidates=[]),
    "null for a loss": lambda result: result["steps"][1]["candidates"][0].update(loss=None),
    "more blocks than a map shows": lambda result: result.update(num_blocks=2**40),
    "no calibration": lambda result: result.pop("calibration"),
    "segments of nothing": lambda result: result["calibration"].update(segments=0),
    "more removed than the rounds did": lambda result: result["removal_list"].append(0),
    "less removed than the rounds did": lambda result: result["removal_list"].pop(),
    "a block removed twice": lambda result: result["removal_list"].append(result["removal_list"][0]),
    "a block that the model lacks": lambda result: result["removal_list"].append(8),
    "a candidate that has gone": lambda result: result["steps"][1]["candidates"][0].update(block=result["removal_list"][0]),
    "another loss than the winner's": lambda result: result["steps"][1].update(loss=result["steps"][1]["loss"] + 1),
    "sizes of another model": lambda result: result["size"]["pruned"].update(blocks=7),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed(sleb, results, tmp_path, what):
    change = MALFORMED[what]
    if not isinstance(change, str):
        result = read(results["exact"])
        change(result)
        change = json.dumps(result).replace('"BIG"', "1e999")
    (tmp_path / "r.json").write_text(change)
    for inputs in (["r.json"], [results["exact"], "r.json"]):
        done = sleb("report", *inputs, "-o", "page.html", cwd=tmp_path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout, done.stderr
        assert done.stderr.startswith("sleb: r.json")
        assert [path.name for path in tmp_path.iterdir()] == ["r.json"], "nothing half-written"


def test_outputs(sleb, results, tmp_path):
    def refusal(*arguments) -> str:
        done = sleb("report", results["exact"], *arguments, cwd=tmp_path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    assert "rsvg-convert" in refusal("-o", "a.png")
    assert ".html, .svg and .json" in refusal("-o", "a.txt")
    (tmp_path / "a.html").write_text("mine")
    assert "a.html" in refusal("-o", "a.html") and (tmp_path / "a.html").read_text() == "mine"
    before = results["exact"].read_text()
    assert "exact.json" in refusal("-o", results["exact"], "--force") and results["exact"].read_text() == before
    assert "no-folder" in refusal("-o", "no-folder/a.html")
    assert sleb("report", results["exact"], "-o", "a.html", "--force", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("named", ["folder", "folder/sleb.json", "out.gguf", "out.sleb.json"])
def test_files_that_a_result_belongs_to_stay(sleb, sleb_ok, ground, tmp_path, named):
    """The model's own; a report that was put beside them is no part of it."""
    search = ["prune", ground / "model", "--tokens", ground / "ids.npy", "--seqlen", 60, "--dtype", "float32",
              "--num-remove-blocks", 1, "--prompt-tokens", 0]  # fmt: skip
    out = "folder" if "folder" in named else "out.gguf"
    sleb_ok(*search, "--out", out, cwd=tmp_path)
    folder = tmp_path / "folder" if out == "folder" else tmp_path
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert len(before) > 1
    for path in before:
        # By a link with the ending that is asked for, too.
        link = tmp_path / "link.json"
        link.symlink_to(path)
        for name in [link] + ([path] if path.suffix in (".json", ".svg") else []):
            done = sleb("report", named, "-o", name, "--force", cwd=tmp_path)
            assert done.returncode == 2 and "would overwrite a file that this command reads" in done.stderr, (path, done)
        link.unlink()
        if path.name == "config.json":
            for command in (["recipe", named, "--out", path], ["eval", ground / "model", "--from", named, "--json", path]):
                assert "would overwrite" in sleb(*command, "--force", cwd=tmp_path).stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    for _ in range(2):
        sleb_ok("report", named, "-o", folder / "mine.html", "--force", cwd=tmp_path)


def test_prune_checks_the_report_before_any_work(sleb, ground, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    for name, words in {"mine.html": "--force", "a.png": "rsvg-convert", "no-folder/a.html": "no-folder"}.items():
        done = sleb("prune", ground / "model", "--tokens", ground / "ids.npy", "--seqlen", 60, "--report", tmp_path / name)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and words in done.stderr, done.stderr
    assert (tmp_path / "mine.html").read_text() == "mine"
