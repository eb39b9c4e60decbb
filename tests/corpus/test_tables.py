"""Parquet, Arrow and CSV files that pyarrow, pandas and datasets wrote: their rows are those of the same .jsonl or text."""
import gzip
import io
import json
import pathlib
import random
import shutil
import subprocess
import sys

import numpy
import pytest

import tiny_models
from test_corpus import c4_rows, check, rows_dump, wikitext_rows  # noqa: F401

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pd = pytest.importorskip("pandas")
datasets = pytest.importorskip("datasets")

TEXTS = ["one, \"two\"\nthree", "", "  é\u2028 ", "NA", "x" * 70_000, "1.0", "\r\n", "\t"]


def write_arrow(path: pathlib.Path, table, stream: bool, compression: str | None = None, rows: int | None = None):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)


@pytest.fixture(scope="session")
def dump(built_program):
    """What tables_dump says of each file: its "texts" and their "column", its "records", or an "error"."""

    def run(mode: str, *paths) -> list[dict]:
        done = subprocess.run([built_program("tables_dump"), mode, *paths], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def texts_of(dump, path) -> list[str]:
    (content,) = dump("texts", path)
    return content.get("texts", content)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_parquet_of_every_codec(dump, tmp_path, compression):
    table = pa.table({"id": range(len(TEXTS)), "text": TEXTS})
    for options in ({}, {"data_page_version": "2.0"}, {"use_dictionary": False}, {"row_group_size": 3},
                    {"write_page_checksum": True}, {"use_dictionary": ["id"], "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}):
        pq.write_table(table, tmp_path / "a.parquet", compression=compression, **options)
        assert texts_of(dump, tmp_path / "a.parquet") == TEXTS, options


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("stream", [True, False])
def test_arrow_files_and_streams(dump, tmp_path, stream, compression):
    table = pa.table({"id": range(len(TEXTS)), "text": TEXTS})
    write_arrow(tmp_path / "a.arrow", table, stream, compression, rows=3)
    assert texts_of(dump, tmp_path / "a.arrow") == TEXTS


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()),
                                  pa.dictionary(pa.int32(), pa.large_string())], ids=str)
def test_every_layout_of_text(dump, tmp_path, kind):
    table = pa.table({"text": pa.array(TEXTS).cast(kind)})
    write_arrow(tmp_path / "a.arrow", table.slice(1), stream=True)
    assert texts_of(dump, tmp_path / "a.arrow") == TEXTS[1:]
    pq.write_table(table, tmp_path / "a.parquet")
    assert texts_of(dump, tmp_path / "a.parquet") == TEXTS


def test_what_datasets_writes(dump, tmp_path):
    data = datasets.Dataset.from_dict({"text": TEXTS, "id": list(range(len(TEXTS)))})
    data.to_parquet(tmp_path / "a.parquet")
    data.to_csv(tmp_path / "a.csv")
    data.save_to_disk(tmp_path / "disk")
    (arrow,) = (tmp_path / "disk").glob("*.arrow")
    cached = datasets.Dataset.from_parquet(str(tmp_path / "a.parquet"), cache_dir=tmp_path / "cache")
    for path in (tmp_path / "a.parquet", tmp_path / "a.csv", arrow, cached.cache_files[0]["filename"]):
        assert texts_of(dump, path) == TEXTS, path


def test_the_only_column_of_text_is_taken(dump, tmp_path):
    pq.write_table(pa.table({"id": [1], "story": ["a"], "when": [1.5]}), tmp_path / "a.parquet")
    assert dump("texts", tmp_path / "a.parquet") == [{"column": "story", "texts": ["a"]}]


@pytest.mark.parametrize("table,message", [
    (pa.table({"story": ["a"], "title": ["b"]}), ': has no column "text", but "story", "title"; rename one of them'),
    (pa.table({"id": [1]}), ": has no column of text"),
    (pa.table({"text": [1], "story": ["a"]}), ': the column "text" is of type int64, not text'),
    (pa.table({"text": ["a", None]}), ', row 2: lacks "text"'),
    (pa.table({"text": pa.nulls(1)}), ', row 1: lacks "text"'),
    (pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), ': two columns are named "text"'),
    (pa.table({"text": [b"a"]}), ': the column "text" is of type binary, not text'),
])
def test_tables_without_texts_are_refused(dump, tmp_path, table, message):
    write_arrow(tmp_path / "a.arrow", table, stream=True)
    pq.write_table(table, tmp_path / "a.parquet")
    assert dump("texts", tmp_path / "a.arrow", tmp_path / "a.parquet") == [
        {"error": f"{tmp_path / name}{message}"} for name in ("a.arrow", "a.parquet")]


# WikiText-2 and C4: as the text file and the lines of JSON, to the byte.


def tables_of(folder: pathlib.Path, columns: dict) -> list[pathlib.Path]:
    table = pa.table(columns)
    pq.write_table(table, folder / "rows.parquet", row_group_size=1000)
    write_arrow(folder / "rows.arrow", table, stream=True, rows=1000)
    table.to_pandas().to_csv(folder / "rows.csv", index=False)
    table.to_pandas().to_csv(folder / "rows.tsv", index=False, sep="\t")
    return [folder / f"rows.{suffix}" for suffix in ("parquet", "arrow", "csv", "tsv")]


@pytest.mark.parametrize("name", ["wiki.valid.raw", "wiki.test.raw"])
def test_wikitext2(rows_dump, data_file, tmp_path, name):  # noqa: F811
    rows = wikitext_rows(data_file(f"wikitext2/{name}"))
    for path in tables_of(tmp_path, {"text": rows}):
        check(rows_dump, path, rows, "\n\n")


def test_c4(rows_dump, data_file, tmp_path):  # noqa: F811
    rows = c4_rows(data_file("speeches/speeches.jsonl"))
    for path in tables_of(tmp_path, {"text": rows, "url": ["u"] * len(rows)}):
        check(rows_dump, path, rows, " ")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    return tiny_models.save_tokenizer(tiny_models.save_model(tmp_path_factory.mktemp("model")))


def perplexity_ids(sleb_ok, model, path) -> dict:
    result = sleb_ok("eval", model, "--ppl", path, "--seqlen", 64, "--segments", 2, "--json", "-")
    (text,) = json.loads(result)["perplexity_details"].values()
    return {key: text[key] for key in ("tokens", "ids_sha256")}


def calibration_ids(sleb_ok, model, path, out) -> dict:
    sleb_ok("prune", model, "--dataset", path, "--seqlen", 64, "--segments", 2, "--num-remove-blocks", 1, "--prompt-tokens",
            0, "--early-barrier", 0, "--latter-barrier", 0, "--out", out, "--force")
    calibration = json.loads((out / "sleb.json").read_text())["calibration"]
    return {key: calibration[key] for key in ("tokens", "ids_sha256")}


def test_ids_of_the_commands(sleb_ok, model, data_file, tmp_path):
    wiki, speeches = data_file("wikitext2/wiki.valid.raw"), data_file("speeches/speeches.jsonl")
    many = c4_rows(speeches) * 60  # more than the 1,100 that are taken of C4
    lines = tmp_path / "many.jsonl"
    lines.write_text("".join(json.dumps({"text": text[:500]}) + "\n" for text in many))
    for source, columns in ((wiki, {"text": wikitext_rows(wiki)}), (lines, {"text": [text[:500] for text in many]})):
        expected = perplexity_ids(sleb_ok, model, source), calibration_ids(sleb_ok, model, source, tmp_path / "out")
        for path in tables_of(tmp_path, columns):
            assert perplexity_ids(sleb_ok, model, path) == expected[0], path
            assert calibration_ids(sleb_ok, model, path, tmp_path / "out") == expected[1], path


def test_another_column_is_noted(sleb, model, tmp_path):
    pq.write_table(pa.table({"story": ["once upon a time"] * 40}), tmp_path / "a.parquet")
    done = sleb("eval", model, "--ppl", "a.parquet", "--seqlen", 64, cwd=tmp_path)
    assert done.returncode == 0
    assert 'a.parquet: has no column "text"; the texts are those of its column "story"' in done.stderr


def test_llama_cpps_protocol_wants_a_text(sleb, model, tmp_path):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    done = sleb("eval", model, "--ppl", "a.parquet", "--protocol", "llama.cpp", cwd=tmp_path)
    assert done.returncode == 2 and "a.parquet: llama.cpp's protocol takes a file of text" in done.stderr


# Records.


def as_json(rows: list[dict]) -> list[dict]:
    return json.loads(json.dumps(rows))


def test_nested_records(dump, tmp_path):
    rows = [
        {"q": "é\n", "choices": {"text": ["a", None], "label": []}, "n": 1, "f": 0.1, "b": True, "none": None},
        {"q": None, "choices": None, "n": None, "f": -2.0, "b": None, "none": None},
        {"q": "", "choices": {"text": [], "label": ["A"]}, "n": -(2**62), "f": 1e300, "b": False, "none": None},
    ]
    table = pa.Table.from_pylist(rows)
    pairs = pa.array([[[1, 2], None], [], [[3]]], pa.large_list(pa.list_(pa.int32())))
    fixed = pa.array([[1, 2], [5, 6], [3, 4]], pa.list_(pa.float32(), 2))
    table = table.append_column("pairs", pairs).append_column("fixed", fixed)
    table = table.append_column("kind", pa.array(["x", None, "y"]).dictionary_encode())
    table = table.append_column("u", pa.array([2**64 - 1, 0, 1], pa.uint64()))
    expected = as_json(table.to_pylist())
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    write_arrow(tmp_path / "a.arrow", table, stream=True, rows=2)
    write_arrow(tmp_path / "b.arrow", table.slice(1), stream=False)
    parquet, stream, file = dump("records", tmp_path / "a.parquet", tmp_path / "a.arrow", tmp_path / "b.arrow")
    assert parquet == stream == {"total": 3, "records": expected}
    assert file == {"total": 2, "records": expected[1:]}


def test_columns_without_a_form_in_json_are_left_out(dump, tmp_path):
    table = pa.table({"q": ["a"], "bytes": [b"\xff"], "when": pa.array([0], pa.timestamp("s")), "image": [{"bytes": b"x"}],
                      "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))})
    pq.write_table(table, tmp_path / "a.parquet")
    assert dump("records", tmp_path / "a.parquet") == [{"total": 1, "records": [{"q": "a"}]}]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_tasks_give_the_same_results(sleb_ok, model, data_file, tmp_path, suffix):
    """Every task whose rows are there, with examples in front, from .jsonl and from a table of the same rows."""
    tasks = ["piqa", "winogrande", "arc_easy", "hellaswag"]
    lines, tables = tmp_path / "lines", tmp_path / "tables"
    lines.mkdir(), tables.mkdir()
    for task in tasks:
        (source,) = data_file("zeroshot").glob(f"{task}.*.jsonl")
        rows = [json.loads(line) for line in source.read_text().splitlines()[:40]]
        (lines / source.name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = datasets.Dataset.from_list(rows)
        if suffix == ".parquet":
            data.to_parquet(tables / source.with_suffix(suffix).name)
        else:
            data.save_to_disk(tmp_path / task)
            shutil.copy(next((tmp_path / task).glob("*.arrow")), tables / source.with_suffix(suffix).name)
    results = []
    for folder in (lines, tables):
        options = ["--tasks", ",".join(tasks), "--tasks-data", folder, "--limit", 8, "--num-fewshot", 1, "--fewshot-seed", 3,
                   "--dtype", "float32"]
        log = tmp_path / f"{folder.name}.log"
        results.append(json.loads(sleb_ok("eval", model, *options, "--json", "-", "--log-samples", log))["results"])
        results[-1]["log"] = log.read_text()
    assert results[0] == results[1]
    assert results[0]["piqa"]["acc"] is not None and results[0]["log"].count("\n") == 8 * len(tasks)


# CSV against pandas.


def pandas_records(content: bytes, separator: str):
    """As datasets has them: pandas' columns through pyarrow. Nothing for what pandas refuses."""
    try:
        frame = pd.read_csv(io.BytesIO(content), sep=separator)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        return None
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        return None  # rows longer than the header, whose first column becomes an index
    try:
        return pa.Table.from_pandas(frame).to_pylist()
    except (pa.ArrowInvalid, OverflowError):
        return None  # whole numbers beyond 64 bits


def is_same(ours, theirs) -> bool:
    if isinstance(theirs, float) and isinstance(ours, float):
        return ours == pytest.approx(theirs, rel=1e-14)  # pandas' own conversion errs by a few units
    return type(ours) is type(theirs) and ours == theirs


CELLS = ["", "a", "b c", " a", "1", "-2", "+3", " 4 ", "007", "1.5", ".5", "1e3", "1e", "True", "false", "NA", "null", "None",
         "nan", "x\"y", "\"q\"", "\"q, r\"", "\"two\nlines\"", "\"two\r\nlines\"", "\"a\"\"b\"", "\"a\"b", "\"\"", "é", "0x1f",
         "\t", "-", "'", "#N/A", "1_0", "\"1\"", "\"NA\""]


@pytest.mark.parametrize("seed", range(20))
def test_csv_is_read_as_pandas_reads_it(dump, tmp_path, seed):
    """Well-formed and broken files of these cells; columns of one kind more often than not."""
    choose = random.Random(seed)
    files, expected = [], []
    for number in range(100):
        separator, end = choose.choice([",", ",", "\t"]), choose.choice(["\n", "\n", "\r\n", "\r"])
        columns = choose.randint(1, 4)
        kinds = [choose.sample(CELLS, choose.choice([1, 2, 3, len(CELLS)])) for _ in range(columns)]
        lines = [separator.join(["q", "r", "", "\"s, t\""][:columns])]
        for _ in range(choose.randint(0, 5)):
            width = columns if choose.random() < 0.95 else choose.randint(1, columns + 1)
            lines.append(separator.join(choose.choice(kinds[i % columns]) for i in range(width)))
            if choose.random() < 0.1:
                lines.append(choose.choice(["", " ", "\t "]))
        content = (choose.choice(["", "\ufeff"]) + end.join(lines) + choose.choice(["", end])).encode()
        if choose.random() < 0.1:
            content = content[:choose.randrange(len(content))]
        path = tmp_path / f"{number}.{'tsv' if separator == chr(9) else 'csv'}"
        path.write_bytes(content)
        rows = pandas_records(content, separator)
        # pandas loses a separator that follows a lone "\r".
        if rows is not None and f"\r{separator}" not in content.decode(errors="replace"):
            files.append(path)
            expected.append(rows)
    assert len(files) > 50
    for path, content, rows in zip(files, dump("records", *files), expected, strict=True):
        assert "records" in content, (path.read_bytes(), content)
        assert len(content["records"]) == len(rows) == content["total"], path.read_bytes()
        for ours, theirs in zip(content["records"], rows):
            assert ours.keys() == theirs.keys(), path.read_bytes()
            assert all(is_same(ours[key], theirs[key]) for key in theirs), (path.read_bytes(), ours, theirs)


# Broken files.


def sample_files() -> list[tuple[str, bytes]]:
    choose = random.Random(7)
    words = ["".join(choose.choice("abcdefgh ") for _ in range(choose.randint(0, 60))) for _ in range(700)]
    table = pa.table({
        "text": words, "label": range(700), "f": [i / 7 if i % 5 else None for i in range(700)],
        "choices": [{"text": ["a", "b" * (i % 9)], "label": ["A", "B"]} for i in range(700)],
        "kind": pa.array(words[:10] * 70).dictionary_encode()})

    def parquet(**options) -> bytes:
        pq.write_table(table, buffer := io.BytesIO(), row_group_size=300, **options)
        return buffer.getvalue()

    def arrow(stream: bool, compression: str | None) -> bytes:
        write_arrow(buffer := io.BytesIO(), table, stream, compression, rows=300)
        return buffer.getvalue()

    files = [(".parquet", parquet(compression=codec, **options))
             for codec in ("none", "snappy", "gzip", "brotli", "zstd", "lz4")
             for options in ({}, {"use_dictionary": False}, {"data_page_version": "2.0"}, {"write_page_checksum": True})]
    files += [(".arrow", arrow(stream, codec)) for stream in (True, False) for codec in (None, "zstd", "lz4")]
    csv = table.select(["text", "label", "f"]).to_pandas().to_csv(index=False).encode()
    return [*files, (".csv", csv)]


def spoil(content: bytes, choose: random.Random) -> bytes:
    if choose.random() < 0.25:
        return content[:choose.randrange(len(content))]
    spoilt = bytearray(content)
    for _ in range(choose.randint(1, 4)):
        near = int(choose.expovariate(1 / 800))  # to an end: what describes the data stands there
        place = choose.choice([choose.randrange(len(spoilt)), max(0, len(spoilt) - 1 - near), min(len(spoilt) - 1, near)])
        kind = choose.random()
        if kind < 0.8:
            spoilt[place] = choose.choice([spoilt[place] ^ (1 << choose.randrange(8)), 0, 1, 0x7F, 0xFF])
        elif kind < 0.9:
            spoilt[place:place + 8] = b"\xff" * 7 + b"\x7f"
        else:
            del spoilt[place:place + choose.randint(1, 8)]
    return bytes(spoilt)


@pytest.mark.parametrize("seed", range(2))
def test_spoilt_files_are_refused_or_read(dump, tmp_path, seed):
    """Cut and changed files, three hundred a seed: an error of one line or rows, and never a crash."""
    choose = random.Random(seed)
    samples, paths = sample_files(), []
    for number in range(300):
        suffix, content = choose.choice(samples)
        paths.append(tmp_path / f"{number}{suffix}")
        paths[-1].write_bytes(spoilt := spoil(content, choose))
        assert spoilt is not content
    for mode in ("texts", "records"):
        lines = dump(mode, *paths)
        assert len(lines) == len(paths)
        errors = [line["error"] for line in lines if "error" in line]
        assert 100 < len(errors) < len(paths)
        assert [error for error in errors if not error.startswith(str(tmp_path)) or "\n" in error or "\\x0a" in error] == []


@pytest.mark.parametrize("name,content,message", [
    ("a.parquet", b"", ": not a Parquet file: it does not begin with PAR1"),
    ("a.parquet", b"PAR1", ": not a whole Parquet file: "),
    ("a.parquet", b"PAR1" + bytes(40), ": the Parquet file is cut off: it does not end with PAR1"),
    ("a.parquet", b"PAR1" + b"\xff" * 40 + b"PAR1", ": not a whole Parquet file: "),
    ("a.parquet", b"PARE" + bytes(40) + b"PARE", ": an encrypted Parquet file, which is not read here"),
    ("a.parquet", gzip.compress(b"text", mtime=0), ": not a Parquet file"),
    ("a.arrow", b"", ": an empty file"),
    ("a.arrow", b"text\n", ": not a whole Arrow file: "),
    ("a.arrow", b"FEA1" + bytes(40), ": a Feather file of version 1"),
    ("a.arrow", b"ARROW1\0\0" + bytes(40), ": the Arrow file is cut off: it does not end with ARROW1"),
    ("a.arrow", b"ARROW1\0\0" + b"\xff" * 40 + b"ARROW1", ": not a whole Arrow file: "),
])
def test_what_is_no_table(dump, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    for mode in ("texts", "records"):
        (line,) = dump(mode, tmp_path / name)
        assert line["error"].startswith(f"{tmp_path / name}{message}")


def test_a_stream_without_its_end(dump, tmp_path):
    """Cut between two batches, which Arrow itself takes for the end."""
    write_arrow(tmp_path / "a.arrow", pa.table({"text": ["a"] * 10}), stream=True, rows=5)
    content = (tmp_path / "a.arrow").read_bytes()
    assert content.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    (tmp_path / "a.arrow").write_bytes(content[:-8])
    (line,) = dump("texts", tmp_path / "a.arrow")
    assert line["error"].endswith("a.arrow, after row 10: not a whole Arrow file: it ends without the mark for the end of a "
                                  "stream")


def test_bombs(dump, tmp_path):
    """A few kilobytes that would become gigabytes."""
    big = pa.DictionaryArray.from_arrays(pa.array(numpy.zeros(200_000, "int8")), pa.array(["x" * 50_000]))
    pq.write_table(pa.table({"text": big}), tmp_path / "text.parquet", compression="zstd")
    nulls = pa.array([[None] * 1_000_000] * 60, pa.list_(pa.null()))
    write_arrow(tmp_path / "nulls.arrow", pa.table({"a": nulls}), stream=True, compression="zstd")
    (line,) = dump("texts", tmp_path / "text.parquet")
    assert "bytes swell to more than" in line["error"]
    (line,) = dump("records", tmp_path / "nulls.arrow")
    assert "nulls.arrow: holds more than 50000000 values" in line["error"]
    (line,) = dump("records", tmp_path / "text.parquet")
    assert "text.parquet: holds more than 50000000 values, 16 bytes of text counted as one" in line["error"]
    (tmp_path / "short.csv").write_text(",".join(f"c{i}" for i in range(1000)) + "\n" + "a\n" * 15_000)
    (line,) = dump("records", tmp_path / "short.csv")
    assert line["error"].endswith("short.csv, line 1003: too many records lack fields")


def test_text_that_is_not_utf8(dump, tmp_path):
    text = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(numpy.array([0, 1, 2], "<i4").tobytes()),
                                                  pa.py_buffer(b"a\xff")])
    table = pa.table({"text": text})
    pq.write_table(table, tmp_path / "a.parquet")
    write_arrow(tmp_path / "a.arrow", table, stream=True)
    for line in dump("texts", tmp_path / "a.parquet", tmp_path / "a.arrow"):
        assert "Invalid UTF8 sequence at string index 1" in line["error"]


MEASURE = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def test_a_table_is_not_held_in_memory(built_program, tmp_path):
    """A sample of a file of 200 MB of text, packed to a third."""
    choose = random.Random(0)
    words = ["".join(choose.choices("abcdefghijklmnopqrstuvwxyz ", k=1000)) for _ in range(1000)]
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("text", pa.string())]), compression="zstd") as writer:
        for part in range(200):
            choose.shuffle(words)
            writer.write_table(pa.table({"text": [f"{part} {word}" for word in words]}))
    command = [sys.executable, "-c", MEASURE, built_program("rows_dump"), tmp_path / "a.parquet", "0", "128"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert int(done.stdout) < 200_000, "kilobytes, of which the mapped file is up to 120,000"
