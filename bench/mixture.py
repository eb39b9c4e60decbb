#!/usr/bin/env python3
"""Times a block of Mixtral 8x7B's shape, of random weights in float32, beside the matrix products that it needs, made by
torch on weights that are laid out for them: what routing, gathering, norms and attention cost.

usage: bench/mixture.py [--tokens 2048] [--rounds 2] [--threads N] [--hidden 4096] [--intermediate 14336]

The block's time is the difference between prompts through two blocks and through one (sleb latency). Memory: 12 GB.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLEB = ROOT / "build/release/sleb"
EXPERTS, CHOSEN, VOCABULARY, BLOCKS, HEAD = 8, 2, 512, 2, 128


def write_model(folder: pathlib.Path, hidden: int, inner: int) -> None:
    generator = torch.Generator().manual_seed(0)
    keys = hidden // 4
    shapes = {"model.embed_tokens.weight": (VOCABULARY, hidden), "lm_head.weight": (VOCABULARY, hidden),
              "model.norm.weight": (hidden,)}
    for block in range(BLOCKS):
        at = f"model.layers.{block}."
        shapes |= {f"{at}self_attn.q_proj.weight": (hidden, hidden), f"{at}self_attn.k_proj.weight": (keys, hidden),
                   f"{at}self_attn.v_proj.weight": (keys, hidden), f"{at}self_attn.o_proj.weight": (hidden, hidden),
                   f"{at}input_layernorm.weight": (hidden,), f"{at}post_attention_layernorm.weight": (hidden,),
                   f"{at}block_sparse_moe.gate.weight": (EXPERTS, hidden)}
        for expert in range(EXPERTS):
            of_expert = f"{at}block_sparse_moe.experts.{expert}."
            shapes |= {f"{of_expert}w1.weight": (inner, hidden), f"{of_expert}w3.weight": (inner, hidden),
                       f"{of_expert}w2.weight": (hidden, inner)}
    tensors = {name: torch.ones(shape, dtype=torch.bfloat16) if len(shape) == 1 else
               torch.empty(shape, dtype=torch.bfloat16).normal_(0, 0.02, generator=generator)
               for name, shape in shapes.items()}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({
        "model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": BLOCKS, "num_attention_heads": hidden // HEAD,
        "num_key_value_heads": keys // HEAD, "num_local_experts": EXPERTS, "num_experts_per_tok": CHOSEN,
        "vocab_size": VOCABULARY, "max_position_embeddings": 32768, "rms_norm_eps": 1e-5, "sliding_window": None,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16"}))


def block_seconds(model: pathlib.Path, tokens: int, threads: int) -> float:
    done = subprocess.run([SLEB, "latency", model, "--removal-list", "1", "--mode", "prompt", "--prompt-tokens",
                           str(tokens), "--logits", "last", "--repeats", "3", "--dtype", "float32", "--device", "cpu",
                           "--threads", str(threads), "--json", "-"], check=True, capture_output=True, text=True)
    both, one = (result["median_ms"] for result in json.loads(done.stdout)["results"])
    return (both - one) / 1000


class Products:
    """Those of one block: each expert's share of the tokens, were all experts chosen as often."""

    def __init__(self, hidden: int, inner: int, tokens: int):
        rows = tokens * CHOSEN // EXPERTS
        shapes = [(tokens, hidden, hidden + hidden // 2), (tokens, hidden, hidden), (tokens, hidden, EXPERTS)]
        shapes += [shape for _ in range(EXPERTS) for shape in ((rows, hidden, 2 * inner), (rows, inner, hidden))]
        self.operations = sum(2 * rows * inputs * outputs for rows, inputs, outputs in shapes)
        self.pairs = []
        for rows, inputs, outputs in shapes:
            packed = torch.ops.mkldnn._reorder_linear_weight(torch.randn(outputs, inputs))
            self.pairs.append((torch.randn(rows, inputs), packed))

    def seconds(self) -> float:
        times = []
        for _ in range(4):  # the first warms up
            start = time.perf_counter()
            for rows, weight in self.pairs:
                torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], "")
            times.append(time.perf_counter() - start)
        return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("tokens", 2048), ("rounds", 2), ("threads", os.cpu_count()), ("hidden", 4096),
                          ("intermediate", 14336)):
        parser.add_argument("--" + name, type=int, default=default)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("| round | block, ms | tokens/s | products, ms | GFLOP/s | share |\n| ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "model"
        write_model(model, arguments.hidden, arguments.intermediate)
        for number in range(1, arguments.rounds + 1):
            own = block_seconds(model, arguments.tokens, arguments.threads)
            products = Products(arguments.hidden, arguments.intermediate, arguments.tokens)
            alone = products.seconds()
            rate = products.operations / alone / 1e9
            del products
            print(f"| {number} | {own * 1000:.0f} | {arguments.tokens / own:.0f} | {alone * 1000:.0f} | {rate:.0f} | "
                  f"{alone / own:.2f} |", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
