"""Tokenizers in other files: vocab.json with merges.txt, tokenizer.model, and the vocabulary inside a GGUF."""
import json
import pathlib
import re

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from kinds import (BLOOM_PATTERN, BYTES, FALCON, GPT2, GPT4O_PATTERN, LLAMA3, QWEN2_PATTERN, SPECIAL, TEKKEN_PATTERN, Kind,
                   Oracle, added_token, pre_tokenizers, split, tokenizer_json, wheel, with_ids)  # fmt: skip
from texts import SPECIAL_TOKENS
from training import Training


def transformers_ids(folder: pathlib.Path) -> Oracle:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return lambda texts: tokenizer(texts)["input_ids"]


# --- vocab.json and merges.txt ---


def _write_vocab_and_merges(folder: pathlib.Path, model: dict, special: list[str], config: dict, model_type: str) -> None:
    """`special` come first in the vocabulary, as in OPT's."""
    vocab = {token: i for i, token in enumerate([*special, *model["vocab"]])}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))


def vocab_kind(name: str, special: list[str], config: dict, model_type: str) -> Kind:
    def write(folder: pathlib.Path, training: Training) -> tuple[pathlib.Path, Oracle]:
        _write_vocab_and_merges(folder, training.byte_level(json.dumps(GPT2)), special, config, model_type)
        return folder, transformers_ids(folder)

    return Kind(name, write)


def vocab_kinds() -> list[Kind]:
    def token(content: str) -> dict:
        return {"__type": "AddedToken", **added_token(content, "0001")}

    end = "<|endoftext|>"
    opt_tokens = ["<s>", "<pad>", "</s>", "<unk>"]
    opt = {
        "tokenizer_class": "GPT2Tokenizer", "errors": "replace", "add_prefix_space": False, "add_bos_token": True,
        "unk_token": token("</s>"), "bos_token": token("</s>"), "eos_token": token("</s>"), "pad_token": token("<pad>"),
    }  # fmt: skip
    gpt2 = {"tokenizer_class": "GPT2Tokenizer", "unk_token": end, "bos_token": end, "eos_token": end}
    return [
        vocab_kind("vocab.json, GPT-2", [end], gpt2, "gpt2"),
        vocab_kind("vocab.json, GPT-2 without tokenizer_config.json", [end], {}, "gpt2"),
        vocab_kind("vocab.json, GPT-2, prefix space", [end], {**gpt2, "add_prefix_space": True}, "gpt2"),
        vocab_kind("vocab.json, GPT-2, BOS", [end], {**gpt2, "add_bos_token": True}, "gpt2"),
        vocab_kind("vocab.json, OPT", opt_tokens, opt, "opt"),
        vocab_kind("vocab.json, OPT, prefix space", opt_tokens, {**opt, "add_prefix_space": True}, "opt"),
        vocab_kind("vocab.json, OPT without BOS", opt_tokens, {**opt, "add_bos_token": False}, "opt"),
    ]


# --- tokenizer.model ---


def sentencepiece_kind(name: str, model_type: str, **options) -> Kind:
    """A tokenizer.model alone; `options` of spm_train."""

    def write(folder: pathlib.Path, training: Training) -> tuple[pathlib.Path, Oracle]:
        content = training.sentencepiece(model_type, **options)
        (folder / "tokenizer.model").write_bytes(content)
        return folder, sentencepiece.SentencePieceProcessor(model_proto=content).encode

    return Kind(name, write)


def llama_tokenizer_kind(name: str, config: dict, **options) -> Kind:
    """A tokenizer.model beside a tokenizer_config.json that names the class, which decides more than the model does."""

    def write(folder: pathlib.Path, training: Training) -> tuple[pathlib.Path, Oracle]:
        (folder / "tokenizer.model").write_bytes(training.sentencepiece("bpe", **options))
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
        tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"}
        (folder / "tokenizer_config.json").write_text(json.dumps(tokens | config))
        return folder, transformers_ids(folder)

    return Kind(name, write)


# As LLaMA's was made.
LLAMA_SPM = {
    "byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "split_digits": True,
    "allow_whitespace_only_pieces": True,
}  # fmt: skip


def sentencepiece_kinds() -> list[Kind]:
    made = {
        "BPE, LLaMA": ("bpe", LLAMA_SPM),
        "BPE, nmt_nfkc": ("bpe", {}),
        "BPE, nfkc_cf, no dummy prefix": ("bpe", {"normalization_rule_name": "nfkc_cf", "add_dummy_prefix": False}),
        "BPE, user-defined": ("bpe", {**LLAMA_SPM, "user_defined_symbols": "Tok0000,<0000>,<mask>"}),
        "BPE, blanks behind": ("bpe", {"treat_whitespace_as_suffix": True}),
        "Unigram": ("unigram", {}),
        "Unigram, byte fallback": ("unigram", LLAMA_SPM),
        "Unigram, blanks behind": ("unigram", {"treat_whitespace_as_suffix": True}),
        "Unigram, user-defined": ("unigram", {"normalization_rule_name": "nfkc_cf", "add_dummy_prefix": False,
                                              "user_defined_symbols": "Tok0000,<0000>,the,漢字"}),
    }
    llama = {"add_bos_token": True, "add_eos_token": False}
    return [
        *(sentencepiece_kind(f"tokenizer.model, {name}", kind, **options) for name, (kind, options) in made.items()),
        llama_tokenizer_kind("tokenizer.model, LlamaTokenizer", llama, **LLAMA_SPM),
        llama_tokenizer_kind("tokenizer.model, LlamaTokenizer, BOS and EOS", {"add_eos_token": True}, **LLAMA_SPM),
        llama_tokenizer_kind("tokenizer.model, LlamaTokenizer, no prefix", {**llama, "add_prefix_space": False}, **LLAMA_SPM),
    ]


# --- GGUF ---


def _write_gguf(path: pathlib.Path, model: str, tokens: list, types: list, **more) -> None:
    """`more`: what follows `add_` in GGUFWriter's methods, and the value."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    for name, value in more.items():
        getattr(writer, f"add_{name}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# Names of tokenizer.ggml.pre: what they split by (llama.cpp's src/llama-vocab.cpp), whether a whole piece is looked up
# before merging, and the normalizer. llama.cpp leaves out NFC, transformers and the families' own tokenizer.json have it.
NFC = {"type": "NFC"}
DIGITS = pre_tokenizers({"type": "Digits", "individual_digits": True}, GPT2)
QWEN2 = pre_tokenizers(split(QWEN2_PATTERN), BYTES)
PRE_TOKENIZERS = {
    "gpt-2": (GPT2, False, None),
    "exaone4": (GPT2, False, None),
    "olmo": (GPT2, False, NFC),
    "llama-bpe": (LLAMA3, True, None),
    "glm4": (LLAMA3, False, None),
    "chatglm-bpe": (LLAMA3, False, None),
    "dbrx": (LLAMA3, False, None),
    "qwen2": (QWEN2, False, NFC),
    "stablelm2": (QWEN2, False, None),
    "smollm": (DIGITS, False, None),
    "starcoder": (DIGITS, False, None),
    "minerva-7b": (DIGITS, False, None),
    "command-r": (DIGITS, False, NFC),
    "gpt-4o": (pre_tokenizers(split(GPT4O_PATTERN), BYTES), False, None),
    "tekken": (pre_tokenizers(split(TEKKEN_PATTERN), BYTES), True, None),
    "falcon": (FALCON, False, None),
    "bloom": (pre_tokenizers(split(BLOOM_PATTERN), BYTES), False, None),
}


def gguf_bpe_kind(pre: str) -> Kind:
    pre_tokenizer, ignore_merges, normalizer = PRE_TOKENIZERS[pre]

    def write(folder: pathlib.Path, training: Training) -> tuple[pathlib.Path, Oracle]:
        """The wheel's file says what the GGUF says."""
        model = {**training.byte_level(json.dumps(pre_tokenizer)), "ignore_merges": ignore_merges}
        # A GGUF has no options for added tokens, but for llama.cpp's own rules.
        added = [*SPECIAL, added_token("Tok0000"), added_token("<0000>")]
        tokens = [*model["vocab"], *(token["content"] for token in added)]
        file = folder / "oracle.json"
        file.write_text(json.dumps(tokenizer_json(model, normalizer, pre_tokenizer, ["<s>", "$A"], added)))
        types = [gguf.TokenType.NORMAL] * len(model["vocab"]) + [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.USER_DEFINED] * 2
        merges = [" ".join(merge) for merge in model["merges"]]
        ids = {token["content"]: token["id"] for token in with_ids(added, model)}
        _write_gguf(folder / "model.gguf", "gpt2", tokens, types, tokenizer_pre=pre, token_merges=merges,
                    bos_token_id=ids["<s>"], eos_token_id=ids["</s>"], add_bos_token=True)  # fmt: skip
        return folder / "model.gguf", wheel(file)

    return Kind(f"GGUF gpt2, {pre}", write)


def gguf_llama_kind(name: str, add_space_prefix: bool | None, **options) -> Kind:
    """A SentencePiece BPE as llama.cpp's converter stores it: pieces, scores and types as they are."""

    def write(folder: pathlib.Path, training: Training) -> tuple[pathlib.Path, Oracle]:
        content = training.sentencepiece("bpe", **LLAMA_SPM, **options)
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(content)
        pieces = model.pieces
        more = {} if add_space_prefix is None else {"add_space_prefix": add_space_prefix}
        _write_gguf(folder / "model.gguf", "llama", [piece.piece for piece in pieces], [piece.type for piece in pieces],
                    token_scores=[piece.score for piece in pieces], bos_token_id=1, eos_token_id=2, unk_token_id=0,
                    add_bos_token=True, **more)  # fmt: skip
        return folder / "model.gguf", _llama_cpp_ids(content)

    return Kind(name, write)


def _llama_cpp_ids(content: bytes) -> Oracle:
    """Special tokens first; what is between them as sentencepiece does it, each stretch as a text of its own
    (llama.cpp's src/llama-vocab.cpp, tokenize)."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    special = re.compile("|".join(re.escape(token) for token in SPECIAL_TOKENS))

    def ids(text: str) -> list[int]:
        found = [processor.bos_id()]
        place = 0
        for match in special.finditer(text):
            found += processor.encode(text[place : match.start()]) + [processor.piece_to_id(match.group())]
            place = match.end()
        return found + processor.encode(text[place:])

    return lambda texts: [ids(text) for text in texts]


def gguf_kinds() -> list[Kind]:
    return [
        *(gguf_bpe_kind(pre) for pre in PRE_TOKENIZERS),
        gguf_llama_kind("GGUF llama", None),
        gguf_llama_kind("GGUF llama, no space prefix", False, add_dummy_prefix=False),
    ]
