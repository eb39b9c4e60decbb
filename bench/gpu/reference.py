#!/usr/bin/env python3
"""SLEB's way through transformers, a full forward of every segment for each candidate, as a process of its own so that its
memory is gone when it ends.

usage: reference.py MODEL DEVICE IDS.npy CANDIDATES
Prints JSON: seconds of one candidate, and the loss of the dense model (nats a token).
"""
import json
import sys
import time

import numpy
import torch
from transformers import AutoModelForCausalLM


@torch.inference_mode()
def loss(model, layers: list, ids: torch.Tensor) -> float:
    model.model.layers = torch.nn.ModuleList(layers)
    total = 0.0
    for segment in ids:
        logits = model(segment[None], use_cache=False).logits[0, :-1].float()
        total += torch.nn.functional.cross_entropy(logits, segment[1:]).item()
    return total / len(ids)


def main() -> None:
    folder, device, ids_file, candidates = sys.argv[1:]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if device == "cuda" else torch.float32,
                                                 attn_implementation="sdpa").to(device).eval()
    ids = torch.from_numpy(numpy.load(ids_file)).to(device)
    layers = list(model.model.layers)
    dense = loss(model, layers, ids)
    loss(model, layers[:1] + layers[2:], ids[:1])
    start = time.perf_counter()
    for block in range(1, 1 + int(candidates)):
        loss(model, layers[:block] + layers[block + 1:], ids)
    seconds = (time.perf_counter() - start) / int(candidates)
    print(json.dumps({"seconds": seconds, "loss": dense}))


if __name__ == "__main__":
    main()
