"""Text of ids: sleb's against the tokenizers wheel, transformers and sentencepiece; streamed, the same text in parts."""
import json
import pathlib
import random
import struct
import subprocess
import tempfile

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer
from transformers import AutoTokenizer

import texts
from compare import sleb_ids
from programs import BUILD
from file_kinds import gguf_kinds, sentencepiece_kinds, vocab_kinds
from kinds import SPECIAL, added_token, known_ids, replace, tokenizer_json
from test_gguf_vocabularies import vocabulary_of_pieces, write_gguf
from training import Training

TEXT_DUMP = BUILD / "tests" / "tokenizer" / "text_dump"
SEQUENCES = 400


def text_dump(model: pathlib.Path, sequences: list[list[int]], skip: bool) -> subprocess.CompletedProcess:
    if not TEXT_DUMP.exists():
        pytest.fail(f"{TEXT_DUMP} is not there: build target text_dump, or set SLEB_BUILD_DIR")
    with tempfile.NamedTemporaryFile() as file:
        for ids in sequences:
            file.write(struct.pack(f"<{len(ids) + 1}i", len(ids), *ids))
        file.flush()
        options = ["--skip-special-tokens"] * skip
        return subprocess.run([TEXT_DUMP, *options, model, file.name], capture_output=True, check=False)


def sleb_texts(model: pathlib.Path, sequences: list[list[int]], skip: bool) -> list[tuple[str, list[str]]]:
    """Of every sequence the text, and what the stream gave after each id and at the end."""
    done = text_dump(model, sequences, skip)
    assert done.returncode == 0, done.stderr.decode()
    place = 0

    def number() -> int:
        nonlocal place
        place += 4
        return struct.unpack_from("<I", done.stdout, place - 4)[0]

    def part() -> str:
        nonlocal place
        size = number()
        place += size
        return done.stdout[place - size : place].decode()

    found = []
    for _ in sequences:
        text, *streamed = [part() for _ in range(number())]
        found.append((text, streamed))
    assert place == len(done.stdout)
    return found


def compare(model: pathlib.Path, expected, sequences: list[list[int]], skips=(False, True)) -> None:
    """`expected(ids, skip)`: the oracle's text, or None where it breaks down."""
    answered = 0
    for skip in skips:
        for ids, (text, streamed) in zip(sequences, sleb_texts(model, sequences, skip), strict=True):
            oracle = expected(ids, skip)
            answered += oracle is not None
            assert oracle is None or text == oracle, (ids, skip)
            assert "".join(streamed) == text, (ids, skip)
    assert answered > 0.4 * len(skips) * len(sequences)


def wheel_texts(wheel: Tokenizer):
    def text(ids: list[int], skip: bool) -> str | None:
        try:
            return wheel.decode(ids, skip_special_tokens=skip)
        except BaseException as error:  # "Strip" at the end of a token that holds nothing else is a panic of Rust's
            if type(error).__name__ != "PanicException":
                raise
            return None

    return text


def random_sequences(ids: list[int], count: int = SEQUENCES) -> list[list[int]]:
    """Some with ids that no token has."""
    choose = random.Random(3)
    ids = [*ids, max(ids) + 1, 2**31 - 1]
    return [[], *([choose.choice(ids) for _ in range(choose.randrange(1, 25))] for _ in range(count))]


def texts_to_encode() -> list[str]:
    return [text.decode("utf-8", "replace") for text in texts.adversarial()]


# --- tokenizer.json: every decoder on tokens that are hard for some of them ---

HARD_TOKENS = [
    "a", "b", "hello", "▁", "▁▁", "▁hello", "a▁b▁", "Ġ", "Ġthe", "Ċ", "é", "ÃĤ", "Ã", "©", "ä¸", "Ń", "ð", "Ł", "ĳ", "į", "íķľ",
    "<0x41>", "<0xE5>", "<0x8F>", "<0xAB>", "<0xC3>", "<0xff>", "<0x+A>", "<0xG0>", "<0x4>", "<0x0041>", "<0xé>", "<0xED>",
    "<0xA0>", "<0xF0>", "<0x9F>", "<0x91>", "<0x8D>", "漢", "👍", "\ufffd", " ", "  ", "   ", "x ", " x", ".", " .", "?", ",", " n't",
    "do", " do not", "'s", " 's", "'", "##ing", "##", "##a##", "ab</w>", "</w>", "|", "a|b", "<pad>", "a<pad>b", "\n", "aa", "aaa",
    "aXa", "\u0301", "12",
]  # fmt: skip
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
BYTE_FALLBACK, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}


def strip(content: str, start: int, stop: int) -> dict:
    return {"type": "Strip", "content": content, "start": start, "stop": stop}


def metaspace(scheme: str) -> dict:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True}


def sequence(*decoders: dict) -> dict:
    return {"type": "Sequence", "decoders": list(decoders)}


def word_piece(prefix: str, cleanup: bool) -> dict:
    return {"type": "WordPiece", "prefix": prefix, "cleanup": cleanup}


def ctc(padding: str, delimiter: str, cleanup: bool) -> dict:
    return {"type": "CTC", "pad_token": padding, "word_delimiter_token": delimiter, "cleanup": cleanup}


DECODERS = {
    "none": None,
    "ByteLevel": BYTES,
    "ByteFallback": BYTE_FALLBACK,
    "Fuse": FUSE,
    "Metaspace always": metaspace("always"),
    "Metaspace first": metaspace("first"),
    "Metaspace never": metaspace("never"),
    "Metaspace of older files": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": False, "prepend_scheme": "never"},
    "Metaspace of older files, prefix": {"type": "Metaspace", "replacement": "a", "add_prefix_space": True},
    "Strip": strip("a", 1, 2),
    "Strip at the start": strip("a", 2, 0),
    "Strip more than there is": strip("a", 5, 5),
    "Replace": replace("▁", " "),
    "Replace by more": replace("a", "$1<0x41>"),
    "Replace nothing": replace("", "-"),
    "Replace regex": replace(r"(a|\s)+", r"\1", regex=True),
    "WordPiece": word_piece("##", True),
    "WordPiece without cleanup": word_piece("##", False),
    "WordPiece without prefix": word_piece("", True),
    "BPEDecoder": {"type": "BPEDecoder", "suffix": "</w>"},
    "BPEDecoder without suffix": {"type": "BPEDecoder", "suffix": ""},
    "CTC": ctc("<pad>", "|", True),
    "CTC without cleanup": ctc("<pad>", "|", False),
    "CTC of empty signs": ctc("", "", True),
    "empty Sequence": sequence(),
    "LLaMA": sequence(replace("▁", " "), BYTE_FALLBACK, FUSE, strip(" ", 1, 0)),
    "Gemma": sequence(replace("▁", " "), BYTE_FALLBACK, FUSE),
    "Fuse, Strip at both ends": sequence(FUSE, strip("a", 3, 2)),
    "ByteLevel, Strip, Replace": sequence(BYTES, strip(" ", 2, 1), replace(r"\s+$|^a", "", regex=True)),
    "ByteFallback, Metaspace, WordPiece": sequence(BYTE_FALLBACK, metaspace("always"), word_piece("##", True)),
    "Strip, CTC, BPEDecoder": sequence(strip("#", 2, 0), ctc("a", "b", True), {"type": "BPEDecoder", "suffix": "▁"}),
    "ByteLevel twice": sequence(BYTES, BYTES),
    "Fuse, Metaspace": sequence(FUSE, metaspace("always")),
    "Sequence in Sequence": sequence(sequence(BYTE_FALLBACK, FUSE), sequence(replace(" ", ""), strip("é", 1, 1))),
}


def write_decoder(folder: pathlib.Path, decoder: dict | None) -> list[int]:
    """The ids of its tokens."""
    model = {"type": "WordLevel", "vocab": {token: i for i, token in enumerate(HARD_TOKENS)}, "unk_token": "a"}
    added = [*SPECIAL, added_token("hello", special=True), added_token("é"), added_token("two words", "1110"),
             added_token("▁<0x41>", special=True)]  # fmt: skip
    content = {**tokenizer_json(model, added=added), "decoder": decoder}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return [*range(len(HARD_TOKENS)), *(token["id"] for token in content["added_tokens"])]


@pytest.mark.parametrize("name", DECODERS)
def test_decoders(name, tmp_path):
    ids = write_decoder(tmp_path, DECODERS[name])
    wheel = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    sequences = random_sequences(ids)
    compare(tmp_path, wheel_texts(wheel), sequences)
    if name != "none":
        plain = json.loads((tmp_path / "tokenizer.json").read_text())
        without = Tokenizer.from_str(json.dumps({**plain, "decoder": None}))
        assert any(wheel_texts(wheel)(row, True) not in (None, without.decode(row)) for row in sequences), "the decoder changes nothing"


def test_text_is_given_as_soon_as_it_is_certain(tmp_path):
    def streamed(decoder: dict, *tokens: str) -> list[str]:
        write_decoder(tmp_path, decoder)
        return sleb_texts(tmp_path, [[HARD_TOKENS.index(token) for token in tokens]], skip=False)[0][1]

    assert streamed(BYTES, "hello", "Ġ", "ä¸", "Ń", "ä¸", "a") == ["hello", " ", "", "中", "", "\ufffda", ""]
    llama = DECODERS["LLaMA"]
    assert streamed(llama, "▁hello", "<0xE5>", "<0x8F>", "<0xAB>", "▁") == ["hello", "", "", "", "叫 ", ""]
    assert streamed(DECODERS["Fuse, Strip at both ends"], "aaa", "a", "b", "aa", "b") == ["", "", "ab", "", "aab", ""]
    assert streamed(DECODERS["BPEDecoder"], "ab</w>", "ab</w>", "a") == ["", "ab ", "ab ", "a"]


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({"type": "Whisper"}, 'decoder: the decoder "Whisper" is not supported'),
        (sequence(FUSE, {"type": "Later"}), 'decoder.decoders[1]: the decoder "Later" is not supported'),
        ({"type": "Strip", "content": "ab", "start": 1, "stop": 0}, 'decoder.content: "ab" is not one character'),
        ({"type": "Strip", "content": "a", "start": -1, "stop": 0}, "decoder.start"),
        (word_piece("##", None), 'decoder: lacks "cleanup"'),
        (sequence(*[FUSE] * 65), "decoder.decoders[64]: more than 64 decoders in a row"),
        (sequence(*[replace("a", "aa" * 100)] * 9), "decoder: makes a text more than 64 times longer"),
        (sequence(*[replace("", "a")] * 40), "decoder: makes a text more than 64 times longer"),
    ],
)
def test_refused_decoders(decoder, message, tmp_path):
    """What is asked for decides: the same file still gives ids."""
    write_decoder(tmp_path, decoder)
    done = text_dump(tmp_path, [[0, 1, 0]], skip=True)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    assert message in done.stderr.decode()
    assert sleb_ids(tmp_path, [b"hello"]) == [[HARD_TOKENS.index("hello")]]


# --- trained models: ids of real text, and any ids at all ---

MODELS = {
    "byte-level BPE": (Training.byte_level, BYTES),
    "BPE with byte fallback": (lambda training: training.characters(byte_fallback=True), DECODERS["LLaMA"]),
    "BPE of words": (lambda training: training.words(end_of_word_suffix="</w>"), DECODERS["BPEDecoder"]),
    "WordPiece": (Training.word_piece, DECODERS["WordPiece"]),
    "WordLevel": (Training.word_level, None),
    "Unigram": (Training.unigram, metaspace("always")),
    "Unigram with byte fallback": (
        lambda training: training.unigram(across_blanks=True, byte_fallback=True), DECODERS["LLaMA"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models(name, training, tmp_path):
    make, decoder = MODELS[name]
    model = make(training)
    added = [*SPECIAL, added_token("Tok0000"), added_token("the", "0011")]
    (tmp_path / "tokenizer.json").write_text(json.dumps({**tokenizer_json(model, added=added), "decoder": decoder}))
    wheel = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    encoded = [wheel.encode(text).ids for text in texts_to_encode()]
    compare(tmp_path, wheel_texts(wheel),
            encoded + random_sequences(list(known_ids(model).values())))  # fmt: skip


def test_pieces_given_twice(tmp_path):
    """Of a Unigram vocabulary: every id has a text, and one that reads as a special token is special."""
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<s>", -1.0], ["a", -2.0], ["b", -3.0], ["a", -4.0], ["<s>", -5.0]]}
    content = tokenizer_json(model, added=[])
    content["added_tokens"] = [{**added_token("<s>", special=True), "id": 4}]
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, "decoder": FUSE}))
    wheel = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    compare(tmp_path, wheel_texts(wheel), [[0, 1, 2, 3, 4]])


def test_smollm2(smollm2, data_starts):
    wheel = Tokenizer.from_file(str(smollm2 / "tokenizer.json"))
    real = [text[:20_000].decode("utf-8", "replace") for text in data_starts.values()]
    encoded = [wheel.encode(text).ids for text in real + texts_to_encode()]
    compare(smollm2, wheel_texts(wheel),
            encoded + random_sequences(list(range(wheel.get_vocab_size())), 3000))  # fmt: skip


def test_long_texts_take_time_in_proportion(smollm2):
    """A million ids: would take hours if every one cost as much as those before it together."""
    ids = list(range(49_000)) * 20
    [(text, streamed)] = sleb_texts(smollm2, [ids], skip=False)
    assert "".join(streamed) == text == Tokenizer.from_file(str(smollm2 / "tokenizer.json")).decode(ids, False)


# --- other files ---


def transformers_texts(folder: pathlib.Path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    known = set(tokenizer.get_vocab().values())

    def text(ids: list[int], skip: bool) -> str:
        ids = [i for i in ids if i in known]
        return tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)

    return tokenizer, text


FOLDER_KINDS = [*vocab_kinds(), *(kind for kind in sentencepiece_kinds() if "LlamaTokenizer" in kind.name)]


@pytest.mark.parametrize("kind", FOLDER_KINDS, ids=lambda kind: kind.name)
def test_folders_that_transformers_reads(kind, training, tmp_path):
    folder, _ = kind.write(tmp_path, training)
    tokenizer, expected = transformers_texts(folder)
    encoded = [tokenizer(text)["input_ids"] for text in texts_to_encode()]
    compare(folder, expected, encoded + random_sequences(list(range(len(tokenizer)))))


SENTENCEPIECE_KINDS = [kind for kind in sentencepiece_kinds() if "LlamaTokenizer" not in kind.name]


@pytest.mark.parametrize("kind", SENTENCEPIECE_KINDS, ids=lambda kind: kind.name)
def test_tokenizer_model(kind, training, tmp_path):
    folder, encode = kind.write(tmp_path, training)
    wheel = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    count = wheel.get_piece_size()
    compare(folder, lambda ids, skip: wheel.decode([i for i in ids if i < count]),
            [*encode(texts_to_encode()), *random_sequences(list(range(count)))], skips=(False,))  # fmt: skip


@pytest.mark.parametrize(("dummy_prefix", "extra_whitespaces"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_tokenizer_model_with_blanks_at_the_start(dummy_prefix, extra_whitespaces, training, tmp_path):
    options = {"byte_fallback": True, "add_dummy_prefix": bool(dummy_prefix), "unk_surface": "<?>",
               "remove_extra_whitespaces": bool(extra_whitespaces), "user_defined_symbols": "▁▁▁,x▁,▁x",
               "control_symbols": "<c>"}  # fmt: skip
    (tmp_path / "tokenizer.model").write_bytes(training.sentencepiece("bpe", **options))
    wheel = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    some = [wheel.piece_to_id(piece) for piece in ("▁", "▁▁▁", "x▁", "▁x", "<c>", "<s>", "<unk>", "▁the", "a")]
    some += [wheel.piece_to_id(f"<0x{byte:02X}>") for byte in b"\x20A\xc3\xa9\xe5\x8f\xab\xff"]
    rows = random_sequences(some)
    rows = [[i for i in row if i < wheel.get_piece_size()] for row in rows]
    compare(tmp_path, lambda ids, skip: wheel.decode(ids), rows, skips=(False,))


@pytest.mark.parametrize("kind", [kind for kind in gguf_kinds() if "gpt2" in kind.name], ids=lambda kind: kind.name)
def test_gguf_of_bytes(kind, training, tmp_path):
    path, encode = kind.write(tmp_path, training)
    content = json.loads((tmp_path / "oracle.json").read_text())
    wheel = Tokenizer.from_str(json.dumps({**content, "decoder": BYTES}))
    encoded = encode(texts_to_encode())
    compare(path, wheel_texts(wheel),
            encoded + random_sequences(list(range(wheel.get_vocab_size()))))  # fmt: skip


@pytest.mark.parametrize(("model", "algorithm"), [("llama", "bpe"), ("t5", "unigram")])
def test_gguf_of_pieces(model, algorithm, training, tmp_path):
    """Pieces without those that say what differs from sentencepiece: control tokens are text until they are skipped."""
    options = {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    content = training.sentencepiece(algorithm, **options)
    proto = sentencepiece_model_pb2.ModelProto.FromString(content)
    path = write_gguf(tmp_path / "model.gguf", model, **vocabulary_of_pieces(content), space_prefix=True, unk=0)
    wheel = sentencepiece.SentencePieceProcessor(model_proto=content)
    plain = [i for i, piece in enumerate(proto.pieces) if piece.type == 1]
    compare(path, lambda ids, skip: wheel.decode([i for i in ids if i < len(proto.pieces)]), random_sequences(plain))
    encoded = [ids for ids in wheel.encode(texts_to_encode()) if not {0, 1, 2} & set(ids)]
    compare(path, lambda ids, skip: wheel.decode(ids), encoded)
