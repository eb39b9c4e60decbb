"""Every kind of tokenizer.json that sleb reads, with the tokenizers wheel as oracle."""
import dataclasses
import json
import pathlib
from collections.abc import Callable

from tokenizers import Tokenizer

from texts import COMBINATIONS, SIGN_TOKENS, SPECIAL_TOKENS, WORD_TOKENS
from training import Training

# For each text the ids, or None where the oracle itself breaks down.
Oracle = Callable[[list[str]], list[list[int] | None]]

GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTES = {**GPT2, "use_regex": False}
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN_PATTERN = GPT4O_PATTERN.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
BLOOM_PATTERN = " ?[^(\\s|[.,!?…。，、।۔،])]+"
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """`write` puts the tokenizer's files into a folder and says what sleb opens, and what the ids should be."""

    name: str
    write: Callable[[pathlib.Path, Training], tuple[pathlib.Path, Oracle]]
    special_tokens: bool = True  # whether encode adds those of the template


# --- tokenizer.json ---


def sequence(members: str, *parts: dict | None) -> dict | None:
    """{"type": "Sequence"} of several parts; a single part as it is."""
    parts = [part for part in parts if part]
    return parts[0] if len(parts) == 1 else {"type": "Sequence", members: parts} if parts else None


def normalizers(*parts) -> dict | None:
    return sequence("normalizers", *parts)


def pre_tokenizers(*parts) -> dict | None:
    return sequence("pretokenizers", *parts)


def split(pattern: str, behavior: str = "Isolated", invert: bool = False, regex: bool = True) -> dict:
    return {"type": "Split", "pattern": {"Regex" if regex else "String": pattern}, "behavior": behavior, "invert": invert}


def replace(pattern: str, content: str, regex: bool = False) -> dict:
    return {"type": "Replace", "pattern": {"Regex" if regex else "String": pattern}, "content": content}


def metaspace(prepend_scheme: str, splits: bool) -> dict:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": prepend_scheme, "split": splits}


def added_token(content: str, flags: str = "0000", special: bool = False) -> dict:
    """`flags`: lstrip, rstrip, single_word, normalized as 0 or 1."""
    names = ("single_word", "lstrip", "rstrip", "normalized")
    lstrip, rstrip, single_word, normalized = (flag == "1" for flag in flags)
    values = (single_word, lstrip, rstrip, normalized)
    return {"content": content, **dict(zip(names, values)), "special": special}


SPECIAL = [added_token(token, special=True) for token in SPECIAL_TOKENS]


def every_combination(special: bool) -> list[dict]:
    words = [added_token(token, flags) for token, flags in zip(WORD_TOKENS, COMBINATIONS)]
    signs = [added_token(token, flags, special) for token, flags in zip(SIGN_TOKENS, COMBINATIONS)]
    return SPECIAL + words + signs


def known_ids(model: dict) -> dict[str, int]:
    if model["type"] == "Unigram":
        return {token: i for i, (token, _) in enumerate(model["vocab"])}
    return model["vocab"]


def with_ids(tokens: list[dict], model: dict) -> list[dict]:
    known = known_ids(model)
    unknown = [token["content"] for token in tokens if token["content"] not in known]
    ids = known | {content: len(known) + i for i, content in enumerate(unknown)}
    return sorted(({"id": ids[token["content"]], **token} for token in tokens), key=lambda token: token["id"])


def template(added: list[dict], *pieces: str) -> dict:
    ids = {token["content"]: token["id"] for token in added}
    parts = [
        {"Sequence": {"id": "A", "type_id": 0}} if piece == "$A" else {"SpecialToken": {"id": piece, "type_id": 0}}
        for piece in pieces
    ]
    names = [piece for piece in dict.fromkeys(pieces) if piece != "$A"]
    special = {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in names}
    pair = [*parts, {"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": parts, "pair": pair, "special_tokens": special}


def roberta(added: list[dict]) -> dict:
    ids = {token["content"]: token["id"] for token in added}
    ends = {"sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]]}
    return {"type": "RobertaProcessing", **ends, "trim_offsets": True, "add_prefix_space": False}


def tokenizer_json(model: dict, normalizer=None, pre_tokenizer=None, post=None, added=SPECIAL) -> dict:
    """`post`: pieces of a template, or a function of the added tokens."""
    tokens = with_ids(added, model)
    if isinstance(post, list):
        post_processor = template(tokens, *post)
    else:
        post_processor = post(tokens) if post else None
    parts = {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": None}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, **parts, "model": model}


def wheel(file: pathlib.Path, special_tokens: bool = True) -> Oracle:
    tokenizer = Tokenizer.from_file(str(file))

    def one(text: str) -> list[int] | None:
        try:
            return tokenizer.encode(text, add_special_tokens=special_tokens).ids
        except BaseException as error:  # a panic of Rust's is no Exception
            if type(error).__name__ != "PanicException":
                raise
            return None

    def many(texts: list[str]) -> list[list[int] | None]:
        try:
            return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=special_tokens)]
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            return [one(text) for text in texts]

    return many


def json_kind(name: str, model: Callable[[Training], dict], special_tokens: bool = True, **parts) -> Kind:
    """`parts`: those of tokenizer_json, or functions of the training that give them."""

    def write(folder: pathlib.Path, training: Training) -> tuple[pathlib.Path, Oracle]:
        made = {key: part(training) if callable(part) and key != "post" else part for key, part in parts.items()}
        file = folder / "tokenizer.json"
        file.write_text(json.dumps(tokenizer_json(model(training), **made)))
        return folder, wheel(file, special_tokens)

    return Kind(name, write, special_tokens)


# --- Byte-level BPE ---


def byte_level(name: str, pre_tokenizer: dict, ignore_merges: bool = False, **parts) -> Kind:
    """Trained with its own way of splitting, as such tokenizers are."""

    def model(training: Training) -> dict:
        return {**training.byte_level(json.dumps(pre_tokenizer)), "ignore_merges": ignore_merges}

    return json_kind(name, model, pre_tokenizer=pre_tokenizer, **parts)


def on_bytes(name: str, *splits: dict, **parts) -> Kind:
    """A component in front of a byte-level BPE whose tokens cross blanks, numbers and signs."""
    return json_kind(name, Training.byte_level, pre_tokenizer=pre_tokenizers(*splits, BYTES), **parts)


LLAMA3 = pre_tokenizers(split(LLAMA3_PATTERN), BYTES)
DEEPSEEK = pre_tokenizers(
    split("[\r\n]"),
    split(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+"),
    split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
    split(r"\s+$"),
    split("[一-龥ࠀ-一가-퟿]+"),
    {"type": "Digits", "individual_digits": True},
    BYTES,
)
FALCON = pre_tokenizers(
    {"type": "Punctuation", "behavior": "Contiguous"},
    GPT2,
    {"type": "Digits", "individual_digits": False},
    split("[0-9][0-9][0-9]"),
)
BOS = ["<s>", "$A"]
BOS_EOS = ["<s>", "$A", "</s>"]


def byte_level_kinds() -> list[Kind]:
    digits = {"type": "Digits", "individual_digits": True}
    qwen2 = pre_tokenizers(split(QWEN2_PATTERN), BYTES)
    return [
        byte_level("GPT-2", GPT2),
        byte_level("GPT-2, prefix space", {**GPT2, "add_prefix_space": True}),
        byte_level("GPT-2, ignore_merges", GPT2, ignore_merges=True),
        byte_level("LLaMA-3", LLAMA3, ignore_merges=True, post=BOS),
        byte_level("LLaMA-3, merging", LLAMA3, post=BOS),
        byte_level("LLaMA-3 without its special tokens", LLAMA3, ignore_merges=True, post=BOS, special_tokens=False),
        byte_level("Qwen2", qwen2, normalizer={"type": "NFC"}),
        byte_level("GPT-4o pattern", pre_tokenizers(split(GPT4O_PATTERN), BYTES), ignore_merges=True),
        byte_level("GPT-4o pattern, removed and inverted", pre_tokenizers(split(GPT4O_PATTERN, "Removed", True), BYTES)),
        byte_level("SmolLM: digits, ByteLevel", pre_tokenizers(digits, GPT2)),
        byte_level("DeepSeek: several splits", DEEPSEEK),
        byte_level("Falcon: Punctuation, ByteLevel, Digits, Split", FALCON),
        on_bytes("ByteLevel without regex"),
        json_kind("ByteLevel without regex, prefix space", Training.byte_level,
                  pre_tokenizer={**BYTES, "add_prefix_space": True}),
        json_kind("ByteLevel without regex, ignore_merges",
                  lambda training: {**training.byte_level(), "ignore_merges": True}, pre_tokenizer=BYTES, post=BOS),
        on_bytes("RobertaProcessing", post=roberta),
        on_bytes("template BOS and EOS", post=BOS_EOS),
        on_bytes("template BOS twice, EOS", post=["<s>", "<s>", "$A", "</s>"]),
        on_bytes("ByteLevel and template in Sequence", post=lambda added: {
            "type": "Sequence", "processors": [GPT2, template(added, *BOS_EOS)]}),
    ]  # fmt: skip


# --- SentencePiece-style BPE, and BPE of characters ---


def bytes_fallback(training: Training, **options) -> dict:
    return {**training.characters(byte_fallback=True), "fuse_unk": True, **options}


LLAMA2_NORMALIZER = normalizers({"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))


def sentencepiece_style_kinds() -> list[Kind]:
    kinds = [
        json_kind("LLaMA-2 legacy", bytes_fallback, normalizer=LLAMA2_NORMALIZER, post=BOS),
        json_kind("Gemma: Replace, Split", bytes_fallback, normalizer=replace(" ", "▁"),
                  pre_tokenizer=split(" ", "MergedWithPrevious", regex=False), post=BOS),
        json_kind("LLaMA-2 legacy, ignore_merges", lambda training: bytes_fallback(training, ignore_merges=True),
                  normalizer=LLAMA2_NORMALIZER),
    ]  # fmt: skip
    for scheme in ("always", "first", "never"):
        for splits in (True, False):
            name = f"Metaspace {scheme}{'' if splits else ', not split'}"
            kinds.append(json_kind(name, bytes_fallback, pre_tokenizer=metaspace(scheme, splits), post=BOS))
    old = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    kinds.append(json_kind("Metaspace of older files", bytes_fallback, pre_tokenizer=old))
    return kinds


def character_kinds() -> list[Kind]:
    def characters(**options):
        return lambda training: {**training.characters(blank=" "), **options}

    def words(**options):
        return lambda training: training.words(**options)

    def some_bytes(training: Training) -> dict:
        """Byte tokens of ASCII alone: other characters are unknown as a whole."""
        model = training.characters(byte_fallback=True, blank=" ")
        kept = [token for token in model["vocab"] if not (token.startswith("<0x") and token >= "<0x80>")]
        return {**model, "vocab": {token: i for i, token in enumerate(kept)}}

    whitespace = {"type": "Whitespace"}
    both = {"continuing_subword_prefix": "##", "end_of_word_suffix": "</w>"}
    return [
        json_kind("unk", characters()),
        json_kind("unk fused", characters(fuse_unk=True)),
        json_kind("no unk: unknown characters dropped", characters(unk_token=None)),
        json_kind("byte fallback, not fused", lambda training: bytes_fallback(training, fuse_unk=False)),
        json_kind("byte fallback of some bytes", some_bytes),
        json_kind("byte fallback of some bytes, fused", lambda training: {**some_bytes(training), "fuse_unk": True}),
        json_kind("unk, words", words(), pre_tokenizer=whitespace),
        json_kind("unk fused, words", lambda training: {**training.words(), "fuse_unk": True}, pre_tokenizer=whitespace),
        json_kind("Digits, unk fused", characters(fuse_unk=True), pre_tokenizer={"type": "Digits", "individual_digits": True}),
        json_kind("continuing_subword_prefix", words(continuing_subword_prefix="##"), pre_tokenizer=whitespace),
        json_kind("end_of_word_suffix", words(end_of_word_suffix="</w>"), pre_tokenizer=whitespace),
        json_kind("prefix and suffix", words(**both), pre_tokenizer=whitespace, normalizer={"type": "Lowercase"}),
        json_kind("prefix, suffix, ignore_merges", lambda training: {**training.words(**both), "ignore_merges": True},
                  pre_tokenizer=whitespace),
    ]  # fmt: skip


# --- Components ---


def normalizer_kinds() -> list[Kind]:
    def strip(left: bool, right: bool) -> dict:
        return {"type": "Strip", "strip_left": left, "strip_right": right}

    def precompiled(rule: str):
        return lambda training: {"type": "Precompiled", "precompiled_charsmap": training.precompiled(rule)}

    nfd_stripped = normalizers({"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"})
    t5_like = lambda training: normalizers(  # noqa: E731
        precompiled("nmt_nfkc")(training), strip(False, True), replace(" {2,}", "▁", regex=True))
    nested = normalizers(normalizers({"type": "NFKD"}, {"type": "StripAccents"}), {"type": "NFC"}, strip(True, False),
                         {"type": "Prepend", "prepend": "_"})
    made = {
        **{name: {"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")},
        "Strip left": strip(True, False), "Strip right": strip(False, True), "Strip both": strip(True, True),
        "Prepend": {"type": "Prepend", "prepend": "a "},
        "Replace string": replace("th", "T-"), "Replace string by nothing": replace(" ", ""),
        "Replace regex": replace(r"\s+", " ", regex=True),
        "Replace regex, lookahead": replace(r"(?<=\d)(?=(\d{3})+\b)", ",", regex=True),
        "Precompiled nmt_nfkc": precompiled("nmt_nfkc"), "Precompiled nfkc_cf": precompiled("nfkc_cf"),
        "NFD, StripAccents, Lowercase": nfd_stripped, "Precompiled, Strip, Replace": t5_like, "nested Sequence": nested,
    }  # fmt: skip
    return [on_bytes(f"normalizer {name}", normalizer=part) for name, part in made.items()]


def pre_tokenizer_kinds() -> list[Kind]:
    kinds = []
    for behavior in BEHAVIORS:
        for invert in (False, True):
            name = f"Split {behavior}{', inverted' if invert else ''}"
            kinds.append(on_bytes(name, split(r"\p{L}+|\d\d", behavior, invert)))
        kinds.append(on_bytes(f"Split on string, {behavior}", split("e", behavior, regex=False)))
        kinds.append(on_bytes(f"Punctuation {behavior}", {"type": "Punctuation", "behavior": behavior}))
    kinds.append(on_bytes("Split on string, inverted", split("  ", "Isolated", True, regex=False)))
    kinds.append(on_bytes("Split, matches that may be empty", split(r"\d*", "Isolated")))
    kinds.append(on_bytes("Split of words by \\b and \\w", split(r"\b\w+\b", "MergedWithNext")))
    kinds.append(on_bytes("Split of any case", split(r"(?i)the|ß|ǆ|[k-s]+", "Isolated")))
    for individual in (False, True):
        name = f"Digits{', one by one' if individual else ''}"
        kinds.append(on_bytes(name, {"type": "Digits", "individual_digits": individual}))
    for name in ("Whitespace", "WhitespaceSplit"):
        kinds.append(on_bytes(name, {"type": name}))
    parts = ({"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"},
             metaspace("always", True), {"type": "Digits", "individual_digits": True})  # fmt: skip
    kinds.append(on_bytes("Sequence of four", *parts))
    kinds.append(on_bytes("Sequence within Sequence", pre_tokenizers(parts[1], parts[3]), split("[aeiou]", "Removed")))
    kinds.append(on_bytes("Metaspace first after Split", split(r"\n", "MergedWithPrevious"), metaspace("first", True)))
    return kinds


def added_token_kinds() -> list[Kind]:
    both = every_combination(special=False), every_combination(special=True)
    overlapping = SPECIAL + [
        added_token(content, flags)
        for content, flags in {"<0": "0000", "<0000": "0000", "Tok0": "0010", "Tok": "0001", "  ": "0000", " a": "1000",
                               "\n": "0100", "é": "0001", "e\u0301": "0000", "İ": "0001", "the": "0011", ".": "0011"}.items()
    ]  # fmt: skip
    lowercase = normalizers({"type": "NFKC"}, {"type": "Lowercase"})
    strip = normalizers({"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "_"})
    return [
        byte_level("added tokens, GPT-2", GPT2, added=both[0]),
        byte_level("added tokens, prefix space", {**GPT2, "add_prefix_space": True}, added=both[1], post=BOS),
        on_bytes("added tokens, NFKC and Lowercase", normalizer=lowercase, added=both[0]),
        on_bytes("added tokens, special, Lowercase", normalizer={"type": "Lowercase"}, added=both[1]),
        on_bytes("added tokens, Strip and Prepend", normalizer=strip, added=both[0]),
        json_kind("added tokens, LLaMA-2 legacy", bytes_fallback, normalizer=LLAMA2_NORMALIZER, added=both[0], post=BOS),
        json_kind("added tokens, Metaspace always", bytes_fallback, pre_tokenizer=metaspace("always", True), added=both[0]),
        json_kind("added tokens, Metaspace first", bytes_fallback, pre_tokenizer=metaspace("first", False), added=both[1]),
        on_bytes("added tokens that overlap", added=overlapping),
        on_bytes("added tokens that overlap, NFD", normalizer={"type": "NFD"}, added=overlapping),
    ]


def unigram_kinds() -> list[Kind]:
    def unigram(**options):
        return lambda training: training.unigram(**options)

    def precompiled(training: Training) -> dict:
        return {"type": "Precompiled", "precompiled_charsmap": training.precompiled("nmt_nfkc")}

    always = metaspace("always", True)
    xlm = pre_tokenizers({"type": "WhitespaceSplit"}, always)
    return [
        json_kind("Unigram", unigram()),
        json_kind("Unigram across blanks", unigram(across_blanks=True), normalizer=LLAMA2_NORMALIZER),
        json_kind("Unigram, Metaspace", unigram(), pre_tokenizer=always, post=["$A", "</s>"]),
        json_kind("Unigram, byte fallback", unigram(byte_fallback=True), pre_tokenizer=always),
        json_kind("Unigram across blanks, byte fallback", unigram(across_blanks=True, byte_fallback=True),
                  normalizer=LLAMA2_NORMALIZER, post=BOS),
        json_kind("Unigram, Precompiled, Metaspace", unigram(), normalizer=precompiled, pre_tokenizer=always, post=BOS_EOS),
        json_kind("Unigram, XLM-R: WhitespaceSplit, Metaspace", unigram(), normalizer=precompiled, pre_tokenizer=xlm),
        json_kind("Unigram, added tokens", unigram(), pre_tokenizer=always, added=every_combination(False)),
    ]  # fmt: skip


def bert_normalizer(strip_accents: bool | None, lowercase: bool = True) -> dict:
    options = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": strip_accents, "lowercase": lowercase}
    return {"type": "BertNormalizer", **options}


def other_kinds() -> list[Kind]:
    """Components and models that language models hardly use."""
    bert = {"type": "BertPreTokenizer"}

    def bert_processing(added: list[dict]) -> dict:
        return {key: value for key, value in roberta(added).items() if key in ("sep", "cls")} | {"type": "BertProcessing"}

    return [
        on_bytes("normalizer BertNormalizer", normalizer=bert_normalizer(None)),
        on_bytes("normalizer BertNormalizer, accents alone", normalizer=bert_normalizer(True, lowercase=False)),
        on_bytes("normalizer Nmt", normalizer={"type": "Nmt"}),
        json_kind("normalizer ByteLevel", Training.byte_level, normalizer={"type": "ByteLevel"}),
        on_bytes("BertPreTokenizer", bert),
        on_bytes("CharDelimiterSplit", {"type": "CharDelimiterSplit", "delimiter": "e"}),
        on_bytes("UnicodeScripts", {"type": "UnicodeScripts"}),
        on_bytes("FixedLength", {"type": "FixedLength", "length": 3}),
        on_bytes("BertProcessing", post=bert_processing),
        json_kind("WordPiece", Training.word_piece, normalizer=bert_normalizer(None), pre_tokenizer=bert, post=BOS_EOS),
        json_kind("WordLevel", Training.word_level, pre_tokenizer={"type": "Whitespace"}, added=every_combination(False)),
    ]
