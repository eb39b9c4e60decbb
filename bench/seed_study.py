#!/usr/bin/env python3
"""How much a search's result depends on the calibration text: searches from several seeds, on texts of several lengths, by
loss and by KL, exact and as races.

usage: bench/seed_study.py [MODEL_DIR] [--results DIR] [--tokens 4096,16384,65536] [--seeds N] [--rounds N]
                           [--searches exact,race] [--device cpu|cuda] [--dtype T] [--jobs N] [--threads N]

Each search's sleb.json stays in --results, and a search that is there already is not run again: the study can be
stopped and taken up. Then the tables, of what is there. Held-out text: --eval-segments segments of WikiText-2's test text.
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

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SLEB = ROOT / "build/release/sleb"
SEQLEN = 512
ROWS_PER_TOKEN = 1 / 60  # WikiText-2's rows have about 75 tokens: enough rows for the text, with some to spare


@dataclasses.dataclass(frozen=True, order=True)
class Search:
    tokens: int
    seed: int
    criterion: str
    kind: str

    def file(self, results: pathlib.Path) -> pathlib.Path:
        return results / f"{self.tokens}-{self.seed}-{self.criterion}-{self.kind}.json"


def sleb(args: argparse.Namespace, command: str, *options) -> None:
    parts = [SLEB, command, args.model, "--dtype", args.dtype, "--device", args.device, "--threads", args.threads, *options]
    done = subprocess.run([str(part) for part in parts], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def run(args: argparse.Namespace, search: Search) -> None:
    if search.file(args.results).exists():
        return
    sleb(args, "prune", "--dataset", args.dataset, "--seqlen", SEQLEN, "--segments", search.tokens // SEQLEN, "--nsamples",
         math.ceil(search.tokens * ROWS_PER_TOKEN) + 32, "--seed", search.seed, "--num-remove-blocks", args.rounds,
         "--criterion", search.criterion, "--search", search.kind, "--prompt-tokens", 0, "--state-memory",
         args.state_memory, "--resume", "--json", search.file(args.results))
    print(f"{search.tokens} tokens, seed {search.seed}, {search.criterion}, {search.kind}: "
          f"{load(args, search)['removal_list']}", file=sys.stderr, flush=True)


def load(args: argparse.Namespace, search: Search) -> dict | None:
    file = search.file(args.results)
    return json.loads(file.read_text()) if file.exists() else None


def held_out(args: argparse.Namespace, lists: list[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
    """Perplexity by removal list (as a set); what was computed before is kept."""
    file = args.results / f"held-out-{args.eval_segments}.json"
    known = {tuple(entry[0]): entry[1] for entry in json.loads(file.read_text())} if file.exists() else {}
    missing = [entry for entry in [(), *dict.fromkeys(lists)] if entry not in known]
    for batch in (missing[i:i + 8] for i in range(0, len(missing), 8)):
        result = args.results / "eval.json"
        removals = [part for entry in batch if entry for part in ("--removal-list", ",".join(map(str, entry)))]
        sleb(args, "eval", "--ppl", args.eval_dataset, "--segments", args.eval_segments, *removals, "--json", result)
        found = next(iter(json.loads(result.read_text())["perplexity"].values()))
        result.unlink()
        known[()] = found["dense"]
        pruned = found["pruned"] if isinstance(found.get("pruned"), list) else [found["pruned"]] if removals else []
        known.update(zip([entry for entry in batch if entry], pruned))
        file.write_text(json.dumps([[list(key), value] for key, value in known.items()]))
    return known


def mean_and_error(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3g}" if values else "-"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) / math.sqrt(len(values)):.2f}"


def overlap(lists: list[set[int]]) -> list[float]:
    """The share that two lists have in common, for each list the mean over the others."""
    return [statistics.mean(len(own & other) / len(own) for j, other in enumerate(lists) if j != i)
            for i, own in enumerate(lists)]


def print_results(args: argparse.Namespace, groups: dict[tuple, list[dict]]) -> None:
    lists = [tuple(sorted(result["removal_list"])) for group in groups.values() for result in group]
    perplexity = held_out(args, lists)
    print(f"\nHeld-out perplexity of the dense model: {perplexity[()]:.2f}\n")
    print("| tokens | criterion | search | seeds | different lists | shared by two seeds | margins below 2 se | held-out "
          "perplexity | best to worst | share of candidate tokens |")
    print("| ---: | :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (tokens, criterion, kind), group in groups.items():
        sets = [set(result["removal_list"]) for result in group]
        found = [perplexity[tuple(sorted(entry))] for entry in sets]
        steps = [step for result in group for step in result["steps"]]
        unsure = statistics.mean(step["margin"] is not None and step["margin"] < 2 for step in steps)
        seen = [sum(c["tokens"] for s in result["steps"] for c in s["candidates"]) /
                (tokens * sum(len(s["candidates"]) for s in result["steps"])) for result in group]
        shared = mean_and_error(overlap(sets)) if len(sets) > 1 else "-"
        print(f"| {tokens:,} | {criterion} | {kind} | {len(group)} | {len(set(map(frozenset, sets)))} | {shared} | "
              f"{unsure:.2f} | {mean_and_error(found)} | {min(found):.2f} to {max(found):.2f} | "
              f"{statistics.mean(seen):.2f} |")


def print_differences(args: argparse.Namespace, searches: list[Search]) -> None:
    print("\n| tokens | criterion | rounds compared | race chose otherwise | of these margin below 1 se | allowed |")
    print("| ---: | :--- | ---: | ---: | ---: | ---: |")
    for tokens, criterion in dict.fromkeys((s.tokens, s.criterion) for s in searches):
        compared = different = near = 0
        for seed in range(args.seeds):
            exact, race = (load(args, Search(tokens, seed, criterion, kind)) for kind in ("exact", "race"))
            if not exact or not race:
                continue
            for own, other in zip(exact["steps"], race["steps"]):  # after a difference the rounds are not the same
                compared += 1
                if own["removed"] != other["removed"]:
                    different += 1
                    near += own["margin"] is not None and own["margin"] < 1
                    break
        if compared:
            print(f"| {tokens:,} | {criterion} | {compared} | {different} | {near} | {compared * 0.001:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--dataset", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.valid.raw")
    parser.add_argument("--eval-dataset", type=pathlib.Path, default=SHARED / "data/wikitext2/wiki.test.raw")
    parser.add_argument("--eval-segments", type=int, default=16)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build/seed-study")
    parser.add_argument("--tokens", default="4096,16384,65536")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--criteria", default="loss,kl")
    parser.add_argument("--searches", default="exact,race")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--state-memory", default="2G", help="of each search")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="searches at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each search")
    parser.add_argument("--tables-only", action="store_true", help="run nothing")
    args = parser.parse_args()
    if not (args.model / "config.json").exists() or not args.dataset.exists():
        sys.exit(f"skipped: needs {args.model} (make test makes it) and {args.dataset}")
    args.results.mkdir(parents=True, exist_ok=True)
    searches = [Search(int(tokens), seed, criterion, kind) for tokens, seed, criterion, kind in itertools.product(
        args.tokens.split(","), range(args.seeds), args.criteria.split(","), args.searches.split(","))]
    if not args.tables_only:
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(lambda search: run(args, search), searches))
    groups: dict[tuple, list[dict]] = {}
    for search in sorted(searches, key=lambda s: (s.tokens, s.criterion, s.kind, s.seed)):
        if result := load(args, search):
            groups.setdefault((search.tokens, search.criterion, search.kind), []).append(result)
    if not groups:
        sys.exit(f"nothing in {args.results} yet")
    print_results(args, groups)
    print_differences(args, searches)


if __name__ == "__main__":
    main()
