"""The wheel's dependencies, `exactly` those that the programs are built against: neither torch nor pyarrow promises
that a program built against one version of its C++ libraries runs with another."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any


def dynamic_metadata(settings: Mapping[str, Any], _project: Mapping[str, Any]) -> dict[str, list[str]]:
    exact = [f"{name}=={public_version(name)}" for name in settings["exactly"]]
    return {"dependencies": exact + settings["besides"]}


def dynamic_wheel(_settings: Mapping[str, Any]) -> dict[str, bool]:
    """Of wheels from one source archive each may have others."""
    return {"dependencies": True}


def public_version(package: str) -> str:
    """Without "+cpu" or "+cu126", which says where it came from."""
    return importlib.metadata.version(package).split("+")[0]
