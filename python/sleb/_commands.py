"""The commands. Options are the command line's, as `sleb COMMAND --help` lists them, with underscores; what does not
exist is an InputError."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from sleb import _running
from sleb._errors import SlebError
from sleb._options import Option, arguments
from sleb._results import DryRun, Evaluation, Export, Info, Latency, Prune, Result, read

R = TypeVar("R", bound=Result)
Model = str | os.PathLike[str]


def info(model: Model) -> Info:
    """What a checkpoint is, from its headers alone."""
    return _result(Info, "info", model, {})


def prune(model: Model, **options: Option) -> Prune:
    """Searches for the blocks that the model can do without; with `out` writes it without them."""
    if options.get("dry_run"):
        raise TypeError("dry_run: that is sleb.dry_run(), whose result is another")
    return _result(Prune, "prune", model, options)


def dry_run(model: Model, **options: Option) -> DryRun:
    """What prune() with the same options would take: memory and time."""
    return _result(DryRun, "prune", model, {**options, "dry_run": True})


def evaluate(model: Model, **options: Option) -> Evaluation:
    """Perplexity (`ppl`) and zero-shot tasks (`tasks`), dense beside each `removal_list`."""
    return _result(Evaluation, "eval", model, options)


def latency(model: Model, **options: Option) -> Latency:
    """Speed, dense beside each `removal_list`."""
    return _result(Latency, "latency", model, options)


def export(model: Model, *, removal_list: Option, out: Model, **options: Option) -> Export:
    """Writes the model without the blocks of the list into the folder `out`, or the file of that name with .gguf."""
    _check_names(options)
    _running.run(["export", os.fspath(model), *arguments({"removal_list": removal_list, "out": out, **options})])
    folder = Path(out)
    if folder.suffix == ".gguf":
        return _gguf_export(model, folder)
    return read(Export, _object((folder / "sleb.json").read_text(encoding="utf-8")), out=folder)


def _gguf_export(model: Model, out: Path) -> Export:
    """A GGUF holds what was done itself; it may have been divided into parts."""
    files = [out] if out.exists() else sorted(out.parent.glob(f"{out.stem}-*-of-*.gguf"))
    removed = info(files[0]).json.get("removed", {"blocks": []})["blocks"]
    record = {"model": os.fspath(model), "num_blocks": info(model).num_blocks, "removal_list": removed,
              "files": [file.name for file in files]}  # fmt: skip
    return read(Export, record, out=out)


def _result(kind: type[R], command: str, model: Model, options: dict[str, Option]) -> R:
    _check_names(options)
    return read(kind, _object(_running.run([command, os.fspath(model), *arguments(options), "--json=-"])))


def _check_names(options: dict[str, Option]) -> None:
    for name in ("json", "output", "help"):
        if name in options:
            raise TypeError(f"{name}: not from Python; the result is what the function returns")


def _object(text: str) -> dict[str, Any]:
    if not text:
        raise SlebError("there is no result; of many processes only the first has one")
    value = json.loads(text)
    assert isinstance(value, dict)
    return value
