"""Malformed GGUF files, as `sleb info` and `sleb tokenize` meet them."""
import os
import struct

import pytest

from conftest import SANITIZED, table
from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import make_model

U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10
SMALL = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2,
         "num_key_value_heads": 1}


def text(content: str | bytes) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return struct.pack("<Q", len(content)) + content


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, dimensions: list[int], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack("<I", len(dimensions)) + struct.pack(f"<{len(dimensions)}Q", *dimensions) + \
        struct.pack("<IQ", kind, offset)


def gguf(metadata: list[bytes] = (), tensors: list[bytes] = (), data: int = 0, magic: bytes = b"GGUF",
         version: int = 3) -> bytes:
    head = magic + struct.pack("<IQQ", version, len(tensors), len(metadata)) + b"".join(metadata) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def start(tensors: int, metadata: int) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, metadata)


def with_metadata(*metadata: bytes) -> bytes:
    return gguf(list(metadata))


def with_tensors(*tensors: bytes, data: int = 0) -> bytes:
    return gguf([], list(tensors), data)


NESTED = struct.pack("<I", ARRAY) + b"".join(struct.pack("<IQ", ARRAY, 1) for _ in range(100_000))

FILES = {
    "empty": (b"", "the file ends"),
    "magic only": (b"GGUF", "header"),
    "other magic": (gguf(magic=b"GGML"), "not a GGUF file"),
    "version 1": (gguf(version=1), "version 1"),
    "version 4": (gguf(version=4), "version 4"),
    "big-endian": (gguf(version=0x03000000), "big-endian"),
    "cut in the number of tensors": (start(0, 0)[:12], "number of tensors"),
    "cut in the number of metadata": (start(0, 0)[:20], "number of metadata"),
    "2^64-1 tensors": (start(2**64 - 1, 0), "number of tensors", "18446744073709551615"),
    "2^40 metadata": (start(0, 2**40), "number of metadata", "1099511627776"),
    "more metadata than bytes": (start(0, 3), "number of metadata"),
    "cut in a key": (start(0, 1) + text("general.architecture")[:12] + bytes(10), "key of metadata 0"),
    "key of 2^63 bytes": (start(0, 1) + struct.pack("<Q", 2**63) + bytes(50), "key of metadata 0", str(2**63)),
    "cut in a value": (start(0, 1) + text("some.key") + struct.pack("<I", U64) + bytes(3), "'some.key'"),
    "value of unknown type": (with_metadata(entry("k", 13, bytes(8))), "'k'", "unknown value type 13"),
    "boolean of 2": (with_metadata(entry("k", BOOL, b"\2")), "'k'", "boolean"),
    "string of 2^62 bytes": (with_metadata(entry("k", STRING, struct.pack("<Q", 2**62))), "'k'", str(2**62)),
    "string of invalid UTF-8": (with_metadata(entry("k", STRING, text(b"\xff\xfe"))), "'k'", "UTF-8"),
    "key of invalid UTF-8": (with_metadata(entry("k", STRING, text("v")).replace(b"k", b"\xc3")), "key of metadata 0"),
    "array of 2^61 strings": (with_metadata(entry("k", ARRAY, struct.pack("<IQ", STRING, 2**61))), "'k'", str(2**61)),
    "array of 2^63 bytes": (with_metadata(entry("k", ARRAY, struct.pack("<IQ", 0, 2**63))), "'k'", str(2**63)),
    "array of unknown type": (with_metadata(entry("k", ARRAY, struct.pack("<IQ", 99, 1))), "'k'", "99"),
    "arrays in arrays": (with_metadata(entry("k", ARRAY, NESTED)), "'k'", "arrays of arrays"),
    "key twice": (with_metadata(entry("k", BOOL, b"\0"), entry("k", BOOL, b"\1")), "'k'", "twice"),
    "key that moves the cursor": (with_metadata(entry("\x1b[2J\n", 13, bytes(4))), "\\x1b[2J\\x0a"),
    "alignment 0": (with_metadata(entry("general.alignment", U32, struct.pack("<I", 0))), "general.alignment"),
    "alignment 3": (with_metadata(entry("general.alignment", U32, struct.pack("<I", 3))), "general.alignment", "3"),
    "alignment of text": (with_metadata(entry("general.alignment", STRING, text("32"))), "general.alignment"),
    "alignment 2^62": (gguf([entry("general.alignment", U64, struct.pack("<Q", 2**62))], [tensor("t", [1])], 64), "'t'"),
    "five dimensions": (with_tensors(tensor("t", [1] * 5), data=4), "'t'", "5 dimensions"),
    "2^32-1 dimensions": (with_tensors(text("t") + b"\xff" * 4 + bytes(64)), "'t'", "4294967295 dimensions"),
    "dimension of 2^63": (with_tensors(tensor("t", [2**63]), data=4), "'t'", str(2**63)),
    "overflowing shape": (with_tensors(tensor("t", [2**32, 2**32]), data=4), "'t'", "too large"),
    "shape whose bytes wrap": (with_tensors(tensor("t", [2**62 + 1]), data=4), "'t'", "too large"),
    "tensor of unknown type": (with_tensors(tensor("t", [32], 99), data=64), "'t'", "99"),
    "tensor of a type long gone": (with_tensors(tensor("t", [32], 4), data=64), "'t'", "Q4_2"),
    "half a quantised block": (with_tensors(tensor("t", [33], 8), data=64), "'t'", "33"),
    "offset beyond the file": (with_tensors(tensor("t", [8], offset=2**40), data=64), "'t'", str(2**40)),
    "offset that wraps around": (with_tensors(tensor("t", [8], offset=2**64 - 32), data=64), "'t'", str(2**64 - 32)),
    "offset of odd bytes": (with_tensors(tensor("t", [8], offset=7), data=64), "'t'", "7"),
    "overlapping tensors": (with_tensors(tensor("a", [8]), tensor("b", [8]), data=64), "'b'"),
    "misordered tensors": (with_tensors(tensor("a", [8], offset=32), tensor("b", [8]), data=64), "'a'"),
    "tensor twice": (with_tensors(tensor("a", [8]), tensor("a", [8], offset=32), data=64), "'a'", "twice"),
    "data cut short": (with_tensors(tensor("t", [8, 8]), data=100), "'t'", "cut short"),
    "no architecture": (with_metadata(), "general.architecture"),
    "architecture of a number": (with_metadata(entry("general.architecture", U32, bytes(4))), "general.architecture"),
}


@table(FILES)
def test_file(ground, refused, case):
    content, *words = case
    ground.gguf.write_bytes(content)
    refused(["info", ground.gguf], "model.gguf", *words)


def number(key: str, value: int):
    """The unsigned 32-bit number behind a key, changed."""

    def spoil(content: bytes) -> bytes:
        place = content.index(text(key)) + len(text(key)) + 4
        return content[:place] + struct.pack("<I", value) + content[place + 4:]

    return spoil


def real(key: str, value: float):
    return lambda content: number(key, struct.unpack("<I", struct.pack("<f", value))[0])(content)


def renamed(old: str, new: str):
    assert len(old) == len(new)
    return lambda content: content.replace(text(old), text(new))


MODELS = {
    "no blocks": (number("llama.block_count", 0), "llama.block_count", "0 is not between"),
    "4294967295 blocks": (number("llama.block_count", 2**32 - 1), "llama.block_count"),
    "99999 blocks": (number("llama.block_count", 99_999), "99999 blocks", "12 tensors"),
    "one block more": (number("llama.block_count", 2), "model.layers.1."),
    "no heads": (number("llama.attention.head_count", 0), "head_count", "0 is not between"),
    "heads that do not divide": (number("llama.attention.head_count", 3), "3"),
    "no key/value heads": (number("llama.attention.head_count_kv", 0), "head_count_kv"),
    "key/value heads that do not divide": (number("llama.attention.head_count_kv", 5), "5"),
    "hidden size 0": (number("llama.embedding_length", 0), "model.gguf"),
    "hidden size of another model": (number("llama.embedding_length", 64), "model.gguf"),
    "a key renamed": (renamed("llama.feed_forward_length", "llama.feed_forward_lengtx"), "llama.feed_forward_length"),
    "a context of nothing": (number("llama.context_length", 0), "llama.context_length"),
    "rope frequency NaN": (real("llama.rope.freq_base", float("nan")), "llama.rope.freq_base", "finite"),
    "rope frequency infinite": (real("llama.rope.freq_base", float("inf")), "llama.rope.freq_base", "finite"),
    "rope frequency below zero": (real("llama.rope.freq_base", -1.0), "rope"),
    "epsilon below zero": (real("llama.attention.layer_norm_rms_epsilon", -1.0), "epsilon"),
    "no embedding": (renamed("token_embd.weight", "token_embX.weight"), "token_embd.weight"),
    "missing tensor": (renamed("blk.0.ffn_up.weight", "blk.0.ffn_uq.weight"), "blk.0.ffn_uq.weight"),
    "tensor of another block": (renamed("blk.0.ffn_up.weight", "blk.7.ffn_up.weight"), "blk.7.ffn_up.weight"),
}


@table(MODELS)
def test_model(ground, refused, case):
    spoil, *words = case
    save_gguf(ground.gguf, make_model(**SMALL), "Q8_0", BYTE_TOKENS)
    ground.gguf.write_bytes(spoil(ground.gguf.read_bytes()))
    refused(["info", ground.gguf], "model.gguf", *words)


VOCABULARIES = {
    "unknown model": (lambda c: c.replace(text("gpt2"), text("gptX")), "tokenizer.ggml.model", "gptX"),
    "no tokens": (renamed("tokenizer.ggml.tokens", "tokenizer.ggml.tokenX"), "tokenizer.ggml.tokens"),
    "token twice": (lambda c: c.replace(text("A"), text("B"), 1), "tokenizer.ggml.tokens", "both"),
    "BOS outside the vocabulary": (number("tokenizer.ggml.bos_token_id", 999), "bos_token_id", "999"),
    "type of no token": (lambda c: number("tokenizer.ggml.token_type", 5)(c).replace(
        struct.pack("<IQI", 5, 257, 1), struct.pack("<IQI", 5, 257, 77)), "token_type[0]", "77"),
    "fewer types than tokens": (renamed("tokenizer.ggml.tokens", "tokenizer.ggml.tokenX"), "tokens"),
}


@table(VOCABULARIES)
def test_vocabulary(ground, refused, case):
    spoil, *words = case
    ground.gguf.write_bytes(spoil(ground.gguf.read_bytes()))
    refused(["tokenize", ground.gguf, ground.text], "model.gguf", *words)


def test_cut_at_every_field(ground, refused):
    """At every 64th byte of the metadata and descriptions of a whole model."""
    content = ground.gguf.read_bytes()
    for size in range(0, 4000, 64):
        ground.gguf.write_bytes(content[:size])
        refused(["info", ground.gguf], "model.gguf")


@pytest.mark.skipif(SANITIZED, reason="without the limit the file is mapped and refused for what it holds")
def test_a_sparse_file_takes_no_memory(ground, refused):
    """A gigabyte and a half of nothing behind a good header."""
    os.truncate(ground.gguf, 3 << 29)
    refused(["info", ground.gguf], "model.gguf", "memory")
