"""The three streams: what is a terminal, how wide it is, whether it has colours, and how people are told something."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import sys
from collections.abc import Mapping
from typing import IO, Literal

from crawler.text import safe

Colour = Literal["auto", "always", "never"]
ProgressStyle = Literal["auto", "line", "plain", "off"]

RED, YELLOW, BOLD, DIM = "31;1", "33", "1", "2"


def is_terminal(stream: IO[str]) -> bool:
    """Tell whether a person looks at this stream."""
    try:
        return stream.isatty()
    except ValueError:      # closed by whoever started us
        return False


def has_colour(stream: IO[str], choice: Colour, environ: Mapping[str, str]) -> bool:
    """Decide as everyone does: --color, then FORCE_COLOR, NO_COLOR, TERM=dumb, and whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    if environ.get("FORCE_COLOR"):
        return True
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def columns() -> int:
    """Return the width of the terminal."""
    return shutil.get_terminal_size((80, 24)).columns


class Voice:
    """How people are told: on standard error, with or without colour, and quietly when asked to be."""

    def __init__(self, *, colour: Colour = "auto", quiet: bool = False, verbose: int = 0, stream: IO[str] | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.coloured = has_colour(self.stream, colour, os.environ)
        self.colour: Colour = colour
        self.quiet = quiet
        self.verbose = verbose

    def say(self, line: str) -> None:
        """Print one line, unless people want to hear of errors only."""
        if not self.quiet:
            self.write(safe(line))

    def complain(self, lines: list[str]) -> None:
        """Print an error: its first word in red, further lines as they are."""
        for index, text in enumerate(line for lump in lines for line in lump.split("\n")):
            clean = safe(text)
            head, colon, rest = clean.partition(":")
            self.write(f"{self.paint(head + colon, RED)}{rest}" if index == 0 and colon else clean)

    def paint(self, text: str, code: str) -> str:
        """Return text in a colour, where there are colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.coloured else text

    def write(self, line: str) -> None:
        """Print a line that is safe already. A standard error that is closed or hung up is no reason to fail."""
        try:
            print(line, file=self.stream, flush=True)
        except (OSError, ValueError):
            self.stream = io.StringIO()


def open_streams() -> None:
    """Take the numbers of streams that whoever started us has closed, before a file or a pipe of ours gets them.

    What is written to a standard output that was closed is an error, as for any program; a closed standard error is quiet.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)     # gets the lowest number that is free: this one
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115 - lives as long as we do


def make_printable() -> None:
    """Let no character that a stream's encoding lacks end the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_writable(stream: IO[str]) -> bool:
    """Tell whether a stream is open for writing."""
    try:
        return fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except (OSError, ValueError):
        return False


def forget_stdout() -> None:
    """Point standard output nowhere: nobody reads it any more, and Python would complain about that at its very end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
