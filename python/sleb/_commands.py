"""The commands. Options are the command line's, as `sleb COMMAND --help` lists them, with underscores; what does not
exist is an InputError."""

import json
import os
import re
from pathlib import Path
from typing import TypeVar

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
    if options.get("dry_run") or options.get("dry-run"):
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
    _run("export", model, {"removal_list": removal_list, "out": out, **options})
    target = Path(out)
    try:
        record = _record_of(target).read_text(encoding="utf-8")
    except OSError as error:
        raise SlebError(f"{error.filename}: {error.strerror}, unsaid: is SLEB sleb's program?") from error
    return _read(Export, record, out=target)


def _record_of(out: Path) -> Path:
    """A folder's sleb.json; beside NAME.gguf or its parts it is NAME.sleb.json. Links are followed."""
    target = Path(os.path.realpath(out))
    if out.suffix.lower() != ".gguf":
        return target / "sleb.json"
    return target.with_name(re.sub(r"-\d+-of-\d+$", "", target.stem) + ".sleb.json")


def _result(kind: type[R], command: str, model: Model, options: dict[str, Option]) -> R:
    return _read(kind, _run(command, model, options, "--json=-"))


def _run(command: str, model: Model, options: dict[str, Option], *more: str) -> str:
    for name in options:
        if name.replace("-", "_") in ("json", "output", "help", "version"):
            raise TypeError(f"{name}: not from Python; the result is what the function returns")
    path = os.fspath(model)
    if path.startswith("-"):  # a folder's name all the same
        path = os.path.join(os.curdir, path)
    return _running.run([command, path, *arguments(options), *more])


def _read(kind: type[R], text: str, **more: object) -> R:
    if not text:
        raise SlebError("there is no result; of many processes only the first has one")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SlebError(f"not the JSON of a result, which begins {text[:40]!r}: is SLEB sleb's program?") from error
    try:
        return read(kind, value, **more)
    except (KeyError, TypeError, AttributeError) as error:
        raise SlebError(f"no {kind.__name__} ({error!r}): does a file of config ask for something else?") from error
