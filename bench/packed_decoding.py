#!/usr/bin/env python3
"""Times decoding with libtorch's products of packed 4- and 8-bit weights against those of plain weights: whether sleb
should keep such weights packed.

usage: bench/packed_decoding.py [--shapes NAME;...] [--ways NAME,...] [--rounds N] [--threads N] [--context N]

A model of random weights in PyTorch's own operators, with the products that sleb makes of it: norms, rope, attention over a
cache, a gated MLP and the head, one token at a time. The ways take turns, token by token, and each has its own copy of every
weight, so that none comes out of the processor's cache. Ratios are of tokens/s: the median of the rounds' own, and behind it
that of each way's best round, since others may use the machine.

float32    oneDNN's linear on a weight that is laid out for it: sleb in float32
bfloat16   torch's linear: sleb in bfloat16 on a CPU without instructions for it
int4       _weight_int4pack_mm_for_cpu in groups of 32 (Q4_0, Q4_1), bfloat16 scales and activations; the head in bfloat16
int4 128   the same in groups of 128 (AWQ, GPTQ), of 64 where columns are no multiple
int4 head  as int4, the head too
int8       _weight_int8pack_mm, a scale a row, bfloat16 scales and activations; the head in bfloat16
dynamic    quantized::linear_dynamic (FBGEMM), int8, a scale a row; it rounds activations to 8 bits; the head in float32
half       quantized::linear_dynamic_fp16 (FBGEMM), float16 weights, float32 activations

A second table: the root mean square error of one product, relative to its root mean square, against float64: of 4-bit
weights as they are, and of what they were made of.
"""
import argparse
import dataclasses
import functools
import statistics
import time
import warnings

import torch


@dataclasses.dataclass(frozen=True)
class Shape:
    hidden: int
    blocks: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int


SHAPES = {
    "SmolLM2-135M": Shape(576, 30, 9, 3, 64, 1536, 49152),
    "Qwen2.5-0.5B": Shape(896, 24, 14, 2, 64, 4864, 151936),
    "TinyLlama-1.1B": Shape(2048, 22, 32, 4, 64, 5632, 32000),
    "LLaMA-2-7B, 5 of 32 blocks": Shape(4096, 5, 32, 32, 128, 11008, 32000),
}


def weight_of(rows: int, columns: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """All rows alike: numbers don't matter to the time, and drawing them all would take longer than the rest."""
    return torch.empty(rows, columns, dtype=dtype).copy_(torch.empty(columns).uniform_(-0.02, 0.02))


def laid_out(weight: torch.Tensor):
    packed = torch.ops.mkldnn._reorder_linear_weight(weight)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")


def int4(codes: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor):
    """codes int32 [rows, columns]; scales and zeros [rows, groups]: value = (code - 8) * scale + zero."""
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 1)
    group = codes.shape[1] // scales.shape[1]
    both = torch.stack((scales.t(), zeros.t()), -1).to(torch.bfloat16).contiguous()
    return lambda x: torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, group, both)


def float16(weight: torch.Tensor):
    packed = torch.ops.quantized.linear_prepack_fp16(weight, None)
    return lambda x: torch.ops.quantized.linear_dynamic_fp16(x, packed)


def plain(rows: int, columns: int):
    return functools.partial(torch.nn.functional.linear, weight=weight_of(rows, columns, torch.bfloat16))


def random_int4(rows: int, columns: int, group: int = 32):
    while columns % group != 0:
        group //= 2
    codes = torch.empty(rows, columns, dtype=torch.int32).copy_(torch.randint(0, 16, (columns,)))
    return int4(codes, *torch.empty(2, rows, columns // group).uniform_(0.001, 0.002))


def random_int8(rows: int, columns: int):
    weight = torch.empty(rows, columns, dtype=torch.int8).copy_(torch.randint(-128, 128, (columns,)))
    scales = torch.empty(rows).uniform_(0.0001, 0.0002).to(torch.bfloat16)
    return lambda x: torch.ops.aten._weight_int8pack_mm(x, weight, scales)


def dynamic(rows: int, columns: int):
    weight = torch.quantize_per_channel(weight_of(rows, columns), torch.full((rows,), 0.0002),
                                        torch.zeros(rows, dtype=torch.long), 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(weight, None)
    return lambda x: torch.ops.quantized.linear_dynamic(x, packed, False)


def random_float32(rows: int, columns: int):
    return laid_out(weight_of(rows, columns))


def random_float16(rows: int, columns: int):
    return float16(weight_of(rows, columns))


# The type of activations, what makes a block's products, what makes the head's.
WAYS = {
    "float32": (torch.float32, random_float32, random_float32),
    "bfloat16": (torch.bfloat16, plain, plain),
    "int4": (torch.bfloat16, random_int4, plain),
    "int4 128": (torch.bfloat16, functools.partial(random_int4, group=128), plain),
    "int4 head": (torch.bfloat16, random_int4, random_int4),
    "int8": (torch.bfloat16, random_int8, plain),
    "dynamic": (torch.float32, dynamic, random_float32),
    "half": (torch.float32, random_float16, random_float16),
}
BASES = ("bfloat16", "float32")


class Model:
    def __init__(self, shape: Shape, way: str, context: int):
        self.shape = shape
        self.dtype, product, head = WAYS[way]
        rows = shape.heads + 2 * shape.kv_heads
        self.blocks = [(product(rows * shape.head_dim, shape.hidden), product(shape.hidden, shape.heads * shape.head_dim),
                        product(2 * shape.intermediate, shape.hidden), product(shape.hidden, shape.intermediate))
                       for _ in range(shape.blocks)]
        self.head = head(shape.vocabulary, shape.hidden)
        self.norm = torch.ones(shape.hidden, dtype=self.dtype)
        self.caches = [torch.randn(2, 1, shape.kv_heads, context + 1, shape.head_dim).to(self.dtype)
                       for _ in range(shape.blocks)]
        self.cosines, self.sines = torch.rand(2, shape.head_dim // 2).to(self.dtype)

    def normed(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(hidden, (self.shape.hidden,), self.norm, 1e-5)

    def turned(self, heads: torch.Tensor) -> torch.Tensor:
        first, second = heads.chunk(2, -1)
        return torch.cat((first * self.cosines - second * self.sines, second * self.cosines + first * self.sines), -1)

    def mixed(self, heads: torch.Tensor, cache: torch.Tensor) -> torch.Tensor:
        """[tokens, heads, head_dim] -> [tokens, hidden]: one token against the cache, a prompt against itself."""
        queries, keys = self.shape.heads, self.shape.heads + self.shape.kv_heads
        turned = self.turned(heads[:, :keys]).transpose(0, 1).unsqueeze(0)
        query, key, value = turned[:, :queries], turned[:, queries:], heads[:, keys:].transpose(0, 1).unsqueeze(0)
        attention = torch.nn.functional.scaled_dot_product_attention
        if len(heads) > 1:
            result = attention(query, key, value, is_causal=True, enable_gqa=True)
        else:
            cache[0, :, :, -1:], cache[1, :, :, -1:] = key, value
            grouped = query.reshape(1, self.shape.kv_heads, -1, self.shape.head_dim)
            result = attention(grouped, cache[0], cache[1]).reshape(query.shape)
        return result[0].transpose(0, 1).reshape(len(heads), -1)

    def seconds(self, tokens: int) -> float:
        hidden = torch.randn(tokens, self.shape.hidden).to(self.dtype)
        start = time.perf_counter()
        for (query_key_value, output, gate_up, down), cache in zip(self.blocks, self.caches):
            heads = query_key_value(self.normed(hidden)).view(tokens, -1, self.shape.head_dim)
            hidden = hidden + output(self.mixed(heads, cache))
            gate, up = gate_up(self.normed(hidden)).chunk(2, -1)
            hidden = hidden + down(torch.nn.functional.silu(gate) * up)
        self.head(self.normed(hidden[-1:]))
        return time.perf_counter() - start


def measure(models: dict[str, Model], tokens: int, rounds: int) -> dict[str, list[float]]:
    times = {way: [] for way in models}
    for number in range(rounds + 1):
        for way, model in models.items():
            seconds = model.seconds(tokens)
            if number > 0:  # after a warm-up
                times[way].append(seconds)
    return times


def ratio(times: dict[str, list[float]], way: str, base: str) -> str:
    if base not in times:
        return "-"
    by_round = statistics.median(b / a for a, b in zip(times[way], times[base]))
    return f"{by_round:.2f} ({min(times[base]) / min(times[way]):.2f})"


def compare(args: argparse.Namespace) -> None:
    print("| shape | way | a token, ms | of bfloat16's tokens/s | of float32's | a prompt: of bfloat16's | of float32's |\n"
          "| :--- | :--- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for name in args.shapes.split(";"):
        models = {way: Model(SHAPES[name], way, args.context) for way in args.ways.split(",")}
        tokens, prompts = measure(models, 1, args.rounds), measure(models, args.prompt_tokens, 3)
        for way in models:
            cells = [name, way, f"{1e3 * statistics.median(tokens[way]):.0f}",
                     *(ratio(tokens, way, base) for base in BASES), *(ratio(prompts, way, base) for base in BASES)]
            print(f"| {' | '.join(cells)} |", flush=True)


def print_errors() -> None:
    """Weights of a normal distribution in Q4_1's manner: a scale and a minimum in float16 for 32 columns."""
    rows, columns, group = 1024, 4096, 32
    torch.manual_seed(0)
    source = torch.randn(rows, columns // group, group)
    minimum = source.amin(-1, keepdim=True).half().float()
    scale = ((source.amax(-1, keepdim=True) - minimum) / 15).half().float()
    codes = ((source - minimum) / scale).round().clamp(0, 15)
    weight = (codes * scale + minimum).view(rows, columns)
    x = torch.randn(16, columns)
    exact = x.double() @ weight.double().t()
    kernel = int4(codes.view(rows, columns).int(), scale.squeeze(-1), (minimum + 8 * scale).squeeze(-1))
    products = {
        "float32": laid_out(weight)(x),
        "half": float16(weight)(x),
        "bfloat16": torch.nn.functional.linear(x.bfloat16(), weight.bfloat16()),
        "int4": kernel(x.bfloat16()),
        "the weights before they were 4-bit": x.double() @ source.view(rows, columns).double().t(),
    }
    print("\n| product | relative error |\n| :--- | ---: |")
    for name, product in products.items():
        print(f"| {name} | {((product.double() - exact).norm() / exact.norm()).item():.1e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=";".join(SHAPES))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--rounds", type=int, default=15, help="tokens of each way")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--context", type=int, default=128, help="tokens in the cache")
    parser.add_argument("--prompt-tokens", type=int, default=32)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*quantized tensor.*")
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {args.threads} threads\n")
    compare(args)
    print_errors()


if __name__ == "__main__":
    with torch.inference_mode():
        main()
