"""Files beside a tokenizer.json: ids of every folder are those of transformers' AutoTokenizer on the same folder."""
import copy
import json
import pathlib

import pytest
from transformers import AutoTokenizer

from sources import check, ids_dump, refusal
from tiny_models import save_tokenizer

TEXTS = [text.encode() for text in [
    "", " ", "a", " a", "  a  b ", "Hello world", " Hello  world 12345 \n\n x", "a<e>b", "a <e> b", "a<e>  b", "<e>", "<e><e> <p>",
    "x<p>y <m> z", "<s>a</s>", "<s> a </s>", "say <tool> now<tool>", "<|endoftext|>", "a<|endoftext|> b", "it's 3.14!",
    "<x>word<x>", "a<x>b", " <x> ", "naïve café", "▁a ▁ b", "<0x41>", "<pad><unk>", "two  blanks", "\ttab", "<E>", "<e", "e>",
]]


def token(content: str, **flags) -> dict:
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": True, **flags}


def typed(content: str, **flags) -> dict:
    return {"__type": "AddedToken", **token(content, **flags)}


# What stands in tokenizer_config.json, special_tokens_map.json and added_tokens.json.
FILES = {
    "nothing": {},
    "empty": {"config": {}},
    "eos as text": {"config": {"eos_token": "<e>"}},
    "eos as object": {"config": {"eos_token": typed("<e>", rstrip=True)}},
    "eos as object, both sides": {"config": {"eos_token": typed("<e>", lstrip=True, rstrip=True)}},
    "eos null": {"config": {"eos_token": None, "pad_token": "<p>"}},
    "every role": {"config": {f"{role}_token": f"<{role}>" for role in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")}},
    "a role of the model's own": {"config": {"image_token": "<tool>", "eos_token": "<e>"}},
    "a role twice": {"config": {"eos_token": "<e>", "pad_token": "<e>"}},
    "a token of the vocabulary": {"config": {"eos_token": "a"}},
    "additional": {"config": {"additional_special_tokens": ["<e>", "<tool>"]}},
    "additional objects": {"config": {"additional_special_tokens": [typed("<e>", rstrip=True), "<m>"]}},
    "extra list": {"config": {"extra_special_tokens": ["<e>", "<m>"]}},
    "extra object": {"config": {"extra_special_tokens": {"tool_token": "<tool>", "image_token": "<m>"}}},
    "model specific": {"config": {"model_specific_special_tokens": {"tool_token": "<tool>", "image_token": typed("<m>", rstrip=True)}}},
    "model specific, and a role": {"config": {"model_specific_special_tokens": {"tool_token": "<tool>"}, "image_token": "<m>"}},
    "model specific, and extra": {"config": {"model_specific_special_tokens": {"tool_token": "<tool>"},
                                             "extra_special_tokens": {"image_token": "<m>"}}},
    "extra and additional": {"config": {"extra_special_tokens": ["<e>"], "additional_special_tokens": ["<m>"]}},
    "decoder": {"config": {"added_tokens_decoder": {"900": token("<e>", rstrip=True), "800": token("<m>")}}},
    "decoder of known tokens": {"config": {"added_tokens_decoder": {"{bos}": token("<s>", rstrip=True)}}},
    "decoder, not special": {"config": {"added_tokens_decoder": {"900": token("<e>", special=False)},
                                        "eos_token": "<e>"}},
    "decoder, normalized": {"config": {"added_tokens_decoder": {"900": token("<E>", special=False, normalized=True)}}},
    "decoder, single word": {"config": {"added_tokens_decoder": {"900": token("<x>", single_word=True)}}},
    "decoder, lstrip": {"config": {"added_tokens_decoder": {"900": token("<e>", lstrip=True)}, "pad_token": "<p>"}},
    "map": {"map": {"eos_token": "<e>", "pad_token": {"content": "<p>", "lstrip": True, "rstrip": True,
                                                       "normalized": False, "single_word": False}}},
    "map beside a decoder": {"config": {"added_tokens_decoder": {"900": token("<m>")}}, "map": {"eos_token": "<e>"}},
    "map with additional": {"map": {"additional_special_tokens": ["<e>", "<m>"]}},
    "map over config": {"config": {"eos_token": "<p>"}, "map": {"eos_token": "<e>"}},
    "added_tokens.json": {"added": {"<e>": 900, "<m>": 901}},
    "added_tokens.json, one special": {"config": {"eos_token": "<e>"}, "added": {"<e>": 900, "<m>": 901}},
    "added_tokens.json beside a decoder": {"config": {"added_tokens_decoder": {}}, "added": {"<e>": 900}},
    "split": {"config": {"split_special_tokens": True, "eos_token": "<e>"}},
    "split with a plain token": {"config": {"split_special_tokens": True, "added_tokens_decoder": {
        "900": token("<e>"), "901": token("<m>", special=False), "902": token("<e><e>", special=False)}}},
    "add bos and eos": {"config": {"add_bos_token": True, "add_eos_token": True, "bos_token": "<s>", "eos_token": "<e>"}},
    "prefix space": {"config": {"add_prefix_space": True, "eos_token": "<e>"}},
    "no prefix space": {"config": {"add_prefix_space": False, "eos_token": "<e>"}},
    "legacy": {"config": {"legacy": True}},
    "not legacy": {"config": {"legacy": False}},
}
CLASSES = ["", "PreTrainedTokenizerFast", "TokenizersBackend", "LlamaTokenizer", "LlamaTokenizerFast", "GPT2Tokenizer",
           "GPT2TokenizerFast", "Qwen2Tokenizer", "SomebodysTokenizer"]
MODEL_TYPES = ["llama", "mistral", "opt"]
COMPONENTS = {"byte level": "GPT-2", "metaspace": "LLaMA-2 legacy"}


@pytest.fixture(scope="module", name="plain")
def made_once(training, tmp_path_factory) -> dict[str, dict]:
    """Two kinds of tokenizer.json, each with <s>, <unk> and </s> among its added tokens."""
    from every_kind import KINDS
    made = {}
    for name, kind in COMPONENTS.items():
        model, _ = next(k for k in KINDS if k.name == kind).write(tmp_path_factory.mktemp("kind"), training)
        file = model if model.is_file() else model / "tokenizer.json"
        made[name] = json.loads(file.read_text())
    return made


def write(folder: pathlib.Path, tokenizer: dict, files: dict, tokenizer_class: str = "", model_type: str = "llama"):
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    config = copy.deepcopy(files.get("config"))
    if config and "{bos}" in config.get("added_tokens_decoder", {}):
        config["added_tokens_decoder"]["0"] = config["added_tokens_decoder"].pop("{bos}")
    if tokenizer_class:
        config = {**(config or {}), "tokenizer_class": tokenizer_class}
    for name, content in (("tokenizer_config", config), ("special_tokens_map", files.get("map")),
                          ("added_tokens", files.get("added"))):
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def expect_same(folder: pathlib.Path) -> None:
    oracle = AutoTokenizer.from_pretrained(folder)
    check(folder, lambda text: oracle(text)["input_ids"], TEXTS)


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("files", FILES)
def test_special_tokens(plain, tmp_path, component, files):
    expect_same(write(tmp_path / "m", plain[component], FILES[files], "PreTrainedTokenizerFast"))


@pytest.mark.sampled(30)
@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("tokenizer_class", CLASSES)
@pytest.mark.parametrize("files", ["nothing", "eos as object", "prefix space", "legacy", "decoder", "split with a plain token"])
def test_classes(plain, tmp_path, component, model_type, tokenizer_class, files):
    expect_same(write(tmp_path / "m", plain[component], FILES[files], tokenizer_class, model_type))


def test_an_object_without_its_type(plain, tmp_path):
    """transformers 5 refuses it; it is taken as older versions wrote it."""
    folders = [write(tmp_path / name, plain["byte level"], {"config": {"eos_token": kind("<e>", rstrip=True)}})
               for name, kind in (("plain", token), ("typed", typed))]
    assert ids_dump(folders[0], TEXTS).stdout == ids_dump(folders[1], TEXTS).stdout


LISTS = {
    "other ids": [("<e>", 904, {}), ("<m>", 903, {})],
    "twice": [("<e>", 900, {}), ("<e>", 901, {"rstrip": True})],
    "twice, the other way": [("<e>", 900, {"rstrip": True}), ("<e>", 901, {})],
    "twice, plain and special": [("<e>", 900, {"special": False, "lstrip": True}), ("<e>", 901, {})],
    "twice, special and plain": [("<e>", 900, {}), ("<e>", 901, {"special": False, "lstrip": True})],
    "of the vocabulary, with another id": [("a", 950, {}), ("<m>", 3, {})],
    "a gap": [("<e>", 5000, {}), ("<m>", 9000, {})],
}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", LISTS)
def test_lists_as_the_library_takes_them(plain, tmp_path, component, name):
    from tokenizers import Tokenizer
    tokenizer = copy.deepcopy(plain[component])
    tokenizer["added_tokens"] += [{"id": number, **token(content, **flags)} for content, number, flags in LISTS[name]]
    folder = write(tmp_path / "m", tokenizer, {}, "PreTrainedTokenizerFast")
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    check(folder / "tokenizer.json", lambda text: library.encode(text).ids, TEXTS)
    expect_same(folder)


def test_a_class_that_is_not_known_is_said(sleb, tmp_path):
    import tiny_models
    model = save_tokenizer(tiny_models.save_model(tmp_path / "m", num_hidden_layers=2))
    tiny_models.edit_json(model / "tokenizer_config.json", tokenizer_class="T5Tokenizer")
    done = sleb("info", model)
    assert done.returncode == 0 and 'tokenizer_class "T5Tokenizer" is not known here' in done.stderr + done.stdout


def test_code_of_its_own(sleb, tmp_path):
    """The code is not copied, so nothing may ask for it."""
    import tiny_models
    model = save_tokenizer(tiny_models.save_model(tmp_path / "m", num_hidden_layers=2))
    tiny_models.edit_json(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_own.Own", None]})
    done = sleb("export", model, "--removal-list", "1", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "auto_map names Python code of the tokenizer's own" in sleb("info", model).stderr
    assert "auto_map is left out of tokenizer_config.json" in done.stderr
    settings = json.loads((model / "tokenizer_config.json").read_text())
    del settings["auto_map"]
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text()) == settings
    expect_same(tmp_path / "out")


@pytest.mark.parametrize("config,message", [
    ({"eos_token": 3}, "eos_token: expected a string"), ({"eos_token": {"lstrip": True}}, 'eos_token: lacks "content"'),
    ({"added_tokens_decoder": {"x": token("<e>")}}, '"x" is not the id of a token'),
    ({"added_tokens_decoder": {"-1": token("<e>")}}, '"-1" is not the id of a token'),
    ({"added_tokens_decoder": {"3": "<e>"}}, "added_tokens_decoder.3: expected an object"),
    ({"split_special_tokens": "yes"}, "split_special_tokens: expected true or false"),
    ({"extra_special_tokens": [3]}, "extra_special_tokens[0]: expected a string"),
    ({"model_specific_special_tokens": ["<e>"]}, "model_specific_special_tokens: expected an object"),
    ({"tokenizer_class": 5}, "tokenizer_class: expected a string"),
])
def test_malformed_files_are_refused_by_key(plain, tmp_path, config, message):
    folder = write(tmp_path / "m", plain["byte level"], {"config": config})
    assert message in refusal(folder)


def test_a_pruned_folder_has_the_same_ids(sleb_ok, tmp_path):
    import tiny_models
    model = save_tokenizer(tiny_models.save_model(tmp_path / "m", num_hidden_layers=3))
    tiny_models.edit_json(model / "tokenizer_config.json", eos_token=typed("<e>", rstrip=True),
                          additional_special_tokens=["<tool>"])
    sleb_ok("export", model, "--removal-list", "1", "--out", tmp_path / "out")
    before, after = (ids_dump(folder, TEXTS).stdout for folder in (model, tmp_path / "out"))
    assert before == after
    expect_same(tmp_path / "out")
