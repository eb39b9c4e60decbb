#!/usr/bin/env python3
"""ShortGPT's block influence (Men et al., arXiv 2403.03853), the cosine distance of a block's input and output hidden
states, as a way to choose blocks: the KL divergence from the dense model on the text without the least influential ones,
beside any other sets.

    .venv/bin/python bench/block_influence.py MODEL wiki.valid.raw --blocks 6 --beside 13,14,15,16,17,18
"""
import argparse
import pathlib

import numpy as np
import torch
import transformers


def calibration(model: pathlib.Path, text: pathlib.Path, segments: int, seqlen: int) -> torch.Tensor:
    """The ids of `sleb prune --dataset TEXT --segments N --seqlen M`, [segments, seqlen]."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    with open(text, encoding="utf-8") as lines:
        rows = [line if line.strip() else "" for line in lines]
    order = np.random.default_rng(0).permutation(len(rows))[:128]
    ids = tokenizer("\n\n".join(rows[i] for i in order))["input_ids"]
    return torch.tensor(ids[:segments * seqlen]).view(segments, seqlen)


class Blocks:
    def __init__(self, folder: pathlib.Path, segments: torch.Tensor):
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.segments, self.layers = segments, list(self.model.model.layers)

    def log_probabilities(self, removed: set[int], **options):
        kept = [layer for block, layer in enumerate(self.layers) if block not in removed]
        self.model.model.layers = torch.nn.ModuleList(kept)
        with torch.no_grad():
            for segment in self.segments:
                yield self.model(segment[None], use_cache=False, **options).logits[0, :-1].log_softmax(-1)

    def influence(self) -> np.ndarray:
        """[blocks]: mean of 1 - cos over all tokens."""
        sums = np.zeros(len(self.layers))

        def hook(block):
            def add(_, given, output):
                before, after = given[0].double(), (output[0] if isinstance(output, tuple) else output).double()
                sums[block] += (1 - torch.cosine_similarity(before, after, dim=-1)).mean().item()

            return add

        hooks = [layer.register_forward_hook(hook(block)) for block, layer in enumerate(self.layers)]
        self.dense = list(self.log_probabilities(set()))
        for one in hooks:
            one.remove()
        return sums / len(self.segments)

    def divergence(self, removed: set[int]) -> float:
        """KL(dense || pruned), nats a predicted token."""
        pairs = zip(self.dense, self.log_probabilities(removed), strict=True)
        return float(np.mean([(dense.exp() * (dense - own)).sum(-1).mean().item() for dense, own in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--segments", type=int, default=8)
    parser.add_argument("--seqlen", type=int, default=512)
    parser.add_argument("--beside", action="append", default=[], help="another set, 13,14,15; given again, a further one")
    arguments = parser.parse_args()
    blocks = Blocks(arguments.model, calibration(arguments.model, arguments.text, arguments.segments, arguments.seqlen))
    order = [int(block) for block in np.argsort(blocks.influence()) if 0 < block < len(blocks.layers) - 1]
    for removed in [order[:arguments.blocks], *([int(block) for block in text.split(",")] for text in arguments.beside)]:
        print(f"{','.join(map(str, removed)):<30} KL {blocks.divergence(set(removed)):.4f}", flush=True)


if __name__ == "__main__":
    main()
