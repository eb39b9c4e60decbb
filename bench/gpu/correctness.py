"""Whether the GPU finds what the CPU finds."""
import os
import re
import subprocess
import sys

from report import BUILD, DEVICE, OUT, ROOT, TINY, row

SECONDS = int(os.environ.get("CORRECTNESS_SECONDS", "110"))


def correctness() -> None:
    """Its log is written as it comes, so that something is left of it when the time is up."""
    unit_tests = BUILD / "sleb_engine_test"
    if unit_tests.exists():
        done = subprocess.run([unit_tests, "--gtest_brief=1"], capture_output=True, text=True, check=False)
        (OUT / "unit-tests.log").write_text(done.stdout + done.stderr)
        print("\n".join(line for line in done.stdout.splitlines() if "Failure" in line or line.startswith("[  FAILED")))
        counts = re.findall(r"\d+ tests? ran|PASSED.*|FAILED  \] \d.*", done.stdout)
        row("unit tests of the engine", ", ".join(counts[-2:]), goal="none fails", met=done.returncode == 0)
    command = [sys.executable, "-m", "pytest", "tests/engine/test_cuda.py", "-v", "--tb=short", "-p", "no:cacheprovider",
               "--durations=15", "-k", "llama and (exact-loss or latency)" if TINY else os.environ.get("TESTS", "test")]
    if DEVICE == "cuda":
        command += ["-n", "12"]
    # Threads of libtorch wait actively: more of them than cores take many times as long.
    environment = {**os.environ, "SLEB_BUILD_DIR": str(BUILD), "SLEB_TEST_DEVICE": DEVICE, "OMP_NUM_THREADS": "2"}
    log = OUT / "pytest.log"
    with open(log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = -1
    lines = log.read_text().splitlines()
    passed, failed, skipped = (sum(f" {word} " in line and "test_cuda.py::" in line and "%]" in line for line in lines)
                               for word in ("PASSED", "FAILED", "SKIPPED"))
    print("\n".join(line[:300] for line in lines if line.startswith(("FAILED", "ERROR", "E  "))))
    unfinished = "" if code >= 0 else f", not finished in {SECONDS} s"
    row("tests/engine/test_cuda.py", f"{passed} passed, {failed} failed, {skipped} skipped{unfinished}", goal="none fails",
        met=code == 0 and passed > 0)
