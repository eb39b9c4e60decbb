"""Malformed tokenizer.json, as `sleb tokenize` meets it."""
import json
import os

from conftest import table

from tiny_models import edit_json

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def changed(**changes):
    return lambda ground: edit_json(ground.tokenizer, **changes)


def raw(content: str | bytes):
    return lambda g: g.tokenizer.write_bytes(content if isinstance(content, bytes) else content.encode())


def inside(part: str, **changes):
    """Members of one part changed; ... removes one."""

    def spoil(ground) -> None:
        content = json.loads(ground.tokenizer.read_text())
        content[part] = {k: v for k, v in {**(content[part] or {}), **changes}.items() if v is not ...}
        ground.tokenizer.write_text(json.dumps(content))

    return spoil


def model(**changes):
    return inside("model", **changes)


def added(**changes):
    token = {"id": 256, "content": "<bos>", "special": True, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, **changes}
    return changed(added_tokens=[{key: value for key, value in token.items() if value is not ...}])


def split(pattern, **changes):
    return changed(pre_tokenizer={"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False,
                                  **changes})


def template(single, special=None):
    return changed(post_processor={"type": "TemplateProcessing", "single": single, "pair": [],
                                   "special_tokens": special or {}})


SPECIAL = {"SpecialToken": {"id": "<s>", "type_id": 0}}

TOKENIZERS = {
    "empty": (raw(""), "not valid JSON"),
    "cut short": (lambda g: os.truncate(g.tokenizer, 500), "not valid JSON"),
    "binary": (raw(b"\x80\x04\x95" + bytes(100)), "not valid JSON"),
    "list": (raw("[]"), "expected an object"),
    "nested deeply": (raw('{"model":' * 100_000), "nested deeper than 128"),
    "version of the future": (changed(version="9.0"), "version", "9.0"),
    "no model": (changed(model=...), "model"),
    "model of text": (changed(model="BPE"), "model", "expected an object"),
    "unknown model": (model(type="Mystery"), "model", "Mystery"),
    "no vocabulary": (model(vocab=...), "model", "vocab"),
    "vocabulary of a list": (model(vocab=["a"]), "vocab"),
    "empty vocabulary": (model(vocab={}, merges=[]), "model.vocab", "empty"),
    "id below zero": (model(vocab={"a": -1}), "vocab", '"a"'),
    "id of 2^31": (model(vocab={"a": 2**31}), "vocab", '"a"'),
    "id of 2^64-1": (model(vocab={"a": 2**64 - 1}), "vocab", '"a"'),
    "id of text": (model(vocab={"a": "0"}), "vocab", '"a"'),
    "fractional id": (model(vocab={"a": 0.5}), "vocab", '"a"'),
    "token twice": (lambda g: g.tokenizer.write_text(g.tokenizer.read_text().replace('"vocab": {', '"vocab": {"!": 7, ',
                                                                                   1)), '"!"', "twice"),
    "token of invalid UTF-8": (raw(b'{"model": {"type": "BPE", "vocab": {"\xff": 0}, "merges": []}}'), "not valid JSON"),
    "no merges": (model(merges=...), "merges"),
    "merges of text": (model(merges="a b"), "merges", "array"),
    "merge of one token": (model(merges=["ab"]), "merges[0]", '"ab"'),
    "merge of three tokens": (model(merges=[["a", "b", "c"]]), "merges[0]", "two tokens"),
    "merge of numbers": (model(merges=[[1, 2]]), "merges[0]"),
    "merge that names no token": (model(merges=["a nothing"]), "merges[0]", '"nothing"'),
    "merge whose result is no token": (model(merges=["a b"]), "merges[0]", '"ab"'),
    "merge that speaks to the terminal": (model(merges=["\x1b[2J \x1b[2J"]), "merges[0]"),
    "dropout": (model(dropout=0.5), "dropout"),
    "byte_fallback of text": (model(byte_fallback="yes"), "byte_fallback"),
    "unknown token of a number": (model(unk_token=0), "unk_token"),
    "added token without content": (added(content=...), "added_tokens[0]", "content"),
    "added token of a number": (added(content=5), "added_tokens[0].content"),
    "added token's id below zero": (added(id=-5), "added_tokens[0].id", "-5"),
    "added token of a megabyte": (added(content="x" * 1_000_000), "added_tokens[0]", "1000000"),
    "added tokens of an object": (changed(added_tokens={}), "added_tokens", "array"),
    "unknown normalizer": (changed(normalizer={"type": "Mystery"}), "normalizer", "Mystery"),
    "normalizer without a type": (changed(normalizer={}), "normalizer", "type"),
    "normalizers of text": (changed(normalizer={"type": "Sequence", "normalizers": "NFC"}), "normalizers", "array"),
    "unknown pre-tokenizer": (changed(pre_tokenizer={"type": "Mystery"}), "pre_tokenizer", "Mystery"),
    "unknown one deep inside": (changed(pre_tokenizer={"type": "Sequence", "pretokenizers": [
        BYTES, {"type": "Sequence", "pretokenizers": [{"type": "Mystery"}]}]}), "pretokenizers[1].pretokenizers[0]"),
    "pattern that does not parse": (split({"Regex": "(["}), "pattern.Regex", "not a valid pattern"),
    "pattern of a megabyte": (split({"Regex": "a" * 1_000_000}), "pattern.Regex", "1000000"),
    "pattern of parentheses": (split({"Regex": "(" * 30_000 + ")" * 30_000}), "pattern.Regex"),
    "pattern that backtracks for ever": (split({"Regex": r"((.|\n)+)+[^\w\s]"}), "pattern.Regex", "retry-limit"),
    "pattern of a number": (split({"Regex": 5}), "pattern.Regex", "string"),
    "no pattern": (split({}), "pattern", "Regex"),
    "unknown behaviour": (split({"String": " "}, behavior="Shred"), "behavior", "Shred"),
    "invert of text": (split({"String": " "}, invert="no"), "invert"),
    "ByteLevel forty times": (changed(pre_tokenizer={"type": "Sequence", "pretokenizers": [BYTES] * 40}),
                              "pre_tokenizer", "64 times longer"),
    "unknown post-processor": (changed(post_processor={"type": "Mystery"}), "post_processor", "Mystery"),
    "template of text": (template("<s> $A"), "single", "array"),
    "template of a second text": (template([{"Sequence": {"id": "B", "type_id": 0}}]), "single[0]", "second"),
    "template of an unknown token": (template([SPECIAL]), "special_tokens", "<s>"),
    "template of ids below zero": (template([SPECIAL], {"<s>": {"id": "<s>", "ids": [-1], "tokens": []}}), "ids[0]",
                                   "-1"),
    "template without ids": (template([SPECIAL], {"<s>": {"id": "<s>", "tokens": []}}), "ids"),
    "template that multiplies": (template([SPECIAL] * 3000, {"<s>": {"id": "<s>", "ids": [1] * 100_000,
                                                                    "tokens": []}}), "post_processor.single"),
    "template that doubles": (template([{"Sequence": {"id": "A", "type_id": 0}}] * 2), "single[1]", "twice"),
    "missing": (lambda g: g.tokenizer.unlink(), "tokenizer.json"),
    "a pipe": (lambda g: (g.tokenizer.unlink(), os.mkfifo(g.tokenizer)), "not a regular file"),
    "a link in a circle": (lambda g: (g.tokenizer.unlink(), g.tokenizer.symlink_to("tokenizer.json")),
                           "Too many levels"),
    "sparse gigabytes": (lambda g: os.truncate(g.tokenizer, 8 << 30), "too large"),
}


@table(TOKENIZERS)
def test_tokenizer(ground, refused, case):
    spoil, *words = case
    spoil(ground)
    refused(["tokenize", ground.model, ground.text], "tokenizer.json", *words)


def test_a_tokenizer_shown_by_info_stays_on_its_line(ground, sleb):
    """What is wrong with it is part of a line of stdout there, and of valid JSON."""
    ground.tokenizer.write_bytes(b'{"normalizer": {"type": "\xff\n\x1b[2J"}}')
    done = sleb("info", ground.model)
    assert done.returncode == 0
    assert all(line.isprintable() for line in done.stdout.splitlines())
    shown = sleb("info", ground.model, "--json", "-")
    assert shown.returncode == 0, shown.stderr
    assert "not usable" in json.loads(shown.stdout)["tokenizer"]
