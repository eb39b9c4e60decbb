"""The package as a wheel lays it out: the program inside it finds torch, pyarrow and hf of the same environment."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from programs import ROOT

TELLS = """#!/bin/sh
echo "$0|$LD_LIBRARY_PATH|$SLEB_HF|$*"
"""


@pytest.fixture
def site(tmp_path) -> pathlib.Path:
    """A folder of packages: sleb with a program that says how it was called, beside a torch and a pyarrow."""
    folder = tmp_path / "site"
    shutil.copytree(ROOT / "python" / "sleb", folder / "sleb")
    (folder / "sleb" / "bin").mkdir()
    (folder / "sleb" / "bin" / "sleb").write_text(TELLS)
    (folder / "sleb" / "bin" / "sleb").chmod(0o755)
    (folder / "sleb" / "built-against").write_text("torch 2.13.0\npyarrow 26.0.1\n")
    make_package(folder, "torch", "2.13.0+cpu")
    make_package(folder, "pyarrow", "26.0.1")
    return folder


def make_package(site: pathlib.Path, name: str, version: str) -> None:
    """One whose import would be noticed."""
    (site / name).mkdir(parents=True)
    (site / name / "__init__.py").write_text("raise SystemExit('imported')\n")
    (site / f"{name}-{version}.dist-info").mkdir()


def start(*paths: pathlib.Path, python=sys.executable, **variables) -> subprocess.CompletedProcess:
    """`sleb a "b c"` with these folders of packages before the interpreter's own."""
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "SLEB", "SLEB_HF")}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, paths)), **variables}
    return subprocess.run([python, "-m", "sleb", "a", "b c"], env=environment, capture_output=True, text=True, check=False,
                          cwd=paths[0])


def told(done: subprocess.CompletedProcess) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n").split("|")


def test_libraries_beside_the_package_need_no_variable(site):
    program, library_path, _, arguments = told(start(site))
    assert (program, library_path, arguments) == (str(site / "sleb" / "bin" / "sleb"), "", "a b c")


def test_libraries_elsewhere_are_named(site, tmp_path):
    shutil.rmtree(site / "torch")
    shutil.rmtree(site / "torch-2.13.0+cpu.dist-info")
    make_package(tmp_path / "other", "torch", "2.13.0+cu130")
    assert told(start(site, tmp_path / "other"))[1] == str(tmp_path / "other" / "torch" / "lib")
    joined = told(start(site, tmp_path / "other", LD_LIBRARY_PATH="/x"))[1]
    assert joined == f"{tmp_path}/other/torch/lib:/x"


@pytest.mark.parametrize("name,built,found", [("torch", "2.13.0", "2.13.1+cpu"), ("pyarrow", "26.0.1", "26.0.10")])
def test_another_version_is_refused(site, name, built, found):
    shutil.rmtree(site / name)
    shutil.rmtree(next(site.glob(f"{name}-*")))
    make_package(site, name, found)
    done = start(site)
    expected = f"sleb: built against {name} {built}, and {found} is there: pip install {name}=={built}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_a_package_that_is_absent(site):
    (site / "sleb" / "built-against").write_text("no_such_package 1.0.0\n")
    done = start(site)
    assert (done.returncode, done.stderr) == (1, "sleb: no_such_package is not there: pip install no_such_package==1.0.0\n")


def test_the_environments_own_hf_goes_first(site, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    python = programs / "python3"
    python.write_text(f"#!/bin/sh\nexec -a '{python}' '{sys.executable}' \"$@\"\n".replace("/bin/sh", "/bin/bash"))
    python.chmod(0o755)
    absent = told(start(site, python=python))[2]
    assert str(programs) not in absent
    (programs / "hf").write_text("#!/bin/sh\n")
    assert told(start(site, python=python))[2] == absent, "a file that is no program"
    (programs / "hf").chmod(0o755)
    assert told(start(site, python=python))[2] == str(programs / "hf")
    assert told(start(site, python=python, SLEB_HF="/own"))[2] == "/own"


def test_without_a_program(tmp_path):
    shutil.copytree(ROOT / "python" / "sleb", tmp_path / "sleb")
    done = start(tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("sleb: the program is not inside the package: ")
    assert done.stderr.count("\n") == 1


def test_one_version():
    version = re.search(r"project\(sleb VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_a_wheel_is_built_against_what_the_repository_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pins = [line.split(";")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    required = project["build-system"]["requires"]
    assert {name for name in required if "==" in name} <= set(pins)
    assert sorted(name.split("==")[0] for name in required if "==" in name) == ["pyarrow", "torch"]
