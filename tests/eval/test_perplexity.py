"""`sleb eval --ppl` against transformers under the same protocol; text, segments and statistics in a few lines of Python."""
import gzip
import hashlib
import json
import math
import os
import pathlib

import numpy as np
import pytest
import torch
import transformers

import oracle
from tiny_models import OPT, VOCABULARY, random_ids, save_model, save_tokenizer, set_template

TOLERANCE = 1e-6  # relative, of a perplexity; the project promises 1e-4
EXACT = ["--device", "cpu", "--dtype", "float32", "--json", "-"]
BOS = VOCABULARY - 1
LISTS = [(1, 3), (5, 2, 4), (0,)]


def wikitext2_text(path: pathlib.Path) -> str:
    """The test rows of the data set, joined as the reference joins them."""
    with open(path, encoding="utf-8", newline="\n") as lines:
        return "\n\n".join(line if line.strip() else "" for line in lines)


def c4_text(path: pathlib.Path) -> str:
    """The first 1,100 texts, joined as the reference joins them."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with opened as lines:
        return " ".join([json.loads(line)["text"] for line in lines][:1100])


def llama_cpp_text(path: pathlib.Path) -> str:
    """llama-perplexity -f drops one final newline and changes nothing else."""
    return path.read_bytes().decode().removesuffix("\n")


def segments_of(ids: list[int], seqlen: int, bos: int | None = None) -> torch.Tensor:
    segments = torch.tensor(ids[:len(ids) // seqlen * seqlen]).view(-1, seqlen)
    if bos is not None:
        segments[:, 0] = bos
    return segments


@torch.inference_mode()
def log_probabilities(model: transformers.PreTrainedModel, segments: torch.Tensor, first_scored: int) -> torch.Tensor:
    """Of the scored tokens, [segments, tokens, vocabulary]."""
    return model(segments, use_cache=False).logits[:, first_scored - 1:-1].float().log_softmax(-1)


def stderr(values: np.ndarray) -> float | None:
    return values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else None


def expected(model: transformers.PreTrainedModel, segments: torch.Tensor, lists: list[tuple[int, ...]],
             first_scored: int = 1) -> list[dict]:
    """What the rows of a text should say, the dense model's first; pruned models have their blocks deleted."""
    models = [oracle.without_blocks(model, removed) for removed in [(), *lists]]
    nll, divergence = np.zeros((2, len(models), len(segments)))
    at_once = max(1, 2048 // segments.shape[1])
    for begin in range(0, len(segments), at_once):
        chunk = segments[begin:begin + at_once]
        place = slice(begin, begin + len(chunk))
        dense = log_probabilities(model, chunk, first_scored)
        for m, shallow in enumerate(models):
            own = log_probabilities(shallow, chunk, first_scored) if m > 0 else dense
            nll[m, place] = -own.gather(2, chunk[:, first_scored:, None])[..., 0].double().mean(1)
            divergence[m, place] = (dense.exp() * (dense - own)).sum(-1).double().mean(1)
    rows = []
    for m, removed in enumerate([(), *lists]):
        perplexity, error = np.exp(nll[m].mean()), stderr(nll[m])
        row = {"removal_list": list(removed), "perplexity": perplexity,
               "perplexity_stderr": None if error is None else perplexity * error}
        if m > 0:
            row |= {"difference": (nll[m] - nll[0]).mean(), "difference_stderr": stderr(nll[m] - nll[0]),
                    "divergence": divergence[m].mean(), "divergence_stderr": stderr(divergence[m])}
        rows.append(row)
    return rows


def expect_rows(rows: list[dict], wanted: list[dict], tolerance: float = TOLERANCE) -> None:
    for row, want in zip(rows, wanted, strict=True):
        assert row.keys() == want.keys()
        assert row["removal_list"] == want["removal_list"]
        assert row["perplexity"] == pytest.approx(want["perplexity"], rel=tolerance)
        for key in row.keys() - {"removal_list", "perplexity"}:
            assert row[key] is None if want[key] is None else row[key] == pytest.approx(want[key], rel=1e-4, abs=1e-5), key


@pytest.fixture
def evaluate(sleb_ok):
    """The JSON of an evaluation on the CPU in float32."""

    def run(model, *options, lists=()) -> dict:
        removal = [word for blocks in lists for word in ("--removal-list", ",".join(map(str, blocks)))]
        return json.loads(sleb_ok("eval", model, *options, *removal, *EXACT))

    return run


def byte_text(count: int, seed: int = 0) -> str:
    """Printable, with blank lines and lines of blanks alone."""
    letters = "".join(chr(32 + i) for i in random_ids(count, seed) % 90)
    return letters.replace("A", "\n").replace("B", "\n \n") + "\n"


MODELS = {"llama with grouped heads": {}, **{f"opt, {name}": {"family": "opt", **OPT[name]}
                                             for name in ("pre-norm", "post-norm and projections")}}


@pytest.fixture(params=MODELS)
def tiny(request, tmp_path):
    """With a tokenizer that puts <bos> before a text."""
    folder = save_tokenizer(save_model(tmp_path / "model", seed=3, num_hidden_layers=7, **MODELS[request.param]))
    set_template(folder, "<bos>", "$A")
    return folder


@pytest.mark.parametrize("suffix, text_of", [(".raw", wikitext2_text), (".json.gz", c4_text)])
def test_against_transformers(evaluate, tiny, tmp_path, suffix, text_of):
    path = tmp_path / f"text{suffix}"
    if "json" in suffix:
        content = "".join(json.dumps({"text": byte_text(120, seed)}) + "\n" for seed in range(20)).encode()
        path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    else:
        path.write_text(byte_text(2300))
    result = evaluate(tiny, "--ppl", path, "--seqlen", 100, lists=LISTS)
    ids = transformers.AutoTokenizer.from_pretrained(tiny)(text_of(path))["input_ids"]
    assert ids[0] == BOS
    details = result["perplexity_details"][str(path)]
    segments = segments_of(ids, 100)
    assert len(segments) > 20  # in chunks of 20 and fewer
    expect_rows(details["rows"], expected(oracle.load(tiny), segments, LISTS))
    assert details["tokens"] == len(ids)
    assert (details["segments"], details["seqlen"], details["first_scored"]) == (len(segments), 100, 1)
    assert details["ids_sha256"] == hashlib.sha256(np.array(ids, dtype="<i8").tobytes()).hexdigest()
    assert result["perplexity"] == {str(path): {"dense": details["rows"][0]["perplexity"],
                                                "pruned": [row["perplexity"] for row in details["rows"][1:]]}}


def test_the_same_number_as_prune(evaluate, sleb_ok, tiny, tmp_path):
    """Held-out perplexity of `sleb prune` and `sleb eval` agree to the last bit."""
    text = tmp_path / "text.txt"
    text.write_text(byte_text(1000))
    pruned = json.loads(sleb_ok("prune", tiny, "--dataset", text, "--eval-ppl", text, "--seqlen", 100,
                                "--num-remove-blocks", 2, "--prompt-tokens", 0, *EXACT))
    result = evaluate(tiny, "--ppl", text, "--seqlen", 100, lists=[pruned["removal_list"]])
    assert result["perplexity"][str(text)] == pruned["evaluation"]["perplexity"][str(text)]


def test_of_c4_only_the_beginning(evaluate, tmp_path):
    """1,100 texts, and of these 256 segments."""
    model = save_tokenizer(save_model(tmp_path / "model", num_hidden_layers=2))
    path = tmp_path / "c4.jsonl"
    path.write_text("".join(json.dumps({"text": byte_text(9, seed)}) + "\n" for seed in range(1200)))
    ids = transformers.AutoTokenizer.from_pretrained(model)(c4_text(path))["input_ids"]
    for seqlen in (20, 200):
        details = evaluate(model, "--ppl", path, "--seqlen", seqlen)["perplexity_details"][str(path)]
        assert details["tokens"] == min(len(ids), 256 * seqlen)
        segments = segments_of(ids, seqlen)[:256]
        expect_rows(details["rows"], expected(oracle.load(model), segments, []))
    assert len(ids) > 256 * 20 and len(ids) < 256 * 200


@pytest.mark.parametrize("seqlen, bos", [(64, True), (65, True), (65, False)])
def test_the_protocol_of_llama_cpp(evaluate, tiny, tmp_path, seqlen, bos):
    """tools/perplexity/perplexity.cpp: positions n_ctx / 2 to n_ctx - 2 predict the next; BOS begins each chunk."""
    if not bos:
        set_template(tiny, "$A")
    path = tmp_path / "text.raw"
    path.write_text(byte_text(1500))
    options = ["--ppl", path, "--protocol", "llama.cpp", "--seqlen", seqlen]
    result = evaluate(tiny, *options, lists=LISTS)
    details = result["perplexity_details"][str(path)]
    text = llama_cpp_text(path)
    backend = transformers.AutoTokenizer.from_pretrained(tiny).backend_tokenizer
    ids = backend.encode(text, add_special_tokens=False).ids
    ids = [BOS, *ids] if bos else ids
    segments = segments_of(ids, seqlen, BOS if bos else None)
    first = seqlen // 2
    expect_rows(details["rows"], expected(oracle.load(tiny), segments, LISTS, first + 1))
    assert (details["protocol"], details["first_scored"], details["tokens"]) == ("llama.cpp", first + 1, len(ids))


def test_segments_of_each_protocol(evaluate, tmp_path):
    """2,048 tokens, llama.cpp's 512; --segments N is the first N."""
    model = save_tokenizer(save_model(tmp_path / "model", num_hidden_layers=2, max_position_embeddings=2048))
    path = tmp_path / "text.txt"
    path.write_text(byte_text(5000))
    for protocol, seqlen in {"reference": 2048, "llama.cpp": 512}.items():
        details = evaluate(model, "--ppl", path, "--protocol", protocol, "--segments", 1, lists=[(1,)])
        details = details["perplexity_details"][str(path)]
        assert (details["seqlen"], details["segments"]) == (seqlen, 1)
        assert details["rows"][0]["perplexity_stderr"] is None  # one segment says nothing of its spread
        assert details["rows"][1]["difference_stderr"] is None


@pytest.fixture
def all_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count())
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_real_model(sleb_measured, shared, smollm2, all_threads):
    """SmolLM2 on WikiText-2's test text, dense and without four blocks."""
    path = shared("data/wikitext2/wiki.test.raw")
    shown, peak = sleb_measured("eval", smollm2, "--ppl", path, "--segments", 2, "--removal-list", "[5, 13, 20, 26]",
                                *EXACT)
    result = json.loads(shown)
    ids = transformers.AutoTokenizer.from_pretrained(smollm2)(wikitext2_text(path))["input_ids"]
    details = result["perplexity_details"][str(path)]
    assert details["tokens"] == len(ids)
    rows = expected(oracle.load(smollm2), segments_of(ids, 2048)[:2], [(5, 13, 20, 26)])
    expect_rows(details["rows"], rows)
    assert result["perplexity"][str(path)] == {"dense": pytest.approx(rows[0]["perplexity"], rel=TOLERANCE),
                                               "pruned": pytest.approx(rows[1]["perplexity"], rel=TOLERANCE)}
    assert peak < 1.5e9
