"""The programs that CMake built, and where the tests find data."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
# A build folder other than the release preset's, for example that of the sanitizers.
BUILD = pathlib.Path(os.environ.get("SLEB_BUILD_DIR", ROOT / "build" / "release"))
SLEB = pathlib.Path(os.environ.get("SLEB", BUILD / "sleb"))


def run(program: pathlib.Path, *arguments, **options) -> subprocess.CompletedProcess:
    if not program.exists():
        pytest.fail(f"{program} is not there: build target {program.name}, or set SLEB_BUILD_DIR to the build folder")
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)
