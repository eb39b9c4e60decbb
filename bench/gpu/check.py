#!/usr/bin/env python3
"""Everything that only a GPU can tell, in stages with a time limit each: rows as they come, a table at the end.

usage: check.py (scripts/gpu_check.sh calls it)

Environment: STAGES (default: all, in their order), DEVICE (cuda or cpu), SIZE (full or tiny), BUDGET (seconds in all),
SLEB_BUILD_DIR (where the programs are), OUT (a folder for rows.jsonl, table.md and logs), TESTS (which of test_cuda.py, as
pytest's -k) and CORRECTNESS_SECONDS for them.
"""
import os
import shutil
import subprocess
import sys
import time

import correctness
import machine
import models
from report import OUT, table

# Seconds that each may take.
STAGES = {
    "environment": (machine.environment, 30),
    "ceilings": (machine.ceilings, 40),
    "correctness": (correctness.correctness, correctness.SECONDS + 5),
    "large-model": (models.large_model, 150),
    "decoding": (models.decoding, 70),
    "kernels": (models.kernels, 40),
    "streaming": (models.streaming, 70),
    "small-model": (models.small_model, 90),
    "repair": (models.repair, 150),
}


def main() -> None:
    if stage := os.environ.get("STAGE"):
        return STAGES[stage][0]()
    OUT.mkdir(parents=True, exist_ok=True)
    for name in ("rows.jsonl", "ceilings.json", "sleb.log"):
        (OUT / name).unlink(missing_ok=True)
    (OUT / "rows.jsonl").touch()
    chosen = os.environ.get("STAGES", "").split() or list(STAGES)
    end = time.monotonic() + float(os.environ.get("BUDGET", "480"))
    failed = []
    for name in chosen:
        limit = min(STAGES[name][1], end - time.monotonic())
        if limit < 5:
            failed.append(f"{name}: no time left")
            continue
        print(f"{name} (at most {limit:.0f} s)", flush=True)
        begin = time.monotonic()
        process = subprocess.Popen([sys.executable, __file__], env={**os.environ, "STAGE": name}, start_new_session=True)
        try:
            if process.wait(limit):
                failed.append(f"{name}: failed")
        except subprocess.TimeoutExpired:
            failed.append(f"{name}: took more than {limit:.0f} s")
            os.killpg(process.pid, 9)
            process.wait()
        print(f"  {time.monotonic() - begin:.1f} s", flush=True)
    text = table() + "\n" + "".join(f"\n{line}" for line in failed)
    (OUT / "table.md").write_text(text + "\n")
    print("\n" + text)
    shutil.rmtree(models.room(), ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
