"""The GGUFs that sleb writes, as llama.cpp computes them: of every family, and of a real model the text that it writes."""
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from family_models import save_model
from gguf_contents import tensors_of, value_of
from gguf_files import RECIPES
from programs import ROOT
from tiny_models import random_ids, save_tokenizer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None,
                                reason="llama-cpp-python is not installed (requirements-bench.txt)")

IDS = random_ids(60)  # longer than windows (20)
TOLERANCE = 2e-3  # of the largest logit; llama.cpp's own approximations, of the exponential for one, are in it
# What llama.cpp of October 2026 computes otherwise, or does not load, whoever writes the file.
LIMITS = {("phi3", "window"): "it gives Phi-3 no windows",
          ("exaone4", "windows"): "it gives EXAONE 4 windows only in models of 64 blocks",
          ("olmoe", "usual"): "it takes OLMoE with as many key heads as heads alone",
          ("dots1", "usual"): "and so of dots.llm1",
          ("gpt_oss", "usual"): "it rounds the ends of yarn's ramp to whole pairs",
          ("cohere", "q/k norms"): "it reads Command R's norms of queries and keys only in models of 64 blocks",
          ("nemotron", "biases"): "it reads Nemotron's biases all or none",
          ("nemotron", "tied"): "it needs Nemotron's head",
          ("smollm3", "every fourth without rope"): "the blocks without rope are every fourth",
          ("minicpm3", "llama.cpp's scales"): "its scales go by how many blocks there are: not written",
          ("internlm2", "usual"): "not written"}
ROWS = [(family, variant) for family, recipe in RECIPES.items() for variant in recipe.variants
        if (family, variant) not in LIMITS]


@pytest.fixture
def llama_cpp_logits(tmp_path):
    def call(model) -> np.ndarray:
        subprocess.run([sys.executable, ROOT / "tests" / "llama_cpp_logits.py", model, tmp_path / "ids.npy",
                        tmp_path / "llama.npy"], check=True, capture_output=True)
        return np.load(tmp_path / "llama.npy")

    return call


@pytest.mark.parametrize("family, variant", ROWS)
def test_logits(family, variant, sleb_ok, logits_dump, llama_cpp_logits, tmp_path):
    """llama.cpp's of the pruned GGUF are sleb's of the folder without these blocks."""
    np.save(tmp_path / "ids.npy", IDS)
    save_model(tmp_path / "model", family, variant)
    save_tokenizer(tmp_path / "model")
    sleb_ok("export", tmp_path / "model", "--removal-list", "1,3", "--out", tmp_path / "out.gguf")
    expected = np.frombuffer(logits_dump(tmp_path / "model", tmp_path / "ids.npy", "float32", "1,3"), "<f4")
    actual = llama_cpp_logits(tmp_path / "out.gguf").ravel()
    assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max()


_GREEDY = """import sys, llama_cpp, numpy
model = llama_cpp.Llama(sys.argv[1], n_ctx=128, n_threads=1, n_threads_batch=1, verbose=False, logits_all=True)
model.eval(model.tokenize(sys.argv[2].encode(), add_bos=False))
ids = []
for _ in range(16):
    ids.append(int(numpy.argmax(model.scores[model.n_tokens - 1])))
    model.eval(ids[-1:])
print(model.detokenize(ids).decode(), end="")"""


def greedy_text(path, prompt: str) -> str:
    """llama.cpp's, of 16 tokens."""
    return subprocess.run([sys.executable, "-c", _GREEDY, path, prompt], check=True, capture_output=True, text=True).stdout


def own_text(sleb_ok, path, prompt: str) -> str:
    answer = sleb_ok("generate", path, "--prompt", prompt, "--max-new-tokens", 16, "--dtype", "float32", "--ignore-eos",
                     "--json", "-")
    return json.loads(answer)["outputs"][0]["text"]


@pytest.fixture(scope="session")
def llama_quantize() -> str:
    return shutil.which("llama-quantize") or pytest.skip("llama-quantize is not installed (a program of llama.cpp)")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M",
                                  "Q5_K_M", "Q6_K", "IQ3_S", "IQ4_NL", "IQ4_XS"])
def test_each_type(kind, smollm2, sleb_ok, llama_quantize, tmp_path):
    """A real model of every type: the tensors that llama.cpp's own --prune-layers keeps, and the text that it writes."""
    prompt, whole, typed, cut, out = "The capital of France is", *(tmp_path / f"{name}.gguf" for name in (
        "whole", "typed", "cut", "out"))
    sleb_ok("export", smollm2, "--removal-list", "", "--out", whole)
    subprocess.run([llama_quantize, whole, typed, kind], check=True, capture_output=True)
    subprocess.run([llama_quantize, "--prune-layers", "12,26,13", typed, cut, "COPY"], check=True, capture_output=True)
    sleb_ok("export", typed, "--removal-list", "12,26,13", "--out", out)
    assert value_of(out, "llama.block_count") == value_of(cut, "llama.block_count") == 27
    assert tensors_of(out) == tensors_of(cut)
    said, own = greedy_text(out, prompt), own_text(sleb_ok, out, prompt)
    assert said == greedy_text(cut, prompt)
    # Of quantised types llama.cpp rounds what it multiplies them with, too, and so takes another token at a near tie.
    assert said == own if kind in ("F16", "BF16") else len(os.path.commonprefix([said, own])) >= 8, (said, own)


@pytest.mark.parametrize("options", [(), ("--shard-bytes", "30000000")])
def test_text(options, smollm2_gguf, sleb_ok, tmp_path):
    """A real model's greedy text, from one file and from parts."""
    prompt, out = "The capital of France is", tmp_path / "out.gguf"
    sleb_ok("export", smollm2_gguf, "--removal-list", "12,26,13", "--out", out, *options)
    first = pathlib.Path(out) if not options else sorted(tmp_path.glob("out-00001-of-*.gguf"))[0]
    assert value_of(first, "llama.block_count") == 27
    said = greedy_text(first, prompt)
    assert said == own_text(sleb_ok, first, prompt) and len(said) > 20
