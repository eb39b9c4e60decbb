"""A good model, text and ids for a case to spoil, and what every refusal must look like."""
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import struct

import numpy as np
import pytest

from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import make_model, random_ids, save_model, save_tokenizer

GIGABYTE = 1 << 30
SMALL = {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2,
         "num_key_value_heads": 1, "max_position_embeddings": 64}


@dataclasses.dataclass
class Ground:
    folder: pathlib.Path

    def __post_init__(self):
        self.model, self.gguf = self.folder / "model", self.folder / "model.gguf"
        self.text, self.ids = self.folder / "text.txt", self.folder / "ids.npy"
        self.weights, self.config = self.model / "model.safetensors", self.model / "config.json"
        self.index, self.tokenizer = self.model / "model.safetensors.index.json", self.model / "tokenizer.json"

    def header(self) -> tuple[dict, bytes]:
        """The header of the model's safetensors file, and the data behind it."""
        content = self.weights.read_bytes()
        end = 8 + struct.unpack("<Q", content[:8])[0]
        return json.loads(content[8:end]), content[end:]

    def write_header(self, header: dict | str | bytes, data: bytes) -> None:
        text = header if isinstance(header, bytes) else (json.dumps(header) if isinstance(header, dict) else
                                                         header).encode()
        self.weights.write_bytes(struct.pack("<Q", len(text)) + text + data)

    def split_weights(self) -> dict[str, str]:
        """Makes two shards of the weights; the index's weight_map."""
        header, data = self.header()
        self.weights.unlink()
        header.pop("__metadata__")
        names, weight_map = sorted(header, key=lambda name: header[name]["data_offsets"]), {}
        for shard, part in (("one", names[:5]), ("two", names[5:])):
            new, content = {}, b""
            for name in part:
                begin, end = header[name]["data_offsets"]
                new[name] = {**header[name], "data_offsets": [len(content), len(content) + end - begin]}
                content += data[begin:end]
                weight_map[name] = f"{shard}.safetensors"
            text = json.dumps(new).encode()
            (self.model / f"{shard}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content)
        return weight_map

    def write_index(self, weight_map) -> None:
        self.index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


@pytest.fixture(scope="session")
def good_ground(tmp_path_factory) -> pathlib.Path:
    ground = Ground(tmp_path_factory.mktemp("hostile"))
    save_tokenizer(save_model(ground.model, **SMALL))
    save_gguf(ground.gguf, make_model(**SMALL), "F32", BYTE_TOKENS)
    np.save(ground.ids, random_ids(200))
    ground.text.write_text("some text\n" * 20)
    return ground.folder


@pytest.fixture
def ground(good_ground, tmp_path) -> Ground:
    return Ground(shutil.copytree(good_ground, tmp_path / "ground", symlinks=True))


# AddressSanitizer reserves terabytes of addresses for its shadow.
SANITIZED = "san" in pathlib.Path(os.environ.get("SLEB_BUILD_DIR", "")).name


def limited(kind: int):
    return None if SANITIZED else lambda: resource.setrlimit(kind, (GIGABYTE, GIGABYTE))


def listing(folder: pathlib.Path) -> dict:
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture
def refused(sleb, ground):
    """Runs the command within a gigabyte: the exit code, one line with these words, and nothing written."""

    def call(arguments: list, *words: str, code: int = 2, log_before: bool = False) -> str:
        # libtorch alone maps more than a gigabyte of code and reserved addresses: there the limit is on writable memory.
        kind = resource.RLIMIT_DATA if arguments[0] == "prune" else resource.RLIMIT_AS
        before = listing(ground.folder)
        done = sleb(*arguments, cwd=ground.folder, preexec_fn=limited(kind), timeout=60)
        *log, line = done.stderr.splitlines() or [""]
        print(line)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        assert line.startswith("sleb: ") and done.stderr.endswith("\n"), done.stderr
        assert not any(earlier.startswith("sleb: ") for earlier in log)
        assert log_before or not log, done.stderr
        assert "out of memory" not in line and len(line) < 1300
        assert line.isprintable(), repr(line)
        for word in words:
            assert word in line, f"{word!r} is not in: {line}"
        assert listing(ground.folder) == before
        return line

    return call


def table(cases: dict):
    """Parametrises a test by the rows of a table, named by their keys."""
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())
