"""scripts/gpu_check.sh on the CPU with tiny models, so that it still runs when there is a GPU for a quarter of an hour."""
import json
import os
import subprocess
import sys

from programs import BUILD, ROOT

STAGES = ["environment", "ceilings", "correctness", "large-model", "decoding", "kernels", "streaming", "small-model",
          "repair"]


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


def test_kernels_of_a_profile(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench/gpu"))
    from models import kernel_times

    profile = """==PROF== Connected
"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","void at::native::(anonymous namespace)::norm<float, (int)4>(int)","gpu__time_duration.sum","ns","8,300"
"1","void at::native::<unnamed>::norm<float, (int)4>(int)","gpu__time_duration.sum","ns","100"
"2","nvjet_sm90_tst","gpu__time_duration.sum","ns","46000"
"""
    assert kernel_times(profile) == {"at::native::norm": [8.3, 0.1], "nvjet_sm90_tst": [46.0]}
