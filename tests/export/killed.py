"""Export again and again, each time killed somewhere else, until one comes through. Run as a program of its own.

Arguments: output folder of a crawl, format, target, options of `Wish` as JSON, how many more calls and returns of functions each
one may live for (a prime, so that every place gets its turn). Prints how many were killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import msgspec

from crawler.export import files, selecting
from crawler.export.cursor import Wish
from crawler.export.exporting import Target, export
from crawler.query.reader import Reader


def main(folder: str, kind: str, target: str, wish: str, calls: str) -> None:
    """Fork one export after another."""
    selecting.STEP = selecting.LINKS_A_STEP = 7
    files.BUFFER = 64       # half lines reach the disk
    killed = 0
    while (ended := _exit_of(folder, kind, target, wish, 300 + killed * int(calls))) != 0:
        if ended != -signal.SIGKILL:
            sys.exit(f"ended with {ended}")
        killed += 1
    sys.stdout.write(f"{killed}\n")


def _exit_of(folder: str, kind: str, target: str, wish: str, life: int) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = life

    def kill(*_event: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.setprofile(kill)
        with Reader.open(folder) as reader:
            export(Path(folder), reader, kind, msgspec.convert({"format": kind, **json.loads(wish)}, Wish), Target(Path(target), going_on=True))
    except BaseException as error:  # noqa: BLE001 - a child never comes back into its parent's loop
        sys.stderr.write(f"{error!r}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
