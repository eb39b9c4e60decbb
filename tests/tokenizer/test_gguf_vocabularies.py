"""The vocabulary inside a GGUF: sleb's ids against sentencepiece, tokenizers and transformers."""
import json
import pathlib
import unicodedata

import gguf
import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from sources import ALL_TEXTS, auto, byte_level_bpe, check, refusal, train_pieces, wheel_ids, write_json

def write_gguf(path: pathlib.Path, model: str, **values) -> pathlib.Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    add = {
        "tokens": writer.add_token_list, "scores": writer.add_token_scores, "types": writer.add_token_types,
        "merges": writer.add_token_merges, "pre": writer.add_tokenizer_pre, "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id, "unk": writer.add_unk_token_id, "add_bos": writer.add_add_bos_token,
        "add_eos": writer.add_add_eos_token, "space_prefix": writer.add_add_space_prefix,
        "name": writer.add_name, "remove_whitespaces": writer.add_remove_extra_whitespaces, "charsmap": writer.add_precompiled_charsmap,
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


BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def llama_cpp_ids(model: bytes, add_bos: bool, add_eos: bool, space_prefix: bool, take_blanks: bool = False):
    """What llama.cpp's llm_tokenizer_spm computes: sentencepiece on each text between special tokens. `take_blanks`: they
    take those behind them, but for <s> and <unk>."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    proto.normalizer_spec.add_dummy_prefix = space_prefix
    special = [(piece.piece, i) for i, piece in enumerate(proto.pieces) if piece.type in (2, 3, 4)]
    wheel = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())

    def encode(text: str) -> list[int]:
        found = [(text.find(token), -len(token), i) for token, i in special if token in text]
        if not found:
            return wheel.encode(text) if text else []
        start, length, i = min(found)
        rest = text[start - length :]
        if take_blanks and i > 1:
            rest = rest.lstrip(BLANKS)
        return [*encode(text[:start]), i, *encode(rest)]

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


@pytest.mark.parametrize(("model_name", "takes_blanks"), [("Phi-3 Mini", True), ("my phi3.5", True), ("Phi 3", False)])
def test_special_tokens_of_phi_3_take_the_blanks_behind_them(model_name, takes_blanks, train_pieces, tmp_path):
    """As in its own tokenizer.json; llama.cpp knows it by the model's name."""
    model = train_pieces("bpe, symbols")
    path = write_gguf(tmp_path / "model.gguf", "llama", name=model_name, **vocabulary_of_pieces(model))
    texts = [b"<user> \n a</s>  b<mask>\tc <s> d", b"cat  cat\ncat", *ALL_TEXTS]
    check(path, llama_cpp_ids(model, True, False, True, takes_blanks), texts)


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
