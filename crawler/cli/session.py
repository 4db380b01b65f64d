"""What one call of the program carries through its commands: how it was called, how it talks, and where its crawl lies."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from crawler.cli.memory import newest
from crawler.cli.terminal import Colour, Voice
from crawler.core import secrets
from crawler.folder import NotACrawl


class Session:
    """One call of the program."""

    def __init__(self, argv: tuple[str, ...], program: str) -> None:
        self.argv = secrets.redact_argv(argv)
        """The arguments, fit to be written down."""
        self.program = program
        self.voice = Voice()
        self.json = False
        """Events go to standard output, and an error must be one of them."""
        self.folder: Path | None = None
        """The output folder, once it is known: a bug's traceback is written down there."""

    def speak(self, *, quiet: bool, verbose: int, color: Colour) -> Voice:
        """Talk as the flags say from now on."""
        self.voice = Voice(colour=color, quiet=quiet, verbose=verbose)
        return self.voice

    def crawl_in(self, given: str | None) -> Path:
        """Return the folder a question is about: the one that is named, else the newest crawl. Raises NotACrawl without one."""
        folder = Path(given) if given else newest()
        if folder is None:
            raise NotACrawl("there is no crawl under output/ yet", f"Try {self.program} demo, {self.program} SEEDFILE, or -o DIR.")
        if not (folder / "crawl.db").is_file():
            what = "holds no crawl" if folder.is_dir() else "does not exist"
            raise NotACrawl(f"{folder} {what}", f"Try {self.program} status for the newest crawl, or another folder with -o.")
        return folder


def program_name() -> str:
    """Return how the program was called, so that the commands it suggests can be copied: by its name where the shell finds it."""
    called = Path(sys.argv[0])
    if called.name in ("__main__.py", "-m"):
        return "python -m crawler"
    found = shutil.which(called.name)
    if found is None or Path(found).resolve() != called.resolve():
        nearby = os.path.relpath(called)
        return str(called) if nearby.startswith("..") else nearby
    return called.name
