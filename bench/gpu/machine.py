"""What the machine is, and what it can do at most."""
import os
import platform
import subprocess
import time

import torch

from random_llama import SHAPES
from report import BUILD, DEVICE, TINY, row, save_ceilings


def environment() -> None:
    row("python, torch", f"{platform.python_version()}, {torch.__version__}")
    row("CPU cores, memory", f"{os.cpu_count()}, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f}", "GB")
    if DEVICE == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        row("card, driver, memory", subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip())
    version = subprocess.run([BUILD / "sleb", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    row("sleb", version)


def seconds_of(run, repeats: int = 20) -> float:
    """The median of some runs, none of them the first two."""
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


def ceilings() -> None:
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
    blocks = [torch.randn(outer, inner, device=DEVICE, dtype=dtype)
              for inner, outer in shapes for _ in range(2 if TINY else 8)]
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
