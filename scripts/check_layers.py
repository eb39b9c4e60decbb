#!/usr/bin/env python3
"""Checks that includes go downwards only.

The order of the layers is that of `set(layers ...)` in CMakeLists.txt, lowest first; a layer divided into rooms states
their order in the line "Rooms, lowest first: ..." of its own CMakeLists.txt. Refused are

- an include from a layer or a room above the including file's own,
- an include of a file that is not there,
- libtorch's headers outside sleb/engine/ and sleb/checkpoint/, Arrow's outside sleb/corpus/,
- printing in the library: only apps/ talks to the terminal.

usage: scripts/check_layers.py [ROOT]
"""
import pathlib
import re
import sys

LIBTORCH_LAYERS = ("engine", "checkpoint")
ARROW_LAYERS = ("corpus",)
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
PRINTING = re.compile(r"\b(?:fmt::print|std::cout|std::cerr|std::clog|std::print|f?printf|f?puts|putchar|perror)\s*[(<]")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"')


def layers(root: pathlib.Path) -> list[str]:
    found = re.search(r"^set\(layers ([^)]*)\)", (root / "CMakeLists.txt").read_text(), re.MULTILINE)
    if not found:
        raise SystemExit("CMakeLists.txt: no set(layers ...)")
    return found.group(1).split()


def rooms(folder: pathlib.Path) -> list[str]:
    """Lowest first; none where the layer is not divided."""
    cmake = folder / "CMakeLists.txt"
    text = re.sub(r"\n#", "", cmake.read_text()) if cmake.exists() else ""
    found = re.search(r"Rooms, lowest first: ([^.]*)\.", text)
    return [re.sub(r"\(.*?\)", "", name).strip() for name in re.sub(r"\([^)]*\)", "", found.group(1)).split(",")] if found else []


class Tree:
    def __init__(self, root: pathlib.Path):
        self.root = root
        self.order = [f"sleb/{name}" for name in layers(root)] + ["apps/sleb"]
        self.rooms = {layer: rooms(root / layer) for layer in self.order}

    def layer(self, path: str) -> str | None:
        """The innermost: sleb/eval/tasks is a layer of its own."""
        within = [layer for layer in self.order if path.startswith(layer + "/")]
        return max(within, key=len, default=None)

    def room(self, path: str, layer: str) -> int | None:
        """None: a file beside the rooms."""
        first = path[len(layer) + 1:].split("/")[0]
        return self.rooms[layer].index(first) if first in self.rooms[layer] else None

    def sources(self) -> list[pathlib.Path]:
        return sorted(path for top in ("sleb", "apps") for path in (self.root / top).rglob("*")
                      if path.suffix in (".h", ".cpp"))

    def problem(self, source: str, included: str) -> str | None:
        own, other = self.layer(source), self.layer(included)
        if included.startswith("tests/"):
            return None if source.endswith("_test.cpp") or "test" in source else "test support outside a test"
        if other is None:
            return "not a file of any layer"
        if not (self.root / included).exists() and not (self.root / (included + ".in")).exists():
            return "there is no such file"
        if self.order.index(other) > self.order.index(own):
            return f"{other} is above {own}"
        if other == own:
            from_room, to_room = self.room(source, own), self.room(included, own)
            if from_room is not None and to_room is not None and to_room > from_room:
                return f"the room {self.rooms[own][to_room]} is above {self.rooms[own][from_room]}"
            if self.rooms[own] and from_room is None and source.endswith(".h") and to_room is not None:
                return "a header beside the rooms stands below all of them"
        return None

    def check(self) -> tuple[list[str], int]:
        problems, includes = [], 0
        for path in self.sources():
            source = path.relative_to(self.root).as_posix()
            layer = self.layer(source)
            if layer is None:
                problems.append(f"{source}: belongs to no layer of CMakeLists.txt")
                continue
            text = path.read_text()
            for match in INCLUDE.finditer(text):
                line = text.count("\n", 0, match.start(0) + 1) + 1
                includes += 1
                if match.group(1):
                    problem = self.problem(source, match.group(1))
                    if problem:
                        problems.append(f"{source}:{line}: includes {match.group(1)}: {problem}")
                elif re.match(r"(ATen|torch|c10)/", match.group(2)) and layer.removeprefix("sleb/") not in LIBTORCH_LAYERS:
                    problems.append(f"{source}:{line}: includes <{match.group(2)}>: libtorch outside the engine")
                elif re.match(r"(arrow|parquet)/", match.group(2)) and layer.removeprefix("sleb/") not in ARROW_LAYERS:
                    problems.append(f"{source}:{line}: includes <{match.group(2)}>: Arrow outside the corpus")
            if source.startswith("sleb/"):
                code = TEXT.sub('""', COMMENT.sub("", text))
                for match in PRINTING.finditer(code):
                    problems.append(f"{source}: prints ({match.group(0).rstrip('(< ')}); only apps/ does")
        return problems, includes


def main() -> int:
    tree = Tree(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]))
    problems, includes = tree.check()
    for problem in problems:
        print(problem)
    for layer in tree.order:
        inside = f": {' < '.join(tree.rooms[layer])}" if tree.rooms[layer] else ""
        print(f"  {layer}{inside}")
    print(f"{len(tree.sources())} files, {includes} includes, {len(problems)} problems; layers above, lowest first")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
