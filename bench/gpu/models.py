"""Searches, decoding and streaming of models of random weights, against the machine's ceilings and transformers."""
import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy

from random_llama import SHAPES, block_parameters, write_llama
from report import BUILD, DEVICE, OUT, ROOT, TINY, ceiling, row

sys.path.insert(0, str(ROOT / "tests"))
from tiny_models import save_tokenizer  # noqa: E402

DTYPE = "bfloat16" if DEVICE == "cuda" else "float32"


def sleb(*arguments, **environment) -> dict:
    """The JSON result of a command; its messages are in OUT/sleb.log."""
    result = OUT / "result.json"
    command = [*map(str, [BUILD / "sleb", *arguments, "--device", DEVICE, "--json", result, "--force"])]
    with open(OUT / "sleb.log", "a+", encoding="utf-8") as log:
        log.write(" ".join(command) + "\n")
        log.flush()
        begin = log.tell()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=log, check=False,
                              env={**os.environ, **environment})
        log.seek(begin)
        messages = log.read()
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{messages[-2000:]}")
    return {**json.loads(result.read_text()), "messages": messages}


def room() -> pathlib.Path:
    """A folder for models, in memory where that is large enough; it stays for the stages to come."""
    free = shutil.disk_usage("/dev/shm").free if pathlib.Path("/dev/shm").is_dir() else 0
    folder = pathlib.Path("/dev/shm" if free > 40e9 else tempfile.gettempdir()) / f"sleb-gpu-check-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    return folder


def model(shape: str) -> pathlib.Path:
    folder = room() / shape
    if not (folder / "config.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        start = time.perf_counter()
        write_llama(folder, shape, DEVICE)
        row(f"{shape}: random weights written", time.perf_counter() - start, "s")
    return folder


def own_text(folder: pathlib.Path, segments: int, seqlen: int) -> pathlib.Path:
    """Segments that the model itself has written, as all that it says is alike to a model of random weights but that."""
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


def latency(folder: pathlib.Path, shape: str, *options, **environment) -> dict:
    """The dense model's record; the other model of the command has two blocks, so that it costs little."""
    others = ",".join(map(str, range(1, SHAPES[shape][2] - 1)))
    return sleb("latency", folder, "--dtype", DTYPE, "--removal-list", others, *options, **environment)["results"][0]


def block_rate(folder: pathlib.Path, shape: str, batch: int, tokens: int) -> None:
    """Of a prompt's pass, blocks alone, against the products that they are made of."""
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


def bytes_in(pattern: str, result: dict) -> float:
    value, unit = re.search(pattern + r" ([\d.]+) (\w+)", result["messages"]).groups()
    return float(value) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]


def peak_rows(what: str, result: dict) -> None:
    """Bytes that libtorch had of the device at most, which are what is expected beforehand; of the CPU the process's."""
    peak = bytes_in("the peak was", result)
    row(f"{what}, peak of memory over what was expected", peak / bytes_in("a peak of", result))
    row(f"{what}, peak of memory", peak / 1e9, "GB")


def search_rounds(folder: pathlib.Path, shape: str, segments: int, seqlen: int, candidates: int, rounds: int) -> None:
    """Rounds of sleb against one forward a candidate through transformers."""
    ids = own_text(folder, segments, seqlen)
    peer = reference(folder, ids, candidates)
    row(f"{shape}: transformers, a candidate on {segments} x {seqlen} tokens", peer["seconds"], "s")
    blocks = SHAPES[shape][2]
    search = ["--tokens", ids, "--seqlen", seqlen, "--dtype", DTYPE, "--prompt-tokens", 0]
    one_by_one = [peer["seconds"] * (blocks - 2 - done) for done in range(rounds)]
    for kind, goal in (("exact", 0.5), ("race", 0.15)):
        begin = time.perf_counter()
        found = sleb("prune", folder, *search, "--search", kind, "--num-remove-blocks", rounds)
        whole = time.perf_counter() - begin
        seconds = [step["seconds"] for step in found["steps"]]
        share = sum(seconds) / sum(one_by_one)
        row(f"{shape}: {kind}, {rounds} rounds", sum(seconds), "s")
        row(f"{shape}: {kind}, rounds", " ".join(f"{s:.2f}" for s in seconds), "s")
        row(f"{shape}: {kind}, the whole command", whole, "s")
        row(f"{shape}: {kind}, of one forward a candidate", share, goal=str(goal), met=share <= goal)
        peak_rows(f"{shape}: {kind}", found)
        if kind == "exact":
            own = found["dense_loss"] / (segments * seqlen)
            row(f"{shape}: dense loss, sleb and transformers", f"{own:.5f} {peer['loss']:.5f}", "nats",
                goal="2e-3", met=abs(own - peer["loss"]) < 2e-3)


def large_model() -> None:
    shape = "tiny" if TINY else "llama-2-7b"
    folder = model(shape)
    block_rate(folder, shape, *((2, 32) if TINY else (8, 2048)))
    search_rounds(folder, shape, *((4, 128) if TINY else (16, 2048)), candidates=2, rounds=2)


def decode(shape: str, batch: int) -> dict:
    """Tokens after a prompt of 64, and what they take with libtorch's own kernels instead of ours."""
    options = ["--batch-size", batch, "--prompt-tokens", 16 if TINY else 64, "--new-tokens", 8 if TINY else 128,
               "--repeats", 2]
    begin = time.perf_counter()
    dense = latency(model(shape), shape, *options)
    row(f"{shape}: batch {batch}, a token", dense["ms_per_token"], "ms")
    row(f"{shape}: batch {batch}, the whole command", time.perf_counter() - begin, "s")
    old = latency(model(shape), shape, *options, SLEB_CUDA_KERNELS="libtorch")
    row(f"{shape}: batch {batch}, with libtorch's kernels only", old["ms_per_token"], "ms")
    return dense


def decoding() -> None:
    shape = "tiny" if TINY else "llama-2-7b"
    for batch, goal in ((1, 0.7), (64, None)):
        dense = decode(shape, batch)
        row(f"{shape}: batch {batch}, tokens/s", dense["tokens_per_second"])
        row(f"{shape}: batch {batch}, first token", dense["first_token_ms"], "ms")
        if goal and ceiling("read"):
            hidden, *_, vocabulary = SHAPES[shape]
            read = dense["weight_bytes"] - 2 * hidden * vocabulary  # of the embedding only a row
            least = read / ceiling("read") * 1e3
            share = least / dense["ms_per_token"]
            row(f"{shape}: batch {batch}, of what reading the weights allows", share, goal=str(goal), met=share >= goal)


def kernel_times(output: str) -> dict[str, list[float]]:
    """Microseconds of each launch by the kernel's name, from what ncu --csv prints among other lines."""
    times: dict[str, list[float]] = {}
    for fields in csv.DictReader(line for line in output.splitlines() if line.startswith('"')):
        name = fields["Kernel Name"].removeprefix("void ").replace("(anonymous namespace)::", "")
        name = name.replace("<unnamed>::", "")
        times.setdefault(re.split(r"[<(]", name)[0], []).append(float(fields["Metric Value"].replace(",", "")) / 1e3)
    return times


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
    taken = kernel_times(done.stdout)
    for name, times in sorted(taken.items(), key=lambda item: -sum(item[1]))[:16]:
        row(f"{name} ({len(times)})", sum(times), "us")
    row("all of them", sum(map(sum, taken.values())), "us")


def streaming() -> None:
    shape = "tiny" if TINY else "llama-2-7b"
    folder = model(shape)
    segments, seqlen = (4, 128) if TINY else (16, 2048)
    ids = folder / "random-ids.npy"
    numpy.save(ids, numpy.random.default_rng(0).integers(3, 500, segments * seqlen))
    search = ["prune", folder, "--tokens", ids, "--seqlen", seqlen, "--dtype", DTYPE, "--prompt-tokens", 0, "--search",
              "exact", "--num-remove-blocks", 1, "--state-memory", 0]
    resident = sleb(*search)
    streamed = sleb(*search, "--weights-memory", "600K" if TINY else "4G")
    ratio = streamed["steps"][0]["seconds"] / resident["steps"][0]["seconds"]
    row(f"{shape}: resident, a round", resident["steps"][0]["seconds"], "s")
    row(f"{shape}: streamed in 4 GB of its time", ratio, goal="1.5", met=ratio <= 1.5)
    same = streamed["steps"][0]["candidates"] == resident["steps"][0]["candidates"]
    row(f"{shape}: streamed, the same to the bit", "yes" if same else "no", goal="yes", met=same)
    peak_rows(f"{shape}: streamed", streamed)


def small_model() -> None:
    shape = "tiny" if TINY else "smollm2-135m"
    folder = model(shape)
    segments, seqlen = (4, 128) if TINY else (16, 2048)
    block_rate(folder, shape, *((2, 32) if TINY else (8, 2048)))
    search_rounds(folder, shape, segments, seqlen, candidates=2, rounds=2 if TINY else 6)
    for batch in (1, 64):
        decode(shape, batch)


def repair_of(shape: str, removed: list[int], segments: int, seqlen: int, texts: str) -> dict:
    """What `sleb repair` says of itself."""
    folder = save_tokenizer(model(shape))
    out = room() / "repaired"
    done = sleb("repair", folder, "--removal-list", ",".join(map(str, removed)), "--repair-dataset", texts,
                "--repair-tokens", segments * seqlen, "--seqlen", seqlen, "--dtype", DTYPE, "--out", out)
    shutil.rmtree(out)
    peak_rows(f"{shape}: repair", done)
    return done["repair"]


def repair_model(shape: str, removed: list[int], segments: int, seqlen: int) -> None:
    """On its own text and random letters, against forward passes through transformers: the dense model makes one, the pruned
    one two."""
    text = room() / "text.txt"
    text.write_text("".join(map(chr, numpy.random.default_rng(1).integers(97, 123, segments * seqlen + seqlen))))
    ids = room() / "repair-ids.npy"
    numpy.save(ids, numpy.random.default_rng(1).integers(3, 500, (segments, seqlen)))
    forward = reference(model(shape), ids, 1)["seconds"]
    begin = time.perf_counter()
    done = repair_of(shape, removed, segments, seqlen, f"self,{text}")
    row(f"{shape}: the whole command, which writes half of the text", time.perf_counter() - begin, "s")
    blocks = SHAPES[shape][2]
    behind = sum(block not in removed for block in range(min(removed), blocks))
    passes = 1 + 2 * behind / blocks
    row(f"{shape}: repair behind {len(removed)} blocks, {segments} x {seqlen} tokens", done["seconds"], "s")
    row(f"{shape}: transformers, a forward pass of them", forward, "s")
    share = done["seconds"] / passes / forward
    row(f"{shape}: repair over its {passes:.2f} passes", share, goal="1.5", met=share <= 1.5)
    row(f"{shape}: matrices changed", f"{len(done['changed_tensors'])} of {len(done['matrices'])}")


def repair() -> None:
    if TINY:
        repair_model("tiny", [1], 16, 64)
        return
    repair_model("smollm2-135m", [12, 13, 14, 17, 25, 26], 32, 2048)
    repair_model("llama-2-7b", [12, 13, 14, 17, 25, 26], 32, 2048)
