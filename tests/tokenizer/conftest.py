"""Where the tests of this folder find the program under test and the data they read."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
# A build folder other than the release preset's, for example that of the sanitizers.
BUILD = pathlib.Path(os.environ.get("SLEB_BUILD_DIR", ROOT / "build" / "release"))
SLEB = pathlib.Path(os.environ.get("SLEB", BUILD / "sleb"))
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
def data_texts() -> dict[str, bytes]:
    """The project's test data; skips the test where it is absent."""
    files = sorted(file for file in DATA.rglob("*") if file.suffix in (".raw", ".jsonl", ".md"))
    if not files:
        pytest.skip(f"test data absent: {DATA}")
    return {str(file.relative_to(DATA)): file.read_bytes() for file in files}
