"""Runs every fuzz target for a while and prints what came of it; exit code 1 if anything was found.

usage: fuzz/run.py [--seconds 60] [--jobs 2] [TARGET ...]        (make fuzz builds the programs and calls this)
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "fuzz"
# Slower than 10 s for one input, or more than 1 GB, is a finding too.
LIMITS = ["-timeout=10", "-rss_limit_mb=1024"]
# The sanitizer keeps freed memory for a while to catch late uses: less of it, so that the limit is the reader's.
ENVIRONMENT = {"ASAN_OPTIONS": "quarantine_size_mb=64:allocator_may_return_null=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def last_number(pattern: str, text: str) -> int:
    return int((re.findall(pattern, text) or ["0"])[-1])


def shown(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def fuzz(target: str, seconds: int, scratch: str) -> dict:
    program, corpus = BUILD / "fuzz" / f"fuzz_{target}", BUILD / "corpus" / target
    findings = BUILD / "findings" / target
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    # What was found before is tried again.
    command = [program, corpus, BUILD / "seeds" / target, findings, f"-max_total_time={seconds}", "-print_final_stats=1",
               f"-artifact_prefix={findings}/", *LIMITS]
    dictionary = ROOT / "fuzz" / f"{target}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    before = set(findings.iterdir())
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                          env={**ENVIRONMENT, "TMPDIR": scratch, "PATH": "/usr/bin:/bin"})
    (BUILD / f"{target}.log").write_text(done.stderr)
    return {"target": target, "executions": last_number(r"number_of_executed_units: (\d+)", done.stderr) or
            last_number(r"^#(\d+)", done.stderr), "coverage": last_number(r"cov: (\d+)", done.stderr),
            "memory": last_number(r"rss: (\d+)Mb", done.stderr), "code": done.returncode,
            "found": sorted(set(findings.iterdir()) - before)}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    programs = sorted((BUILD / "fuzz").glob("fuzz_*"))
    targets = options.targets or [program.name.removeprefix("fuzz_") for program in programs]
    memory = pathlib.Path("/dev/shm")
    scratch = tempfile.mkdtemp(prefix="sleb-fuzz-", dir=memory if memory.is_dir() else None)
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            rows = list(pool.map(lambda target: fuzz(target, options.seconds, scratch), targets))
    finally:
        shutil.rmtree(scratch)
    print(f"| {'target':<18} | executions | coverage | memory, MB | new findings |")
    print(f"| {'-' * 18} | ---------: | -------: | ---------: | -----------: |")
    for row in rows:
        print(f"| {row['target']:<18} | {row['executions']:>10,} | {row['coverage']:>8,} | {row['memory']:>10} "
              f"| {len(row['found']):>12} |")
    for row in rows:
        for path in row["found"]:
            print(f"found: {shown(path)}; again: {shown(BUILD / 'fuzz')}/fuzz_{row['target']} {shown(path)}")
        if row["code"] != 0:
            print(f"{row['target']} ended with code {row['code']}; its output: {shown(BUILD)}/{row['target']}.log")
    return 1 if any(row["code"] != 0 or row["found"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
