"""Keyword arguments as the command line takes them, by rule: no list of options is kept here."""

import os
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TypeAlias, TypeGuard

Scalar: TypeAlias = str | int | float | os.PathLike[str]
# True: the option alone. None and False: left out. A sequence: joined by commas. A sequence of sequences: the option
# once for each.
Option: TypeAlias = Scalar | Sequence[Scalar | Sequence[Scalar]] | None


def arguments(options: Mapping[str, Option]) -> list[str]:
    """`{"removal_list": [[5, 4], [9]], "force": True}`: `--removal-list=5,4 --removal-list=9 --force`."""
    return [argument for name, value in options.items() for argument in _argument(name, value)]


def _argument(name: str, value: Option) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if _is_list(value) and any(_is_list(item) for item in value):
        return [argument for item in value for argument in _with_value(flag, _joined(name, item))]
    return _with_value(flag, _joined(name, value))


def _with_value(flag: str, text: str) -> list[str]:
    """After "=" a value may begin with a hyphen; an empty one has to stand by itself."""
    return [f"{flag}={text}"] if text else [flag, text]


def _joined(name: str, value: object) -> str:
    return ",".join(_text(name, item) for item in value) if _is_list(value) else _text(name, value)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | Real | os.PathLike):  # numpy's numbers are Real too
        raise TypeError(f"{name}: {value!r} is neither text, a number nor a path")
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
