#!/usr/bin/env python3
"""Everything that only a GPU can tell, in stages with a time limit each: rows as they come, a table at the end.

usage: check.py (scripts/gpu_check.sh calls it)

Environment: STAGES (default: all, in their order), DEVICE (cuda or cpu), SIZE (full or tiny), BUDGET (seconds in all),
SLEB_BUILD_DIR (where the programs are), OUT (a folder for rows.jsonl, table.md and logs), TESTS (which of test_cuda.py, as
pytest's -k) and CORRECTNESS_SECONDS for them.
"""
import csv
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLEB_BUILD_DIR", ROOT / "build/release")).resolve()
OUT = pathlib.Path(os.environ.get("OUT", ROOT / "build/gpu-check")).resolve()
DEVICE = os.environ.get("DEVICE", "cuda")
TINY = os.environ.get("SIZE", "full") == "tiny"
CORRECTNESS_SECONDS = int(os.environ.get("CORRECTNESS_SECONDS", "110"))
DTYPE = "bfloat16" if DEVICE == "cuda" else "float32"


def row(what: str, value: float | str, unit: str = "", goal: str = "", met: bool | None = None) -> None:
    """A finished row, printed at once and kept."""
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    record = {"stage": os.environ["STAGE"], "what": what, "value": shown, "unit": unit, "goal": goal,
              "met": "" if met is None else "yes" if met else "no"}
    with open(OUT / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(f"  {what}: {shown} {unit}" + (f" (goal {goal}: {record['met']})" if goal else ""), flush=True)


class Memory:
    """The most memory of the device that was in use while it lived, sampled; of the CPU not measured."""

    def __enter__(self):
        self.peak, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.sample)
        if DEVICE == "cuda":
            self.thread.start()
        return self

    def sample(self) -> None:
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms", "50"]
        with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as process:
            while not self.ended.is_set():
                line = process.stdout.readline().strip()
                if line.isdigit():
                    self.peak = max(self.peak, int(line) << 20)
            process.kill()

    def __exit__(self, *_):
        self.ended.set()
        if DEVICE == "cuda":
            self.thread.join()


def sleb(*arguments) -> dict:
    """The JSON result of a command; its messages are in OUT/sleb.log."""
    result = OUT / "result.json"
    command = [*map(str, [BUILD / "sleb", *arguments, "--device", DEVICE, "--json", result, "--force"])]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    with open(OUT / "sleb.log", "a", encoding="utf-8") as log:
        log.write(" ".join(command) + "\n" + done.stderr)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return {**json.loads(result.read_text()), "messages": done.stderr}


def room() -> pathlib.Path:
    """A folder for models, in memory where that is large enough; it stays for the stages to come."""
    free = shutil.disk_usage("/dev/shm").free if pathlib.Path("/dev/shm").is_dir() else 0
    folder = pathlib.Path("/dev/shm" if free > 40e9 else tempfile.gettempdir()) / f"sleb-gpu-check-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    return folder


def model(shape: str) -> pathlib.Path:
    from random_llama import write_llama

    folder = room() / shape
    if not (folder / "config.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        start = time.perf_counter()
        write_llama(folder, shape, DEVICE)
        row(f"{shape}: random weights written", time.perf_counter() - start, "s")
    return folder


def own_text(folder: pathlib.Path, segments: int, seqlen: int) -> pathlib.Path:
    """Segments that the model itself has written, as all that it says is alike to a model of random weights but that."""
    import numpy

    request = {"removed": [[]], "prompts": [[3 + i] for i in range(segments)], "count": seqlen - 1, "temperature": 1,
               "device": DEVICE}
    begin = time.perf_counter()
    done = subprocess.run([BUILD / "tests/engine/run_dump", folder, DTYPE], input=json.dumps(request), capture_output=True,
                          text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    row(f"{folder.name}: {segments} x {seqlen} tokens sampled", time.perf_counter() - begin, "s")
    rows = [[3 + i, *ids] for i, ids in enumerate(json.loads(done.stdout)[0])]
    numpy.save(folder / "ids.npy", numpy.array(rows))
    return folder / "ids.npy"


def reference(folder: pathlib.Path, ids: pathlib.Path, candidates: int) -> dict:
    """transformers' seconds a candidate."""
    command = [sys.executable, ROOT / "bench/gpu/reference.py", folder, DEVICE, ids, candidates]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def environment() -> None:
    import torch

    row("python, torch", f"{platform.python_version()}, {torch.__version__}")
    row("CPU cores, memory", f"{os.cpu_count()}, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f}", "GB")
    if DEVICE == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        row("card, driver, memory", subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip())
    version = subprocess.run([BUILD / "sleb", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    row("sleb", version)
    row("folder for models", str(room()))


def seconds_of(run, repeats: int = 20) -> float:
    """The median of some runs, none of them the first two."""
    import torch

    for _ in range(2):
        run()
    times = []
    for _ in range(3 if TINY else repeats):
        if DEVICE == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            run()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / 1e3)
        else:
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2]


def latency(folder: pathlib.Path, shape: str, *options) -> dict:
    """The dense model's record; the other model of the command has two blocks, so that it costs little."""
    from random_llama import SHAPES

    others = ",".join(map(str, range(1, SHAPES[shape][2] - 1)))
    return sleb("latency", folder, "--dtype", DTYPE, "--removal-list", others, *options)["results"][0]


def save_ceilings(**values: float) -> None:
    path = OUT / "ceilings.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **values}))


def ceiling(name: str) -> float | None:
    path = OUT / "ceilings.json"
    return json.loads(path.read_text()).get(name) if path.exists() else None


def ceilings() -> None:
    import torch

    from random_llama import SHAPES

    dtype = torch.bfloat16
    size = 512 if TINY else 8192
    a, b = (torch.randn(size, size, device=DEVICE, dtype=dtype) for _ in range(2))
    rate = 2 * size ** 3 / seconds_of(lambda: torch.mm(a, b))
    row(f"product of {size} squares", rate / 1e12, "TFLOP/s")
    hidden, intermediate, *_ = SHAPES["tiny" if TINY else "llama-2-7b"]
    rows = 256 if TINY else 16384
    operations = seconds = 0.0
    shapes = ((hidden, 3 * hidden), (hidden, hidden), (hidden, 2 * intermediate), (intermediate, hidden))
    for inner, outer in shapes:
        x = torch.randn(rows, inner, device=DEVICE, dtype=dtype)
        w = torch.randn(outer, inner, device=DEVICE, dtype=dtype)
        operations += 2 * rows * inner * outer
        seconds += seconds_of(lambda: torch.nn.functional.linear(x, w))
    row(f"the model's own products, {rows} rows", operations / seconds / 1e12, "TFLOP/s")
    count = 1 << (20 if TINY else 30)
    source = torch.randn(count, device=DEVICE, dtype=dtype)
    target = torch.empty_like(source)
    copied = 2 * source.nbytes / seconds_of(lambda: target.copy_(source))
    row("copy on the device, read and written", copied / 1e9, "GB/s")
    w = torch.randn(count // 4096, 4096, device=DEVICE, dtype=dtype)
    x = torch.randn(1, 4096, device=DEVICE, dtype=dtype)
    read = w.nbytes / seconds_of(lambda: torch.nn.functional.linear(x, w))
    row("matrix times one row: read", read / 1e9, "GB/s")
    save_ceilings(product=operations / seconds, read=max(read, copied))
    blocks = [torch.randn(outer, inner, device=DEVICE, dtype=dtype) for inner, outer in shapes for _ in range(2 if TINY else 8)]
    inputs = {w.shape[1]: torch.randn(1, w.shape[1], device=DEVICE, dtype=dtype) for w in blocks}
    taken = seconds_of(lambda: [torch.nn.functional.linear(inputs[w.shape[1]], w) for w in blocks])
    row("the model's own products, 1 row: read", sum(w.nbytes for w in blocks) / taken / 1e9, "GB/s")
    if DEVICE == "cuda":
        pinned = torch.empty(1 << 28, dtype=torch.uint8, pin_memory=True)
        there = torch.empty(1 << 28, dtype=torch.uint8, device=DEVICE)
        for settings in ("", "pinned_use_cuda_host_register:True,pinned_num_register_threads:8"):
            if settings:
                torch._C._accelerator_setAllocatorSettings(settings)
            begin = time.perf_counter()
            torch.empty(1 << (31 + bool(settings)), dtype=torch.uint8, pin_memory=True)
            row("pinning, " + (settings or "as it comes"), (2 + 2 * bool(settings)) * (1 << 30) / 1e9 /
                (time.perf_counter() - begin), "GB/s")
        row("upload, pinned", pinned.nbytes / seconds_of(lambda: there.copy_(pinned, non_blocking=True)) / 1e9, "GB/s")


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
            code = process.wait(CORRECTNESS_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = -1
    lines = log.read_text().splitlines()
    passed, failed, skipped = (sum(f" {word} " in line and "test_cuda.py::" in line and "%]" in line for line in lines)
                               for word in ("PASSED", "FAILED", "SKIPPED"))
    print("\n".join(line[:300] for line in lines if line.startswith(("FAILED", "ERROR", "E  "))))
    unfinished = "" if code >= 0 else f", not finished in {CORRECTNESS_SECONDS} s"
    row("tests/engine/test_cuda.py", f"{passed} passed, {failed} failed, {skipped} skipped{unfinished}", goal="none fails",
        met=code == 0 and passed > 0)


def block_rate(folder: pathlib.Path, shape: str, batch: int, tokens: int) -> None:
    """Of a prompt's pass, blocks alone, against the products that they are made of."""
    from random_llama import SHAPES, block_parameters

    hidden, _, blocks, *_ = SHAPES[shape]
    dense = latency(folder, shape, "--mode", "prompt", "--batch-size", batch, "--prompt-tokens", tokens, "--logits", "last",
                    "--repeats", 3 if TINY else 5)
    seconds = (dense["median_ms"] - dense["outside_blocks_ms"]) / 1e3
    attention = 2 * hidden * (tokens + 1)
    operations = batch * tokens * blocks * (2 * block_parameters(shape) + attention)
    row(f"{shape}: blocks, prompts of {batch} x {tokens}", operations / seconds / 1e12, "TFLOP/s")
    if ceiling("product"):
        share = operations / seconds / ceiling("product")
        row(f"{shape}: the same of the products' rate", share, goal="0.75", met=share >= 0.75)


def expected_peak(result: dict) -> float:
    value, unit = re.search(r"a peak of ([\d.]+) (\w+)", result["messages"]).groups()
    return float(value) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]


def search_rounds(folder: pathlib.Path, shape: str, segments: int, seqlen: int, candidates: int, rounds: int) -> None:
    """Rounds of sleb against one forward a candidate through transformers."""
    from random_llama import SHAPES

    ids = own_text(folder, segments, seqlen)
    peer = reference(folder, ids, candidates)
    row(f"{shape}: transformers, a candidate on {segments} x {seqlen} tokens", peer["seconds"], "s")
    blocks = SHAPES[shape][2]
    search = ["--tokens", ids, "--seqlen", seqlen, "--dtype", DTYPE, "--prompt-tokens", 0]
    one_by_one = [peer["seconds"] * (blocks - 2 - done) for done in range(rounds)]
    for kind, goal in (("exact", 0.5), ("race", 0.15)):
        begin = time.perf_counter()
        with Memory() as memory:
            found = sleb("prune", folder, *search, "--search", kind, "--num-remove-blocks", rounds)
        whole = time.perf_counter() - begin
        seconds = [step["seconds"] for step in found["steps"]]
        share = sum(seconds) / sum(one_by_one)
        row(f"{shape}: {kind}, {rounds} rounds", sum(seconds), "s")
        row(f"{shape}: {kind}, rounds", " ".join(f"{s:.2f}" for s in seconds), "s")
        row(f"{shape}: {kind}, the whole command", whole, "s")
        row(f"{shape}: {kind}, of one forward a candidate", share, goal=str(goal), met=share <= goal)
        if memory.peak:
            row(f"{shape}: {kind}, peak of memory over what was expected", memory.peak / expected_peak(found))
        if kind == "exact":
            own = found["dense_loss"] / (segments * seqlen)
            row(f"{shape}: dense loss, sleb and transformers", f"{own:.5f} {peer['loss']:.5f}", "nats",
                goal="2e-3", met=abs(own - peer["loss"]) < 2e-3)


def large_model() -> None:
    shape = "tiny" if TINY else "llama-2-7b"
    folder = model(shape)
    block_rate(folder, shape, *((2, 32) if TINY else (8, 2048)))
    search_rounds(folder, shape, *((4, 128) if TINY else (16, 2048)), candidates=2, rounds=2)


def decoding() -> None:
    from random_llama import SHAPES

    shape = "tiny" if TINY else "llama-2-7b"
    folder = model(shape)
    for batch, goal in ((1, 0.7), (64, None)):
        begin = time.perf_counter()
        dense = latency(folder, shape, "--batch-size", batch, "--prompt-tokens", 16 if TINY else 64, "--new-tokens",
                        8 if TINY else 128, "--repeats", 2)
        row(f"{shape}: batch {batch}, tokens/s", dense["tokens_per_second"])
        row(f"{shape}: batch {batch}, a token", dense["ms_per_token"], "ms")
        row(f"{shape}: batch {batch}, first token", dense["first_token_ms"], "ms")
        row(f"{shape}: batch {batch}, the whole command", time.perf_counter() - begin, "s")
        if goal and ceiling("read"):
            hidden, *_, vocabulary = SHAPES[shape]
            read = dense["weight_bytes"] - 2 * hidden * vocabulary  # of the embedding only a row
            least = read / ceiling("read") * 1e3
            share = least / dense["ms_per_token"]
            row(f"{shape}: batch {batch}, of what reading the weights allows", share, goal=str(goal), met=share >= goal)


def kernels() -> None:
    """Where a token of decoding goes: each kernel's own time, by ncu, of about one token's worth in the middle."""
    shape = "tiny" if TINY else "llama-2-7b"
    folder = model(shape)
    request = {"removed": [[]], "prompts": [list(range(3, 67))], "count": 4, "device": DEVICE}
    command = [BUILD / "tests/engine/run_dump", folder, DTYPE]
    if not shutil.which("ncu") or DEVICE != "cuda":
        return row("ncu", "not here")
    profile = ["ncu", "--clock-control", "none", "--metrics", "gpu__time_duration.sum", "--csv", "--print-units", "base",
               "--launch-skip", "900", "--launch-count", "700"]
    done = subprocess.run([*map(str, profile + command)], input=json.dumps(request), capture_output=True, text=True,
                          check=False)
    (OUT / "ncu.csv").write_text(done.stdout + done.stderr)
    taken: dict[str, list[float]] = {}
    rows = list(csv.reader(line for line in done.stdout.splitlines() if line.startswith('"')))
    for line in rows[1:]:
        fields = dict(zip(rows[0], line))
        name = re.split(r"[<(]", fields["Kernel Name"].removeprefix("void "))[0][:60]
        taken.setdefault(name, []).append(float(fields["Metric Value"].replace(",", "")) / 1e3)
    for name, times in sorted(taken.items(), key=lambda item: -sum(item[1]))[:16]:
        row(f"{name} ({len(times)})", sum(times), "us")
    row("all of them", sum(map(sum, taken.values())), "us")


def streaming() -> None:
    shape = "tiny" if TINY else "llama-2-7b"
    folder = model(shape)
    segments, seqlen = (4, 128) if TINY else (16, 2048)
    import numpy

    ids = folder / "random-ids.npy"
    numpy.save(ids, numpy.random.default_rng(0).integers(3, 500, segments * seqlen))
    search = ["prune", folder, "--tokens", ids, "--seqlen", seqlen, "--dtype", DTYPE, "--prompt-tokens", 0, "--search",
              "exact", "--num-remove-blocks", 1, "--state-memory", 0]
    resident = sleb(*search)
    with Memory() as memory:
        streamed = sleb(*search, "--weights-memory", "600K" if TINY else "4G")
    ratio = streamed["steps"][0]["seconds"] / resident["steps"][0]["seconds"]
    row(f"{shape}: resident, a round", resident["steps"][0]["seconds"], "s")
    row(f"{shape}: streamed in 4 GB of its time", ratio, goal="1.5", met=ratio <= 1.5)
    same = streamed["steps"][0]["candidates"] == resident["steps"][0]["candidates"]
    row(f"{shape}: streamed, the same to the bit", "yes" if same else "no", goal="yes", met=same)
    if memory.peak:
        row(f"{shape}: streamed, peak over what was expected", memory.peak / expected_peak(streamed))
        row(f"{shape}: streamed, peak", memory.peak / 1e9, "GB")


def small_model() -> None:
    shape = "tiny" if TINY else "smollm2-135m"
    folder = model(shape)
    segments, seqlen = (4, 128) if TINY else (16, 2048)
    block_rate(folder, shape, *((2, 32) if TINY else (8, 2048)))
    search_rounds(folder, shape, segments, seqlen, candidates=2, rounds=2 if TINY else 6)
    for batch in (1, 64):
        dense = latency(folder, shape, "--batch-size", batch, "--prompt-tokens", 16 if TINY else 64, "--new-tokens",
                        8 if TINY else 64, "--repeats", 2)
        row(f"{shape}: batch {batch}, a token", dense["ms_per_token"], "ms")


# Seconds that each may take.
STAGES = {"environment": (environment, 30), "ceilings": (ceilings, 40), "correctness": (correctness, CORRECTNESS_SECONDS + 5),
          "large-model": (large_model, 150), "decoding": (decoding, 70), "kernels": (kernels, 40), "streaming": (streaming, 70),
          "small-model": (small_model, 90)}


def table() -> str:
    records = [json.loads(line) for line in (OUT / "rows.jsonl").read_text().splitlines()]
    lines = ["| stage | what | value | unit | goal | met |", "| :--- | :--- | ---: | :--- | :--- | :--- |"]
    return "\n".join(lines + ["| " + " | ".join(record.values()) + " |" for record in records])


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
    shutil.rmtree(room(), ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
