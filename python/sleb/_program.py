"""Where the program is, and what it needs of its environment. Imports little: `sleb` starts through here."""

import importlib.util
import os
import sys

import sleb
from sleb._errors import SlebError


def main() -> None:
    """The command `sleb`: this process becomes the program."""
    try:
        program, environment = find()
    except SlebError as error:
        sys.exit(f"sleb: {error}")
    os.execve(program, ["sleb", *sys.argv[1:]], environment)


def find() -> tuple[str, dict[str, str]]:
    """The program, and the environment to run it in: of an installed package its own; else that of $SLEB, as it is.

    Raises SlebError where there is none, or where torch and pyarrow are not those that it was built against.
    """
    environment = dict(os.environ)
    for package in sleb.__path__:
        program = os.path.join(package, "bin", "sleb")
        if os.path.exists(program):
            _find_libraries(package, environment)
            _find_hf(environment)
            return program, environment
    if program := environment.get("SLEB", ""):
        return program, environment
    raise SlebError("the program is not inside the package: pip install it, or name a built one in the variable SLEB")


def _find_libraries(package: str, environment: dict[str, str]) -> None:
    """The program looks for libraries beside its package; others have to be named."""
    site = os.path.dirname(os.path.realpath(package))
    elsewhere = []
    with open(os.path.join(package, "built-against"), encoding="utf-8") as lines:
        needed = [line.split() for line in lines]
    for name, version in needed:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SlebError(f"{name} is not there: pip install {name}=={version}")
        folder = os.path.dirname(os.path.realpath(spec.origin))
        _check_version(os.path.dirname(folder), name, version)
        if os.path.dirname(folder) != site:
            elsewhere.append(os.path.join(folder, "lib") if name == "torch" else folder)
    if elsewhere:
        before = environment.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*elsewhere, before] if before else elsewhere)


def _check_version(site: str, name: str, version: str) -> None:
    """By the name of its .dist-info, as importing it or its metadata takes longer than many a command."""
    beginning, end = f"{name}-", ".dist-info"
    for entry in os.listdir(site):
        if entry.startswith(beginning) and entry.endswith(end):
            found = entry[len(beginning) : -len(end)]
            if found.split("+")[0] != version:
                raise SlebError(f"built against {name} {version}, and {found} is there: pip install {name}=={version}")


def _find_hf(environment: dict[str, str]) -> None:
    """huggingface_hub's command, which fetches models and data sets: this environment's own goes first."""
    hf = os.path.join(os.path.dirname(sys.executable), "hf")
    if "SLEB_HF" not in environment and os.access(hf, os.X_OK):
        environment["SLEB_HF"] = hf
