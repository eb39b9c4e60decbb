"""Malformed config.json, as `sleb info` and `sleb export` meet it."""
import json
import os

import pytest

from conftest import table

from tiny_models import edit_json


def changed(**changes):
    return lambda ground: edit_json(ground.config, **changes)


def raw(content: str | bytes):
    return lambda g: g.config.write_bytes(content if isinstance(content, bytes) else content.encode())


def replaced(old: str, new: str):
    def spoil(ground) -> None:
        content = json.dumps(json.loads(ground.config.read_text()))
        assert old in content
        ground.config.write_text(content.replace(old, new, 1))

    return spoil


def rope(**changes):
    return changed(rope_parameters={"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0,
                                    "high_freq_factor": 4.0, "original_max_position_embeddings": 96, **changes})


def linked(target: str):
    def spoil(ground) -> None:
        ground.config.unlink()
        ground.config.symlink_to(target)

    return spoil


CONFIGS = {
    "empty": (raw(""), "not valid JSON"),
    "one brace": (raw("{"), "not valid JSON"),
    "binary": (raw(bytes(range(256))), "not valid JSON"),
    "null": (raw("null"), "expected an object"),
    "list": (raw("[]"), "expected an object"),
    "no members": (raw("{}"), "model_type"),
    "nested deeply": (raw("[" * 1_000_000), "nested deeper than 128"),
    "text behind the object": (lambda g: g.config.write_text(g.config.read_text() + "}"), "not valid JSON"),
    "invalid UTF-8": (raw(b'{"model_type": "\xff"}'), "not valid JSON"),
    "unpaired surrogate": (raw('{"model_type": "\\ud800"}'), "not valid JSON"),
    "NaN": (replaced('"rms_norm_eps": 1e-06', '"rms_norm_eps": NaN'), "not valid JSON"),
    "number beyond a double": (replaced('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e999'), "1e999"),
    "key twice": (replaced('"hidden_size": 16', '"hidden_size": 16, "hidden_size": 32'), "hidden_size", "twice"),
    "family of a number": (changed(model_type=7), "model_type", "string"),
    "family that speaks to the terminal": (changed(model_type="\x1b]0;gotcha\x07"), "\\x1b]0;gotcha\\x07"),
    "family of a megabyte": (changed(model_type="x" * 1_000_000), "model_type", "..."),
    "no blocks": (changed(num_hidden_layers=0), "num_hidden_layers", "0"),
    "blocks below zero": (changed(num_hidden_layers=-1), "num_hidden_layers", "-1"),
    "half a block": (changed(num_hidden_layers=1.5), "num_hidden_layers", "whole"),
    "100000 blocks": (changed(num_hidden_layers=100_000), "100000 blocks", "21 tensors"),
    "one block more": (changed(num_hidden_layers=3), "model.layers.2."),
    "2^63 blocks": (changed(num_hidden_layers=2**63), "num_hidden_layers"),
    "2^64 blocks": (changed(num_hidden_layers=2**64), "num_hidden_layers"),
    "blocks true": (changed(num_hidden_layers=True), "num_hidden_layers"),
    "hidden size null": (changed(hidden_size=None), "hidden_size"),
    "hidden size 0": (changed(hidden_size=0), "hidden_size"),
    "hidden size 2^31-1": (changed(hidden_size=2**31 - 1), "hidden size"),
    "hidden size of another model": (changed(hidden_size=32), "[257, 16]", "[257, 32]"),
    "no heads": (changed(num_attention_heads=0), "num_attention_heads"),
    "heads that do not divide": (changed(num_attention_heads=3, head_dim=...), "16", "3"),
    "a million heads": (changed(num_attention_heads=1_000_000, head_dim=8), "attention heads"),
    "no key/value heads": (changed(num_key_value_heads=0), "key/value heads"),
    "key/value heads below zero": (changed(num_key_value_heads=-2), "key/value heads", "-2"),
    "key/value heads that do not divide": (changed(num_key_value_heads=3), "2", "3"),
    "odd head dimension": (changed(head_dim=7), "7", "odd"),
    "head dimension 0": (changed(head_dim=0), "head dimension"),
    "head dimension 2^62": (changed(head_dim=2**62), "head dimension"),
    "empty vocabulary": (changed(vocab_size=0), "vocab_size"),
    "vocabulary of another model": (changed(vocab_size=300), "[257, 16]", "[300, 16]"),
    "no positions": (changed(max_position_embeddings=0), "positions"),
    "epsilon below zero": (changed(rms_norm_eps=-1), "epsilon"),
    "epsilon of text": (changed(rms_norm_eps="small"), "rms_norm_eps"),
    "activation unknown": (changed(hidden_act="snake"), "hidden_act", "snake"),
    "bias of text": (changed(attention_bias="yes"), "attention_bias"),
    "biases that are not stored": (changed(attention_bias=True), "bias", "missing"),
    "a head that is not stored": (lambda g: (edit_json(g.config, tie_word_embeddings=False),
                                             spoil_head(g)), "lm_head.weight"),
    "rope of a list": (changed(rope_parameters=[]), "rope_parameters"),
    "rope theta 0": (changed(rope_parameters={"rope_type": "default", "rope_theta": 0}), "rope theta"),
    "rope theta below zero": (changed(rope_parameters={"rope_type": "default", "rope_theta": -1}), "rope theta"),
    "rope factor 0": (rope(factor=0), "factor"),
    "rope factor missing": (rope(factor=None), "rope_parameters", "factor"),
    "rope factors reversed": (rope(low_freq_factor=8.0), "llama3"),
    "rope positions 0": (rope(original_max_position_embeddings=0), "llama3"),
    "unknown rope": (changed(rope_parameters={"rope_type": "spiral", "factor": 2}), "rope_parameters", "spiral"),
    "layer types of too few blocks": (changed(model_type="mistral", layer_types=["full_attention"]), "layer_types", "1 entries for 2"),
    "layer types of numbers": (changed(model_type="mistral", layer_types=[1, 2]), "layer_types[0]"),
    "unknown layer type": (changed(model_type="mistral", layer_types=["full_attention", "guess"]), "layer_types[1]", "guess"),
    "a window of nothing": (changed(model_type="mistral", sliding_window=0), "sliding_window"),
    "a window below zero": (changed(model_type="mistral", sliding_window=-5), "sliding_window", "-5"),
    "missing": (lambda g: g.config.unlink(), "config.json"),
    "a folder": (lambda g: (g.config.unlink(), g.config.mkdir()), "not a regular file"),
    "a pipe": (lambda g: (g.config.unlink(), os.mkfifo(g.config)), "not a regular file"),
    "a link in a circle": (linked("config.json"), "Too many levels"),
    "a link to a device": (linked("/dev/zero"), "not a regular file"),
    "sparse gigabytes": (lambda g: os.truncate(g.config, 8 << 30), "too large"),
}


def spoil_head(ground) -> None:
    header, data = ground.header()
    header["lm_head.rotary_emb.inv_freq"] = header.pop("lm_head.weight")
    ground.write_header(header, data)


@table(CONFIGS)
def test_config(ground, refused, case):
    spoil, *words = case
    spoil(ground)
    # Whatever the numbers are compared with is named: config.json, or the folder with its tensor.
    refused(["info", ground.model], "model", *words)


@pytest.mark.parametrize("members", [5_001, 100_000, 1_000_000])
def test_wide_configuration(ground, refused, members):
    """Copying a configuration keeps the order of its members, which must not take quadratic time."""
    edit_json(ground.config, **{f"member{i:07}": None for i in range(members)})
    refused(["export", ground.model, "--removal-list", "1", "--out", ground.folder / "out"], "config.json")
