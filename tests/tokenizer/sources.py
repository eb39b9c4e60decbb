"""What the tests of vocabularies share: texts, small vocabularies, and the program that shows sleb's ids."""
import io
import json
import pathlib
import random
import subprocess

import pytest
import sentencepiece
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from programs import BUILD
from test_tokenizer import ADVERSARIAL, INVALID_UTF8, TEXTS, TRAINING_TEXT, trained

IDS_DUMP = BUILD / "tests" / "tokenizer" / "ids_dump"


def random_strings(count: int) -> list[bytes]:
    """Short texts of characters of all kinds, of pieces of the texts above, and of stray bytes."""
    choose = random.Random(11)
    atoms = [word.encode() for text in ADVERSARIAL + TRAINING_TEXT[:4] for word in text[:300].split()] + INVALID_UTF8
    atoms += [b"<s>", b"</s>", b"<unk>", b"<pad>", b"<mask>", b"<0x0A>", "▁".encode(), "▁▁x".encode(), b"ababa", b"aaaa"]
    blanks = [b"", b"", b"", b" ", b" ", b"  ", b"\n", b"\r\n", b"\t", b"   ", "\u3000".encode(), "\u00a0".encode()]
    ranges = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700),
              (0x900, 0xA00), (0x1100, 0x1200), (0x2000, 0x2070), (0x3040, 0x3100), (0x4E00, 0x4E80), (0xAC00, 0xAC80),
              (0xFE00, 0xFE10), (0x1F300, 0x1F700), (0xE0020, 0xE0080)]

    def atom() -> bytes:
        if choose.random() < 0.5:
            return choose.choice(atoms)
        return "".join(chr(choose.randrange(*choose.choice(ranges))) for _ in range(choose.randrange(1, 9))).encode()

    return [b"".join(atom() + choose.choice(blanks) for _ in range(choose.randrange(1, 14))) for _ in range(count)]


ALL_TEXTS = TEXTS + random_strings(400)


def ids_dump(model: pathlib.Path, texts: list[bytes], *options: str) -> subprocess.CompletedProcess:
    if not IDS_DUMP.exists():
        pytest.fail(f"{IDS_DUMP} is not there: build target ids_dump, or set SLEB_BUILD_DIR")
    lines = "".join(text.hex() + "\n" for text in texts)
    return subprocess.run([IDS_DUMP, model, *options], input=lines, capture_output=True, text=True, check=False)


def check(model: pathlib.Path, expected, texts: list[bytes] = ALL_TEXTS) -> None:
    done = ids_dump(model, texts)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(texts)
    for text, line in zip(texts, lines):
        assert [int(number) for number in line.split()] == expected(text.decode("utf-8", "replace")), text


def refusal(model: pathlib.Path) -> str:
    done = ids_dump(model, [b"a"])
    assert done.returncode == 2, done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def auto(folder: pathlib.Path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return lambda text: tokenizer(text)["input_ids"]


def write_json(folder: pathlib.Path, **files) -> None:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def byte_level_bpe() -> tuple[dict[str, int], list[str]]:
    """A vocabulary that begins as OPT's does, and its merges."""
    model = json.loads(trained(pre_tokenizers.ByteLevel(add_prefix_space=False)).to_str())["model"]
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(model["vocab"], key=model["vocab"].get)]
    return {name: i for i, name in enumerate(names)}, [" ".join(merge) for merge in model["merges"]]


LLAMA = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "split_digits": True}
SYMBOLS = {"user_defined_symbols": ["<mask>", "cat"], "control_symbols": ["<user>"]}
MODELS = {
    "bpe": {"model_type": "bpe", **LLAMA},
    "bpe, symbols": {"model_type": "bpe", **LLAMA, **SYMBOLS},
    "bpe, nfkc": {"model_type": "bpe"},
    "bpe, suffix": {"model_type": "bpe", "treat_whitespace_as_suffix": True},
    "unigram": {"model_type": "unigram"},
    "unigram, identity, symbols": {"model_type": "unigram", **LLAMA, **SYMBOLS},
    "unigram, unknown": {"model_type": "unigram", "byte_fallback": False},
    "unigram, case folded, no prefix": {
        "model_type": "unigram", "add_dummy_prefix": False, "normalization_rule_name": "nmt_nfkc_cf"
    },
}


@pytest.fixture(scope="module")
def train_pieces():
    """Content of a tokenizer.model by its name in MODELS."""
    known: dict[str, bytes] = {}

    def train(name: str) -> bytes:
        if name not in known:
            out = io.BytesIO()
            options = {"vocab_size": 420, "hard_vocab_limit": False, "byte_fallback": True, "character_coverage": 0.98}
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(TRAINING_TEXT), model_writer=out, minloglevel=2, **(options | MODELS[name])
            )
            known[name] = out.getvalue()
        return known[name]

    return train


def wheel_ids(model: bytes):
    wheel = sentencepiece.SentencePieceProcessor(model_proto=model)
    return lambda text: wheel.encode(text)
