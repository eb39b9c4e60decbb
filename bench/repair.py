#!/usr/bin/env python3
"""Times `sleb repair` against plain forward passes of transformers on the same tokens, and against the race that finds
as many blocks on them; and compares its peak memory with what it says beforehand.

usage: bench/repair.py [MODEL_DIR] [--dataset FILE] [--tokens N] [--seqlen N] [--removal-list LIST] [--threads N]
                       [--slice S] [--no-race]

The three run in turn, a slice of some seconds each, so all see the same machine; what counts is processor time, from
where the model is loaded. A pass is the work of all blocks: the dense model makes one up to the last kept block, the
pruned one two behind the first removed one. The forward has no head, as the repair has none.
"""
import argparse
import contextlib
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import torch
from transformers import AutoModel, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


class Forward:
    """Segment after segment of the same text, without a head."""

    def __init__(self, args: argparse.Namespace):
        torch.set_num_threads(args.threads)
        self.model = AutoModel.from_pretrained(args.model, dtype=torch.float32)
        ids = AutoTokenizer.from_pretrained(args.model)(args.dataset.read_text()[:args.tokens * 8])["input_ids"]
        count = min(args.tokens, len(ids)) // args.seqlen
        self.segments = itertools.cycle(torch.tensor(ids[:count * args.seqlen]).view(count, 1, args.seqlen))
        self.blocks = self.model.config.num_hidden_layers
        self.seconds = 0.0
        self.tokens = 0

    @torch.no_grad()
    def run(self, seconds: float) -> None:
        begin, spent = time.perf_counter(), time.process_time()
        while time.perf_counter() - begin < seconds:
            self.tokens += self.model(next(self.segments), use_cache=False)[0].shape[1]
        self.seconds += time.process_time() - spent


class Sleb:
    """A sleb that runs only within run(), once it is loaded."""

    def __init__(self, loaded: str, arguments: list):
        self.lines: list[str] = []
        self.seconds = 0.0  # of processors, since it was loaded
        self.peak = 0
        self.is_loaded = threading.Event()
        self.loaded = loaded
        self.process = subprocess.Popen([str(part) for part in (ROOT / "build/release/sleb", *arguments)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        self.is_loaded.wait()
        self.process.send_signal(signal.SIGSTOP)
        self.before = self.processor_seconds()

    def read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if line.startswith(self.loaded):
                self.is_loaded.set()
        self.is_loaded.set()

    def run(self, seconds: float) -> bool:
        """Whether there is more to do."""
        begin = time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        while time.perf_counter() - begin < seconds and self.process.poll() is None:
            time.sleep(0.01)
            self.look()
        self.process.send_signal(signal.SIGSTOP)
        return self.process.poll() is None

    def processor_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def look(self) -> None:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):  # not of a process that has ended
            self.peak = max(self.peak, int(found[1]) * 1024)
            self.seconds = self.processor_seconds() - self.before

    def find(self, pattern: str) -> list[re.Match]:
        return [match for line in self.lines if (match := re.match(pattern, line))]

    def __enter__(self) -> "Sleb":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()


def expected_peak(repair: Sleb) -> float:
    number, unit = repair.find(r"memory: a peak of ([\d.]+) (\w+) is expected")[0].groups()
    return float(number) * UNITS[unit]


def passes_of(removed: list[int], blocks: int) -> float:
    kept = [block for block in range(blocks) if block not in removed]
    return (max(kept) + 1 + 2 * sum(block > min(removed) for block in kept)) / blocks


def show_repair(repair: Sleb, forward: Forward, passes: float, tokens: int) -> None:
    one_pass = forward.seconds / forward.tokens * tokens
    print("| tokens | repair, s | passes | forward, s | repair / (passes x forward) | peak, MB | of the predicted |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(f"| {tokens} | {repair.seconds:.1f} | {passes:.2f} | {one_pass:.1f} | "
          f"{repair.seconds / passes / one_pass:.2f} | {repair.peak / 1e6:.0f} | "
          f"{repair.peak / expected_peak(repair):.2f} |", flush=True)


def show_race(race: Sleb, rounds: int) -> None:
    finished = len(race.find(r"round \d+ of \d+: block"))
    what = "ended" if race.process.poll() is not None else f"finished {finished} of its {rounds} rounds"
    print(f"\nThe race on these tokens had {what} in {race.seconds:.1f} s.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--dataset", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.valid.raw")
    parser.add_argument("--tokens", type=int, default=65536)
    parser.add_argument("--seqlen", type=int, default=1024)
    parser.add_argument("--removal-list", default="17,13,26,12,25,14")
    parser.add_argument("--threads", type=int, default=1, help="of each; those that wait for each other spend time too")
    parser.add_argument("--slice", type=float, default=10.0, help="seconds of each")
    parser.add_argument("--no-race", action="store_true", help="leave the race out")
    args = parser.parse_args()
    if not (args.model / "config.json").exists() or not args.dataset.exists():
        sys.exit(f"skipped: needs {args.model} (make test makes it) and {args.dataset}")
    return args


def main() -> None:
    args = parse()
    removed = [int(block) for block in args.removal_list.split(",")]
    common = ["--seqlen", args.seqlen, "--dtype", "float32", "--threads", args.threads]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    forward = Forward(args)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        repair = running.enter_context(
            Sleb("repair: ", ["repair", args.model, "--removal-list", args.removal_list, "--repair-dataset",
                              args.dataset, "--repair-tokens", args.tokens, *common, "--out", f"{folder}/out"]))
        race = None
        if not args.no_race:
            race = running.enter_context(
                Sleb("memory: ", ["prune", args.model, "--dataset", args.dataset, "--nsamples", 10**6, "--segments",
                                  args.tokens // args.seqlen, "--num-remove-blocks", len(removed), "--prompt-tokens", 0,
                                  *common]))
        while repair.run(args.slice):
            forward.run(args.slice / 3)
            if race:
                race.run(args.slice)
        if repair.process.returncode != 0:
            sys.exit(repair.lines[-1])
        show_repair(repair, forward, passes_of(removed, forward.blocks), args.tokens)
        if race:
            show_race(race, len(removed))


if __name__ == "__main__":
    main()
