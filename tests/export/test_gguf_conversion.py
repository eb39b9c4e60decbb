"""Folders written as GGUFs: types, vocabularies, and what is refused."""
import json
import pathlib

import gguf
import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gguf_contents import metadata_of, tensors_of, value_of
from gguf_models import save_gguf
from programs import ROOT
from tiny_models import ROPES, VOCABULARY, edit_json, make_model, random_ids, save_model, save_tokenizer, set_template

IDS = random_ids(40)
FILE_TYPES = {"float32": gguf.LlamaFileType.ALL_F32, "float16": gguf.LlamaFileType.MOSTLY_F16,
              "bfloat16": gguf.LlamaFileType.MOSTLY_BF16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
KINDS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "q8_0": "Q8_0"}
TEXTS = ["The quick brown fox can't jump over 12345 lazy dogs.", "  Zürich, 東京 🎉\n\n\tnaïve  ", "x = y_1 += 2;", ""]


def save_source(folder: pathlib.Path, **options) -> pathlib.Path:
    return save_tokenizer(save_model(folder, num_hidden_layers=3, **options))


@pytest.mark.parametrize("dtype", list(KINDS))
def test_types(dtype, sleb_ok, tmp_path):
    """Matrices' bytes are the gguf wheel's, everything else is F32."""
    save_source(tmp_path / "model", hidden_size=64, num_attention_heads=4, num_key_value_heads=2)
    model = make_model(num_hidden_layers=3, hidden_size=64, num_attention_heads=4, num_key_value_heads=2)
    save_gguf(tmp_path / "expected.gguf", model, KINDS[dtype])
    sleb_ok("export", tmp_path / "model", "--removal-list", "", "--out", tmp_path / "out.gguf", "--out-dtype", dtype)
    expected, actual = tensors_of(tmp_path / "expected.gguf"), tensors_of(tmp_path / "out.gguf")
    assert set(actual) == set(expected)
    assert {name for name in expected if actual[name] != expected[name]} == set()
    assert value_of(tmp_path / "out.gguf", "general.file_type") == FILE_TYPES[dtype]
    assert value_of(tmp_path / "out.gguf", "general.quantization_version") == gguf.GGML_QUANT_VERSION


@pytest.mark.parametrize("stored, kind", [(torch.float32, "F32"), (torch.float16, "F16"), (torch.bfloat16, "BF16")])
def test_types_as_stored(stored, kind, sleb_ok, tmp_path):
    save_source(tmp_path / "model", dtype=stored)
    sleb_ok("export", tmp_path / "model", "--removal-list", "", "--out", tmp_path / "out.gguf")
    kinds = {len(shape): kind for kind, shape, _ in tensors_of(tmp_path / "out.gguf").values()}
    assert kinds == {1: "F32", 2: kind}


def test_a_repair_in_q8_0(sleb_ok, tmp_path):
    """Fitted in float32 and quantised when it is written, as the gguf wheel quantises what a float32 file holds."""
    save_source(tmp_path / "model", hidden_size=64, num_attention_heads=4, num_key_value_heads=2)
    (tmp_path / "text.txt").write_text("".join(chr(97 + value % 26) for value in random_ids(3000)))
    fit = ("--removal-list", "1", "--repair-dataset", tmp_path / "text.txt", "--repair-tokens", 2048, "--seqlen", 64,
           "--dtype", "float32")  # fmt: skip
    for dtype in ("float32", "q8_0"):
        sleb_ok("repair", tmp_path / "model", *fit, "--out", tmp_path / f"{dtype}.gguf", "--out-dtype", dtype)
    actual = tensors_of(tmp_path / "q8_0.gguf")
    for name, (_, shape, data) in tensors_of(tmp_path / "float32.gguf").items():
        values = np.frombuffer(data, np.float32).reshape(shape[::-1])
        expected = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0) if values.ndim > 1 else values
        assert actual[name] == ("Q8_0" if values.ndim > 1 else "F32", shape, expected.tobytes()), name


def test_rows_that_are_no_whole_blocks(sleb_ok, tmp_path):
    """As the converter falls back."""
    save_source(tmp_path / "model", intermediate_size=80)
    sleb_ok("export", tmp_path / "model", "--removal-list", "", "--out", tmp_path / "out.gguf", "--out-dtype", "q8_0")
    tensors = tensors_of(tmp_path / "out.gguf")
    assert (tensors["blk.0.ffn_down.weight"][0], tensors["blk.0.ffn_up.weight"][0]) == ("F16", "Q8_0")


@pytest.mark.parametrize("rope", ["llama3", "linear"])
def test_rope(rope, sleb_ok, logits_dump, tmp_path):
    save_source(tmp_path / "model", rope_parameters=ROPES[rope])
    save_gguf(tmp_path / "expected.gguf", make_model(num_hidden_layers=3, rope_parameters=ROPES[rope]))
    sleb_ok("export", tmp_path / "model", "--removal-list", "", "--out", tmp_path / "out.gguf")
    assert set(tensors_of(tmp_path / "out.gguf")) == set(tensors_of(tmp_path / "expected.gguf"))
    if rope == "llama3":
        expected, actual = (np.frombuffer(tensors_of(tmp_path / f"{name}.gguf")["rope_freqs.weight"][2], "<f4")
                            for name in ("expected", "out"))
        assert np.allclose(actual, expected, rtol=1e-6)
    np.save(tmp_path / "ids.npy", IDS)
    expected, actual = (np.frombuffer(logits_dump(path, tmp_path / "ids.npy", "float32", ""), "<f4")
                        for path in (tmp_path / "model", tmp_path / "out.gguf"))
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_metadata(sleb_ok, tmp_path):
    folder = save_source(tmp_path / "Tiny-Model")
    set_template(folder, "<bos>", "$A")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}\n")
    sleb_ok("export", folder, "--removal-list", "1", "--out", tmp_path / "out.gguf")
    metadata = {key: value for key, (_, value) in metadata_of(tmp_path / "out.gguf").items()}
    assert metadata["general.name"] == "Tiny-Model (2 of 3 blocks)"
    assert (metadata["sleb.source"], metadata["sleb.removed_blocks"]) == ("Tiny-Model", [1])
    assert (metadata["sleb.source_block_count"], metadata["llama.block_count"]) == (3, 2)
    assert (metadata["tokenizer.ggml.model"], metadata["tokenizer.ggml.pre"]) == ("gpt2", "gpt-2")
    assert metadata["tokenizer.ggml.tokens"][-1] == "<bos>" and len(metadata["tokenizer.ggml.tokens"]) == VOCABULARY
    assert metadata["tokenizer.ggml.token_type"] == [1] * (VOCABULARY - 1) + [3]
    assert (metadata["tokenizer.ggml.bos_token_id"], metadata["tokenizer.ggml.add_bos_token"]) == (VOCABULARY - 1, True)
    assert metadata["tokenizer.chat_template"] == "{{ messages[0].content }}\n"


def test_real_vocabulary(smollm2, smollm2_gguf, sleb_ok, tmp_path):
    """That of the file which llama.cpp's converter wrote, but for the name of its way to split texts: the folder's
    tokenizer.json is of GPT-2's, as that file's is here."""
    sleb_ok("export", smollm2, "--removal-list", "1,2,3", "--out", tmp_path / "out.gguf", "--out-dtype", "q8_0")
    expected, actual = metadata_of(smollm2_gguf), metadata_of(tmp_path / "out.gguf")
    for key in ("tokens", "token_type", "merges", "model", "bos_token_id", "eos_token_id"):
        assert actual[f"tokenizer.ggml.{key}"][1] == expected[f"tokenizer.ggml.{key}"][1], key
    for text in TEXTS:
        (tmp_path / "text.txt").write_text(text)
        ids = [sleb_ok("tokenize", model, tmp_path / "text.txt", "--json") for model in (smollm2, tmp_path / "out.gguf")]
        assert ids[0] == ids[1]


def test_prune_of_a_folder(sleb_ok, logits_dump, tmp_path):
    folder = save_source(tmp_path / "model")
    np.save(tmp_path / "ids.npy", IDS)
    out = tmp_path / "out.gguf"
    said = json.loads(sleb_ok("prune", folder, "--tokens", tmp_path / "ids.npy", "--seqlen", 20, "--dtype", "float32",
                              "--num-remove-blocks", 1, "--prompt-tokens", 0, "--out", out, "--json", "-"))
    removed = ",".join(map(str, said["removal_list"]))
    expected, actual = (np.frombuffer(logits_dump(path, tmp_path / "ids.npy", "float32", blocks), "<f4")
                        for path, blocks in ((folder, removed), (out, "")))
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("change, said", [
    ({"pre_tokenizer": {"type": "Whitespace"}}, "no way to split texts that GGUFs have a name for"),
    ({"model": {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}}, "a WordLevel vocabulary")])
def test_tokenizers_that_are_refused(change, said, sleb, tmp_path):
    folder = save_source(tmp_path / "model")
    edit_json(folder / "tokenizer.json", **change)
    done = sleb("export", folder, "--removal-list", "1", "--out", tmp_path / "out.gguf")
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr.splitlines()[-1], done.stderr
    assert not (tmp_path / "out.gguf").exists()


def test_numbers_behind_blanks_tell_ways_to_split_apart(sleb, tmp_path):
    """Digits(False) in front of ByteLevel differs from GPT-2's way only where several blanks stand before a number."""
    split = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False),
                                     pre_tokenizers.ByteLevel(add_prefix_space=False)])  # fmt: skip
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.ByteLevel()
    texts = [str(path) for path in (ROOT / "docs").glob("*.md")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train(texts, trainers.BpeTrainer(vocab_size=4000, initial_alphabet=alphabet, show_progress=False))
    folder = save_model(tmp_path / "model", num_hidden_layers=3, vocab_size=tokenizer.get_vocab_size())
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    done = sleb("export", folder, "--removal-list", "1", "--out", tmp_path / "out.gguf")
    assert done.returncode == 2 and "no way to split texts" in done.stderr, done.stderr


@pytest.mark.parametrize("model_type, options", [
    ("starcoder2", {"sliding_window": 16}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
])
def test_windows_that_llama_cpp_does_not_compute(model_type, options, sleb, tmp_path):
    for name, chosen in (("windows", options), ("none", {})):
        folder = save_tokenizer(save_model(tmp_path / name, model_type, num_hidden_layers=3, **chosen))
        if name == "none":
            edit_json(folder / "config.json", sliding_window=None)
        done = sleb("export", folder, "--removal-list", "", "--out", tmp_path / f"{name}.gguf")
        assert done.returncode == 0, done.stderr
        assert (f"llama.cpp gives {model_type} models no windows" in done.stderr) == (name == "windows"), done.stderr


def test_without_a_tokenizer(sleb, tmp_path):
    folder = save_model(tmp_path / "model", num_hidden_layers=3)
    done = sleb("export", folder, "--removal-list", "1", "--out", tmp_path / "out.gguf")
    assert done.returncode == 0 and "holds no tokenizer" in done.stderr
    assert not any(key.startswith("tokenizer.") for key in metadata_of(tmp_path / "out.gguf"))


def test_q8_0_is_no_type_of_a_folder(sleb, tmp_path):
    folder = save_source(tmp_path / "model")
    done = sleb("export", folder, "--removal-list", "1", "--out", tmp_path / "out", "--out-dtype", "q8_0")
    assert done.returncode == 2 and "safetensors have no such type" in done.stderr
