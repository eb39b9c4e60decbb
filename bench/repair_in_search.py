#!/usr/bin/env python3
"""Whether a search should know of the repair that follows it. Greedy removal, three ways, and the same repair at the end:

- end: sleb prune --search exact, which knows of none;
- each: each block searched for on the model as it is repaired by then (sleb prune of one block, sleb repair of all
  that are gone so far, again from the dense model);
- gain: a candidate is scored with a gain at each removed block, the mean ratio of the dense model's norms behind and
  before that block (Prune&Comp, arXiv 2507.18212), with transformers, one candidate's forward from its block on.

usage: bench/repair_in_search.py [--results FILE] [--blocks N] [--seeds N,...] [--ways end,each,gain] [--tokens N]
                                 [--tables-only]

SmolLM2-135M, calibrated on 4 segments of 1,024 tokens of WikiText-2's validation part, float32; repairs as sleb's
default shares them: three quarters of --tokens by the model itself, a quarter of the validation part. Perplexity on 10
segments of 1,024 tokens of each text that bench/quality_study.py evaluates. Each finished run is a line of --results.
"""
import argparse
import dataclasses
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import quality_study as study

MODEL = study.path_of("smollm2")
SEQLEN, SEGMENTS, EVALUATED = 1024, 4, 10


@dataclasses.dataclass(frozen=True)
class Run:
    way: str
    blocks: int
    seed: int
    tokens: int


def sleb(*arguments) -> dict:
    command = [str(part) for part in (study.SLEB, *arguments, "--dtype", "float32", "--json", "-")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def calibration(seed: int) -> numpy.ndarray:
    """[segments, tokens]: places of the text drawn by the seed."""
    ids = AutoTokenizer.from_pretrained(MODEL)(study.CALIBRATION.read_text())["input_ids"]
    starts = random.Random(seed).sample(range(len(ids) // SEQLEN), SEGMENTS)
    return numpy.array([ids[start * SEQLEN:(start + 1) * SEQLEN] for start in starts], dtype=numpy.int64)


def repair(removed: list[int], run: Run, out: pathlib.Path) -> float:
    shutil.rmtree(out, ignore_errors=True)
    found = sleb("repair", MODEL, "--removal-list", ",".join(map(str, removed)), "--repair-dataset",
                 study.repair_texts("self+wikitext", run.tokens), "--repair-tokens", run.tokens, "--seed", run.seed,
                 "--out", out, "--out-dtype", "float32")
    return found["repair"]["seconds"]


def perplexity(model: pathlib.Path, text: pathlib.Path) -> float:
    found = sleb("eval", model, "--ppl", text, "--seqlen", SEQLEN, "--segments", EVALUATED)
    return found["perplexity_details"][str(text)]["rows"][0]["perplexity"]


def search(model: pathlib.Path, ids: pathlib.Path, blocks: int) -> tuple[list[int], float]:
    found = sleb("prune", model, "--tokens", ids, "--search", "exact", "--num-remove-blocks", blocks, "--prompt-tokens", 0)
    return found["removal_list"], sum(step["seconds"] for step in found["steps"])


def searched_at_the_end(run: Run, ids: pathlib.Path, scratch: pathlib.Path) -> tuple[list[int], float]:
    return search(MODEL, ids, run.blocks)


def searched_on_repaired(run: Run, ids: pathlib.Path, scratch: pathlib.Path) -> tuple[list[int], float]:
    removed, seconds, model = [], 0.0, MODEL
    kept = list(range(AutoModelForCausalLM.from_pretrained(MODEL).config.num_hidden_layers))
    while len(removed) < run.blocks:
        [one], took = search(model, ids, 1)
        seconds += took
        removed.append(kept.pop(one))
        if len(removed) < run.blocks:
            model = scratch / "repaired"
            seconds += repair(removed, run, model)
    return removed, seconds


class Gains:
    """Losses of the model without blocks, each of which leaves a gain behind."""

    def __init__(self, ids: torch.Tensor):
        self.model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="sdpa").eval()
        self.ids = ids
        self.base = self.model.model
        self.depth = len(self.base.layers)
        self.rope = self.base.rotary_emb(torch.zeros(1, 1), torch.arange(ids.shape[1])[None])
        state, self.gains = self.base.embed_tokens(ids), []
        for block in range(self.depth):
            after = self.apply(block, state)
            # Without each segment's first token, whose state is a hundred times as large as others.
            self.gains.append((after.norm(dim=-1) / state.norm(dim=-1))[:, 1:].mean())
            state = after

    def apply(self, block: int, state: torch.Tensor) -> torch.Tensor:
        done = self.base.layers[block](state, position_embeddings=self.rope, attention_mask=None)
        return done[0] if isinstance(done, tuple) else done

    def step(self, block: int, removed: set[int], state: torch.Tensor) -> torch.Tensor:
        return self.gains[block] * state if block in removed else self.apply(block, state)

    def loss(self, state: torch.Tensor) -> float:
        total = 0.0
        for row, ids in zip(self.base.norm(state), self.ids):
            logits = self.model.lm_head(row[:-1])
            total += float(torch.nn.functional.cross_entropy(logits, ids[1:], reduction="sum"))
        return total

    def best_of_round(self, removed: set[int]) -> int:
        state, losses = self.base.embed_tokens(self.ids), {}
        for block in range(self.depth):
            if block not in removed:
                candidate = self.gains[block] * state
                for behind in range(block + 1, self.depth):
                    candidate = self.step(behind, removed, candidate)
                losses[block] = self.loss(candidate)
            state = self.step(block, removed, state)
        return min(losses, key=losses.get)


@torch.inference_mode()
def searched_with_gains(run: Run, ids: pathlib.Path, scratch: pathlib.Path) -> tuple[list[int], float]:
    begin = time.monotonic()
    gains, removed = Gains(torch.from_numpy(numpy.load(ids))), []
    while len(removed) < run.blocks:
        removed.append(gains.best_of_round(set(removed)))
    return removed, time.monotonic() - begin


WAYS = {"end": searched_at_the_end, "each": searched_on_repaired, "gain": searched_with_gains}


def measure(run: Run) -> dict:
    with tempfile.TemporaryDirectory(dir=study.TEXTS) as folder:
        scratch = pathlib.Path(folder)
        ids = scratch / "calibration.npy"
        numpy.save(ids, calibration(run.seed))
        removed, seconds = WAYS[run.way](run, ids, scratch)
        repair_seconds = repair(removed, run, scratch / "out")
        texts = {name: perplexity(scratch / "out", path) for name, path in study.evaluation_texts().items()}
    return {"removal_list": removed, "search_seconds": seconds, "repair_seconds": repair_seconds, "texts": texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=study.ROOT / "docs/repair-in-search.jsonl")
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--ways", default="end,each,gain")
    parser.add_argument("--tokens", type=int, default=24576)
    parser.add_argument("--tables-only", action="store_true", help="run nothing")
    args = parser.parse_args()
    results = study.Results(args.results, Run)
    if not args.tables_only:
        if not study.CALIBRATION.exists() or not study.evaluation_texts()["Python reference"].exists():
            sys.exit(f"skipped: needs {study.CALIBRATION} and the text that make demo leaves in out/")
        study.write_texts()
        for seed in map(int, args.seeds.split(",")):
            for way in args.ways.split(","):
                run = Run(way, args.blocks, seed, args.tokens)
                if run not in results.runs:
                    results.add(run, measure(run))
                    print(f"{run}: {results.runs[run]['removal_list']}", file=sys.stderr, flush=True)
    print_table(results)


def print_table(results: study.Results) -> None:
    print("| blocks | seeds | search | " + " | ".join(study.evaluation_texts()) + " | search, s | of one repair, s |")
    print("| ---: | ---: | :--- |" + " ---: |" * (len(study.evaluation_texts()) + 2))
    for blocks, tokens, way in sorted({(run.blocks, run.tokens, run.way) for run in results.runs}):
        found = [one for run, one in results.runs.items() if (run.blocks, run.tokens, run.way) == (blocks, tokens, way)]
        cells = [study.mean_and_error([one["texts"][text] for one in found]) for text in study.evaluation_texts()]
        cells += [study.mean_and_error([one[f"{part}_seconds"] for one in found], 0) for part in ("search", "repair")]
        print(f"| {blocks} | {len(found)} | {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
