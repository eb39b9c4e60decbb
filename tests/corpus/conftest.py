"""Where the tests of this folder find the programs that CMake built and the data they read."""
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
# A build folder other than the release preset's, for example that of the sanitizers.
BUILD = pathlib.Path(os.environ.get("SLEB_BUILD_DIR", ROOT / "build" / "release"))


@pytest.fixture(scope="session")
def built_program():
    """Path of a test program by its name."""

    def find(name: str) -> pathlib.Path:
        path = BUILD / "tests" / "corpus" / name
        if not path.exists():
            pytest.fail(f"{path} is not there: build target {name}, or set SLEB_BUILD_DIR to the build folder")
        return path

    return find


@pytest.fixture(scope="session")
def data_file():
    """Path of a file of the project's test data; skips the test where the data is absent."""

    def find(name: str) -> pathlib.Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"test data absent: {path}")
        return path

    return find
