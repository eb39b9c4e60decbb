#!/usr/bin/env python3
"""How much a search's result depends on the calibration text: searches from several seeds, on texts of several lengths, by
loss and by KL, exact and as races.

usage: bench/seed_study.py [MODEL_DIR] [--results FILE] [--tokens 4096,16384,65536] [--seeds N] [--rounds N]
                           [--searches exact,race] [--device cpu|cuda] [--dtype T] [--jobs N] [--threads N]

Each finished search and each held-out perplexity is a line of --results, and what is there is not run again: the study can
be stopped and taken up, on another machine too. Then the tables, of what is there. Held-out text: --eval-segments segments
of WikiText-2's test text.
"""
import argparse
import concurrent.futures
import dataclasses
import itertools
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SLEB = ROOT / "build/release/sleb"
UNFINISHED = ROOT / "build/seed-study"
SEQLEN = 512
CONFIDENCE = 0.999  # of a round, prune's default
ROWS_PER_TOKEN = 1 / 60  # WikiText-2's rows have about 75 tokens: enough rows for the text, with some to spare


@dataclasses.dataclass(frozen=True)
class Search:
    tokens: int
    seed: int
    criterion: str
    search: str


@dataclasses.dataclass(frozen=True)
class Step:
    removed: int
    margin: float | None  # of the block removed to the next best, in standard errors
    share: float          # of candidates x tokens, how many were seen


class Results:
    """The finished part of a study: a file of JSON lines, the first of which holds what all its searches have in common."""

    def __init__(self, file: pathlib.Path, settings: dict):
        self.file = file
        self.settings = settings
        self.lock = threading.Lock()
        self.searches: dict[Search, list[Step]] = {}
        self.perplexity: dict[tuple[int, ...], float] = {}  # by the blocks removed, ascending
        lines = []
        for number, line in enumerate(file.read_text().splitlines() if file.exists() else [], 1):
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                sys.exit(f"{file}, line {number} is not whole; remove it, and what it held is computed again")
        if lines and lines[0] != settings:
            sys.exit(f"{file} is of another study: {json.dumps(lines[0])}, this one: {json.dumps(settings)}")
        for line in lines[1:]:
            if "steps" in line:
                self.searches[Search(line["tokens"], line["seed"], line["criterion"], line["search"])] = [
                    Step(**step) for step in line["steps"]]
            else:
                self.perplexity[tuple(line["removed"])] = line["held_out_perplexity"]

    def _append(self, line: dict) -> None:
        if not self.file.exists():
            self.file.write_text(json.dumps(self.settings) + "\n")
        with self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def add_search(self, search: Search, steps: list[Step]) -> None:
        with self.lock:
            self.searches[search] = steps
            self._append({**dataclasses.asdict(search), "steps": [dataclasses.asdict(step) for step in steps]})

    def add_perplexity(self, blocks: tuple[int, ...], perplexity: float) -> None:
        self.perplexity[blocks] = perplexity
        self._append({"removed": blocks, "held_out_perplexity": perplexity})

    def without_perplexity(self) -> list[tuple[int, ...]]:
        """The dense model's and the results' removal lists, as far as they were not evaluated."""
        lists = [(), *dict.fromkeys(removed(steps) for steps in self.searches.values())]
        return [blocks for blocks in lists if blocks not in self.perplexity]


def sleb(args: argparse.Namespace, command: str, *options) -> None:
    parts = [SLEB, command, args.model, "--dtype", args.dtype, "--device", args.device, "--threads", args.threads, *options]
    done = subprocess.run([str(part) for part in parts], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def run(args: argparse.Namespace, results: Results, search: Search) -> None:
    if search in results.searches:
        return
    file = UNFINISHED / f"{search.tokens}-{search.seed}-{search.criterion}-{search.search}.json"
    sleb(args, "prune", "--dataset", args.dataset, "--seqlen", SEQLEN, "--segments", search.tokens // SEQLEN, "--nsamples",
         math.ceil(search.tokens * ROWS_PER_TOKEN) + 32, "--seed", search.seed, "--num-remove-blocks", args.rounds,
         "--criterion", search.criterion, "--search", search.search, "--prompt-tokens", 0, "--state-memory",
         args.state_memory, "--resume", "--json", file)
    steps = [Step(step["removed"], step["margin"] and round(step["margin"], 3), round(statistics.mean(
        candidate["tokens"] / search.tokens for candidate in step["candidates"]), 4))
        for step in json.loads(file.read_text())["steps"]]
    results.add_search(search, steps)
    file.unlink()
    print(f"{search.tokens} tokens, seed {search.seed}, {search.criterion}, {search.search}: "
          f"{[step.removed for step in steps]}", file=sys.stderr, flush=True)


def removed(steps: list[Step]) -> tuple[int, ...]:
    return tuple(sorted(step.removed for step in steps))


def evaluate(args: argparse.Namespace, results: Results) -> None:
    """Held-out perplexity of the dense model and of every result."""
    missing = results.without_perplexity()
    for batch in (missing[i:i + 8] for i in range(0, len(missing), 8)):
        file = UNFINISHED / "eval.json"
        pruned = [blocks for blocks in batch if blocks]
        options = [part for blocks in pruned for part in ("--removal-list", ",".join(map(str, blocks)))]
        sleb(args, "eval", "--ppl", args.eval_dataset, "--segments", args.eval_segments, *options, "--force", "--json", file)
        found = next(iter(json.loads(file.read_text())["perplexity"].values()))
        file.unlink()
        if () in batch:
            results.add_perplexity((), found["dense"])
        if pruned:
            values = found["pruned"] if isinstance(found["pruned"], list) else [found["pruned"]]
            for blocks, perplexity in zip(pruned, values, strict=True):
                results.add_perplexity(blocks, perplexity)


def mean_and_error(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.2f}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) / math.sqrt(len(values)):.2f}"


def overlap(lists: list[set[int]]) -> float:
    """The share that two lists have in common, the mean over all pairs."""
    return statistics.mean(len(own & other) / len(own) for own, other in itertools.combinations(lists, 2))


def overlap_and_error(lists: list[set[int]]) -> str:
    """The error by the jackknife over lists, since each is in many pairs."""
    if len(lists) < 3:
        return f"{overlap(lists):.2f}" if len(lists) == 2 else "-"
    without = [overlap(lists[:i] + lists[i + 1:]) for i in range(len(lists))]
    return f"{overlap(lists):.2f} ± {math.sqrt((len(lists) - 1) * statistics.pvariance(without)):.2f}"


def print_results(results: Results) -> None:
    print(f"\nHeld-out perplexity of the dense model: {results.perplexity[()]:.2f}\n")
    print("| tokens | criterion | search | seeds | different lists | shared by two seeds | margins below 2 se | held-out "
          "perplexity | best to worst | share of candidate tokens |")
    print("| ---: | :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    groups: dict[tuple, list[list[Step]]] = {}
    for search in sorted(results.searches, key=lambda s: (s.tokens, s.criterion, s.search, s.seed)):
        groups.setdefault((search.tokens, search.criterion, search.search), []).append(results.searches[search])
    for (tokens, criterion, kind), group in groups.items():
        lists = [removed(steps) for steps in group]
        found = [results.perplexity[blocks] for blocks in lists]
        steps = list(itertools.chain(*group))
        unsure = statistics.mean(step.margin is not None and step.margin < 2 for step in steps)
        shared = overlap_and_error(list(map(set, lists)))
        print(f"| {tokens:,} | {criterion} | {kind} | {len(group)} | {len(set(lists))} | {shared} | {unsure:.2f} | "
              f"{mean_and_error(found)} | {min(found):.2f} to {max(found):.2f} | "
              f"{statistics.mean(step.share for step in steps):.2f} |")


def print_criteria(results: Results) -> None:
    print("\n| tokens | search | seeds | held-out perplexity by KL less that by loss | KL better | equal |")
    print("| ---: | :--- | ---: | ---: | ---: | ---: |")
    pairs: dict[tuple, list[float]] = {}
    for search in sorted(results.searches, key=lambda s: (s.tokens, s.search, s.seed)):
        other = results.searches.get(dataclasses.replace(search, criterion="loss"))
        if search.criterion == "kl" and other:
            difference = results.perplexity[removed(results.searches[search])] - results.perplexity[removed(other)]
            pairs.setdefault((search.tokens, search.search), []).append(difference)
    for (tokens, kind), differences in pairs.items():
        print(f"| {tokens:,} | {kind} | {len(differences)} | {mean_and_error(differences)} | "
              f"{sum(d < 0 for d in differences)} | {sum(d == 0 for d in differences)} |")


def print_differences(results: Results) -> None:
    print("\n| tokens | criterion | rounds compared | race chose otherwise | of these margin below 1 se | allowed |")
    print("| ---: | :--- | ---: | ---: | ---: | ---: |")
    counts: dict[tuple, list[int]] = {}
    for search in sorted(results.searches, key=lambda s: (s.tokens, s.criterion, s.seed)):
        race = results.searches.get(dataclasses.replace(search, search="race"))
        if search.search != "exact" or not race:
            continue
        count = counts.setdefault((search.tokens, search.criterion), [0, 0, 0])
        for own, other in zip(results.searches[search], race):  # after a difference the rounds are not the same
            count[0] += 1
            if own.removed != other.removed:
                count[1] += 1
                count[2] += own.margin is not None and own.margin < 1
                break
    for (tokens, criterion), (compared, different, near) in counts.items():
        print(f"| {tokens:,} | {criterion} | {compared} | {different} | {near} | {compared * (1 - CONFIDENCE):.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--dataset", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.valid.raw")
    parser.add_argument("--eval-dataset", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.test.raw")
    parser.add_argument("--eval-segments", type=int, default=16)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "docs/seed-study.jsonl")
    parser.add_argument("--tokens", default="4096,16384,65536")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--criteria", default="loss,kl")
    parser.add_argument("--searches", default="exact,race")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--state-memory", default="4G", help="of each search")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="searches at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each search")
    parser.add_argument("--tables-only", action="store_true", help="run nothing")
    args = parser.parse_args()
    results = Results(args.results, {"model": args.model.name, "dataset": args.dataset.name, "seqlen": SEQLEN, "dtype":
                                     args.dtype, "rounds": args.rounds, "eval_dataset": args.eval_dataset.name,
                                     "eval_segments": args.eval_segments})
    if not args.tables_only:
        if not (args.model / "config.json").exists() or not args.dataset.exists():
            sys.exit(f"skipped: needs {args.model} (make test makes it) and {args.dataset}")
        UNFINISHED.mkdir(parents=True, exist_ok=True)
        searches = [Search(int(tokens), seed, criterion, kind) for tokens, seed, criterion, kind in itertools.product(
            args.tokens.split(","), range(args.seeds), args.criteria.split(","), args.searches.split(","))]
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(lambda search: run(args, results, search), searches))
        evaluate(args, results)
    if not results.searches:
        sys.exit(f"no search in {args.results} yet")
    if missing := results.without_perplexity():
        sys.exit(f"{len(missing)} results have no held-out perplexity yet; without --tables-only it is computed")
    print_results(results)
    print_criteria(results)
    print_differences(results)


if __name__ == "__main__":
    main()
