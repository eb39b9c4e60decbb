"""sleb from Python: the command line's commands as functions, its JSON as data classes.

    result = sleb.prune("HuggingFaceTB/SmolLM2-135M", dataset="wikitext2", ratio=0.2, out="SmolLM2-pruned")
    result.removal_list

Keyword arguments are the command line's options, with underscores: `sleb prune --help` lists them. Each result also has
the whole JSON, as `json`. Failures are `SlebError`, whose text is the command line's one line.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sleb._commands import dry_run, evaluate, export, info, latency, prune
    from sleb._errors import InputError, SlebError, SlebWarning
    from sleb._results import DryRun, Evaluation, Export, Info, Latency, Prune
else:

    def __getattr__(name: str) -> object:
        """Loads on first use: the program `sleb` starts through this package and needs none of it."""
        if name in __all__:
            from importlib import import_module  # noqa: PLC0415

            for module in ("_commands", "_errors", "_results"):
                if hasattr(loaded := import_module(f"sleb.{module}"), name):
                    return getattr(loaded, name)
        raise AttributeError(f"module 'sleb' has no attribute {name!r}")


__all__ = [
    "DryRun",
    "Evaluation",
    "Export",
    "Info",
    "InputError",
    "Latency",
    "Prune",
    "SlebError",
    "SlebWarning",
    "dry_run",
    "evaluate",
    "export",
    "info",
    "latency",
    "prune",
]


def __dir__() -> list[str]:
    return __all__
