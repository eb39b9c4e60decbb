"""Runs the program: its result, its failures as exceptions, its progress on the terminal."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import warnings

from sleb import _program
from sleb._errors import InputError, SlebError, SlebWarning

_WRONG_USAGE = 2


def run(arguments: list[str]) -> str:
    """Standard output. Raises SlebError, InputError; KeyboardInterrupt after the program has ended in its own way."""
    program, environment = _program.find()
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    messages, given = _terminal_like(sys.stderr.fileno()) if on_terminal else os.pipe()
    try:
        # A group of its own: an interrupt then reaches it from here alone, once.
        process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=given,
            env={**environment, "SLEB_PARENT": str(os.getpid())},  # however this process ends, that one does not stay
            process_group=0,
        )
    except OSError as error:
        os.close(messages)
        raise SlebError(f"{program}: {error.strerror}") from error
    except ValueError as error:  # a null character, a lone surrogate
        os.close(messages)
        raise InputError(f"not to be said on a command line: {error}") from error
    finally:
        os.close(given)
    heard = bytearray()
    listener = threading.Thread(target=_listen, args=(messages, heard, on_terminal), daemon=True)
    listener.start()
    output, interrupted = _output(process)
    listener.join()
    text = heard.decode(errors="replace")
    if interrupted:
        raise KeyboardInterrupt(_last_message(text))
    if process.returncode != 0:
        raise _failure(process.returncode, text)
    if not on_terminal:
        for warning in re.findall(r"^warning: (.*)$", text, re.MULTILINE):
            warnings.warn(warning, SlebWarning, stacklevel=4)
    return output.decode(errors="replace")


def _output(process: subprocess.Popen[bytes]) -> tuple[bytes, bool]:
    """All of it, and whether there was an interrupt, of which the program has been told."""
    assert process.stdout is not None
    interrupted = False
    while True:
        try:
            output = process.stdout.read()
            process.wait()
            process.stdout.close()
            return output, interrupted
        except KeyboardInterrupt:
            interrupted = True
            process.send_signal(signal.SIGINT)
        except BaseException:
            process.terminate()
            raise


def _terminal_like(terminal: int) -> tuple[int, int]:
    """A pseudoterminal of the terminal's size: the program draws its bar, and what it says is heard too."""
    own, given = pty.openpty()
    with contextlib.suppress(OSError):
        fcntl.ioctl(given, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    return own, given


def _listen(messages: int, heard: bytearray, show: bool) -> None:
    with contextlib.suppress(OSError):  # how a pseudoterminal ends
        while part := os.read(messages, 1 << 16):
            heard += part
            if show:
                os.write(sys.stderr.fileno(), part)
    os.close(messages)


def _last_message(text: str) -> str:
    """The program's own lines begin with its name; a loader's or a library's stands in where there is none."""
    own = re.findall(r"sleb: ([^\r\n]+)", text)
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    return str((own or lines or ["it said nothing"])[-1])


def _failure(code: int, text: str) -> SlebError:
    if code < 0:
        return SlebError(f"ended by {signal.Signals(-code).name}: {_last_message(text)}")
    return InputError(_last_message(text)) if code == _WRONG_USAGE else SlebError(_last_message(text))
