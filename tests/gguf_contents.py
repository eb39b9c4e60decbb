"""What a GGUF file holds, as the gguf wheel reads it."""
import pathlib

import gguf
import numpy as np

import numbered_tensors

RECORD = {"sleb.version", "sleb.source", "sleb.source_block_count", "sleb.removed_blocks"}


def metadata_of(path: pathlib.Path) -> dict[str, tuple]:
    """Types and value by key, in the file's order."""
    fields = gguf.GGUFReader(path).fields
    return {key: ([kind.name for kind in field.types], field.contents()) for key, field in fields.items()
            if not key.startswith("GGUF.")}


def value_of(path: pathlib.Path, key: str):
    return metadata_of(path)[key][1]


def tensors_of(*paths: pathlib.Path) -> dict[str, tuple[str, list[int], bytes]]:
    """Type, shape and bytes by name, in the files' order."""
    tensors = {}
    for path in paths:
        reader = gguf.GGUFReader(path)
        for tensor in reader.tensors:
            assert tensor.name not in tensors
            assert int(tensor.data_offset) % reader.alignment == 0
            tensors[tensor.name] = (tensor.tensor_type.name, tensor.shape.tolist(), np.asarray(tensor.data).tobytes())
    return tensors


def without_blocks(tensors: dict, removed: list[int], num_blocks: int) -> dict:
    return numbered_tensors.without_blocks(tensors, removed, num_blocks, "blk.")
