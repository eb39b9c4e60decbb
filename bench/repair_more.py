#!/usr/bin/env python3
"""What a repair would gain by fitting more than output matrices: biases beside them, the scales of the norms in front
of each half, and that of the last norm. Perplexity of texts of fitted kinds and of another, with transformers.

usage: bench/repair_more.py [MODEL_DIR] [--fit FILE ...] [--evaluate FILE ...] [--segments N] [--evaluated N]
                            [--seqlen N] [--removal-list LIST]

Least squares as in sleb/engine/repair (sleb repair's own figures: docs/benchmarks.md), in float32 and float64, for
models of LLaMA's layout without biases. A norm's scale s, column by column, minimizes |norm(X) - s norm(Z)|^2 over
tokens, X being the dense model's state there and Z the pruned model's; it is taken where that is less on the segments
held out.
"""
import argparse
import copy
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0)
VARIANTS = {"removed": set(), "outputs": {"outputs"}, "and biases": {"outputs", "biases"},
            "and norms": {"outputs", "norms"}, "and the last norm": {"outputs", "last"}}


def text_of(path: pathlib.Path) -> str:
    if path.suffix != ".jsonl":
        return path.read_text()
    return "\n\n".join(json.loads(line)["text"] for line in path.read_text().splitlines())


def segments_of(folder: pathlib.Path, path: pathlib.Path, count: int, seqlen: int) -> torch.Tensor:
    ids = AutoTokenizer.from_pretrained(folder)(text_of(path)[:count * seqlen * 8])["input_ids"][:count * seqlen]
    return torch.tensor(ids).view(count, seqlen)


class Halves:
    """A model, half by half of its blocks."""

    def __init__(self, model, blocks: list[int], seqlen: int):
        self.base = model.model
        self.model = model
        self.blocks = blocks
        self.rope = self.base.rotary_emb(torch.zeros(1, 1), torch.arange(seqlen)[None])

    def parts(self, block: int, half: int):
        """The norm, the output matrix, and what stands between residuals."""
        layer = self.base.layers[block]
        if half == 1:
            return layer.post_attention_layernorm, layer.mlp.down_proj, layer.mlp
        attention = layer.self_attn
        return layer.input_layernorm, attention.o_proj, lambda given: attention(
            hidden_states=given, position_embeddings=self.rope, attention_mask=None)[0]

    def apply(self, block: int, half: int, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The states after the half, and what its output matrix is multiplied with."""
        norm, matrix, between = self.parts(block, half)
        seen = []
        hook = matrix.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        after = torch.cat([one + between(norm(one)) for one in states.split(2)])
        hook.remove()
        return after, torch.cat(seen)

    def nll(self, ids: torch.Tensor) -> float:
        """Mean, nats a token."""
        total = 0.0
        for segment in ids:
            states = self.base.embed_tokens(segment[None])
            for block in self.blocks:
                for half in (0, 1):
                    states, _ = self.apply(block, half, states)
            logits = self.model.lm_head(self.base.norm(states))[0, :-1]
            total += torch.nn.functional.cross_entropy(logits, segment[1:]).item()
        return total / len(ids)


def normed(states: torch.Tensor) -> torch.Tensor:
    return states[:, 1:] / states[:, 1:].square().mean(-1, keepdim=True).sqrt()


def rescale(norm: torch.nn.Module, wanted: torch.Tensor, states: torch.Tensor, apart: torch.Tensor) -> None:
    x, z = normed(wanted), normed(states)
    products = (x * z)[~apart].sum((0, 1), dtype=torch.float64)
    scale = (products / z[~apart].square().sum((0, 1), dtype=torch.float64)).float()
    if (x - scale * z)[apart].square().sum() < (x - z)[apart].square().sum():
        norm.weight.mul_(scale)


def refit(matrix: torch.nn.Linear, given: torch.Tensor, wanted: torch.Tensor, after: torch.Tensor, apart: torch.Tensor,
          bias: bool) -> None:
    weights = 1 / wanted[:, 1:].norm(dim=-1, keepdim=True)
    inputs = given[:, 1:] * weights
    if bias:
        inputs = torch.cat([inputs, weights], -1)
    lacking = (wanted - after)[:, 1:] * weights

    def sums(which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h, r = inputs[which].flatten(0, 1), lacking[which].flatten(0, 1)
        return (h.T @ h).double(), (h.T @ r).double()

    gram, cross = sums(~apart)
    held_gram, held_cross = sums(apart)
    columns = matrix.in_features
    ridge_of = torch.zeros(len(gram), dtype=torch.float64)
    ridge_of[:columns] = gram.diagonal()[:columns].mean()  # a bias is one column of many tokens: free
    best, least = None, 0.0
    for ridge in RIDGES:
        change = torch.linalg.solve(gram + torch.diag(ridge * ridge_of), cross)
        error = ((held_gram @ change - 2 * held_cross) * change).sum().item()
        if error < least:
            best, least = change, error
    if best is None:
        return
    matrix.weight.add_(best[:columns].T.float())
    if bias:
        matrix.bias = torch.nn.Parameter(best[columns].float(), requires_grad=False)


@torch.no_grad()
def repaired(model, removed: list[int], ids: torch.Tensor, what: set[str]) -> Halves:
    dense = Halves(model, list(range(len(model.model.layers))), ids.shape[1])
    pruned = Halves(copy.deepcopy(model), [b for b in dense.blocks if b not in removed], ids.shape[1])
    apart = torch.arange(len(ids)) % 8 == 7
    x = model.model.embed_tokens(ids)
    z = None
    for block in dense.blocks:
        if block == min(removed):
            z = x.clone()
        for half in (0, 1):
            fitted = z is not None and block in pruned.blocks
            norm, matrix, _ = pruned.parts(block, half)
            if fitted and "norms" in what:
                rescale(norm, x, z, apart)
            x, _ = dense.apply(block, half, x)
            if not fitted:
                continue
            after, given = pruned.apply(block, half, z)
            if "outputs" in what:
                refit(matrix, given, x, after, apart, "biases" in what)
                after, _ = pruned.apply(block, half, z)
            z = after
    if "last" in what:
        rescale(pruned.base.norm, x, z, apart)
    return pruned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--removal-list", default="17,13,26,12,25,14")
    parser.add_argument("--fit", nargs="+", type=pathlib.Path, default=[SHARED / "data/wikitext2/wiki.valid.raw"])
    parser.add_argument("--evaluate", nargs="+", type=pathlib.Path,
                        default=[SHARED / "data/wikitext2/wiki.test.raw", SHARED / "data/speeches/speeches.jsonl",
                                 ROOT / "docs/reference.md"])
    parser.add_argument("--segments", type=int, default=16, help="of each fitted text")
    parser.add_argument("--evaluated", type=int, default=6, help="segments of each other text")
    parser.add_argument("--seqlen", type=int, default=1024)
    args = parser.parse_args()
    if not (args.model / "config.json").exists():
        sys.exit(f"skipped: needs {args.model} (make test makes it)")
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    fit = torch.cat([segments_of(args.model, path, args.segments, args.seqlen) for path in args.fit])
    texts = [segments_of(args.model, path, args.evaluated, args.seqlen) for path in args.evaluate]
    removed = [int(block) for block in args.removal_list.split(",")]
    print(f"| fitted | {' | '.join(path.name for path in args.evaluate)} |\n| --- |{' ---: |' * len(texts)}")
    for name, what in VARIANTS.items():
        halves = repaired(model, removed, fit, what)
        with torch.no_grad():
            cells = [f"{torch.tensor(halves.nll(ids)).exp():.2f}" for ids in texts]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
