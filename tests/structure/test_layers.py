"""Includes go downwards only: the tree keeps the order that CMakeLists.txt states, and the check sees what breaks it."""
import re
import shutil
import subprocess
import sys

import pytest

from programs import ROOT

CHECK = ROOT / "scripts" / "check_layers.py"


def check(root) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True, check=False)


def test_the_tree_keeps_its_order():
    done = check(ROOT)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^[4-9]\d\d files, \d{4} includes, 0 problems", done.stdout, re.MULTILINE), done.stdout


def test_the_documentation_states_the_same_order():
    order = [line.strip().split(":")[0] for line in check(ROOT).stdout.splitlines() if line.startswith("  ")]
    table = re.findall(r"^\| `(sleb/[\w/]+|apps/sleb)/` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert table == order[::-1], "docs/architecture.md lists the highest layer first"


@pytest.fixture(name="tree")
def copied_tree(tmp_path):
    for top in ("sleb", "apps"):
        shutil.copytree(ROOT / top, tmp_path / top)
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path)
    return tmp_path


@pytest.mark.parametrize("file,line,problem", [
    ("sleb/base/json.h", '#include "sleb/text/tokenizer.h"', "sleb/text is above sleb/base"),
    ("sleb/corpus/rows.cpp", '#include "sleb/eval/tasks/task.h"', "sleb/eval/tasks is above sleb/corpus"),
    ("sleb/eval/tasks/task.cpp", '#include "sleb/eval/perplexity.h"', "sleb/eval is above sleb/eval/tasks"),
    ("sleb/report/table.cpp", '#include "apps/sleb/options/session.h"', "apps/sleb is above sleb/report"),
    ("sleb/engine/plans/plan.h", '#include "sleb/engine/decoder/block.h"', "the room decoder is above plans"),
    ("sleb/engine/decoder/block.cpp", '#  include "sleb/engine/sweep/sweep.h"', "the room sweep is above decoder"),
    ("sleb/engine/compute.h", '#include "sleb/engine/plans/plan.h"', "stands below all of them"),
    ("apps/sleb/terminal/help.cpp", '#include "apps/sleb/options/session.h"', "the room options is above terminal"),
    ("sleb/text/tokenizer.h", '#include <ATen/ATen.h>', "libtorch outside the engine"),
    ("apps/sleb/main.cpp", '#include <torch/torch.h>', "libtorch outside the engine"),
    ("sleb/eval/tasks/task.h", '#include <arrow/api.h>', "Arrow outside the corpus"),
    ("sleb/corpus/corpus.h", '#include "sleb/corpus/tables/table.h"', "stands below all of them"),
    ("sleb/search/race.cpp", 'void f() { fmt::print("x"); }', "prints (fmt::print)"),
    ("sleb/engine/model.cpp", "void f() { std::cerr << 1; }", "prints (std::cerr)"),
    ("sleb/export/pruned_config.cpp", 'void f() { std::fprintf(stderr, "x"); }', "prints (fprintf)"),
    ("sleb/base/sha256.cpp", '#include "sleb/base/nowhere.h"', "there is no such file"),
    ("sleb/base/sha256.cpp", '#include "sleb/nowhere/x.h"', "not a file of any layer"),
])
def test_what_breaks_the_order_is_named(tree, file, line, problem):
    with (tree / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = check(tree)
    assert done.returncode == 1
    found = done.stdout.splitlines()[0]
    assert found.startswith(file) and problem in found, found
    assert ", 1 problems" in done.stdout


def test_a_comment_or_text_about_printing_is_no_printing(tree):
    with (tree / "sleb/base/sha256.cpp").open("a") as source:
        source.write('\n// as printf(...) does\nconst char* const x = "puts(1)";\n')
    assert check(tree).returncode == 0


def test_a_folder_of_no_layer_is_named(tree):
    (tree / "sleb" / "extra").mkdir()
    (tree / "sleb" / "extra" / "x.cpp").write_text("int x;\n")
    assert check(tree).stdout.startswith("sleb/extra/x.cpp: belongs to no layer")
