"""scripts/gpu_check.sh on the CPU with tiny models, so that it still runs when there is a GPU for a quarter of an hour."""
import json
import os
import subprocess
import sys

from programs import BUILD, ROOT

STAGES = ["environment", "ceilings", "correctness", "large-model", "decoding", "kernels", "streaming", "small-model"]


def test_every_stage_has_rows(tmp_path):
    environment = {**os.environ, "DEVICE": "cpu", "SIZE": "tiny", "OUT": str(tmp_path), "PYTHON": sys.executable,
                   "SLEB_BUILD_DIR": str(BUILD)}
    done = subprocess.run([ROOT / "scripts/gpu_check.sh"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(row["stage"] for row in rows)) == STAGES
    correct = [row for row in rows if "test_cuda" in row["what"] or "dense loss" in row["what"] or "to the bit" in row["what"]]
    assert len(correct) == 4 and all(row["met"] == "yes" for row in correct), correct
    assert done.stdout.count("\n| ") == len(rows) + 2
