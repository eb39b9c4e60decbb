#!/usr/bin/env python3
"""Times tokenizing on one thread: sleb against the tokenizers wheel, for one tokenizer of each sort.

usage: bench/tokenizer.py [--only PART OF NAME] [--all] [--megabytes 10] [--runs 3]

Each tokenizer is trained on the spot, as tests/tokenizer does it. sleb and the oracle (for vocab.json transformers, for
tokenizer.model sentencepiece, otherwise the wheel) encode the same text, wikitext-2 repeated, by turns; the best run of
each counts, reading files and starting programs not. The last two columns: how much longer a megabyte of letters takes
than half a megabyte, which is 2 if time is proportional to length. For tokenizer.model a second row has the wheel in
the place of sentencepiece, with the vocabulary as transformers converts it.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "tokenizer"), str(ROOT / "tests")]

from compare import ENCODE_DUMP, write_strings  # noqa: E402
from every_kind import KINDS  # noqa: E402
from training import Training  # noqa: E402

WIKITEXT = ROOT.parent / "shared" / "data" / "wikitext2" / "wiki.test.raw"
SELECTED = [
    "GPT-2", "LLaMA-3", "Qwen2", "GPT-4o pattern", "DeepSeek: several splits", "LLaMA-2 legacy", "Gemma: Replace, Split",
    "Metaspace always", "Metaspace first, not split", "unk fused", "prefix and suffix", "normalizer NFKC",
    "normalizer Lowercase", "normalizer Replace regex", "normalizer Precompiled nmt_nfkc", "Whitespace",
    "Punctuation Isolated", "added tokens, NFKC and Lowercase", "Unigram across blanks", "Unigram, Metaspace",
    "Unigram, Precompiled, Metaspace", "vocab.json, OPT", "tokenizer.model, BPE, LLaMA", "tokenizer.model, Unigram",
    "GGUF gpt2, llama-bpe", "GGUF llama",
]  # fmt: skip


def seconds_of_sleb(model: pathlib.Path, text: str) -> float:
    with tempfile.NamedTemporaryFile() as file:
        write_strings(file, [text.encode()])
        command = [ENCODE_DUMP, "--seconds", model, file.name]
        return float(subprocess.run(command, check=True, capture_output=True).stdout)


def seconds_of(oracle, text: str) -> float:
    start = time.perf_counter()
    oracle([text])
    return time.perf_counter() - start


def best_by_turns(model: pathlib.Path, oracle, text: str, runs: int) -> tuple[float, float]:
    times = [(seconds_of_sleb(model, text), seconds_of(oracle, text)) for _ in range(runs)]
    return min(ours for ours, _ in times), min(theirs for _, theirs in times)


def converted(tokenizer_model: pathlib.Path):
    """The wheel on the vocabulary of a tokenizer.model."""
    from transformers.convert_slow_tokenizer import SentencePieceExtractor, SpmConverter

    extractor = SentencePieceExtractor(str(tokenizer_model))
    parts = extractor.extract(None)
    tokenizer = SpmConverter.build_tokenizer_from_spm_proto(extractor.proto, parts["vocab"], parts.get("merges"))
    return lambda texts: tokenizer.encode_batch(texts, add_special_tokens=False)


def row(name: str, model: pathlib.Path, oracle, text: str, letters: str, runs: int) -> str:
    ours, theirs = best_by_turns(model, oracle, text, runs)
    half = best_by_turns(model, oracle, letters[: len(letters) // 2], runs)
    whole = best_by_turns(model, oracle, letters, runs)
    megabytes = len(text.encode()) / 1e6
    growth = [f"{long / short:.1f}" for long, short in zip(whole, half)]
    cells = [f"{megabytes / ours:.2f}", f"{megabytes / theirs:.2f}", f"{theirs / ours:.2f}", *growth]
    return f"| {name} | {' | '.join(cells)} |"


def rows(kind, training: Training, text: str, letters: str, runs: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        model, oracle = kind.write(pathlib.Path(folder), training)
        yield row(kind.name, model, oracle, text, letters, runs)
        tokenizer_model = pathlib.Path(folder, "tokenizer.model")
        if tokenizer_model.exists():
            yield row(f"{kind.name}; the wheel", model, converted(tokenizer_model), text, letters, runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true", help="every kind of the tests")
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    wikitext = WIKITEXT.read_text()
    text = (wikitext * (1 + int(arguments.megabytes * 1e6) // len(wikitext)))[: int(arguments.megabytes * 1e6)]
    letters = "".join(filter(str.isalpha, wikitext * 2))[:1_000_000]
    training = Training(wikitext)
    print("| kind | sleb, MB/s | oracle, MB/s | sleb / oracle | 1 MB / 0.5 MB, sleb | oracle |")
    print("| :--- | ---: | ---: | ---: | ---: | ---: |")
    for kind in KINDS:
        if (arguments.all or kind.name in SELECTED) and arguments.only in kind.name:
            for line in rows(kind, training, text, letters, arguments.runs):
                print(line, flush=True)


if __name__ == "__main__":
    main()
