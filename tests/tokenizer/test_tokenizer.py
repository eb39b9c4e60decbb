"""Token ids by the command line, what is refused, and the files rebuilt from a GGUF; test_kinds.py has the large sets."""
import json
import pathlib
import random

import gguf
import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# What the tiny tokenizers learn their merges from.
TRAINING_TEXT = [
    "The quick brown fox jumps over the lazy dog, and then the dog doesn't jump: it's 1234567 times too lazy!",
    "    def indented(code):\r\n\t\treturn code + 'blank lines follow'\r\n\r\n\r\n",
    "Les élèves où naïve façade; Straße; 漢字かな混じり文; 한글과 한국어; مرحبا بالعالم; שלום עולם; привет мир",
    "the there then them these those thousand thing think thought 2023 2024 2025 3.14159 10,000",
] * 20

ADVERSARIAL = [
    "",
    " ",
    "\n",
    "Hello, world! I'll say it'S DON'T they'Ve",
    "1 12 123 1234 12345 3.14 1,000,000 ½ ² Ⅷ ٣٤٥ १२ 𝟘𝟙",
    "a" * 3000,
    " " * 3000 + "x" + "\t" * 50 + "\n" * 50,
    " \n \n\n  \r\n\r\n x\r\ry\x0b\x0cz",
    "\u00a0\u2003\u3000 blank \u200b\u200c\u200d\ufeff\u2028\u2029\u0085",
    "👨‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "한글 각 \u1100\u1161\u11a8 漢字 カタカナ ｶﾅ ﬁ ① Å \u212b e\u0301 o\u0302\u0323",
    "مرحبا بالعالم \u202eRTL\u202c שָׁלוֹם",
    "\x00\x01\x1f\x7f\x80 control \ue000 \U0010ffff",
    "İIıi ſK ẞß ΟΔΟΣ Σσς",
    "<|bos|>text<|eos|> <|eos|><user> <user>  <mask>  word<mask>word cat cats concat cat. THE the",
    "<|bos|", "<|<|bos|>|>", "<user><user>", "  <mask>  ",
    "_snake_case CamelCase kebab-case !!!??? ... --- ``` ~~~ {}[]()<>",
]
INVALID_UTF8 = [
    b"a\xffb", b"\x80\x80", b"\xc3", b"\xe2\x82", b"\xe2\x82z", b"\xf0\x9f\x98 x", b"\xc0\x80", b"\xe0\x80\x80",
    b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"ok \xc3\xa9 \xc3 \xa9",
]
TEXTS = [text.encode() for text in ADVERSARIAL] + INVALID_UTF8


def random_texts(count: int) -> list[bytes]:
    """Mixtures of pieces of the above."""
    choose = random.Random(7)
    atoms = [word.encode() for text in ADVERSARIAL for word in text[:200].split()] + INVALID_UTF8
    blanks = [b"", b"", b" ", b" ", b"  ", b"\n", b"\r\n", b"\t", "\u3000".encode()]
    return [
        b"".join(choose.choice(atoms) + choose.choice(blanks) for _ in range(choose.randrange(20, 200)))
        for _ in range(count)
    ]


def trained(pre_tokenizer, vocab_size=600) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    tokenizer.add_special_tokens(["<|bos|>", "<|eos|>"])
    tokenizer.add_tokens(
        [
            AddedToken("<user>", lstrip=True, normalized=False),
            AddedToken("<mask>", lstrip=True, rstrip=True),
            AddedToken("cat", single_word=True),
            AddedToken("THE", normalized=True),
        ]
    )
    return tokenizer


def split_and_byte_level(*splits):
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*splits, last])


def template(*pieces: str):
    def process(tokenizer: Tokenizer):
        special = [(token, tokenizer.token_to_id(token)) for token in ("<|bos|>", "<|eos|>")]
        return processors.TemplateProcessing(single=" ".join(pieces), special_tokens=special)

    return process


def gpt2_kind() -> Tokenizer:
    tokenizer = trained(pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def llama3_kind() -> Tokenizer:
    tokenizer = trained(split_and_byte_level(pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated")))
    tokenizer.model.ignore_merges = True
    bos = template("<|bos|>", "$A")(tokenizer)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), bos])
    return tokenizer


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> tuple[pathlib.Path, Tokenizer]:
    """A checkpoint folder, as far as tokenizing needs it, and the wheel's tokenizer of it."""
    folder = tmp_path_factory.mktemp("llama3")
    llama3_kind().save(str(folder / "tokenizer.json"))
    return folder, Tokenizer.from_file(str(folder / "tokenizer.json"))


def wheel_ids(tokenizer: Tokenizer, text: bytes, add_special_tokens: bool = True) -> list[int]:
    return tokenizer.encode(text.decode("utf-8", "replace"), add_special_tokens=add_special_tokens).ids


def test_texts(model, sleb_ids):
    folder, wheel = model
    for text in TEXTS + random_texts(3):
        assert sleb_ids(folder, text) == wheel_ids(wheel, text), text


def test_without_special_tokens(model, sleb_ids):
    folder, wheel = model
    text = b"The <|bos|> 12 dogs"
    assert sleb_ids(folder, text, "--no-special-tokens") == wheel_ids(wheel, text, add_special_tokens=False)


def test_merges_as_strings_and_untyped_model(sleb_ids, tmp_path):
    """How files of 2020 are written, GPT-2's own among them."""
    wheel = gpt2_kind()
    file = json.loads(wheel.to_str())
    del file["model"]["type"]
    file["model"]["merges"] = [" ".join(merge) for merge in file["model"]["merges"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(file))
    old = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in TEXTS[3:8]:
        assert sleb_ids(tmp_path, text) == wheel_ids(old, text) == wheel_ids(wheel, text)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"normalizer": {"type": "Nonesuch"}}, "Nonesuch"),
        ({"pre_tokenizer": {"type": "Nonesuch"}}, "Nonesuch"),
        ({"post_processor": {"type": "Nonesuch"}}, "Nonesuch"),
        ({"model": {"type": "Nonesuch", "vocab": {}}}, "Nonesuch"),
        ({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}, '"a"'),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}, '"b"'),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.5}}, "dropout"),
    ],
)
def test_what_is_not_known_is_refused_by_name(change, name, sleb_error, tmp_path):
    file = {"version": "1.0", "added_tokens": [], **json.loads(gpt2_kind().to_str()), **change}
    if "model" in change:
        file["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(file))
    error = sleb_error(tmp_path)
    assert name in error and "tokenizer.json" in error and error.count("\n") == 1


# --- GGUF ---


def vocabulary_of(path: pathlib.Path) -> dict:
    """The members of sleb's GgufVocabulary, read by the gguf wheel."""
    fields = gguf.GGUFReader(path).fields

    def value(key):
        return fields[key].contents() if key in fields else None

    names = {
        "model": "model", "pre": "pre", "tokens": "tokens", "token_types": "token_type", "merges": "merges",
        "bos": "bos_token_id", "eos": "eos_token_id", "unknown": "unknown_token_id", "padding": "padding_token_id",
        "add_bos": "add_bos_token", "add_eos": "add_eos_token",
    }
    members = {member: value(f"tokenizer.ggml.{key}") for member, key in names.items()}
    return {**members, "chat_template": value("tokenizer.chat_template")}


def write_gguf(path: pathlib.Path, tokenizer: Tokenizer, pre: str, add_bos: bool | None) -> None:
    """A GGUF of the vocabulary alone."""
    names = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    added = tokenizer.get_added_tokens_decoder()
    kinds = {False: gguf.TokenType.USER_DEFINED, True: gguf.TokenType.CONTROL}
    types = [kinds[added[i].special] if i in added else gguf.TokenType.NORMAL for i in range(len(names))]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(names)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]])
    writer.add_bos_token_id(tokenizer.token_to_id("<|bos|>"))
    writer.add_eos_token_id(tokenizer.token_to_id("<|eos|>"))
    if add_bos is not None:
        writer.add_add_bos_token(add_bos)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def plain_kind(pre_tokenizer, bos: bool, ignore_merges: bool = False) -> Tokenizer:
    """A tokenizer as a GGUF can hold it: added tokens without options."""
    tokenizer = trained(pre_tokenizer)
    file = json.loads(tokenizer.to_str())
    for token in file["added_tokens"]:
        token.update(lstrip=False, rstrip=False, single_word=False, normalized=False)
    file["model"]["ignore_merges"] = ignore_merges
    tokenizer = Tokenizer.from_str(json.dumps(file))
    if bos:
        tokenizer.post_processor = template("<|bos|>", "$A")(tokenizer)
    return tokenizer


def by_pre(pre: str) -> Tokenizer:
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pre == "gpt-2":
        return plain_kind(gpt2, bos=True)
    if pre == "smollm":
        return plain_kind(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2]), bos=False)
    llama3 = split_and_byte_level(pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated"))
    return plain_kind(llama3, bos=True, ignore_merges=True)


@pytest.mark.parametrize(("pre", "add_bos"), [("gpt-2", True), ("smollm", None), ("llama-bpe", None)])
def test_gguf(pre, add_bos, sleb_ids, tmp_path):
    wheel = by_pre(pre)
    write_gguf(tmp_path / "model.gguf", wheel, pre, add_bos)
    for text in TEXTS[::2] + random_texts(8):
        assert sleb_ids(tmp_path / "model.gguf", text) == wheel_ids(wheel, text), text


def test_gguf_with_unknown_pre_tokenizer_is_refused_by_name(sleb_error, tmp_path):
    write_gguf(tmp_path / "model.gguf", by_pre("gpt-2"), "nonesuch", None)
    assert 'tokenizer.ggml.pre "nonesuch" is not supported' in sleb_error(tmp_path / "model.gguf")


def test_smollm2_gguf_on_data(smollm2_gguf, rebuilt_files, sleb_ids, data_starts):
    """sleb on the GGUF, and the wheel and transformers on the files that sleb makes of it."""
    transformers = pytest.importorskip("transformers")
    folder = rebuilt_files(vocabulary_of(smollm2_gguf))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    wheel = Tokenizer.from_file(str(folder / "tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    assert auto.bos_token == "<|im_start|>" and auto.chat_template
    for name, text in data_starts.items():
        expected = wheel_ids(wheel, text)
        assert sleb_ids(smollm2_gguf, text) == expected, name
        assert auto(text.decode("utf-8", "replace"))["input_ids"] == expected, name


def test_smollm2_folder_on_data(smollm2_gguf, sleb_ids, data_starts, tmp_path):
    """The folder as transformers makes it of the GGUF (without a step for digits, unlike llama.cpp and the original)."""
    transformers = pytest.importorskip("transformers")
    auto = transformers.AutoTokenizer.from_pretrained(smollm2_gguf.parent, gguf_file=smollm2_gguf.name)
    auto.save_pretrained(tmp_path)
    wheel = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for name, text in data_starts.items():
        assert sleb_ids(tmp_path, text) == wheel_ids(wheel, text), name
