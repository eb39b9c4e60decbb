#!/usr/bin/env python3
"""Times SmolLM2's matrix products the two ways libtorch offers: a plain linear, and oneDNN's on a packed weight.

usage: bench/linear.py [--rows N]          float32, alternating, the best of several; sleb uses the second (engine/decoder)
"""
import argparse
import time

import torch

SHAPES = {"query, key, value": (576, 960), "attention output": (576, 576), "gate, up": (576, 3072), "down": (1536, 576),
          "head (128 rows)": (576, 49152)}


def seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2048)
    rows = parser.parse_args().rows
    print("| product | plain, GFLOP/s | packed, GFLOP/s | ratio |\n| :--- | ---: | ---: | ---: |")
    for name, (inputs, outputs) in SHAPES.items():
        x = torch.randn(128 if name.startswith("head") else rows, inputs)
        weight = torch.randn(outputs, inputs)
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        ways = (lambda: torch.nn.functional.linear(x, weight),
                lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""))
        best = [float("inf")] * 2
        for _ in range(12):
            for i, way in enumerate(ways):
                best[i] = min(best[i], seconds(way))
        plain, own = (2e-9 * x.shape[0] * inputs * outputs / s for s in best)
        print(f"| {name} | {plain:.0f} | {own:.0f} | {own / plain:.2f} |")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
