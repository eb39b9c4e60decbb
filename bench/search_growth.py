#!/usr/bin/env python3
"""How the search's cost grows with blocks, tokens and width, and which share of the machine's rate its blocks reach.

usage: bench/search_growth.py [--longest SECONDS] [--threads N] [--plot FILE.svg]

Models of random weights; one of the three sizes is varied at a time. The first round of the exact search is measured where it
should take at most --longest seconds, else computed: operations by the rate of the nearest measured width. The
vocabulary is small, so that the blocks are what is timed. Before and after each the rate of libtorch's matrix products is
measured, the best of both counts: of the shape of the model's MLP, and the machine's, of large squares.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from safetensors.torch import save_file

from search_cost import Shape, shares

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLEB = ROOT / "build/release/sleb"
SEQLEN, VOCABULARY, HEAD_SIZE = 512, 512, 64
BLOCKS, TOKENS, HIDDEN = [12, 24, 48, 80], [2048, 8192, 32768, 131072, 262144], [256, 512, 1024, 2048]
BASE = (24, 2048, 512)


def intermediate(hidden: int) -> int:
    """LLaMA's: 8/3 of the hidden size, here rounded up to 64s."""
    return -(-8 * hidden // 3 // 64) * 64


@dataclasses.dataclass
class Point:
    blocks: int
    tokens: int
    hidden: int
    seconds: float = 0.0
    rate: float = 0.0     # floating-point operations a second; 0: not measured
    product: float = 0.0  # of products of this shape
    machine: float = 0.0  # of large products

    def shape(self) -> Shape:
        return Shape(self.blocks, self.hidden, intermediate(self.hidden), self.hidden, self.hidden, VOCABULARY, SEQLEN)

    def reference_operations(self, rounds: int) -> float:
        """One full forward for each candidate."""
        one = lambda number: (self.blocks - number - 1) * self.shape().block() + self.shape().head()
        return self.tokens * sum((self.blocks - number - 2) * one(number) for number in range(rounds))

    def operations(self) -> float:
        """Of the first round."""
        return shares(self.shape(), [], [0])[0] * self.reference_operations(1)

    def kept_share(self) -> float:
        """Of the reference's operations, for a fifth of the blocks, removed from three quarters of the depth on upwards."""
        rounds = self.blocks // 5
        order = [3 * self.blocks // 4 - number for number in range(rounds)]
        return shares(self.shape(), order, list(range(rounds)))[1]


def product_rate(rows: int, inputs: int, outputs: int) -> float:
    x, weight = torch.randn(rows, inputs), torch.randn(outputs, inputs)
    best, until = float("inf"), time.perf_counter() + 1
    while time.perf_counter() < until:
        start = time.perf_counter()
        torch.nn.functional.linear(x, weight)
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inputs * outputs / best


def write_model(folder: pathlib.Path, blocks: int, hidden: int) -> None:
    torch.manual_seed(0)
    width = intermediate(hidden)
    shapes = {"model.embed_tokens.weight": (VOCABULARY, hidden), "model.norm.weight": (hidden,)}
    for block in range(blocks):
        at = f"model.layers.{block}."
        shapes |= {f"{at}self_attn.{part}_proj.weight": (hidden, hidden) for part in "qkvo"}
        shapes |= {f"{at}mlp.{part}_proj.weight": (width, hidden) for part in ("gate", "up")}
        shapes |= {f"{at}mlp.down_proj.weight": (hidden, width), f"{at}input_layernorm.weight": (hidden,),
                   f"{at}post_attention_layernorm.weight": (hidden,)}
    weights = {name: (torch.ones if len(shape) == 1 else lambda s: torch.randn(s) * 0.02)(shape).to(torch.bfloat16)
               for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": width,
        "num_hidden_layers": blocks, "num_attention_heads": hidden // HEAD_SIZE, "vocab_size": VOCABULARY,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "max_position_embeddings": SEQLEN, "tie_word_embeddings": True}))


def measure(point: Point, threads: int) -> None:
    before = product_rate(2048, point.hidden, 2 * intermediate(point.hidden)), product_rate(2048, 2048, 2048)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_model(folder, point.blocks, point.hidden)
        numpy.save(folder / "ids.npy", numpy.random.default_rng(0).integers(0, VOCABULARY, point.tokens))
        command = [SLEB, "prune", folder, "--tokens", folder / "ids.npy", "--seqlen", SEQLEN, "--num-remove-blocks", 1,
                   "--search", "exact", "--dtype", "float32", "--device", "cpu", "--threads", threads, "--state-memory", 0,
                   "--prompt-tokens", 0, "--force", "--json", folder / "result.json"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        step = json.loads((folder / "result.json").read_text())["steps"][0]
    after = product_rate(2048, point.hidden, 2 * intermediate(point.hidden)), product_rate(2048, 2048, 2048)
    point.seconds, point.rate = step["seconds"], step["operations"] / step["seconds"]
    point.product, point.machine = map(max, before, after)


def row(point: Point) -> str:
    rates = "| | | |"
    if point.rate:
        rates = f"| {point.rate / 1e9:.0f} | {point.rate / point.product:.2f} | {point.rate / point.machine:.2f} |"
    rounds = point.blocks // 5
    return (f"| {point.blocks} | {point.tokens:,} | {point.hidden} | {point.seconds:.1f} | "
            f"{'measured' if point.rate else 'cost model'} {rates} {shares(point.shape(), [], [0])[0]:.2f} | "
            f"{point.reference_operations(rounds) / 1e12:.0f} | {point.kept_share():.2f} |")


def plot(series: dict[str, list[Point]], file: str) -> None:
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sleb"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(series), figsize=(10, 3.2), sharey=True, layout="constrained")
    for axis, (name, points) in zip(axes, series.items()):
        sizes = [getattr(point, name) for point in points]
        axis.loglog(sizes, [point.seconds for point in points], color="#888888", linewidth=1, zorder=1)
        for label, wanted, face in (("measured", True, "#2a6fbb"), ("cost model", False, "white")):
            chosen = [point for point in points if bool(point.rate) == wanted]
            axis.scatter([getattr(point, name) for point in chosen], [point.seconds for point in chosen], s=36,
                         edgecolor="#2a6fbb", facecolor=face, label=label, zorder=2)
        axis.set_xticks(sizes, [f"{size // 1024}k" if size >= 2048 and name == "tokens" else str(size) for size in sizes])
        axis.minorticks_off()
        axis.set_xlabel({"hidden": "hidden size"}.get(name, name))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("first round, seconds")
    axes[0].legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longest", type=float, default=90, help="seconds of one measurement")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--plot", metavar="FILE.svg")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    series = {"blocks": [Point(blocks, BASE[1], BASE[2]) for blocks in BLOCKS],
              "tokens": [Point(BASE[0], tokens, BASE[2]) for tokens in TOKENS],
              "hidden": [Point(BASE[0], BASE[1], hidden) for hidden in HIDDEN]}
    points = {(p.blocks, p.tokens, p.hidden): p for group in series.values() for p in group}
    expected = 0.8 * product_rate(2048, 512, 3072)
    for point in sorted(points.values(), key=Point.operations):
        if point.operations() / expected <= args.longest:
            measure(point, args.threads)
            expected = point.rate
    measured = [point for point in points.values() if point.rate]
    if not measured:
        sys.exit(f"not one round takes less than {args.longest:g} s here; give a larger --longest")
    for point in points.values():
        nearest = min(measured, key=lambda other: abs(other.hidden - point.hidden))
        if not point.rate:
            point.seconds = point.operations() / nearest.rate
    print("| blocks | tokens | hidden | first round, s | | GFLOP/s | of its MLP's product | of large products | operations, of the "
          "reference's | a fifth of the blocks: the reference's TFLOP | exact, of it |")
    print("| ---: | ---: | ---: | ---: | :--- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for key in sorted(points):
        print(row(points[key]))
    if args.plot:
        plot({name: [points[p.blocks, p.tokens, p.hidden] for p in group] for name, group in series.items()}, args.plot)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
