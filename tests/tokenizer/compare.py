"""sleb's ids of many strings against an oracle's; a difference is shrunk until nothing more can be left out."""
import dataclasses
import os
import pathlib
import struct
import subprocess
import tempfile

import numpy as np

from kinds import Oracle
from programs import BUILD

# A panic of the wheel is noted, not traced.
os.environ["RUST_BACKTRACE"] = "0"

ENCODE_DUMP = BUILD / "tests" / "tokenizer" / "encode_dump"


class Refused(Exception):
    """What sleb says of a tokenizer that it can't read."""


def write_strings(file, texts: list[bytes]) -> None:
    for text in texts:
        file.write(struct.pack("<I", len(text)) + text)
    file.flush()


def sleb_ids(model: pathlib.Path, texts: list[bytes], special_tokens: bool = True) -> list[list[int]]:
    if not ENCODE_DUMP.exists():
        raise FileNotFoundError(f"{ENCODE_DUMP} is not there: build target encode_dump, or set SLEB_BUILD_DIR")
    options = [] if special_tokens else ["--no-special-tokens"]
    with tempfile.NamedTemporaryFile() as file:
        write_strings(file, texts)
        done = subprocess.run([ENCODE_DUMP, *options, model, file.name], capture_output=True, check=False)
    if done.returncode != 0:
        raise Refused(done.stderr.decode() or f"exit code {done.returncode}")
    numbers = np.frombuffer(done.stdout, dtype="<i4")
    ids, place = [], 0
    for _ in texts:
        count = int(numbers[place])
        ids.append(numbers[place + 1 : place + 1 + count].tolist())
        place += 1 + count
    assert place == len(numbers)
    return ids


@dataclasses.dataclass(frozen=True)
class Difference:
    text: bytes
    ours: list[int]
    theirs: list[int]

    def __str__(self) -> str:
        return f"{self.text!r} ({self.text.decode('utf-8', 'backslashreplace')!r}): sleb {self.ours}, oracle {self.theirs}"


@dataclasses.dataclass(frozen=True)
class Result:
    compared: int
    unanswered: int  # texts for which the oracle has no answer
    differences: list[Difference]

    def __str__(self) -> str:
        note = f" ({self.unanswered} not comparable)" if self.unanswered else ""
        return f"{self.compared - len(self.differences)} of {self.compared}{note}"


class Comparison:
    """One tokenizer of sleb beside its oracle."""

    def __init__(self, model: pathlib.Path, oracle: Oracle, special_tokens: bool = True):
        self._model = model
        self._oracle = oracle
        self._special_tokens = special_tokens

    def of(self, texts: list[bytes]) -> Result:
        ours = sleb_ids(self._model, texts, self._special_tokens)
        theirs = self._oracle([text.decode("utf-8", "replace") for text in texts])
        answered = [row for row in zip(texts, ours, theirs, strict=True) if row[2] is not None]
        differences = [Difference(*row) for row in answered if row[1] != row[2]]
        return Result(len(answered), len(texts) - len(answered), differences)

    def shrink(self, difference: Difference, steps: int = 60, bytes_per_step: int = 1_000_000) -> Difference:
        """Leaves out ever smaller parts while a difference remains; the tries of a step go through one call."""
        part = max(1, len(difference.text) // 2)
        for _ in range(steps):
            # Whole code points where possible, so that no shrunk text is invalid UTF-8 without need.
            units = _units(difference.text)
            part = max(1, min(part, len(units) // 2))
            affordable = max(4, bytes_per_step // (1 + len(difference.text)))
            starts = range(0, len(units), part)[:affordable]
            tries = [b"".join(units[:i] + units[i + part :]) for i in starts]
            smaller = self.of(list(dict.fromkeys(tries))).differences
            if smaller:
                difference = min(smaller, key=lambda shorter: len(shorter.text))
            elif part == 1:
                break
            else:
                part //= 2
        return difference


def _units(text: bytes) -> list[bytes]:
    try:
        return [character.encode() for character in text.decode()]
    except UnicodeDecodeError:
        return [text[i : i + 1] for i in range(len(text))]
