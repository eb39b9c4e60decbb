#!/usr/bin/env python3
"""Times sleb prune in 2 and in 3 processes under torchrun against one process of as many threads as all of them, in turn.

usage: bench/ranks.py [MODEL_DIR] [--dataset FILE] [--processes 2,3] [--segments N] [--seqlen N] [--rounds N] [--search KIND]
                      [--threads N] [--repeats N]

`seconds` are those of the rounds, without loading. Each count of processes gets N threads a process (default 1), the
single process as many as all of them. Wanted: a ratio of at most 1.15, and the same removal list. Where there are fewer
CPUs than threads, both ways share them.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def prune(args: argparse.Namespace, result: pathlib.Path, processes: int, threads: int) -> dict:
    launcher = [] if processes == 1 else [pathlib.Path(sys.executable).with_name("torchrun"), "--no-python",
                                          "--standalone", "--nproc-per-node", processes]
    command = [*launcher, ROOT / "build/release/sleb", "prune", args.model, "--dataset", args.dataset, "--segments",
               args.segments, "--seqlen", args.seqlen, "--dtype", "float32", "--num-remove-blocks", args.rounds, "--search",
               args.search, "--threads", threads, "--prompt-tokens", 0, "--force", "--json", result]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(result.read_text())


def seconds(result: dict) -> float:
    return sum(step["seconds"] for step in result["steps"])


def largest_difference(one: dict, other: dict) -> float:
    """Of the losses, relative."""
    pairs = [(a["loss"], b["loss"]) for x, y in zip(one["steps"], other["steps"], strict=True)
             for a, b in zip(x["candidates"], y["candidates"], strict=True)]
    return max(abs(a - b) / abs(b) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=str(ROOT / "build/test-models/smollm2"))
    parser.add_argument("--dataset", default=str(SHARED / "data/wikitext2/wiki.valid.raw"))
    parser.add_argument("--processes", default="2,3")
    parser.add_argument("--segments", type=int, default=6)
    parser.add_argument("--seqlen", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--search", default="exact")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()

    print("| processes x threads | seconds | one process | ratio | same list | largest difference of a loss |")
    print("| --- | ---: | ---: | ---: | --- | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "result.json"
        for processes in map(int, args.processes.split(",")):
            runs = []
            for _ in range(args.repeats):
                runs.append((prune(args, result, processes, args.threads),
                             prune(args, result, 1, processes * args.threads)))
            many, one = (statistics.median(seconds(run[i]) for run in runs) for i in (0, 1))
            same = all(a["removal_list"] == b["removal_list"] for a, b in runs)
            difference = max(largest_difference(a, b) for a, b in runs)
            print(f"| {processes} x {args.threads} | {many:.1f} | {one:.1f} | {many / one:.2f} | "
                  f"{'yes' if same else 'NO'} | {difference:.1e} |", flush=True)


if __name__ == "__main__":
    main()
