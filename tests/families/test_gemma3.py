"""Gemma 3 270M, a real model in Q4_K_M: sleb on its GGUF and on a folder of the same values, against transformers."""
import json
import pathlib

import numpy as np
import pytest
import transformers

import oracle

pytestmark = pytest.mark.slow
GGUF = "gemma-3-270m-q4_k_m.gguf"
TOLERANCE = 1e-4  # relative, of a perplexity
SEQLEN, SEGMENTS = 600, 2  # longer than its window of 512
EXACT = ["--device", "cpu", "--dtype", "float32", "--json", "-"]
PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def text(tmp_path_factory, shared) -> pathlib.Path:
    """One line of some thousand tokens."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(shared("data/wikitext2/wiki.valid.raw").read_text()[:12000].split()))
    return path


@pytest.fixture(scope="module")
def segments(gemma3, text) -> np.ndarray:
    """[segments, tokens]: <bos>, which the model needs, and text."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(gemma3 / "hf")
    ids = tokenizer(text.read_text(), add_special_tokens=False)["input_ids"]
    rows = np.array(ids[:SEGMENTS * (SEQLEN - 1)]).reshape(SEGMENTS, -1)
    return np.concatenate([np.full((SEGMENTS, 1), 2), rows], axis=1)


@pytest.fixture(scope="module")
def reference(gemma3) -> transformers.PreTrainedModel:
    return oracle.load(gemma3 / "hf")


@pytest.mark.parametrize("form", ["hf", GGUF])
def test_perplexity(sleb_ok, gemma3, text, segments, reference, form):
    """<bos> in front of each segment, by itself; the GGUF's own tokenizer."""
    result = json.loads(sleb_ok("eval", gemma3 / form, "--ppl", text, "--seqlen", SEQLEN, "--segments", SEGMENTS,
                                *EXACT))
    [figures] = result["perplexity"].values()
    expected = np.exp(oracle.loss(reference, segments) / segments.size)
    print(f"\n{form}: perplexity {figures['dense']:.6f}, transformers {expected:.6f}")
    assert figures["dense"] == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("form", ["hf", GGUF])
def test_pruned_folder(sleb_ok, gemma3, segments, reference, tmp_path, form):
    """Two blocks of 18 removed: the losses of the candidates, and the folder's greedy text in transformers."""
    np.save(tmp_path / "ids.npy", segments.reshape(-1)[:SEQLEN])
    result = json.loads(sleb_ok("prune", gemma3 / form, "--tokens", tmp_path / "ids.npy", "--seqlen", SEQLEN,
                                "--num-remove-blocks", 2, "--search", "exact", "--prompt-tokens", 0, *EXACT,
                                "--out", tmp_path / "pruned"))
    removed = result["removal_list"]
    first = {candidate["block"]: candidate["loss"] for candidate in result["steps"][0]["candidates"]}
    assert first[removed[0]] == pytest.approx(oracle.loss(reference, segments[:1], removed[:1]), rel=TOLERANCE)

    pruned = oracle.load(tmp_path / "pruned")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "pruned")
    ids = tokenizer(PROMPT)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id == 2
    expected = oracle.generate(pruned, np.array(ids), 24)
    shown = json.loads(sleb_ok("generate", tmp_path / "pruned", "--prompt", PROMPT, "--max-new-tokens", 24,
                               "--ignore-eos", *EXACT))
    [output] = shown["outputs"]
    assert output["ids"] == expected
    assert output["text"] == tokenizer.decode(expected, skip_special_tokens=True)
    print(f"\n{form}: without {removed}: {output['text']!r}")


def test_tokenizer(sleb_ok, gemma3):
    """The vocabulary inside the GGUF gives transformers' ids."""
    for text in (PROMPT, " Hello  world\n\nfoo 3.14 é🎉", "<start_of_turn>user\nZürich, 東京<end_of_turn>"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(gemma3 / "hf")
        shown = json.loads(sleb_ok("generate", gemma3 / GGUF, "--prompt", text, "--max-new-tokens", 1, *EXACT))
        assert shown["prompt_ids"] == tokenizer(text)["input_ids"]
