"""Every way in which a checkpoint brings its vocabulary: sleb's ids against transformers, sentencepiece and tokenizers."""
import io
import json
import pathlib
import random
import subprocess
import unicodedata

import gguf
import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoTokenizer

from conftest import BUILD
from tiny_models import save_model
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


# --- vocab.json and merges.txt ---


@pytest.fixture(scope="module")
def byte_level_bpe() -> tuple[dict[str, int], list[str]]:
    """A vocabulary that begins as OPT's does, and its merges."""
    model = json.loads(trained(pre_tokenizers.ByteLevel(add_prefix_space=False)).to_str())["model"]
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(model["vocab"], key=model["vocab"].get)]
    return {name: i for i, name in enumerate(names)}, [" ".join(merge) for merge in model["merges"]]


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


# --- GGUF ---


def write_gguf(path: pathlib.Path, model: str, **values) -> pathlib.Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    add = {
        "tokens": writer.add_token_list, "scores": writer.add_token_scores, "types": writer.add_token_types,
        "merges": writer.add_token_merges, "pre": writer.add_tokenizer_pre, "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id, "unk": writer.add_unk_token_id, "add_bos": writer.add_add_bos_token,
        "add_eos": writer.add_add_eos_token, "space_prefix": writer.add_add_space_prefix,
        "remove_whitespaces": writer.add_remove_extra_whitespaces, "charsmap": writer.add_precompiled_charsmap,
    }
    for name, value in values.items():
        add[name](value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def vocabulary_of_pieces(model: bytes) -> dict:
    wheel = sentencepiece.SentencePieceProcessor(model_proto=model)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    count = range(wheel.get_piece_size())
    return {
        "tokens": [wheel.id_to_piece(i) for i in count],
        "scores": [wheel.get_score(i) for i in count],
        "types": [proto.pieces[i].type for i in count],
    }


def llama_cpp_ids(model: bytes, add_bos: bool, add_eos: bool, space_prefix: bool):
    """What llama.cpp's llm_tokenizer_spm computes: sentencepiece on each text between special tokens."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    proto.normalizer_spec.add_dummy_prefix = space_prefix
    special = [(piece.piece, i) for i, piece in enumerate(proto.pieces) if piece.type in (2, 3, 4)]
    wheel = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())

    def encode(text: str) -> list[int]:
        found = [(text.find(token), -len(token), i) for token, i in special if token in text]
        if not found:
            return wheel.encode(text) if text else []
        start, length, i = min(found)
        return [*encode(text[:start]), i, *encode(text[start - length :])]

    return lambda text: [1] * add_bos + encode(text) + [2] * add_eos


@pytest.mark.parametrize("name", ["bpe", "bpe, symbols"])
@pytest.mark.parametrize(
    ("values", "bos", "eos", "prefix"),
    [
        ({}, True, False, True),
        ({"add_bos": False, "add_eos": True, "space_prefix": False, "bos": 1, "eos": 2, "unk": 0}, False, True, False),
        ({"add_bos": True, "space_prefix": True, "remove_whitespaces": False, "pre": "default"}, True, False, True),
    ],
)
def test_gguf_of_pieces(name, values, bos, eos, prefix, train_pieces, tmp_path):
    model = train_pieces(name)
    path = write_gguf(tmp_path / "model.gguf", "llama", **vocabulary_of_pieces(model), **values)
    check(path, llama_cpp_ids(model, bos, eos, prefix))


@pytest.mark.parametrize("prefix", [True, False])
def test_gguf_of_pieces_in_transformers(prefix, train_pieces, rebuilt_files, tmp_path):
    """The files that sleb makes of a GGUF give transformers the same ids."""
    pieces = vocabulary_of_pieces(train_pieces("bpe, symbols"))
    path = write_gguf(tmp_path / "model.gguf", "llama", **pieces, space_prefix=prefix)
    pieces["token_types"] = pieces.pop("types")
    folder = rebuilt_files({"model": "llama", **pieces, "merges": [], "add_space_prefix": prefix})
    write_json(folder, config={"model_type": "llama"})
    check(path, auto(folder))
    check(folder, auto(folder))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token) == ("<s>", "</s>", "<unk>")
    assert tokenizer.decode(tokenizer("Hello  world é 👍\n")["input_ids"], skip_special_tokens=True) == "Hello  world é 👍\n"


def test_gguf_of_unigram_pieces(train_pieces, tmp_path):
    """As T5's: special tokens are those of the vocabulary, and the normalizer is the file's own."""
    model = train_pieces("unigram, unknown")
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    path = write_gguf(
        tmp_path / "model.gguf", "t5", **vocabulary_of_pieces(model), unk=0, eos=2, space_prefix=True,
        remove_whitespaces=True, charsmap=list(proto.normalizer_spec.precompiled_charsmap),
    )
    wheel = wheel_ids(model)
    # The tokenizers library, whose pipeline this is, applies such tables to whole graphemes, sentencepiece and llama.cpp
    # to the longest match: marks and invisible characters can differ.
    texts = [text.decode("utf-8", "replace").replace("<", "") for text in ALL_TEXTS]
    texts = ["".join(c for c in text if unicodedata.category(c)[0] not in "MC").encode() for text in texts]
    check(path, lambda text: [*wheel(text), 2], texts)


# llama.cpp, llama-vocab.cpp: every name it compares tokenizer.ggml.pre with for "gpt2", except three (see
# gguf_pre_tokenizers.cpp).
PRE_TOKENIZERS = """
    default gpt-2 phi-2 gigachat a.x-4.0 mellum exaone4 mpt olmo jais trillion jina-es jina-de jina-v2-es jina-v2-de
    jina-v1-en jina-v2-code roberta-bpe modern-bert granite-docling smollm starcoder refact codeshell exaone minerva-7b
    mellum2 command-r llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe glm4
    chatglm-bpe jais-2 minicpm5 qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 laguna
    ufakzeka qwen35 seed-coder bailingmoe bailingmoe2 llada-moe exaone-moe tekken gpt-4o llama4 kanana2 talkie minimax-m2
    granite-embed-multi-97m tiny_aya cohere2moe youtu kimi-k2 deepseek-v3 hunyuan-dense joyai-llm hy_v4 spark2_5 afmoe
    deepseek-llm deepseek-coder falcon bloom poro-chat gpt3-finnish viking chameleon superbpe
""".split()


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_gguf_pre_tokenizers(pre, byte_level_bpe, rebuilt_files, tmp_path):
    """sleb on a GGUF, and the tokenizers wheel on the tokenizer.json that sleb makes of it."""
    vocabulary, merges = byte_level_bpe
    tokens = sorted(vocabulary, key=vocabulary.get)
    types = [3] * 4 + [1] * (len(tokens) - 4)
    path = write_gguf(
        tmp_path / "model.gguf", "gpt2", pre=pre, tokens=tokens, types=types, merges=merges, bos=2, eos=2
    )
    folder = rebuilt_files(
        {"model": "gpt2", "pre": pre, "tokens": tokens, "token_types": types, "merges": merges, "bos": 2, "eos": 2}
    )
    wheel = Tokenizer.from_file(str(folder / "tokenizer.json"))
    check(path, lambda text: wheel.encode(text).ids, ALL_TEXTS[::3])


@pytest.mark.parametrize(
    ("pre", "text", "pieces"),
    [
        ("falcon", "a12345 $x==y", ["a", "123", "45", "Ġ", "$", "x", "==", "y"]),
        ("deepseek-coder", "if x12\nΩ!!", ["if", "Ġx", "1", "2", "Ċ", "Î©", "!!"]),
        ("deepseek-llm", "Ab12  ÉÀ漢字!", ["Ab", "12", "Ġ", "ĠÃīÃĢ", "æ¼¢åŃĹ", "!"]),
        ("afmoe", "x1234567y", ["x", "1", "234", "567", "y"]),
        ("superbpe", "a 1234567", ["aĠ", "1", "234", "567"]),
        ("tiny_aya", "n 12345", ["n", "Ġ", "12", "345"]),
        ("bloom", "a, b.c", ["a", ",", "Ġb", ".", "c"]),
        ("viking", "a b12", ["a", "Ġb", "1", "2"]),
        ("jais-2", "a" + " " * 7 + "b", ["a", "ĠĠĠĠ", "ĠĠ", "Ġb"]),
        ("kimi-k2", "Hello漢字don't", ["Hello", "æ¼¢åŃĹ", "don't"]),
        ("bailingmoe", "it'S  1!!\n\n", ["it", "'S", "Ġ", "Ġ", "1", "!!ĊĊ"]),
        ("exaone-moe", "ab cd 12", ["abĠcd", "Ġ", "1", "2"]),
        ("laguna", "a\n\n b", ["a", "ĊĊ", "Ġb"]),
        ("ufakzeka", "Ali'nin", ["Ali", "'nin"]),
        ("youtu", "한글Ab12", ["íķľê¸Ģ", "Ab", "1", "2"]),
        ("spark2_5", "a1234\n\n", ["a", "1", "2", "3", "4", "Ċ", "Ċ"]),
        ("minicpm5", "a12345", ["a", "123", "45"]),
        ("chameleon", "a    b?", ["a", "ĠĠĠĠ", "b", "?"]),
    ],
)
def test_gguf_pre_tokenizers_cut_as_llama_cpp_does(pre, text, pieces, rebuilt_files):
    """By hand from llama.cpp's patterns."""
    vocabulary = {"model": "gpt2", "pre": pre, "tokens": ["a", "b"], "token_types": [1, 1], "merges": [], "bos": 0}
    folder = rebuilt_files(vocabulary)
    wheel = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert [piece for piece, _ in wheel.pre_tokenizer.pre_tokenize_str(text)] == pieces


def test_gguf_spelled_in_characters(train_pieces, rebuilt_files, tmp_path):
    """sarvam-moe: the pieces of SentencePiece, with merges instead of scores."""
    pieces = vocabulary_of_pieces(train_pieces("bpe"))
    ids = {token: i for i, token in enumerate(pieces["tokens"])}
    merges = [f"{token[:cut]} {token[cut:]}" for token in ids for cut in range(1, len(token))
              if token[:cut] in ids and token[cut:] in ids]
    vocabulary = {"model": "gpt2", "pre": "sarvam-moe", "tokens": pieces["tokens"], "merges": merges}
    folder = rebuilt_files({**vocabulary, "token_types": pieces["types"]})
    path = write_gguf(tmp_path / "model.gguf", **vocabulary, types=pieces["types"])
    wheel = Tokenizer.from_file(str(folder / "tokenizer.json"))
    check(path, lambda text: wheel.encode(text).ids)


@pytest.mark.parametrize("model", ["bert", "rwkv", "plamo2", "gemma4", "none"])
def test_gguf_vocabularies_of_other_models_are_refused_by_name(model, tmp_path):
    path = write_gguf(tmp_path / "model.gguf", model, tokens=["a"])
    assert f'model.gguf: tokenizer.ggml.model "{model}" is not supported' in refusal(path)


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
    model = {"config.json", "model.safetensors", "sleb.json", "README.md"}
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
