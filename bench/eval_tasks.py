#!/usr/bin/env python3
"""Zero-shot tasks by lm-evaluation-harness and by sleb in turn: questions per second, and whether the results agree.

usage: bench/eval_tasks.py [MODEL_DIR] [--limit N] [--rows DIR] [--threads N] [--rounds N] [--removal-list 5,13,20,26]

float32 on the CPU, piqa, winogrande, hellaswag, arc_easy and arc_challenge; the dense model, and a folder without the
blocks of the removal list. Both are timed without their start and the loading of the model.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "eval"))
TASKS = ["piqa", "winogrande", "hellaswag", "arc_easy", "arc_challenge"]
SLEB = ROOT / "build" / "release" / "sleb"


def by_sleb(arguments, model: pathlib.Path, folder: pathlib.Path, *options) -> tuple[dict, list[dict], float]:
    """JSON, with `tasks_seconds` of the work alone; samples; and seconds from start to end."""
    result, log = folder / "result.json", folder / "samples.jsonl"
    start = time.perf_counter()
    subprocess.run([SLEB, "eval", model, "--dtype", "float32", "--tasks", ",".join(TASKS), "--tasks-data",
                    arguments.rows, "--limit", str(arguments.limit), "--threads", str(arguments.threads), "--force", "--json",
                    result, "--log-samples", log, *options],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    samples = [json.loads(line) for line in log.read_text().split("\n")[:-1]]
    return json.loads(result.read_text()), samples, seconds


def compare(results: dict, samples: list[dict], expected: dict) -> str:
    """The largest difference of a log-likelihood, and whether all accuracies are equal."""
    worst, equal, count = 0.0, True, 0
    for task, theirs in expected.items():
        ours = [sample for sample in samples if sample["task"] == task]
        assert len(ours) == len(theirs["samples"])
        for mine, sample in zip(ours, theirs["samples"]):
            lls = [request["log_likelihood"] for request in mine["requests"]]
            worst = max(worst, *(abs(a - b) for a, b in zip(lls, sample["lls"], strict=True)))
            count += len(lls)
            equal &= all(mine[name] == sample[name] for name in ("acc", "acc_norm") if name in sample)
        equal &= all(abs(results[task][name] - value) < 1e-12 for name, value in theirs.items() if name != "samples")
    verdict = "equal" if equal else "NOT EQUAL"
    return f"{count} log-likelihoods, largest difference {worst:.2g}; acc and acc_norm of every question {verdict}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build" / "test-models" / "smollm2")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--rows", type=pathlib.Path, default=ROOT.parent / "shared" / "data" / "zeroshot")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--removal-list", default="5,13,20,26")
    arguments = parser.parse_args()
    import torch
    import harness
    torch.set_num_threads(arguments.threads)
    questions = arguments.limit * len(TASKS)
    print("| model | round | lm-eval, questions/s | sleb, questions/s | ratio | with sleb's start and loading |\n"
          "| :--- | ---: | ---: | ---: | ---: | ---: |")
    notes = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        pruned = folder / "pruned"
        subprocess.run([SLEB, "export", arguments.model, "--removal-list", arguments.removal_list, "--out", pruned],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for number in range(1, arguments.rounds + 1):
            for name, model in (("dense", arguments.model), ("pruned", pruned)):
                results, theirs = harness.run(model, arguments.rows, TASKS, folder / "definitions", arguments.limit, 16)
                report, samples, whole = by_sleb(arguments, model, folder)
                ours = report["tasks_seconds"]
                print(f"| {name} | {number} | {questions / theirs:.2f} | {questions / ours:.2f} | {theirs / ours:.2f} "
                      f"| {theirs / whole:.2f} |", flush=True)
                if number == 1:
                    compared = compare(report["results"], samples, harness.by_task(results, TASKS))
                    notes.append(f"{name}: {compared}")
        both, _, _ = by_sleb(arguments, arguments.model, folder, "--removal-list", arguments.removal_list)
        notes.append(f"dense and pruned together: {2 * questions / both['tasks_seconds']:.2f} questions/s")
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
