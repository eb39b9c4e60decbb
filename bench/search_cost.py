#!/usr/bin/env python3
"""What the exact gears of the search save, counted in floating-point operations: shared prefixes, and states kept
between rounds when there is memory for all of them.

usage: bench/search_cost.py [--removal-list 17,13,26,12,25,14]

1 is the reference: one full forward of the model for each candidate. A round's work is every pair of (units bypassed
before u, u) that some candidate or the dense model needs; with kept states, those that the round before had computed
are not needed again.
"""
import argparse
import dataclasses


@dataclasses.dataclass
class Shape:
    blocks: int
    hidden: int
    intermediate: int
    query: int  # heads x head size
    key: int    # key/value heads x head size
    vocabulary: int
    tokens: int = 2048

    def block(self) -> float:
        """Operations per token; attention counts the pairs below the diagonal."""
        return 2 * self.hidden * (2 * self.query + 2 * self.key + 3 * self.intermediate) + 2 * self.query * self.tokens

    def head(self) -> float:
        return 2 * self.hidden * self.vocabulary


SHAPES = {
    "SmolLM2-135M": Shape(30, 576, 1536, 576, 192, 49152),
    "LLaMA-2-7B": Shape(32, 4096, 11008, 4096, 4096, 32000),
    "LLaMA-2-70B": Shape(80, 8192, 28672, 8192, 1024, 32000),
}


def round_of(shape: Shape, removed: list[int]) -> tuple[list[int], set]:
    """The candidates of a round, and what they have to compute: (blocks bypassed before, block)."""
    alive = [block for block in range(shape.blocks) if block not in removed]
    work = set()
    work.update(((), block) for block in range(shape.blocks))  # the dense model, for KL
    for candidate in alive[1:-1]:
        off = sorted([*removed, candidate])
        for block in alive:
            if block != candidate:
                work.add((tuple(b for b in off if b < block), block))
    return alive[1:-1], work


def shares(shape: Shape, removal_list: list[int], rounds: list[int]) -> tuple[float, float]:
    """Of the reference's operations in these rounds: with shared prefixes, and with kept states too."""
    reference = shared = kept = 0.0
    before: set = set()
    for number in range(max(rounds) + 1):
        candidates, work = round_of(shape, removal_list[:number])
        if number in rounds:
            heads = len(candidates) * shape.head()
            reference += len(candidates) * (shape.blocks - number - 1) * shape.block() + heads
            shared += len(work) * shape.block() + heads + shape.head()
            kept += len(work - before) * shape.block() + heads + shape.head()
        before = work
    return shared / reference, kept / reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--removal-list", default="17,13,26,12,25,14", help="of SmolLM2, for the second table")
    args = parser.parse_args()
    print("The round after a removal at a depth, as a share of the reference's operations:\n")
    print("| model | shared prefixes | kept states, 25% | 50% | 75% | 90% |\n| :--- | ---: | ---: | ---: | ---: | ---: |")
    for name, shape in SHAPES.items():
        depths = [round(share * shape.blocks) for share in (0.25, 0.5, 0.75, 0.9)]
        cells = [shares(shape, [depth], [1]) for depth in depths]
        print(f"| {name} | {cells[0][0]:.2f} | " + " | ".join(f"{kept:.2f}" for _, kept in cells) + " |")
    removal_list = [int(block) for block in args.removal_list.split(",")]
    print(f"\n{len(removal_list)} rounds at the depths of SmolLM2's {args.removal_list}:\n")
    print("| model | removal list | shared prefixes | kept states |\n| :--- | :--- | ---: | ---: |")
    for name, shape in SHAPES.items():
        scaled = [round(block * shape.blocks / SHAPES["SmolLM2-135M"].blocks) for block in removal_list]
        shared, kept = shares(shape, scaled, list(range(len(scaled))))
        print(f"| {name} | {', '.join(map(str, scaled))} | {shared:.2f} | {kept:.2f} |")


if __name__ == "__main__":
    main()
