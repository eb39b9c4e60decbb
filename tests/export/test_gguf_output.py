"""The GGUF files that `sleb export`, `sleb prune` and `sleb repair` write, as the gguf wheel and sleb itself read them."""
import json
import pathlib
import re
import resource
import shutil

import gguf
import numpy as np
import pytest

from gguf_contents import RECORD, metadata_of, tensors_of, value_of, without_blocks
from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import make_model, random_ids, save_model

NUM_BLOCKS = 5
REMOVED = [3, 0]
LIST = "3,0"
IDS = random_ids(40)
KINDS = ["F32", "F16", "BF16", "F64", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
         "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4"]
SIZES = {"hidden_size": 256, "intermediate_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
         "vocab_size": len(BYTE_TOKENS)}


def save_source(path: pathlib.Path, kind: str = "Q8_0", metadata: dict | None = None, **options) -> pathlib.Path:
    model = make_model(num_hidden_layers=NUM_BLOCKS, **SIZES)
    save_gguf(path, model, kind, BYTE_TOKENS, {"general.name": "Tiny", **(metadata or {})}, **options)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> pathlib.Path:
    return save_source(tmp_path_factory.mktemp("source") / "tiny.gguf")


@pytest.fixture
def export(sleb_ok, tmp_path):
    def run(model, *options, removal_list: str = LIST, out: str = "out.gguf") -> pathlib.Path:
        sleb_ok("export", model, "--removal-list", removal_list, "--out", tmp_path / out, *options)
        return tmp_path / out

    return run


@pytest.fixture
def logits(logits_dump, tmp_path):
    def call(model, removal_list: str = "") -> np.ndarray:
        np.save(tmp_path / "ids.npy", IDS)
        return np.frombuffer(logits_dump(model, tmp_path / "ids.npy", "float32", removal_list), "<f4")

    return call


@pytest.fixture
def refusal(sleb, tmp_path):
    """The one line of a refusal, after which nothing is there that was not before."""
    def call(*arguments, code: int = 2, **options) -> str:
        before = sorted(tmp_path.rglob("*"))
        done = sleb(*arguments, **options)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert sorted(tmp_path.rglob("*")) == before
        return done.stderr.splitlines()[-1]

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_keeps_its_bytes(kind, export, logits, tmp_path):
    model = save_source(tmp_path / "source.gguf", kind)
    out = export(model)
    expected = without_blocks(tensors_of(model), REMOVED, NUM_BLOCKS)
    assert kind in {stored for stored, _, _ in expected.values()}
    assert list(tensors_of(out).items()) == list(expected.items())
    assert np.array_equal(logits(out), logits(model, LIST))


def test_metadata(source, export):
    """All as it was, in its order, but for the documented keys."""
    before, after = metadata_of(source), metadata_of(export(source))
    assert list(after) == [*before, *(key for key in after if key.startswith("sleb."))]
    assert {key for key in before if after[key] != before[key]} == {"llama.block_count", "general.name"}
    assert after["llama.block_count"] == (["UINT32"], 3)
    assert after["general.name"] == (["STRING"], "Tiny (3 of 5 blocks)")
    assert set(after) - set(before) == RECORD
    assert (after["sleb.source"][1], after["sleb.source_block_count"][1]) == ("tiny.gguf", NUM_BLOCKS)
    assert after["sleb.removed_blocks"] == (["ARRAY", "INT32"], REMOVED)
    assert re.fullmatch(r"\d+\.\d+\.\d+", after["sleb.version"][1])


def test_info_says_what_was_removed(source, export, sleb_ok):
    out = export(source)
    assert "removed       blocks 0,3 of tiny.gguf\n" in sleb_ok("info", out)
    assert json.loads(sleb_ok("info", out, "--json", "-"))["removed"] == {"blocks": REMOVED, "source": "tiny.gguf"}
    assert "removed" not in sleb_ok("info", source)


def test_nothing_removed(source, export, logits):
    out = export(source, removal_list="")
    before, after = metadata_of(source), metadata_of(out)
    assert {key: after[key] for key in before} == before and set(after) - set(before) == RECORD
    assert tensors_of(out) == tensors_of(source)
    assert np.array_equal(logits(out), logits(source))


def test_pruned_again(source, export, logits):
    """The record is of the last step, and the name tells of both."""
    first = export(source, removal_list="3", out="first.gguf")
    second = export(first, removal_list="0", out="second.gguf")
    assert tensors_of(second) == without_blocks(tensors_of(source), REMOVED, NUM_BLOCKS)
    assert value_of(second, "general.name") == "Tiny (4 of 5 blocks) (3 of 4 blocks)"
    assert (value_of(second, "sleb.source"), value_of(second, "sleb.removed_blocks")) == ("first.gguf", [0])


def test_a_model_without_a_name_gets_none(export, tmp_path):
    """llama.cpp takes some names for a reason to read the vocabulary otherwise."""
    assert "general.name" not in metadata_of(export(save_source(tmp_path / "source.gguf", metadata={"general.name": ...})))


def test_lists_of_blocks(export, logits, tmp_path):
    """Cut by their keys; another list of that length stays, with a warning."""
    lists = {"llama.attention.head_count": [4] * NUM_BLOCKS, "llama.attention.head_count_kv": [2] * NUM_BLOCKS,
             "llama.feed_forward_length": [256] * NUM_BLOCKS}
    model = save_source(tmp_path / "source.gguf", metadata=lists)
    out = export(model)
    for key, values in lists.items():
        assert metadata_of(out)[key] == (["ARRAY", "INT32"], values[:3])
    assert np.array_equal(logits(out), logits(model, LIST))


def test_unknown_lists_of_that_length(sleb, tmp_path):
    lists = {"llama.some_list": [1, 2, 3, 4, 5], "llama.rope.scaling.unknown": [1, 2], "tokenizer.other": [1, 2, 3, 4, 5]}
    model = save_source(tmp_path / "source.gguf", metadata=lists)
    done = sleb("export", model, "--removal-list", LIST, "--out", tmp_path / "out.gguf")
    warnings = [line for line in done.stderr.splitlines() if "as long as" in line]
    assert done.returncode == 0 and len(warnings) == 1 and "'llama.some_list'" in warnings[0], done.stderr
    assert {key: value_of(tmp_path / "out.gguf", key) for key in lists} == lists


def test_alignment(export, logits, tmp_path):
    source = save_source(tmp_path / "source.gguf", metadata={"general.alignment": 1024})
    out = export(source)
    assert gguf.GGUFReader(source).alignment == gguf.GGUFReader(out).alignment == 1024
    assert tensors_of(out) == without_blocks(tensors_of(source), REMOVED, NUM_BLOCKS)
    assert np.array_equal(logits(out), logits(source, LIST))


def parts_in(folder: pathlib.Path, stem: str) -> list[pathlib.Path]:
    return sorted(folder.glob(f"{stem}-*-of-*.gguf"))


def check_parts(parts: list[pathlib.Path], most: int) -> None:
    """As llama-gguf-split writes them."""
    tensors = tensors_of(*parts)
    for number, part in enumerate(parts):
        assert part.name.endswith(f"-{number + 1:05}-of-{len(parts):05}.gguf")
        metadata = metadata_of(part)
        assert metadata["split.no"] == (["UINT16"], number)
        assert metadata["split.count"] == (["UINT16"], len(parts))
        assert metadata["split.tensors.count"] == (["INT32"], len(tensors))
        assert number == 0 or set(metadata) == {"split.no", "split.count", "split.tensors.count"}
        sizes = [len(content) for _, _, content in tensors_of(part).values()]
        assert sizes and (sum(sizes) <= most or len(sizes) == 1)


def part_sizes(tensors: dict, most: int) -> list[int]:
    """How many tensors llama-gguf-split puts into each part: as many as fit, each filled up to the alignment."""
    counts, used = [0], 0
    for _, _, content in tensors.values():
        size = -(-len(content) // 32) * 32
        if counts[-1] and used + size > most:
            counts.append(0)
            used = 0
        counts[-1] += 1
        used += size
    return counts


@pytest.mark.parametrize("most", [200_000, 1])
def test_in_parts(source, export, logits, tmp_path, most):
    export(source, "--shard-bytes", most)
    parts = parts_in(tmp_path, "out")
    check_parts(parts, most)
    expected = without_blocks(tensors_of(source), REMOVED, NUM_BLOCKS)
    assert [len(tensors_of(part)) for part in parts] == part_sizes(expected, most)
    assert tensors_of(*parts) == expected
    assert np.array_equal(logits(parts[-1]), logits(source, LIST))


def test_of_parts(source, export, tmp_path):
    """The wheel's own parts become one file, or other parts."""
    save_source(tmp_path / "split.gguf", split_max_size=200_000)
    parts = parts_in(tmp_path, "split")
    assert len(parts) > 2
    one = export(parts[1], out="one.gguf")
    assert tensors_of(one) == without_blocks(tensors_of(source), REMOVED, NUM_BLOCKS)
    assert not any(key.startswith("split.") for key in metadata_of(one))
    export(parts[0], "--shard-bytes", 400_000, out="other.gguf")
    check_parts(parts_in(tmp_path, "other"), 400_000)
    assert tensors_of(*parts_in(tmp_path, "other")) == tensors_of(one)


def test_parts_do_not_replace_their_source(source, refusal, tmp_path):
    save_source(tmp_path / "split.gguf", split_max_size=200_000)
    said = refusal("export", parts_in(tmp_path, "split")[0], "--removal-list", LIST, "--out", tmp_path / "split.gguf",
                   "--shard-bytes", 200_000, "--force")
    assert "would overwrite a file that this command reads" in said


def test_what_is_there_stays_without_force(source, refusal, export, tmp_path):
    out = tmp_path / "out.gguf"
    out.write_text("precious")
    assert "exists already" in refusal("export", source, "--removal-list", LIST, "--out", out)
    assert out.read_text() == "precious"
    export(source, "--force")
    assert tensors_of(out) == without_blocks(tensors_of(source), REMOVED, NUM_BLOCKS)
    (tmp_path / "part-00002-of-00009.gguf").write_text("precious")
    said = refusal("export", source, "--removal-list", LIST, "--out", tmp_path / "part.gguf", "--shard-bytes", 200_000)
    assert "part-00002-of-00009.gguf: exists already" in said


def test_places_where_no_file_can_be(source, refusal, tmp_path):
    (tmp_path / "folder.gguf").mkdir()
    (tmp_path / "full.gguf").symlink_to("/dev/full")
    for name, said in (("folder.gguf", "is a folder"), ("full.gguf", "not a regular file")):
        line = refusal("export", source, "--removal-list", LIST, "--out", tmp_path / name, "--force")
        assert said in line
    copy = shutil.copy(source, tmp_path / "in.gguf")
    assert "would overwrite" in refusal("export", copy, "--removal-list", LIST, "--out", copy, "--force")


def test_a_link_is_followed(source, export, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.gguf").symlink_to("elsewhere/model.gguf")
    export(source)
    assert (tmp_path / "out.gguf").is_symlink()
    assert tensors_of(tmp_path / "elsewhere" / "model.gguf") == without_blocks(tensors_of(source), REMOVED, NUM_BLOCKS)


@pytest.mark.parametrize("options", [(), ("--shard-bytes", 150_000)])
def test_full_disk(source, refusal, tmp_path, options):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (250_000 if not options else 100_000,) * 2)

    said = refusal("export", source, "--removal-list", LIST, "--out", tmp_path / "out.gguf", *options, code=1,
                   preexec_fn=small_files)
    assert "can't write" in said


def test_refusals(source, refusal, tmp_path):
    """What a GGUF can't be or say, one line each, before anything is written."""
    folder = save_model(tmp_path / "folder", num_hidden_layers=NUM_BLOCKS)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(source.read_bytes()[:-100_000])
    out = tmp_path / "out.gguf"
    for model, removal_list, options, said in (
            (source, "1.mlp", (), "can't say that a block lacks one half"),
            (source, "9", (), "9"),
            (source, LIST, ("--out-dtype", "float16"), "stay as they are"),
            (cut, LIST, (), "cut short?")):
        assert said in refusal("export", model, "--removal-list", removal_list, "--out", out, *options)
    assert folder.exists()


def test_prune(source, sleb_ok, logits, tmp_path):
    np.save(tmp_path / "calibration.npy", random_ids(120))
    out = tmp_path / "out.gguf"
    said = json.loads(sleb_ok("prune", source, "--tokens", tmp_path / "calibration.npy", "--seqlen", 60, "--dtype",
                              "float32", "--num-remove-blocks", 2, "--prompt-tokens", 0, "--out", out, "--json", "-"))
    removed = said["removal_list"]
    assert value_of(out, "sleb.removed_blocks") == removed
    assert tensors_of(out) == without_blocks(tensors_of(source), removed, NUM_BLOCKS)
    assert np.array_equal(logits(out), logits(source, ",".join(map(str, removed))))
    assert not list(tmp_path.glob("*state*"))


@pytest.mark.parametrize("options, kind", [((), "BF16"), (("--out-dtype", "float32"), "F32")])
def test_repair(source, sleb_ok, run_dump, logits, tmp_path, options, kind):
    """What the repair changes is written plain, everything else as it was; the folder holds the same values."""
    text = tmp_path / "text.txt"
    text.write_text("".join(chr(97 + value % 26) for value in random_ids(3000)))
    common = ("--removal-list", LIST, "--repair-dataset", text, "--repair-tokens", 2048, "--seqlen", 64, "--dtype", "float32", *options)
    sleb_ok("repair", source, *common, "--out", tmp_path / "out.gguf")
    sleb_ok("repair", source, *common, "--out", tmp_path / "folder")
    before, after = without_blocks(tensors_of(source), REMOVED, NUM_BLOCKS), tensors_of(tmp_path / "out.gguf")
    changed = value_of(tmp_path / "out.gguf", "sleb.repaired_tensors")
    assert changed and {name for name in before if before[name] != after[name]} == set(changed)
    assert {after[name][0] for name in changed} == {kind}
    assert {name: after[name] for name in after if name not in changed} == \
        {name: before[name] for name in before if name not in changed}
    if kind == "F32":  # else the folder's other tensors are rounded too
        expected, actual = logits(tmp_path / "folder"), logits(tmp_path / "out.gguf")
        assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()
