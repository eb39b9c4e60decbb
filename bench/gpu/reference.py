#!/usr/bin/env python3
"""The peer of stages 4 and 7, as a process of its own so that its memory is gone when it ends: transformers writes a text
that the model itself would write, then times SLEB's way, a full forward of every segment for each candidate.

usage: reference.py MODEL DEVICE SEGMENTS SEQLEN IDS.npy CANDIDATES
Prints JSON: seconds of one candidate, and the loss of the dense model (nats a token).
"""
import json
import sys
import time

import numpy
import torch
from transformers import AutoModelForCausalLM


@torch.inference_mode()
def own_text(model, tokens: int, device: str) -> torch.Tensor:
    """Pieces of 128 tokens, sampled side by side."""
    piece = min(128, tokens)
    start = torch.arange(3, 3 + tokens // piece, device=device).unsqueeze(1)
    model.generation_config.pad_token_id = 0
    text = model.generate(start, attention_mask=torch.ones_like(start), do_sample=True, top_k=0, max_new_tokens=piece - 1,
                          min_new_tokens=piece - 1)
    return text.flatten()[:tokens]


@torch.inference_mode()
def loss(model, layers: list, ids: torch.Tensor) -> float:
    model.model.layers = torch.nn.ModuleList(layers)
    total = 0.0
    for segment in ids:
        logits = model(segment[None], use_cache=False).logits[0, :-1].float()
        total += torch.nn.functional.cross_entropy(logits, segment[1:]).item()
    return total / len(ids)


def main() -> None:
    folder, device, segments, seqlen, target, candidates = sys.argv[1:]
    segments, seqlen, candidates = int(segments), int(seqlen), int(candidates)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if device == "cuda" else torch.float32,
                                                 attn_implementation="sdpa").to(device).eval()
    ids = own_text(model, segments * seqlen, device).view(segments, seqlen)
    numpy.save(target, ids.cpu().numpy())
    layers = list(model.model.layers)
    dense = loss(model, layers, ids)
    loss(model, layers[:1] + layers[2:], ids[:1])
    start = time.perf_counter()
    for block in range(1, 1 + candidates):
        loss(model, layers[:block] + layers[block + 1:], ids)
    seconds = (time.perf_counter() - start) / candidates
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    print(json.dumps({"seconds": seconds, "loss": dense, "peak": peak}))


if __name__ == "__main__":
    main()
