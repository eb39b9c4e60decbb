#!/usr/bin/env python3
"""Times SLEB's search by one full transformers forward per candidate against sleb: the exact search, and races by loss
and by KL, round by round in turn.

usage: bench/search.py [MODEL_DIR] [--rounds N] [--segments N] [--seqlen N] [--nsamples N] [--reference-candidates K]
                       [--kinds exact,race,race-kl]

Each is stopped while the others compute their round, so all see the same machine. With --reference-candidates K the
reference computes K candidates a round, evenly spread, and its time is scaled to all.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


KINDS = {"exact": ("--search", "exact"), "race": ("--search", "race"),
         "race-kl": ("--search", "race", "--criterion", "kl")}


def calibration_ids(folder: pathlib.Path, text: pathlib.Path, args: argparse.Namespace) -> torch.Tensor:
    """Rows shuffled as Hugging Face datasets does, the first ones joined, tokenized once: [segments, seqlen]."""
    rows = [line if line.strip() else "" for line in text.read_text(encoding="utf-8").splitlines(keepends=True)]
    chosen = numpy.random.default_rng(0).permutation(len(rows))[:args.nsamples]
    ids = AutoTokenizer.from_pretrained(folder)("\n\n".join(rows[i] for i in chosen))["input_ids"]
    return torch.tensor(ids[: args.seqlen * args.segments]).view(args.segments, args.seqlen)


class Reference:
    """SLEB's way: every candidate is a full forward of the model without it."""

    def __init__(self, folder: pathlib.Path, ids: torch.Tensor, threads: int):
        torch.set_num_threads(threads)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.layers = list(self.model.model.layers)
        self.ids = ids

    @torch.no_grad()
    def loss(self, blocks: list[int]) -> float:
        self.model.model.layers = torch.nn.ModuleList(self.layers[b] for b in blocks)
        total = 0.0
        for segment in self.ids:
            logits = self.model(segment[None], use_cache=False).logits[0, :-1].float()
            total += torch.nn.functional.cross_entropy(logits, segment[1:]).item() * len(segment)
        return total

    def round(self, removed: list[int], most: int) -> tuple[float, dict[int, float]]:
        """Seconds of the round (scaled to all candidates) and the losses computed."""
        alive = [b for b in range(len(self.layers)) if b not in removed]
        candidates = alive[1:-1]
        count = min(most or len(candidates), len(candidates))
        chosen = [candidates[i * len(candidates) // count] for i in range(count)]
        start = time.perf_counter()
        losses = {c: self.loss([b for b in alive if b != c]) for c in chosen}
        return (time.perf_counter() - start) * len(candidates) / count, losses


class Sleb:
    """sleb prune as a process that runs only between resume() and the end of its next round."""

    def __init__(self, kind: str, args: argparse.Namespace, folder: pathlib.Path):
        self.result = folder / f"{kind}.json"
        command = [ROOT / "build/release/sleb", "prune", args.model, "--dataset", args.dataset, "--segments",
                   args.segments, "--seqlen", args.seqlen, "--nsamples", args.nsamples, "--dtype", "float32",
                   "--num-remove-blocks", args.rounds, *KINDS[kind], "--threads", args.threads, "--state-memory",
                   args.state_memory, "--prompt-tokens", 0, "--force", "--json",
                   self.result]
        self.seconds = 0.0
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        self.process.send_signal(signal.SIGSTOP)
        self.peak = 0
        self.removed: list[int] = []

    def next_round(self) -> float:
        """Seconds until the next round's line; loading counts to the first."""
        start = time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        for line in self.process.stderr:
            if match := re.search(r"block +(\d+) removed", line):
                break
        else:
            sys.exit("sleb ended early")
        seconds = time.perf_counter() - start
        self.seconds += seconds
        self.removed.append(int(match[1]))
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        self.peak = max(self.peak, int(status.split("VmHWM:")[1].split()[0]) * 1024)
        self.process.send_signal(signal.SIGSTOP)
        return seconds

    def finish(self) -> list[dict]:
        """The steps of sleb.json."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stderr.read()
        if self.process.wait() != 0:
            sys.exit("sleb failed")
        return json.loads(self.result.read_text())["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--dataset", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.valid.raw")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--segments", type=int, default=4)
    parser.add_argument("--seqlen", type=int, default=2048)
    parser.add_argument("--nsamples", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--state-memory", default="4G", help="of each sleb")
    parser.add_argument("--reference-candidates", type=int, default=0, metavar="K")
    parser.add_argument("--kinds", default="exact,race,race-kl", help="the first is compared with the reference's losses")
    args = parser.parse_args()
    if not (args.model / "config.json").exists() or not args.dataset.exists():
        sys.exit(f"skipped: needs {args.model} (make test makes it) and {args.dataset}")
    kinds = args.kinds.split(",")

    reference = Reference(args.model, calibration_ids(args.model, args.dataset, args), args.threads)
    with tempfile.TemporaryDirectory() as folder:
        slebs = {kind: Sleb(kind, args, pathlib.Path(folder)) for kind in kinds}
        removed: list[int] = []
        reference_seconds = 0.0
        computed = []
        print(f"| round | transformers, s | {' | '.join(f'{kind}, s | ratio' for kind in kinds)} |")
        print("| ---: | ---: |" + " ---: | ---: |" * len(kinds), flush=True)
        for number in range(1, args.rounds + 1):
            own = {kind: sleb.next_round() for kind, sleb in slebs.items()}
            theirs, losses = reference.round(removed, args.reference_candidates)
            computed.append(losses)
            # A reference that computes some candidates only can't choose; it follows the first sleb.
            follow = slebs[kinds[0]].removed[-1]
            removed.append(follow if args.reference_candidates else min(losses, key=losses.get))
            reference_seconds += theirs
            print_row(str(number), theirs, own)
        print_row("all", reference_seconds, {kind: sleb.seconds for kind, sleb in slebs.items()})
        steps = {kind: sleb.finish() for kind, sleb in slebs.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"\npeak memory: transformers {peak / 1e9:.2f} GB, " +
          ", ".join(f"{kind} {sleb.peak / 1e9:.2f} GB" for kind, sleb in slebs.items()))
    for kind in kinds:
        print_choices(kind, steps[kind])
    print(f"{kinds[0]}'s losses from the reference's: {worst_difference(steps[kinds[0]], computed)}")
    published = SHARED / "reference/smollm2-sleb.json"
    if published.exists() and (args.segments, args.seqlen, args.nsamples) == (2, 2048, 128):
        theirs = [{c["block"]: c["loss"] for c in step["candidates"]} for step in json.loads(published.read_text())["steps"]]
        print(f"from every loss of the published code ({published.name}): {worst_difference(steps[kinds[0]], theirs)}")
    if slebs[kinds[0]].removed != removed:
        sys.exit("the removal lists differ")


def print_row(name: str, theirs: float, own: dict[str, float]) -> None:
    cells = " | ".join(f"{seconds:.1f} | {seconds / theirs:.3f}" for seconds in own.values())
    print(f"| {name} | {theirs:.1f} | {cells} |", flush=True)


def print_choices(kind: str, steps: list[dict]) -> None:
    """A margin below 2 is a near tie: another text would as well have chosen otherwise."""
    margins = ", ".join("-" if step["margin"] is None else f"{step['margin']:.1f}" for step in steps)
    print(f"{kind}: removal list {[step['removed'] for step in steps]}, margins in standard errors {margins}")


def worst_difference(steps: list[dict], losses: list[dict[int, float]]) -> str:
    """Of the losses on the whole text; a race drops most candidates before."""
    whole = max(c["tokens"] for c in steps[0]["candidates"])
    differences = [abs(c["loss"] / theirs[c["block"]] - 1) for step, theirs in zip(steps, losses)
                   for c in step["candidates"] if c["tokens"] == whole and c["block"] in theirs]
    if not differences:
        return "no candidate that both computed on the whole text"
    return f"worst relative difference {max(differences):.1e}, of {len(differences)} candidates"


if __name__ == "__main__":
    main()
