"""Data sets made by hand, and what Hugging Face datasets and the reference's code make of them."""
import gzip
import hashlib
import io
import json
import pathlib

import datasets
import numpy as np
import pandas
import pyarrow
import pyarrow.parquet

datasets.disable_progress_bars()


def texts(tag: str, count: int) -> list[str]:
    return [f"{tag} {i}: some words of text" for i in range(count)]


def jsonl(rows: list[str], field: str = "text") -> bytes:
    return "".join(json.dumps({"n": i, field: row}) + "\n" for i, row in enumerate(rows)).encode()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def parquet(rows: list[str], field: str = "text", **columns) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({field: rows, **columns}), buffer)
    return buffer.getvalue()


def arrow(rows: list[str], field: str = "text") -> bytes:
    buffer = io.BytesIO()
    table = pyarrow.table({field: rows})
    with pyarrow.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def csv(rows: list[str], separator: str = ",") -> bytes:
    return pandas.DataFrame({"text": rows}).to_csv(index=False, sep=separator).encode()


def card(yaml: str) -> bytes:
    return f"---\n{yaml}---\n# A data set\n".encode()


def wikitext(train: list[str], test: list[str]) -> dict[str, bytes]:
    """Salesforce/wikitext, as far as its configurations go."""
    configs = "".join(f"- config_name: {name}\n  data_files:\n" +
                      "".join(f"  - split: {split}\n    path: {name}/{split}-*\n" for split in ("test", "train", "validation"))
                      for name in ("wikitext-103-raw-v1", "wikitext-2-raw-v1"))
    files = {"README.md": card(f"license: cc-by-sa-3.0\ndataset_info:\n- config_name: wikitext-2-raw-v1\nconfigs:\n{configs}")}
    for name, more in (("wikitext-103-raw-v1", [" = More = \n"]), ("wikitext-2-raw-v1", [])):
        for split, rows in (("train", train), ("test", test), ("validation", test[:3])):
            files[f"{name}/{split}-00000-of-00001.parquet"] = parquet(rows + more)
    return files


def c4(train: list[str], validation: list[str]) -> dict[str, bytes]:
    return {"README.md": card("configs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/c4-train.*.json.gz\n"),
            "en/c4-train.00000-of-01024.json.gz": packed(jsonl(train)), "en/c4-train.00001-of-01024.json.gz": b"not asked for",
            "en/c4-validation.00000-of-00008.json.gz": packed(jsonl(validation)), "realnewslike/x.json.gz": b"not asked for"}


def write(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def loaded(folder: pathlib.Path, config: str | None, split: str) -> datasets.Dataset:
    return datasets.load_dataset(str(folder), config, split=split, cache_dir=str(folder) + "-cache")


def sampled(rows: datasets.Dataset, seed: int, count: int, field: str = "text") -> list[str]:
    """As the reference samples calibration texts."""
    shuffled = rows.shuffle(seed=seed)
    return shuffled[:count][field]


def ids_sha256(tokenizer, text: str) -> str:
    return hashlib.sha256(np.asarray(tokenizer(text).input_ids, dtype="<i8").tobytes()).hexdigest()
