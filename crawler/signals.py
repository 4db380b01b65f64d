"""The signals by which people and systems ask a process to end."""

from __future__ import annotations

import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heeded() -> list[signal.Signals]:
    """Return those that whoever started us has not told us to ignore, as nohup and a shell's background do."""
    return [signum for signum in ENDING if signal.getsignal(signum) is not signal.SIG_IGN]


def ignore() -> None:
    """Leave it to the parent when this process ends: a terminal sends Ctrl+C to everyone in the foreground."""
    for signum in ENDING:
        signal.signal(signum, signal.SIG_IGN)
