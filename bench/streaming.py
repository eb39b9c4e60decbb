#!/usr/bin/env python3
"""Prunes a model with all weights in memory and with a quarter of them, in turn: time, peak memory, and whether the result
is the same to the bit.

usage: bench/streaming.py [--mixture] [--gigabytes G] [--weights-memory 512M] [--limit-gb 2.5] [--segments N] [--seqlen N]
                          [--rounds N] [--threads N]

The model is a LLaMA of random weights in bfloat16, with few, wide blocks; with --mixture a Qwen3-MoE, each of whose
blocks has 16 experts, of which a token chooses 4. The second way runs under a hard limit of
anonymous memory (ulimit -d). Wanted: at most 1.5 times the time, with 16 segments.
"""
import argparse
import json
import math
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLEB = ROOT / "build/release/sleb"
HIDDEN, INTERMEDIATE, VOCABULARY = 2048, 12288, 8192
HEADS, EXPERTS, CHOSEN, EXPERT = 16, 16, 4, 1536


def mlp_shapes(at: str, size: int) -> dict[str, tuple[int, int]]:
    return {f"{at}gate_proj.weight": (size, HIDDEN), f"{at}up_proj.weight": (size, HIDDEN),
            f"{at}down_proj.weight": (HIDDEN, size)}


def block_shapes(at: str, mixture: bool) -> dict[str, tuple[int, ...]]:
    shapes = {f"{at}self_attn.{part}_proj.weight": (HIDDEN, HIDDEN) for part in "qkvo"}
    shapes |= {f"{at}{part}_layernorm.weight": (HIDDEN,) for part in ("input", "post_attention")}
    if not mixture:
        return shapes | mlp_shapes(f"{at}mlp.", INTERMEDIATE)
    shapes |= {f"{at}self_attn.{part}_norm.weight": (HIDDEN // HEADS,) for part in "qk"}
    shapes[f"{at}mlp.gate.weight"] = (EXPERTS, HIDDEN)
    for expert in range(EXPERTS):
        shapes |= mlp_shapes(f"{at}mlp.experts.{expert}.", EXPERT)
    return shapes


def block_bytes(mixture: bool) -> int:
    return 2 * sum(math.prod(shape) for shape in block_shapes("", mixture).values())


def write_model(folder: pathlib.Path, blocks: int, mixture: bool) -> None:
    """One file a block, so that no more than that is in memory here."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    weight_map = {}

    def save(name: str, shapes: dict[str, tuple[int, ...]]) -> None:
        tensors = {key: torch.ones(shape, dtype=torch.bfloat16) if len(shape) == 1 else
                   torch.empty(shape, dtype=torch.bfloat16).normal_(0, 0.02, generator=generator)
                   for key, shape in shapes.items()}
        save_file(tensors, folder / name, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(tensors, name))

    for block in range(blocks):
        save(f"block-{block:02}.safetensors", block_shapes(f"model.layers.{block}.", mixture))
    save("others.safetensors", {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "lm_head.weight": (VOCABULARY, HIDDEN),
                                "model.norm.weight": (HIDDEN,)})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    family = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    if mixture:
        family = {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "num_experts": EXPERTS,
                  "num_experts_per_tok": CHOSEN, "moe_intermediate_size": EXPERT, "head_dim": HIDDEN // HEADS,
                  "norm_topk_prob": True}
    (folder / "config.json").write_text(json.dumps({
        **family, "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE, "num_hidden_layers": blocks, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "max_position_embeddings": 2048, "tie_word_embeddings": False, "dtype": "bfloat16"}))


def prune(args: argparse.Namespace, model: pathlib.Path, *options, limit: int | None = None) -> dict:
    """The JSON result, with `seconds` of the search alone and `peak` of resident memory."""
    def bound() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    result = model.parent / "result.json"
    command = [SLEB, "prune", model, "--tokens", model.parent / "ids.npy", "--seqlen", args.seqlen, "--num-remove-blocks", 1,
               "--search", "exact", "--dtype", "bfloat16", "--device", "cpu", "--threads", args.threads,
               "--state-memory", 0, "--prompt-tokens", 0, "--json", result, "--force", *options]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=bound)
    peak = 0
    while process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(status.split("RssAnon:")[1].split()[0]) * 1024)
        except (OSError, IndexError):
            pass
        time.sleep(0.05)
    if process.returncode:
        sys.exit(process.stderr.read().decode())
    found = json.loads(result.read_text())
    return {**found, "peak": peak, "search_seconds": sum(step["seconds"] for step in found["steps"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixture", action="store_true", help="of experts")
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--weights-memory", default="512M")
    parser.add_argument("--limit-gb", type=float, default=2.5)
    parser.add_argument("--segments", type=int, default=16)
    parser.add_argument("--seqlen", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    import numpy as np

    blocks = int(args.gigabytes * 1e9 / block_bytes(args.mixture)) + 1
    with tempfile.TemporaryDirectory() as name:
        model = pathlib.Path(name) / "model"
        model.mkdir()
        write_model(model, blocks, args.mixture)
        ids = np.random.default_rng(0).integers(0, VOCABULARY, args.segments * args.seqlen)
        np.save(model.parent / "ids.npy", ids)
        size = sum(file.stat().st_size for file in model.glob("*.safetensors"))
        print(f"{size / 1e9:.2f} GB in bfloat16, {blocks} blocks; {args.segments} segments of {args.seqlen} tokens, "
              f"{args.threads} threads\n")
        print("| round | resident, s | anonymous memory, GB | streamed, s | anonymous memory, GB | ratio | result |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: | :--- |", flush=True)
        for number in range(1, args.rounds + 1):
            resident = prune(args, model)
            streamed = prune(args, model, "--weights-memory", args.weights_memory, limit=int(args.limit_gb * 1e9))
            equal = ([step["candidates"] for step in resident["steps"]] == [step["candidates"] for step in streamed["steps"]]
                     and resident["removal_list"] == streamed["removal_list"])
            print(f"| {number} | {resident['search_seconds']:.1f} | {resident['peak'] / 1e9:.2f} "
                  f"| {streamed['search_seconds']:.1f} | {streamed['peak'] / 1e9:.2f} "
                  f"| {streamed['search_seconds'] / resident['search_seconds']:.2f} "
                  f"| {'equal to the bit' if equal else 'different'} |", flush=True)


if __name__ == "__main__":
    main()
