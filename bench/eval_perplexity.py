#!/usr/bin/env python3
"""Times perplexity by sleb eval against transformers, and dense with a pruned model against dense alone, in turn.

usage: bench/eval_perplexity.py [MODEL_DIR] [--text FILE] [--segments N] [--rounds N] [--threads N]

float32, segments of 2,048 tokens. Time is that of the text alone, without loading. Memory is the peak of resident memory
above the weights: for sleb (which is one program from start to end) that of the whole process less the weights' bytes in
float32, for transformers that above what the process holds when the model is loaded; and that of the whole process, too.
Wanted: 0.97 of transformers' tokens/s, a quarter of its memory, and at most 1.75 times dense alone for both models.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SEQLEN = 2048


def peak_of(pid: int | str) -> int:
    """Peak resident memory of a running process, bytes."""
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def reference(args: argparse.Namespace) -> None:
    """A process of its own that computes the text once for each line of standard input."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(args.threads)
    rows = [line if line.strip() else "" for line in open(args.text, encoding="utf-8", newline="\n")]
    ids = AutoTokenizer.from_pretrained(args.model)("\n\n".join(rows))["input_ids"]
    segments = torch.tensor(ids[:SEQLEN * args.segments]).view(args.segments, 1, SEQLEN)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    for weight in model.parameters():
        weight.sum()  # every page is there
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    loaded = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    print(json.dumps({"weights": weights}), flush=True)
    for _ in sys.stdin:
        start, losses = time.perf_counter(), []
        with torch.inference_mode():
            for segment in segments:
                logits = model(segment, use_cache=False).logits[0, :-1].float()
                losses.append(torch.nn.functional.cross_entropy(logits, segment[0, 1:]).item())
        seconds = time.perf_counter() - start
        perplexity = float(torch.tensor(losses, dtype=torch.float64).mean().exp())
        print(json.dumps({"seconds": seconds, "perplexity": perplexity, "memory": peak_of("self") - loaded,
                          "whole": peak_of("self") - weights}), flush=True)


def sleb(args: argparse.Namespace, *options: str) -> dict:
    """The details of the text, with the peak memory of the process."""
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "result.json"
        command = [ROOT / "build/release/sleb", "eval", args.model, "--ppl", args.text, "--segments", args.segments,
                   "--dtype", "float32", "--device", "cpu", "--threads", args.threads, "--force", "--json", result,
                   *options]
        # Its own small parent: a process inherits its parent's peak over exec.
        measure = ("import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, "
                   "stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024); "
                   "sys.exit(code)")
        done = subprocess.run([sys.executable, "-c", measure, *map(str, command)], stdout=subprocess.PIPE, check=True)
        details = json.loads(result.read_text())["perplexity_details"][str(args.text)]
        return {**details, "peak": int(done.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--text", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.test.raw")
    parser.add_argument("--segments", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--removal-list", default="15,18,21,24,26,28", help="blocks from the middle on")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--as-reference", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not (args.model / "config.json").exists() or not args.text.exists():
        sys.exit(f"skipped: needs {args.model} (make test makes it) and {args.text}")
    if args.as_reference:
        return reference(args)

    child = subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "--as-reference"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    weights = json.loads(child.stdout.readline())["weights"]
    tokens = args.segments * SEQLEN
    print(f"{args.segments} segments of {SEQLEN} tokens, {args.threads} threads; tokens/s\n")
    print("| round | transformers | sleb | ratio | sleb, dense and pruned | time against dense alone |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    rounds = []
    for number in range(1, args.rounds + 1):
        child.stdin.write("\n")
        child.stdin.flush()
        theirs = json.loads(child.stdout.readline())
        dense, both = sleb(args), sleb(args, "--removal-list", args.removal_list)
        rounds.append((theirs, dense, both))
        print(f"| {number} | {tokens / theirs['seconds']:.0f} | {tokens / dense['seconds']:.0f} "
              f"| {theirs['seconds'] / dense['seconds']:.2f} | {tokens / both['seconds']:.0f} "
              f"| {both['seconds'] / dense['seconds']:.2f} |", flush=True)
    child.stdin.close()
    child.wait()

    speed = statistics.median(theirs["seconds"] / dense["seconds"] for theirs, dense, _ in rounds)
    together = statistics.median(both["seconds"] / dense["seconds"] for _, dense, both in rounds)
    memory = {"transformers": max(theirs["memory"] for theirs, _, _ in rounds),
              "transformers with what it holds when loaded": max(theirs["whole"] for theirs, _, _ in rounds),
              "sleb": max(dense["peak"] for _, dense, _ in rounds) - weights,
              "sleb, dense and pruned": max(both["peak"] for _, _, both in rounds) - weights}
    print(f"\nmedian: {speed:.2f} of transformers' tokens/s (at least 0.97 wanted); both models {together:.2f} times the "
          "time of dense alone (at most 1.75)")
    print("peak memory above the weights: " + ", ".join(f"{who} {value / 1e6:.0f} MB" for who, value in memory.items())
          + f"; ratio {memory['sleb'] / memory['transformers']:.2f} (at most 0.25)")
    theirs, dense, _ = rounds[0]
    own = dense["rows"][0]["perplexity"]
    print(f"perplexity: transformers {theirs['perplexity']:.6f}, sleb {own:.6f}; relative difference "
          f"{abs(own / theirs['perplexity'] - 1):.1e}")


if __name__ == "__main__":
    main()
