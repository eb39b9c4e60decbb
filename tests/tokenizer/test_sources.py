"""The files by which a folder brings its vocabulary: sleb's ids against transformers and sentencepiece."""
import json
import pathlib
import random

import pytest
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from sources import (
    ALL_TEXTS, MODELS, auto, byte_level_bpe, check, ids_dump, refusal, train_pieces, wheel_ids, write_json
)
from test_tokenizer import TEXTS, trained
from tiny_models import save_model


# --- vocab.json and merges.txt ---


@pytest.fixture
def write_vocab_and_merges(byte_level_bpe, tmp_path):
    def write(model_type: str = "opt", line_end: str = "\n", **files) -> pathlib.Path:
        vocabulary, merges = byte_level_bpe
        write_json(tmp_path, vocab=vocabulary, config={"model_type": model_type}, **files)
        (tmp_path / "merges.txt").write_bytes(line_end.join(["#version: 0.2", *merges, ""]).encode())
        return tmp_path

    return write


def added_token(content: str, **options) -> dict:
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, **options}


def opt_config(**options) -> dict:
    """facebook/opt-125m's tokenizer_config.json."""
    typed = {"__type": "AddedToken"}
    return {
        "errors": "replace",
        "unk_token": {**typed, **added_token("</s>")},
        "bos_token": {**typed, **added_token("</s>")},
        "eos_token": {**typed, **added_token("</s>")},
        "pad_token": {**typed, **added_token("<pad>")},
        "add_prefix_space": False,
        "add_bos_token": True,
        "tokenizer_class": "GPT2Tokenizer",
        **options,
    }


VOCAB_AND_MERGES = {
    "bare": {"model_type": "gpt2"},
    "opt": {
        "tokenizer_config": opt_config(),
        "special_tokens_map": {
            "bos_token": added_token("</s>"), "eos_token": added_token("</s>"), "unk_token": added_token("</s>"),
            "pad_token": added_token("<pad>"),
        },
    },
    "opt without a class": {"tokenizer_config": {"add_bos_token": True, "bos_token": "</s>", "unk_token": "</s>"}},
    "strings, prefix": {
        "tokenizer_config": opt_config(
            bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="<pad>", add_prefix_space=True,
            tokenizer_class="GPT2TokenizerFast",
        )
    },
    "added_tokens.json": {
        "model_type": "gpt2",
        "tokenizer_config": {"tokenizer_class": "GPT2Tokenizer", "add_eos_token": True},
        "added_tokens": {"<user>": 604, "cat": 605, "<|x|>": 606},
        "special_tokens_map": {"additional_special_tokens": ["<|bos|>", "<mask>"], "eos_token": "<|x|>"},
    },
    "added_tokens_decoder": {
        "tokenizer_config": {
            "tokenizer_class": "GPT2Tokenizer",
            "add_bos_token": True,
            "add_eos_token": True,
            "bos_token": "<|bos|>",
            "eos_token": "<|eos|>",
            "unk_token": None,
            "image_token": "<img>",
            "additional_special_tokens": ["THE"],
            "added_tokens_decoder": {
                "700": added_token("<|bos|>", special=True, normalized=False),
                "701": added_token("<mask>", special=False, lstrip=True, rstrip=True),
                "702": added_token("cat", special=False, normalized=False, single_word=True),
            },
        },
        "added_tokens": {"not read": 900},
    },
    "qwen2": {
        "model_type": "qwen2",
        "tokenizer_config": {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "pad_token": "<|pad|>"},
    },
}


@pytest.mark.parametrize("name", VOCAB_AND_MERGES)
def test_vocab_and_merges(name, write_vocab_and_merges):
    folder = write_vocab_and_merges(**VOCAB_AND_MERGES[name])
    check(folder, auto(folder))


def test_merges_with_other_line_ends(write_vocab_and_merges):
    folder = write_vocab_and_merges(tokenizer_config=opt_config())
    expected = auto(folder)
    folder = write_vocab_and_merges(tokenizer_config=opt_config(), line_end="\r\n")
    with (folder / "merges.txt").open("ab") as file:
        file.write(b"\r\n\n\n")
    check(folder, expected, ALL_TEXTS[::10])


def test_unknown_tokenizer_class_is_refused_by_name(write_vocab_and_merges):
    folder = write_vocab_and_merges(tokenizer_config={"tokenizer_class": "RobertaTokenizer"})
    assert 'tokenizer_class "RobertaTokenizer" is not supported' in refusal(folder)


# --- tokenizer.model ---

@pytest.mark.parametrize("name", MODELS)
def test_tokenizer_model_alone_is_read_as_sentencepiece_does(name, train_pieces, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(train_pieces(name))
    check(tmp_path, wheel_ids(train_pieces(name)))


LLAMA_CONFIGS = {
    "bare": {"tokenizer_class": "LlamaTokenizer"},
    "llama 2": {
        "tokenizer_class": "LlamaTokenizer",
        "add_bos_token": True,
        "add_eos_token": False,
        "legacy": False,
        "bos_token": {"__type": "AddedToken", **added_token("<s>")},
        "eos_token": {"__type": "AddedToken", **added_token("</s>")},
        "unk_token": {"__type": "AddedToken", **added_token("<unk>")},
        "pad_token": None,
        "sp_model_kwargs": {},
    },
    "legacy, fast": {
        "tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "add_eos_token": True, "legacy": True
    },
    "no prefix": {
        "tokenizer_class": "LlamaTokenizer", "add_prefix_space": False, "add_bos_token": True,
        "additional_special_tokens": [],
    },
    "added tokens": {
        "tokenizer_class": "LlamaTokenizer",
        "add_bos_token": True,
        "pad_token": "<pad>",
        "added_tokens_decoder": {
            "0": added_token("<unk>", special=True),
            "1": added_token("<s>", special=True, normalized=False),
            "2": added_token("</s>", special=True),
            "900": added_token("THE", special=False, lstrip=True, rstrip=True),
        },
    },
}


@pytest.mark.parametrize("config", LLAMA_CONFIGS)
@pytest.mark.parametrize("name", ["bpe", "bpe, symbols", "bpe, nfkc"])
def test_tokenizer_model_of_llama(name, config, train_pieces, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(train_pieces(name))
    write_json(tmp_path, config={"model_type": "llama"}, tokenizer_config=LLAMA_CONFIGS[config])
    check(tmp_path, auto(tmp_path))


def test_tokenizer_model_of_llama_is_sentencepiece_where_no_text_begins_with_a_blank(train_pieces, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(train_pieces("bpe"))
    write_json(tmp_path, tokenizer_config={"tokenizer_class": "LlamaTokenizer"})
    special = [b"<s>", b"</s>", b"<unk>"]
    plain = [text for text in ALL_TEXTS if text and text[:1] != b" " and not any(token in text for token in special)]
    plain = [text for text in plain if not text.startswith("▁".encode())]
    check(tmp_path, wheel_ids(train_pieces("bpe")), plain)


def test_unigram_model_stays_unigram_whatever_the_class(train_pieces, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(train_pieces("unigram"))
    write_json(tmp_path, tokenizer_config={"tokenizer_class": "LlamaTokenizer", "add_bos_token": True})
    wheel = wheel_ids(train_pieces("unigram"))
    check(tmp_path, lambda text: [1, *wheel(text)], [text for text in ALL_TEXTS if b"<" not in text])


def test_damaged_tokenizer_models_are_refused_or_read(train_pieces, tmp_path):
    """A file cut at every percent is refused or, cut between pieces, a smaller one; flipped bits never crash."""
    choose = random.Random(5)
    refused = 0
    for name in ("bpe, symbols", "unigram"):
        whole = train_pieces(name)
        damaged = [whole[: len(whole) * percent // 100] for percent in range(100)]
        for _ in range(60):
            bits = bytearray(whole)
            for _ in range(choose.randrange(1, 6)):
                bits[choose.randrange(len(bits))] ^= 1 << choose.randrange(8)
            damaged.append(bytes(bits))
        for content in damaged:
            (tmp_path / "tokenizer.model").write_bytes(content)
            done = ids_dump(tmp_path, TEXTS[::4])
            assert done.returncode in (0, 2), (done.returncode, done.stderr)
            if done.returncode == 2:
                refused += 1
                assert done.stderr.count("\n") == 1 and "tokenizer.model: " in done.stderr, done.stderr
    assert refused > 120


# --- which source is taken ---


def test_tokenizer_json_comes_first_then_tokenizer_model(write_vocab_and_merges, train_pieces, tmp_path):
    folder = write_vocab_and_merges(tokenizer_config=opt_config())
    opt = auto(folder)
    check(folder, opt, ALL_TEXTS[::20])
    (folder / "tokenizer.model").write_bytes(train_pieces("bpe"))
    write_json(folder, config={"model_type": "llama"}, tokenizer_config={"tokenizer_class": "LlamaTokenizer"})
    check(folder, auto(folder), ALL_TEXTS[::20])
    tokenizer = trained(pre_tokenizers.Whitespace())
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder, tokenizer_config={"tokenizer_class": "PreTrainedTokenizerFast"})
    check(folder, auto(folder), ALL_TEXTS[::20])


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    model = {"config.json", "model.safetensors", "sleb.json", "sleb.svg", "README.md"}
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.name not in model}


@pytest.fixture
def with_weights(tmp_path):
    """Puts a tiny model beside a tokenizer."""

    def put(folder: pathlib.Path) -> None:
        settings = json.loads((folder / "config.json").read_text())
        save_model(folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **settings, "model_type": "llama"}))

    return put


@pytest.mark.parametrize("source", ["vocab.json", "tokenizer.model"])
def test_files_of_every_source_reach_the_pruned_checkpoint(
    source, write_vocab_and_merges, train_pieces, with_weights, sleb_ok, tmp_path
):
    folder = write_vocab_and_merges(
        tokenizer_config=opt_config(), special_tokens_map={"bos_token": "</s>"}, added_tokens={"<user>": 700},
        generation_config={"max_length": 3},
    )
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool.jinja").write_text("{{ tools }}")
    if source == "tokenizer.model":
        (folder / "tokenizer.model").write_bytes(train_pieces("bpe"))
        write_json(folder, tokenizer_config={"tokenizer_class": "LlamaTokenizer", "add_bos_token": True})
    with_weights(folder)
    expected = auto(folder)
    check(folder, expected, ALL_TEXTS[::9])
    size = len(AutoTokenizer.from_pretrained(folder))
    assert f"BPE, {size} tokens" in sleb_ok("info", folder)
    (tmp_path / "text").write_text("Hello <s>world")
    assert json.loads(sleb_ok("tokenize", folder, tmp_path / "text", "--json"))["ids"] == expected("Hello <s>world")

    before = contents(folder)
    out = tmp_path.parent / f"{tmp_path.name}-out"
    sleb_ok("export", folder, "--removal-list", "1", "--out", out)
    del before["text"]
    assert contents(out) == before
    check(out, expected, ALL_TEXTS[::9])
    check(out, auto(out), ALL_TEXTS[::9])


def test_links_out_of_the_folder_are_not_followed(write_vocab_and_merges, with_weights, sleb, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in write_vocab_and_merges(tokenizer_config=opt_config()).glob("*.*"):
        file.rename(folder / file.name)
    with_weights(folder)
    (tmp_path / "secret").write_text("{}")
    (folder / "added_tokens.json").symlink_to(tmp_path / "secret")
    done = sleb("export", folder, "--removal-list", "1", "--out", tmp_path / "out")
    assert done.returncode == 2 and "added_tokens.json: is a link that leaves the folder" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_cache_of_the_hub_is_followed(write_vocab_and_merges, with_weights, sleb_ok, tmp_path):
    blobs, snapshot = tmp_path / "models--a" / "blobs", tmp_path / "models--a" / "snapshots" / "1"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    source = write_vocab_and_merges(tokenizer_config=opt_config())
    with_weights(source)
    for file in source.glob("*.*"):
        file.rename(blobs / file.name)
        (snapshot / file.name).symlink_to(pathlib.Path("..", "..", "blobs", file.name))
    sleb_ok("export", snapshot, "--removal-list", "1", "--out", tmp_path / "out")
    check(tmp_path / "out", auto(snapshot), ALL_TEXTS[::9])
