"""Malformed safetensors files and indices, as `sleb info` meets them."""
import json
import os
import pathlib
import struct

import pytest

from conftest import table

NORM = "model.norm.weight"
Q = "model.layers.0.self_attn.q_proj.weight"


def entry(**changes):
    """Members of the final norm's description, changed; ... removes one."""

    def spoil(ground) -> None:
        header, data = ground.header()
        header[NORM] = {key: value for key, value in {**header[NORM], **changes}.items() if value is not ...}
        ground.write_header(header, data)

    return spoil


def header(change):
    """The header changed in place, or replaced by what `change` returns."""

    def spoil(ground) -> None:
        described, data = ground.header()
        ground.write_header(change(described) or described, data)

    return spoil


def cut(size: int):
    return lambda ground: os.truncate(ground.weights, size)


def length(number: int):
    def spoil(ground) -> None:
        ground.weights.write_bytes(struct.pack("<Q", number) + ground.weights.read_bytes()[8:])

    return spoil


def move(name: str, by: int):
    def change(described: dict) -> None:
        described[name]["data_offsets"] = [offset + by for offset in described[name]["data_offsets"]]

    return header(change)


def rename(name: str, other: str):
    def change(described: dict) -> None:
        described[other] = described.pop(name)

    return header(change)


def text(replacement):
    return header(lambda described: replacement if isinstance(replacement, (str, bytes)) else
                  replacement(json.dumps(described)))


def append(extra: bytes):
    return lambda ground: ground.weights.write_bytes(ground.weights.read_bytes() + extra)


def link(target: str):
    def spoil(ground) -> None:
        ground.weights.unlink()
        ground.weights.symlink_to(target)

    return spoil


def pipe(ground) -> None:
    ground.weights.unlink()
    os.mkfifo(ground.weights)


def sparse(ground) -> None:
    """A file of four gigabytes that says its header is 90 MB of JSON, which are zeros."""
    ground.weights.write_bytes(struct.pack("<Q", 90_000_000) + b"{")
    os.truncate(ground.weights, 4 << 30)


WEIGHTS = {
    "empty": (cut(0), "0 bytes"),
    "cut in the length": (cut(5), "5 bytes"),
    "cut after the length": (cut(8), "cut short"),
    "cut in the header": (cut(300), "cut short"),
    "cut in the data": (cut(5000), "cut short"),
    "cut in the last byte": (lambda g: os.truncate(g.weights, g.weights.stat().st_size - 1), "cut short"),
    "bytes after the data": (append(b"x"), "1 bytes after"),
    "length zero": (length(0), "does not begin with '{'"),
    "length of 2^64-1": (length(2**64 - 1), "18446744073709551615"),
    "length of 2^63": (length(2**63), "9223372036854775808"),
    "length beyond the file": (length(99_999_999), "cut short"),
    "length that wraps around": (length(2**64 - 8), "18446744073709551608"),
    "sparse file larger than memory": (sparse, "model.safetensors"),
    "HTML in place of weights": (lambda g: g.weights.write_text("<!DOCTYPE html>\n" * 10), "not a safetensors file"),
    "header of no object": (text("[1, 2]"), "does not begin with '{'"),
    "header of broken JSON": (text('{"a": '), "not valid JSON"),
    "header nested deeply": (text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}"), "nested deeper than 128"),
    "header of objects nested deeply": (text('{"a":' * 50_000 + "1" + "}" * 50_000), "nested deeper than 128"),
    "header of invalid UTF-8": (text(b'{"\xff\xfe": 1}'), "not valid JSON", "\\xff"),
    "header with a number too large": (text('{"a": 1e999}'), "1e999"),
    "tensor twice": (text(lambda old: old[:-1] + ', "model.norm.weight": {"dtype": "F32"}}'), NORM, "twice"),
    "member twice": (text(lambda old: old.replace('"shape"', '"dtype": "F16", "shape"', 1)), "dtype", "twice"),
    "metadata of numbers": (header(lambda h: h.update(__metadata__={"n": 1})), "__metadata__", "'n'"),
    "metadata of no object": (header(lambda h: h.update(__metadata__=[])), "__metadata__"),
    "tensor of no object": (header(lambda h: h.update({NORM: 7})), NORM, "expected an object"),
    "no dtype": (entry(dtype=...), NORM, "dtype"),
    "dtype of no string": (entry(dtype=4), NORM, "dtype", "expected a string"),
    "unknown dtype": (entry(dtype="F31"), NORM, "F31"),
    "dtype with a line feed": (entry(dtype="F\n32\x1b[31m"), NORM, "\\x0a32\\x1b"),
    "dtype of a megabyte": (entry(dtype="F" * 1_000_000), NORM, "..."),
    "no shape": (entry(shape=...), NORM, "shape"),
    "shape of no list": (entry(shape=16), NORM, "shape", "expected an array"),
    "fractional shape": (entry(shape=[16.5]), NORM, "shape[0]", "whole number"),
    "negative shape": (entry(shape=[-16]), NORM, "shape[0]", "-16"),
    "shape beyond 64 bits": (entry(shape=[2**64]), NORM, "shape[0]"),
    "overflowing shape": (entry(shape=[2**32, 2**32]), NORM, "too large"),
    "shape whose bytes wrap to the right number": (entry(shape=[2**62 + 16]), NORM, "too large"),
    "shape of 2^60 elements": (entry(shape=[2**60], dtype="I64"), NORM, "9223372036854775808 bytes"),
    "too many dimensions": (entry(shape=[1] * 65), NORM, "65 dimensions"),
    "shape that does not fit the data": (entry(shape=[17]), NORM, "needs 68 bytes", "64"),
    "shape of another model": (entry(shape=[4, 4]), NORM, "[4, 4]", "[16]"),
    "no offsets": (entry(data_offsets=...), NORM, "data_offsets"),
    "one offset": (entry(data_offsets=[0]), NORM, "1 data offsets"),
    "negative offset": (entry(data_offsets=[-64, 0]), NORM, "-64"),
    "reversed offsets": (entry(data_offsets=[64, 0]), NORM, "before it begins"),
    "offsets of 2^63": (entry(data_offsets=[2**63, 2**63 + 64]), NORM, str(2**63)),
    "offsets at the end of 63 bits": (entry(data_offsets=[2**63 - 65, 2**63 - 1]), NORM, "unused bytes"),
    "overlapping tensors": (move(NORM, -4), "overlaps"),
    "a hole before a tensor": (move(NORM, 4), "unused bytes"),
    "two tensors at one place": (header(lambda h: h.update({"copy": h[NORM]})), "overlaps"),
    "missing tensor": (rename(Q, "model.layers.0.self_attn.rotary_emb.inv_freq"), Q, "missing"),
    "surplus tensor": (rename(Q, "model.layers.9.self_attn.q_proj.weight"), Q, "missing"),
    "tensor of unknown name": (header(lambda h: h.update({"extra": {"dtype": "F32", "shape": [0],
                                                                   "data_offsets": [0, 0]}})), "extra"),
    "weights of integers": (entry(dtype="I32"), NORM, "holds integers"),
    "a folder": (lambda g: (g.weights.unlink(), g.weights.mkdir()), "not a regular file"),
    "a pipe": (pipe, "not a regular file"),
    "a link in a circle": (link("model.safetensors"), "Too many levels"),
    "a link to nowhere": (link("nowhere"), "holds neither"),
    "a link to a device": (link("/dev/zero"), "not a regular file"),
    "a link to a folder": (link("/"), "not a regular file"),
}


@table(WEIGHTS)
def test_weights(ground, refused, case):
    spoil, *words = case
    spoil(ground)
    refused(["info", ground.model], "model", *words)


def raw(content: str | bytes):
    return lambda g, weight_map: g.index.write_bytes(content if isinstance(content, bytes) else content.encode())


def mapped(**changes):
    """The final norm's shard."""
    return lambda g, weight_map: g.write_index({**weight_map, **{NORM: changes["to"]}})


def linked(target: str, name: str = "one.safetensors"):
    def spoil(ground, weight_map) -> None:
        ground.write_index(weight_map)
        (ground.model / name).rename(ground.folder / name)
        (ground.model / name).symlink_to(target)

    return spoil


def outside(ground, weight_map) -> None:
    (ground.model / "one.safetensors").rename(ground.folder / "one.safetensors")
    ground.write_index({name: shard.replace("one", "../one") for name, shard in weight_map.items()})


INDICES = {
    "empty file": (raw(""), "not valid JSON"),
    "no object": (raw("[]"), "expected an object"),
    "no weight_map": (raw("{}"), "weight_map"),
    "weight_map of no object": (raw('{"weight_map": []}'), "weight_map"),
    "empty weight_map": (raw('{"weight_map": {}}'), "names no tensor"),
    "shard of no string": (mapped(to=1), NORM, "expected a string"),
    "shard null": (mapped(to=None), NORM, "expected a string"),
    "shard without a name": (mapped(to=""), "not a file name inside the folder"),
    "shard that is not there": (mapped(to="three.safetensors"), "three.safetensors"),
    "shard above": (mapped(to="../model.gguf"), "../model.gguf"),
    "shard far above": (mapped(to="../../../../../../etc/passwd"), "etc/passwd"),
    "shard by an absolute path": (mapped(to="/etc/passwd"), "/etc/passwd"),
    "shard that climbs inside": (raw('{"weight_map": {"a": "x/../two.safetensors"}}'), "not a file name inside the folder"),
    "shard with a zero byte": (mapped(to="one.safetensors\0.txt"), "\\x00"),
    "shard with a line feed": (mapped(to="a\nb"), "a\\x0ab"),
    "shard that is the folder": (mapped(to="."), "not a regular file"),
    "shard of another kind": (mapped(to="config.json"), "config.json"),
    "shard with a name of a megabyte": (raw(json.dumps({"weight_map": {"a": "x" * 1_000_000}})), "File name too long"),
    "shards really outside": (outside, "../one.safetensors"),
    "link to a system file": (linked("/etc/passwd"), "not a safetensors file"),
    "link to a device": (linked("/dev/zero"), "not a regular file"),
    "link to nowhere": (linked("nowhere"), "one.safetensors", "No such file"),
    "link in a circle": (linked("one.safetensors"), "one.safetensors", "Too many levels"),
    "tensor in the other shard": (mapped(to="one.safetensors"), NORM, "not in 'one.safetensors'"),
    "tensor in two shards by two spellings": (mapped(to="./two.safetensors"), "two.safetensors"),
    "tensor that no shard holds": (lambda g, m: g.write_index({**m, "ghost": "one.safetensors"}), "ghost"),
    "tensor that the index forgets": (lambda g, m: g.write_index({k: v for k, v in m.items() if k != NORM}), NORM),
    "tensor twice": (raw('{"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}}'), "twice"),
    "nested deeply": (raw('{"weight_map": ' + "[" * 200_000), "nested deeper than 128"),
    "invalid UTF-8": (raw(b'{"weight_map": {"\xc3\x28": "one.safetensors"}}'), "not valid JSON"),
}


@table(INDICES)
def test_index(ground, refused, case):
    spoil, *words = case
    spoil(ground, ground.split_weights())
    refused(["info", ground.model], "model", *words)


def test_good_files_are_accepted(ground, sleb_ok):
    """The refusals above are for what is spoiled and nothing else; within the same limit."""
    sleb_ok("info", ground.model)
    ground.write_index(ground.split_weights())
    sleb_ok("info", ground.model)


def test_links_out_of_the_folder_are_followed_for_what_is_parsed(ground, sleb_ok):
    shared = ground.folder / "shared"
    shared.mkdir()
    ground.write_index(ground.split_weights())
    for file in list(ground.model.iterdir()):
        file.rename(shared / file.name)
        file.symlink_to(shared / file.name)
    sleb_ok("export", ground.model, "--removal-list", "1", "--out", ground.folder / "out")
    assert (ground.folder / "out" / "tokenizer.json").read_bytes() == (shared / "tokenizer.json").read_bytes()


SECRETS = {"key": "private key", "accounts": "root:$6$x:1:0:99999:7:::\n", "credentials": '{"auth": {"token": "abc"}}',
           "an access token": '{"access_token": "abc", "refresh_token": "def"}'}
COPIED = ["tokenizer.json", "special_tokens_map.json", "tokenizer_config.json", "added_tokens.json", "vocab.json",
          "generation_config.json", "chat_template.json", "tekken.json", "chat_template.jinja", "merges.txt", "vocab.txt",
          "tokenizer.model", "tiktoken.model", "additional_chat_templates/a.jinja"]


@pytest.mark.parametrize("name", COPIED)
@pytest.mark.parametrize("kind", SECRETS)
def test_no_private_file_comes_into_the_output_by_a_link(ground, refused, name, kind):
    secret = ground.folder / "secret"
    secret.write_text(SECRETS[kind])
    (ground.model / name).parent.mkdir(exist_ok=True)
    (ground.model / name).unlink(missing_ok=True)
    (ground.model / name).symlink_to(secret)
    refused(["export", ground.model, "--removal-list", "1", "--out", ground.folder / "out"], name)


BARRIERS = ["--early-barrier", 0, "--latter-barrier", 0, "--num-remove-blocks", 1]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", *COPIED])
def test_a_git_lfs_pointer_is_called_that(ground, refused, name):
    (ground.model / name).parent.mkdir(exist_ok=True)
    (ground.model / name).unlink(missing_ok=True)
    (ground.model / name).write_text(POINTER)
    refused(["export", ground.model, "--removal-list", "1", "--out", ground.folder / "out"], name, "git lfs pull")


@pytest.mark.parametrize("name", ["one.safetensors", "model.safetensors.index.json"])
def test_a_git_lfs_pointer_among_shards(ground, refused, name):
    ground.write_index(ground.split_weights())
    (ground.model / name).write_text(POINTER)
    refused(["info", ground.model], name, "git lfs pull")


def test_a_git_lfs_pointer_for_a_gguf_or_a_text(ground, refused):
    ground.gguf.write_text(POINTER)
    refused(["info", ground.gguf], "model.gguf", "git lfs pull")
    for name in ("text.txt", "rows.jsonl", "rows.jsonl.gz", "ids.npy"):
        (ground.folder / name).write_text(POINTER)
    for name in ("text.txt", "rows.jsonl", "rows.jsonl.gz"):
        refused(["prune", ground.model, "--dataset", name, "--seqlen", 8, *BARRIERS], name, "git lfs pull")
    refused(["prune", ground.model, "--tokens", "ids.npy", "--seqlen", 8, *BARRIERS], "ids.npy", "git lfs pull")


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nowhere", "link in a circle"])
@pytest.mark.parametrize("name", ["generation_config.json", "chat_template.jinja", "added_tokens.json"])
def test_no_file_where_a_companion_should_be(ground, refused, name, kind):
    path = ground.model / name
    path.unlink(missing_ok=True)
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "link to nowhere": lambda: path.symlink_to("nowhere"),
     "link in a circle": lambda: path.symlink_to(name)}[kind]()
    refused(["export", ground.model, "--removal-list", "1", "--out", ground.folder / "out"], name)
