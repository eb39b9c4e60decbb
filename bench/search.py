#!/usr/bin/env python3
"""Times SLEB's search by one full transformers forward per candidate against sleb, round by round in turn.

usage: bench/search.py [MODEL_DIR] [--rounds N] [--segments N] [--reference-candidates K]

sleb is stopped while the reference computes its round and the reverse, so both see the same machine. With
--reference-candidates K the reference computes K candidates a round, evenly spread, and its time is scaled to all.
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


def calibration_ids(folder: pathlib.Path, text: pathlib.Path, seqlen: int, segments: int) -> torch.Tensor:
    """Rows shuffled as Hugging Face datasets does, the first 128 joined, tokenized once: [segments, seqlen]."""
    rows = [line if line.strip() else "" for line in text.read_text(encoding="utf-8").splitlines(keepends=True)]
    chosen = numpy.random.default_rng(0).permutation(len(rows))[:128]
    ids = AutoTokenizer.from_pretrained(folder)("\n\n".join(rows[i] for i in chosen))["input_ids"]
    return torch.tensor(ids[: seqlen * segments]).view(segments, seqlen)


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

    def __init__(self, folder: pathlib.Path, text: pathlib.Path, args: argparse.Namespace, result: pathlib.Path):
        command = [ROOT / "build/release/sleb", "prune", folder, "--dataset", text, "--segments", args.segments,
                   "--dtype", "float32", "--num-remove-blocks", args.rounds, "--search", "exact", "--threads",
                   args.threads, "--prompt-tokens", 0, "--json", result]
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
        self.removed.append(int(match[1]))
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        self.peak = max(self.peak, int(status.split("VmHWM:")[1].split()[0]) * 1024)
        self.process.send_signal(signal.SIGSTOP)
        return seconds

    def finish(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.stderr.read()
        if self.process.wait() != 0:
            sys.exit("sleb failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--dataset", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.valid.raw")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--segments", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--reference-candidates", type=int, default=0, metavar="K")
    args = parser.parse_args()
    if not (args.model / "config.json").exists() or not args.dataset.exists():
        sys.exit(f"skipped: needs {args.model} (make test makes it) and {args.dataset}")

    reference = Reference(args.model, calibration_ids(args.model, args.dataset, 2048, args.segments), args.threads)
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "sleb.json"
        sleb = Sleb(args.model, args.dataset, args, result)
        removed: list[int] = []
        seconds = {"reference": 0.0, "sleb": 0.0}
        computed = []
        print("| round | transformers, s | sleb, s | ratio |\n| ---: | ---: | ---: | ---: |", flush=True)
        for number in range(1, args.rounds + 1):
            own = sleb.next_round()
            theirs, losses = reference.round(removed, args.reference_candidates)
            computed.append(losses)
            # A reference that computes some candidates only can't choose; it follows sleb.
            removed.append(sleb.removed[-1] if args.reference_candidates else min(losses, key=losses.get))
            seconds["reference"] += theirs
            seconds["sleb"] += own
            print(f"| {number} | {theirs:.1f} | {own:.1f} | {own / theirs:.3f} |", flush=True)
        sleb.finish()
        steps = json.loads(result.read_text())["steps"]
    worst = max(abs(c["loss"] / losses[c["block"]] - 1) for step, losses in zip(steps, computed)
                for c in step["candidates"] if c["block"] in losses)
    print(f"| all | {seconds['reference']:.1f} | {seconds['sleb']:.1f} | {seconds['sleb'] / seconds['reference']:.3f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"\npeak memory: transformers {peak / 1e9:.2f} GB, sleb {sleb.peak / 1e9:.2f} GB")
    print(f"removal list: {[step['removed'] for step in steps]}; worst relative difference of a loss: {worst:.1e}")
    published = SHARED / "reference/smollm2-sleb.json"
    if published.exists() and args.segments == 2:
        theirs = [{c["block"]: c["loss"] for c in step["candidates"]} for step in json.loads(published.read_text())["steps"]]
        worst = max(abs(c["loss"] / losses[c["block"]] - 1) for step, losses in zip(steps, theirs)
                    for c in step["candidates"] if c["block"] in losses)
        print(f"against every loss of the published code ({published.name}): worst relative difference {worst:.1e}")
    if [step["removed"] for step in steps] != removed:
        sys.exit("the removal lists differ")


if __name__ == "__main__":
    main()
