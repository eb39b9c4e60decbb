#!/usr/bin/env python3
"""How good the models are that searches and repairs leave: perplexity and KL from the dense model, on text of the kind
that they were calibrated on and on other kinds, and zero-shot accuracy.

usage: bench/quality_study.py [--results FILE] [--models smollm2,gemma3] [--blocks N,...] [--seeds N,...]
                              [--searches race,best,...] [--repairs mixed,self,self+wikitext,even] [--tokens N,...]
                              [--tasks] [--device cuda] [--jobs N] [--seconds N] [--tables-only]

Calibration: 4 segments of 1,024 tokens of WikiText-2's validation part. Repair: --tokens, of text that the model wrote
itself (self), three quarters of that and a quarter of the calibration's kind (self+wikitext), as much of either (even),
or half of the former and a quarter each of WikiText-2's validation part and of the speeches' first half (mixed).
Evaluation, 10 segments of 1,024 tokens each: WikiText-2's test part, the speeches' other half, and the tenth of the
Python language reference that scripts/demo.sh holds out, of which nothing is ever fitted; with --tasks the first 300
questions of each of five. Each finished run is a line of --results, and what is there is not run again. Then the table,
of what is there.
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
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared/data"
SLEB = pathlib.Path(os.environ.get("SLEB_BUILD_DIR", ROOT / "build/release")).resolve() / "sleb"
TEXTS = ROOT / "build/quality-study"
CALIBRATION = SHARED / "wikitext2/wiki.valid.raw"
TASKS = "piqa,winogrande,hellaswag,arc_easy,arc_challenge"
SEARCHES = {  # what greedy removal does by default, and what goes on from there
    "race": ["--search", "race", "--criterion", "loss"],
    "race-kl": ["--search", "race", "--criterion", "kl"],
    "best-half": ["--search", "best", "--search-budget", "0.5"],
    "best": ["--search", "best"],
    "best-twice": ["--search", "best", "--search-budget", "2"],
}


@dataclasses.dataclass(frozen=True)
class Run:
    model: str
    blocks: int
    seed: int
    search: str
    repair: str
    tokens: int = 65536


def evaluation_texts() -> dict[str, pathlib.Path]:
    return {"WikiText-2": SHARED / "wikitext2/wiki.test.raw", "speeches": TEXTS / "speeches-held-out.jsonl",
            "Python reference": ROOT / "out/reference-held-out.txt"}


def repair_texts(kind: str, tokens: int) -> str:
    wikitext, speeches = str(CALIBRATION), str(TEXTS / "speeches-fitted.jsonl")
    return {"self": "self", "even": f"self:{tokens // 2},{wikitext}", "self+wikitext": f"self:{tokens * 3 // 4},{wikitext}",
            "mixed": f"self:{tokens // 2},{wikitext},{speeches}"}[kind]


def write_texts() -> None:
    """Ten speeches to fit, the ten others to evaluate."""
    TEXTS.mkdir(parents=True, exist_ok=True)
    rows = (SHARED / "speeches/speeches.jsonl").read_text().splitlines(keepends=True)
    (TEXTS / "speeches-fitted.jsonl").write_text("".join(rows[:10]))
    (TEXTS / "speeches-held-out.jsonl").write_text("".join(rows[10:]))


class Results:
    """A file of JSON lines, a run each."""

    def __init__(self, file: pathlib.Path, kind: type = Run):
        self.file = file
        self.runs: dict = {}
        for number, line in enumerate(file.read_text().splitlines() if file.exists() else [], 1):
            try:
                found = json.loads(line)
            except json.JSONDecodeError:
                sys.exit(f"{file}, line {number} is not whole; remove it, and what it held is computed again")
            self.runs[kind(**found.pop("run"))] = found

    def add(self, run, found: dict) -> None:
        self.runs[run] = found
        with self.file.open("a") as file:
            file.write(json.dumps({"run": dataclasses.asdict(run), **found}) + "\n")


def path_of(model: str) -> pathlib.Path:
    return {"smollm2": ROOT / "build/test-models/smollm2",
            "gemma3": ROOT / "build/test-models/gemma3/gemma-3-270m-q4_k_m.gguf"}[model]


def measure(args: argparse.Namespace, run: Run) -> dict:
    texts = evaluation_texts()
    file = TEXTS / ("-".join(map(str, dataclasses.astuple(run))).replace(" ", "") + ".json")
    command = [SLEB, "prune", path_of(run.model), "--dataset", CALIBRATION, "--seqlen", 1024, "--segments", 4, "--seed",
               run.seed, "--num-remove-blocks", run.blocks, *SEARCHES[run.search], "--repair", "--repair-dataset",
               repair_texts(run.repair, run.tokens), "--repair-tokens", run.tokens, "--eval-ppl",
               ",".join(map(str, texts.values())), "--eval-segments", 10, "--device", args.device, "--dtype",
               args.dtype, "--prompt-tokens", 0, "--threads", args.threads, "--resume", "--json", file]
    if args.tasks:
        command += ["--eval-tasks", TASKS, "--tasks-data", SHARED / "zeroshot", "--limit", 300]
    begin = time.monotonic()
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found = json.loads(file.read_text())
    file.unlink()
    details = found["evaluation"]["perplexity_details"]
    rows = {text: [{key: row.get(key) for key in ("perplexity", "divergence")} for row in details[str(path)]["rows"]]
            for text, path in texts.items()}
    return {"removal_list": found["removal_list"], "dtype": found["dtype"], "device": found["device"],
            "search_seconds": sum(step["seconds"] for step in found["steps"]),
            "repair_seconds": found["repair"]["seconds"], "seconds": time.monotonic() - begin, "texts": rows,
            "tasks": accuracies(found["evaluation"]) if args.tasks else None}


def accuracies(evaluation: dict) -> list[tuple[float, float]]:
    """Of the dense model, without the blocks, and repaired: the mean over tasks of acc_norm (acc where there is none),
    and its standard error."""
    found = []
    for results in (evaluation["results"], *(variant["results"] for variant in evaluation["pruned"])):
        metrics = [("acc_norm" if "acc_norm" in task else "acc", task) for task in results.values()]
        errors = [task[metric + "_stderr"] for metric, task in metrics]
        found.append((statistics.mean(task[metric] for metric, task in metrics), math.hypot(*errors) / len(errors)))
    return found


def mean_and_error(values: list[float], digits: int = 2) -> str:
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values) / math.sqrt(len(values)):.{digits}f}"


def print_table(results: Results) -> None:
    texts = list(evaluation_texts())
    columns = " | ".join(f"{text}, perplexity | KL" for text in texts)
    print(f"\n| model | blocks | search | seeds | it is | {columns} | five tasks |")
    print("| :--- | ---: | :--- | ---: | :--- |" + " ---: | ---: |" * len(texts) + " ---: |")
    groups: dict[tuple, list[Run]] = {}
    order = list(SEARCHES).index
    for run in sorted(results.runs, key=lambda run: (run.model, run.blocks, order(run.search), run.seed)):
        groups.setdefault((run.model, run.blocks, run.search), []).append(run)

    def show(labels: list[str], runs: list[Run], variant: int) -> None:
        found = [results.runs[run] for run in runs]
        print_row(labels, [[one["texts"][text][variant] for one in found] for text in texts],
                  [one["tasks"][variant] for one in found if one["tasks"]])

    for model, of_model in itertools.groupby(groups, key=lambda key: key[0]):
        show([model, "", "", "", "dense"], [next(run for run in results.runs if run.model == model)], 0)
        for key in of_model:
            runs = groups[key]
            once = list({run.seed: run for run in runs}.values())  # what was removed is the same whatever repairs it
            show([*map(str, key), str(len(once)), "removed"], once, 1)
            for repair, tokens in sorted({(run.repair, run.tokens) for run in runs}):
                those = [run for run in runs if (run.repair, run.tokens) == (repair, tokens)]
                show([*map(str, key), str(len(those)), f"repaired, {tokens // 1024}k {repair}"], those, 2)


def print_row(labels: list[str], by_text: list[list[dict]], tasks: list[tuple[float, float]]) -> None:
    cells = []
    for rows in by_text:
        cells.append(mean_and_error([row["perplexity"] for row in rows]))
        divergences = [row["divergence"] for row in rows if row["divergence"] is not None]
        cells.append(mean_and_error(divergences, 3) if divergences else "")
    error = max((error for _, error in tasks), default=0)
    cells.append(f"{statistics.mean(mean for mean, _ in tasks):.3f} ± {error:.3f}" if tasks else "")
    print("| " + " | ".join(labels + cells) + " |", flush=True)


def missing_runs(args: argparse.Namespace, results: Results) -> list[Run]:
    every = itertools.product(args.models.split(","), map(int, args.blocks.split(",")), map(int, args.seeds.split(",")),
                              args.searches.split(","), args.repairs.split(","), map(int, args.tokens.split(",")))
    return [run for values in every if (run := Run(*values)) not in results.runs]


def measure_all(args: argparse.Namespace, results: Results) -> None:
    end = time.monotonic() + args.seconds

    def measure_in_time(run: Run) -> dict | None:
        return measure(args, run) if time.monotonic() < end else None

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        started = {pool.submit(measure_in_time, run): run for run in missing_runs(args, results)}
        for done in concurrent.futures.as_completed(started):
            run = started[done]
            if done.exception():
                print(f"{run}: {done.exception()}", file=sys.stderr, flush=True)
            elif found := done.result():
                results.add(run, found)
                print(f"{run}: {found['seconds']:.1f} s", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "docs/quality-study.jsonl")
    parser.add_argument("--models", default="smollm2")
    parser.add_argument("--blocks", default="6")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--searches", default="race,best")
    parser.add_argument("--repairs", default="self+wikitext")
    parser.add_argument("--tokens", default="65536", help="that repairs are fitted to")
    parser.add_argument("--tasks", action="store_true", help="zero-shot accuracy too")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1, help="runs beside each other")
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which no further run begins")
    parser.add_argument("--tables-only", action="store_true", help="run nothing")
    args = parser.parse_args()
    results = Results(args.results)
    if not args.tables_only:
        if not CALIBRATION.exists() or not evaluation_texts()["Python reference"].exists():
            sys.exit(f"skipped: needs {CALIBRATION} and the text that make demo leaves in out/")
        write_texts()
        measure_all(args, results)
    if results.runs:
        print_table(results)


if __name__ == "__main__":
    main()
