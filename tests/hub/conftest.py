"""A tiny model's files, a hub that serves them, and sleb with a cache of its own."""
import os
import pathlib
import subprocess
import time

import pytest

from gguf_models import save_gguf
from hub.loopback_hub import Hub
from programs import SLEB
from tiny_models import make_model, save_model, save_tokenizer

NAME = "org/tiny-model"
# Of the machine that runs the tests, none of these may count.
_OWN = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME", "SLEB_HF", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def model_files(tmp_path_factory) -> dict[str, bytes]:
    """Of a repository: a model in one file, and what sleb has no use for."""
    folder = tmp_path_factory.mktemp("hub") / "model"
    save_tokenizer(save_model(folder, num_hidden_layers=3))
    return {**files_of(folder), "README.md": b"# a card", ".gitattributes": b"", "original/consolidated.00.pth": b"p" * 20_000,
            "onnx/model.onnx": b"o", "pytorch_model.bin": b"b" * 20_000, "consolidated.safetensors": b"c" * 20_000}


@pytest.fixture(scope="session")
def sharded_files(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("hub") / "sharded"
    save_tokenizer(save_model(folder, num_hidden_layers=3, shard_size="150KB"))
    return files_of(folder)


@pytest.fixture(scope="session")
def gguf(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("hub") / "m.gguf"
    save_gguf(file, make_model(num_hidden_layers=3), "Q8_0")
    return file.read_bytes()


@pytest.fixture(scope="session")
def running_hub():
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def hub(running_hub):
    running_hub.clear()
    yield running_hub
    running_hub.clear()


class Machine:
    """sleb as a user with an empty home runs it."""

    def __init__(self, home: pathlib.Path, url: str):
        self.home = home
        self.cache = home / "hub"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        self.environment |= {"HF_HOME": str(home), "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1"}

    def start(self, *arguments, **variables) -> subprocess.Popen:
        environment = {**self.environment, **variables}
        return subprocess.Popen([SLEB, *map(str, arguments)], env=environment, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, cwd=self.home.parent)

    def sleb(self, *arguments, preexec_fn=None, stdin=None, **variables) -> subprocess.CompletedProcess:
        return subprocess.run([SLEB, *map(str, arguments)], env={**self.environment, **variables}, text=True,
                              capture_output=True, check=False, cwd=self.home.parent, preexec_fn=preexec_fn, stdin=stdin)

    def ok(self, *arguments, **variables) -> str:
        done = self.sleb(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self, *arguments, **variables) -> str:
        """The one line of a failure, which ends the run without a trace of Python."""
        done = self.sleb(*arguments, **variables)
        return self.one_line(done.returncode, done.stderr)

    @staticmethod
    def one_line(code: int, errors: str) -> str:
        lines = [line for line in errors.strip().splitlines() if not line.startswith("fetching")]
        assert code in (1, 2) and len(lines) == 1 and lines[0].startswith("sleb: "), errors
        assert "Traceback" not in errors and "HF_DEBUG" not in errors
        return lines[0]

    def repository(self, name: str = NAME) -> pathlib.Path:
        """Of a model, or of a data set "datasets/org/name"."""
        kind = "" if name.startswith("datasets/") else "models--"
        return self.cache / (kind + name.replace("/", "--"))

    def cached(self, name: str = NAME) -> dict[str, bytes]:
        """Every file of every snapshot."""
        found = {}
        for snapshot in self.repository(name).glob("snapshots/*"):
            found |= files_of(snapshot)
        return found

    def temporaries(self) -> list[pathlib.Path]:
        return list(self.home.rglob("*.incomplete"))

    def wait_for_temporary(self, blob: str):
        """Until the file with that hash is half-way."""
        end = time.monotonic() + 20
        while not any(path.name.startswith(blob) for path in self.temporaries()):
            assert time.monotonic() < end, "nothing is being fetched"
            time.sleep(0.02)


@pytest.fixture
def machine(tmp_path, hub) -> Machine:
    return Machine(tmp_path / "home", hub.url)
