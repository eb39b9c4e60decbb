"""Tensors that have a block's number in their names."""
import re


def without_blocks(tensors: dict, removed: list[int], num_blocks: int, before: str) -> dict:
    """The tensors that stay, under their new names; `before`: what stands in front of a block's number."""
    place = {old: new for new, old in enumerate(block for block in range(num_blocks) if block not in removed)}
    kept = {}
    for name, tensor in tensors.items():
        block = re.search(re.escape(before) + r"(\d+)\.", name)
        if block is None:
            kept[name] = tensor
        elif int(block[1]) in place:
            kept[name.replace(block[0], f"{before}{place[int(block[1])]}.", 1)] = tensor
    return kept
