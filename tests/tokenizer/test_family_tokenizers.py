"""Tokenizers of the families of language models: ids of every folder are those of transformers' AutoTokenizer on it."""
import json
import pathlib

import pytest
from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

import texts
from compare import Comparison
from family_files import CONTRADICTIONS, FAMILIES, Published, contradicting, write
from file_kinds import LLAMA_SPM, transformers_ids
from kinds import GPT2, added_token
from test_decode import compare

# Classes of transformers that sleb makes; the other registered ones are those of encoders, speech and translation.
OWN_CLASSES = ["LlamaTokenizer", "GPT2Tokenizer", "CodeGenTokenizer", "GPTNeoXTokenizer", "Qwen2Tokenizer", "GemmaTokenizer",
               "CohereTokenizer"]  # fmt: skip
MODEL_TYPES = [name for name, registered in sorted(TOKENIZER_MAPPING_NAMES.items())
               if (registered or "").removesuffix("Fast") in [*OWN_CLASSES, "TokenizersBackend"]]  # fmt: skip


def strings(published: Published) -> list[bytes]:
    """The adversarial set, and the family's special tokens alone, between words and with blanks around."""
    known = ["<bos>", "<eos>", "<pad>", "<mask>", "<unk>", "<|padding|>", "<BOS_TOKEN>", "<MASK_TOKEN>", "<s>", "</s>", "<|end|>",
             *published.specials]  # fmt: skip
    made = [form.format(token) for token in known for form in ("{0}", "a{0}b", " {0} 12 {0}\n{0}  x", "{0}{0}é{0}e\u0301")]
    return [text.encode() for text in made] + texts.adversarial()


def expect_same(folder: pathlib.Path, published: Published) -> None:
    """Nothing to compare where transformers itself fails: GemmaTokenizer on a vocabulary without its unknown token."""
    oracle = transformers_ids(folder)
    try:
        oracle([text.decode("utf-8", "replace") for text in strings(published)])
    except Exception as error:
        assert str(error).startswith("Unk token"), error
        return
    comparison = Comparison(folder, oracle)
    result = comparison.of(strings(published))
    shown = [str(comparison.shrink(difference)) for difference in result.differences[:3]]
    assert not shown, "\n".join([str(result), *shown])


@pytest.mark.parametrize("family", FAMILIES)
def test_as_published(family, training, tmp_path):
    published = FAMILIES[family]
    config = {**published.config, "tokenizer_class": published.tokenizer_class}
    expect_same(write(tmp_path / "m", published, published.document(training), config), published)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("family", FAMILIES)
def test_text_of_ids(family, training, tmp_path):
    published = FAMILIES[family]
    config = {**published.config, "tokenizer_class": published.tokenizer_class}
    folder = write(tmp_path / "m", published, published.document(training), config)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sequences = tokenizer([text.decode("utf-8", "replace") for text in strings(published)])["input_ids"]
    compare(folder, lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip), sequences)


NAMES = ["its own", "by model_type", "none", "PreTrainedTokenizerFast", *OWN_CLASSES, "SomebodysTokenizer"]


def named(published: Published, name: str) -> dict | None:
    if name == "by model_type":
        return None
    own = {"its own": published.tokenizer_class, "none": None}.get(name, name)
    return {**published.config, "tokenizer_class": own}


@pytest.mark.sampled(30)
@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", FAMILIES)
def test_classes(family, name, contradiction, training, tmp_path):
    published = FAMILIES[family]
    document = contradicting(published, training, contradiction)
    expect_same(write(tmp_path / "m", published, document, named(published, name)), published)


@pytest.mark.sampled(20)
@pytest.mark.parametrize("tokenizer_class", ["", "GPT2Tokenizer", "LlamaTokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_registered_classes(model_type, tokenizer_class, training, tmp_path):
    """Qwen2's files, from which every class makes something else, under every type of model."""
    published = Published(model_type, tokenizer_class, FAMILIES["Qwen2"].pre_tokenizer, {"type": "Lowercase"})
    config = {"tokenizer_class": tokenizer_class} if tokenizer_class else {}
    expect_same(write(tmp_path / "m", published, published.document(training), config), published)


def token(content: str, **flags) -> dict:
    return {"__type": "AddedToken", **added_token(content), **flags}


SETTINGS = {
    "prefix space": {"add_prefix_space": True},
    "no prefix space": {"add_prefix_space": False},
    "nulls": {"legacy": None, "additional_special_tokens": None, "added_tokens_decoder": {}},
    "BOS and EOS": {"add_bos_token": True, "add_eos_token": True},
    "tokens of other names": {"bos_token": "<B>", "eos_token": token("<E>", rstrip=True), "pad_token": "<P>"},
    "no tokens": {"bos_token": None, "eos_token": None, "unk_token": None, "pad_token": None, "mask_token": None},
    "extra over the decoder": {
        "added_tokens_decoder": {"900": added_token("<e>", "0100"), "901": added_token("<m>", "1000", True)},
        "extra_special_tokens": ["<e>", token("<m>", rstrip=True)],
    },
    "roles in the decoder": {"added_tokens_decoder": {"900": added_token("<e>", "1101")}, "eos_token": "<e>",
                             "mask_token": "<e>"},
    "split": {"split_special_tokens": True},
    "own code": {"auto_map": {"AutoTokenizer": ["x.X", None]}},
    "own code, as a list": {"auto_map": ["x.X", None]},
    "own code for something else": {"auto_map": {"AutoProcessor": "x.X"}},
}  # fmt: skip


@pytest.mark.sampled(20)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("tokenizer_class", OWN_CLASSES)
@pytest.mark.parametrize("model_type", ["gpt2", "qwen2", "granite", "cohere"])
@pytest.mark.parametrize("pieces", [False, True], ids=["bytes", "pieces"])
def test_settings(pieces, model_type, tokenizer_class, setting, training, tmp_path):
    family = FAMILIES["Gemma" if pieces else "Command-R"]
    specials = ("<s>", "<e>", "<m>", "<B>", "<E>")
    published = Published(model_type, tokenizer_class, family.pre_tokenizer, family.normalizer, specials, ("<s>",), pieces)
    config = {**SETTINGS[setting], "tokenizer_class": tokenizer_class}
    expect_same(write(tmp_path / "m", published, published.document(training), config), published)


# --- without tokenizer.json ---

# The class that is named, if any, and the type of the model.
VOCAB_FOLDERS = [("GPT2Tokenizer", "gptj"), ("", "gptj"), ("CodeGenTokenizer", "phi"), ("GPTNeoXTokenizer", "gpt_neox"),
                 ("", "gpt_neox"), ("Qwen2Tokenizer", "qwen3"), ("", "qwen3"), ("CohereTokenizer", "cohere2"), ("", "cohere2")]


@pytest.mark.sampled(20)
@pytest.mark.parametrize("setting", [*SETTINGS, "nothing"])
@pytest.mark.parametrize(("tokenizer_class", "model_type"), VOCAB_FOLDERS)
def test_vocab_and_merges(tokenizer_class, model_type, setting, training, tmp_path):
    published = Published(model_type, tokenizer_class, GPT2, None, ("<e>", "<m>", "<B>", "<E>"))
    model = training.byte_level(json.dumps(GPT2))
    vocab = {name: number for number, name in enumerate(["<|endoftext|>", "<B>", *model["vocab"]])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_text("".join(f"{left} {right}\n" for left, right in model["merges"]))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": published.model_type}))
    config = {**SETTINGS.get(setting, {}), **({"tokenizer_class": tokenizer_class} if tokenizer_class else {})}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    expect_same(tmp_path, published)


@pytest.mark.parametrize("setting", ["nothing", "BOS and EOS", "tokens of other names", "extra over the decoder", "split"])
@pytest.mark.parametrize("by_name", [True, False], ids=["named", "by model_type"])
def test_tokenizer_model_of_gemma(by_name, setting, training, tmp_path):
    options = {**LLAMA_SPM, "add_dummy_prefix": False, "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3,
               "pad_piece": "<pad>", "eos_piece": "<eos>", "bos_piece": "<bos>",
               "user_defined_symbols": "<mask>,<start_of_turn>,<end_of_turn>"}  # fmt: skip
    (tmp_path / "tokenizer.model").write_bytes(training.sentencepiece("bpe", **options))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma2"}))
    config = {**SETTINGS.get(setting, {}), **({"tokenizer_class": "GemmaTokenizer"} if by_name else {})}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    expect_same(tmp_path, FAMILIES["Gemma"])


@pytest.mark.parametrize("add_bos", [None, True, False])
@pytest.mark.parametrize("own_code", [True, False])
def test_tokenizer_model_of_internlm2(own_code, add_bos, training, tmp_path):
    """Where no blank is put in front, transformers' generic class reads the pieces as SentencePiece does; BOS, which it
    leaves out unless it is asked for, is the own class's. Names of placeholders are in added_tokens_decoder."""
    options = {**LLAMA_SPM, "add_dummy_prefix": False, "user_defined_symbols": "[UNUSED_TOKEN_0],[UNUSED_TOKEN_1]"}
    (tmp_path / "tokenizer.model").write_bytes(training.sentencepiece("bpe", **options))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "internlm2"}))
    names = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    config = {
        "tokenizer_class": "InternLM2Tokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>",
        "added_tokens_decoder": {str(number): added_token(name, special=True) for number, name in enumerate(names)},
        **({} if add_bos is None else {"add_bos_token": add_bos}),
        **({"auto_map": {"AutoTokenizer": ["a.InternLM2Tokenizer", "b.InternLM2TokenizerFast"]}} if own_code else {}),
    }  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    theirs = transformers_ids(tmp_path)
    bos = [1] if add_bos is None else []
    comparison = Comparison(tmp_path, lambda texts: [bos + ids for ids in theirs(texts)])
    published = Published("internlm2", "", None, specials=tuple(names))
    assert not (differences := comparison.of(strings(published)).differences), [str(d) for d in differences[:3]]
