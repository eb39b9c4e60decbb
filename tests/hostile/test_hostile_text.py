"""Malformed text, ids and weights, as `sleb prune` meets them; libtorch is loaded, within a gigabyte of writable memory."""
import gzip
import json
import os
import struct

import numpy as np
import pytest
import safetensors.torch

from conftest import table


def npy(descr: str = "'<i8'", order: str = "False", shape: str = "(4,)", data: bytes = bytes(32), version: int = 1,
        length: int | None = None) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


IDS = {
    "empty": (b"", "not a .npy file"),
    "text": (b"1 2 3\n", "not a .npy file"),
    "cut in the version": (npy()[:7], "version"),
    "cut in the length": (npy()[:9], "length"),
    "cut in the header": (npy()[:40], "header"),
    "cut in the data": (npy()[:-1], "31 bytes"),
    "version 9": (npy(version=9), "9.0"),
    "header of 4 GB": (npy(version=2, length=2**32 - 1), "4294967295"),
    "no dictionary": (npy().replace(b"{", b"["), "expected '{'"),
    "pickled objects": (npy(descr="'|O'"), "|O"),
    "floats": (npy(descr="'<f8'"), "<f8"),
    "big-endian": (npy(descr="'>i8'"), ">i8"),
    "Fortran order": (npy(order="True", shape="(2, 2)"), "Fortran"),
    "shape of 2^63": (npy(shape=f"({2**63},)"), "2^63"),
    "overflowing shape": (npy(shape=f"({2**61}, 8)"), "do not fit"),
    "negative shape": (npy(shape="(-4,)"), "size"),
    "three dimensions": (npy(shape="(1, 2, 2)"), "one dimension or two"),
    "negative id": (npy(data=struct.pack("<4q", 1, 2, -3, 4)), "element 2", "-3"),
    "id outside the vocabulary": (npy(shape="(50,)", data=struct.pack("<50q", *range(300, 350))), "300"),
    "id of 2^62": (npy(shape="(50,)", data=struct.pack("<50q", *[2**62] * 50)), str(2**62)),
    "no ids": (npy(shape="(0,)", data=b""), "0 tokens"),
}

GOOD_LINE = b'{"text": "one"}\n'
LONG_LINE = b'{"text": "' + b"one " * 255 + b'"}\n'
ZEROS = gzip.compress(bytes(1 << 20), mtime=0)

TEXTS = {
    "no JSON": ("rows.jsonl", GOOD_LINE + b"nonsense\n", "line 2"),
    "no text": ("rows.jsonl", GOOD_LINE * 2 + b'{"texts": "x"}\n', "line 3", "text"),
    "text of a number": ("rows.jsonl", b'{"text": 5}\n', "line 1", "string"),
    "text twice": ("rows.jsonl", GOOD_LINE + b'{"text": "a", "text": "b"}\n', "line 2", "twice"),
    "invalid UTF-8": ("rows.jsonl", GOOD_LINE + b'{"text": "\xff"}\n', "line 2", "\\xff"),
    "invalid UTF-8 in plain text": ("rows.txt", b"one two\nthr\xe9e\n" * 20, "byte 11 is not UTF-8 (0xe9)"),
    "unpaired surrogate": ("rows.jsonl", b'{"text": "\\udc00"}\n', "line 1"),
    "nested deeply": ("rows.jsonl", GOOD_LINE + b'{"text": ' + b"[" * 100_000 + b"\n", "line 2", "nested"),
    "line cut short": ("rows.jsonl", b'{"text": "one', "line 1"),
    "no gzip": ("rows.jsonl.gz", GOOD_LINE, "gzip"),
    "empty gzip": ("rows.jsonl.gz", b"", "cut off"),
    "gzip cut short": ("rows.jsonl.gz", gzip.compress(GOOD_LINE * 50, mtime=0)[:-5], "cut off"),
    "gzip with a wrong checksum": ("rows.jsonl.gz", gzip.compress(GOOD_LINE, mtime=0)[:-8] + bytes(8), "broken gzip"),
    "gzip with a tail": ("rows.jsonl.gz", gzip.compress(GOOD_LINE, mtime=0) + b"tail", "other bytes follow"),
    "gzip of no rows": ("rows.jsonl.gz", gzip.compress(b"plain\n", mtime=0), "line 1"),
    "gzip bomb of one line": ("rows.jsonl.gz", ZEROS * 300, "swell"),
    "gzip bomb of lines": ("rows.jsonl.gz", gzip.compress(LONG_LINE * 1024, mtime=0) * 300, "swell"),
    "no Parquet": ("rows.parquet", GOOD_LINE, "PAR1"),
    "Parquet without data": ("rows.parquet", b"PAR1" + bytes(8) + b"PAR1", "Parquet"),
    "Parquet with a footer of 4 GB": ("rows.parquet", b"PAR1" + b"\xff" * 4 + b"PAR1", "4294967295"),
    "no Arrow": ("rows.arrow", GOOD_LINE, "Arrow"),
    "Arrow with metadata of 2 GB": ("rows.arrow", b"\xff" * 4 + struct.pack("<i", 2**31 - 1), "2147483647"),
    "quote without end": ("rows.csv", b'text\none\n"two\n', "line 3"),
    "CSV of two columns": ("rows.csv", b"a,b\n1,2\n", "text"),
    "CSV without columns": ("rows.csv", b"", "columns"),
    "empty text": ("rows.txt", b"", "0 tokens|1 tokens"),
    "no rows": ("rows.jsonl", b"\n\n", "0 tokens|1 tokens"),
}


def prune(ground, *calibration) -> list:
    return ["prune", ground.model, *calibration, "--seqlen", 50, "--num-remove-blocks", 1, "--early-barrier", 0,
            "--latter-barrier", 0, "--out", ground.folder / "out", "--prompt-tokens", 0, "--dtype", "float32",
            "--device", "cpu", "--threads", 1]


@table(IDS)
def test_ids(ground, refused, case):
    content, *words = case
    ground.ids.write_bytes(content)
    refused(prune(ground, "--tokens", ground.ids), "ids.npy", *words)


@table(TEXTS)
def test_text(ground, refused, case):
    name, content, *words = case
    (ground.folder / name).write_bytes(content)
    line = refused(prune(ground, "--dataset", ground.folder / name), name)
    assert all(any(word in line for word in alternatives.split("|")) for alternatives in words), line


def test_a_pipe_for_a_text(ground, refused):
    os.mkfifo(ground.folder / "rows.txt")
    refused(prune(ground, "--dataset", ground.folder / "rows.txt"), "rows.txt", "not a regular file")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"])
def test_weights_that_make_no_loss(ground, refused, name, value):
    """Known only while working, so the exit code is 1."""
    tensors = safetensors.torch.load_file(ground.weights)
    tensors[name].fill_(value)
    safetensors.torch.save_file(tensors, ground.weights, metadata={"format": "pt"})
    refused(prune(ground, "--tokens", ground.ids), "loss", code=1, log_before=True)


def test_good_input_is_accepted(ground, sleb_ok):
    """The refusals above are for what is spoiled and nothing else."""
    sleb_ok(*prune(ground, "--tokens", ground.ids))
    assert json.loads((ground.folder / "out" / "sleb.json").read_text())["num_blocks"] == 2
    np.save(ground.ids, np.arange(100))
    sleb_ok(*prune(ground, "--tokens", ground.ids), "--force")
