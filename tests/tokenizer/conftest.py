"""Where the tests of this folder find the programs under test and the data they read; the table of test_kinds.py."""
import json
import pathlib
import subprocess

import pytest

import texts
from programs import BUILD, SHARED, SLEB
from texts import data_files
from training import Training

DATA = SHARED / "data"
FILES_DUMP = BUILD / "tests" / "tokenizer" / "tokenizer_files_dump"


def run_sleb(*arguments) -> subprocess.CompletedProcess:
    if not SLEB.exists():
        pytest.fail(f"{SLEB} is not there: build target sleb, or set SLEB")
    return subprocess.run([SLEB, "tokenize", *map(str, arguments)], capture_output=True, check=False)


@pytest.fixture
def sleb_ids(tmp_path):
    """The ids that sleb gives for bytes."""

    def ids(model: pathlib.Path, text: bytes, *options: str) -> list[int]:
        file = tmp_path / "text"
        file.write_bytes(text)
        done = run_sleb(model, file, "--json", *options)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)["ids"]

    return ids


@pytest.fixture
def sleb_error(tmp_path):
    """What sleb says of a model that it refuses."""

    def error(model: pathlib.Path) -> str:
        file = tmp_path / "text"
        file.write_bytes(b"a")
        done = run_sleb(model, file, "--json")
        assert done.returncode == 2, done
        assert done.stdout == b""
        return done.stderr.decode()

    return error


@pytest.fixture
def rebuilt_files(tmp_path):
    """A folder with the tokenizer files that sleb makes of a GGUF vocabulary."""

    def rebuild(vocabulary: dict) -> pathlib.Path:
        if not FILES_DUMP.exists():
            pytest.fail(f"{FILES_DUMP} is not there: build target tokenizer_files_dump, or set SLEB_BUILD_DIR")
        folder = tmp_path / "rebuilt"
        folder.mkdir(exist_ok=True)
        (tmp_path / "vocabulary.json").write_text(json.dumps(vocabulary))
        done = subprocess.run([FILES_DUMP, tmp_path / "vocabulary.json", folder], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return folder

    return rebuild


@pytest.fixture(scope="session")
def data_starts(data_paths) -> dict[str, bytes]:
    """The beginnings of the project's test data; skips the test where it is absent."""
    if not data_paths:
        pytest.skip(f"test data absent: {DATA}")
    return {str(path.relative_to(DATA)): path.read_bytes()[:200_000] for path in data_paths}


# --- The table kind x (data, adversarial, random) ---

_TABLE = pytest.StashKey[dict]()


def pytest_addoption(parser):
    parser.addoption("--all-data", action="store_true", help="compare all data files whole, for every kind of tokenizer")
    parser.addoption("--fuzz-seed", type=int, default=1, help="seed of the random strings")
    parser.addoption("--kinds-table", action="store_true", help="print which texts have equal ids, for every kind")


@pytest.fixture(scope="session")
def all_data(request) -> bool:
    return request.config.getoption("--all-data", False)


@pytest.fixture(scope="session")
def fuzz_seed(request) -> int:
    return request.config.getoption("--fuzz-seed", 1)


@pytest.fixture(scope="session")
def data_paths() -> list[pathlib.Path]:
    """The texts of the project's test data; none where it is absent."""
    return data_files(DATA)


@pytest.fixture(scope="session")
def real_text(data_paths) -> str:
    """What small tokenizers are trained on and random strings are cut from."""
    if not data_paths:
        return texts.generated_text()
    return "".join(path.read_text()[:150_000] for path in data_paths if path.suffix == ".raw")


@pytest.fixture(scope="session")
def training(real_text) -> Training:
    return Training(real_text)


@pytest.fixture(scope="session")
def record_kind(request):
    """Puts a cell into the table."""
    table = request.config.stash.setdefault(_TABLE, {})

    def record(kind: str, column: str, cell: str) -> None:
        table.setdefault(kind, {})[column] = cell

    return record


def pytest_terminal_summary(terminalreporter, config):
    if not config.getoption("--kinds-table", False):
        return
    columns = ("data", "adversarial", "random")
    terminalreporter.write_line(f"| kind | {' | '.join(columns)} |")
    terminalreporter.write_line("| :--- | ---: | ---: | ---: |")
    for kind, cells in config.stash.get(_TABLE, {}).items():
        terminalreporter.write_line(f"| {kind} | {' | '.join(cells.get(column, '') for column in columns)} |")
