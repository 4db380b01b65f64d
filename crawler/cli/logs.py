"""The log of a crawl: JSON Lines in its output folder, written by a thread of its own so that the event loop never waits for it.

One line is one JSON object in plain ASCII, so that no remote text can forge a second line or steer a terminal.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import queue
import tempfile
import time
import traceback
from collections.abc import Callable
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path

from crawler.folder import LOG_FILE

LARGEST, KEPT = 32 * 2**20, 3
"""Bytes of one log file, and how many older ones are kept: a month of crawling must not fill the disk with words."""
VERBOSITY = (logging.WARNING, logging.INFO, logging.DEBUG)


class JsonLines(logging.Formatter):
    """One record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "at": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class Echo(logging.Handler):
    """Tells people what the log is told, when they asked for it with -v."""

    def __init__(self, say: Callable[[str], None], level: int) -> None:
        super().__init__(level)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        self._say(f"  {record.levelname.lower()}: {record.getMessage()}")


class CrawlLog:
    """Collects records from the start, and writes them once the folder is known to be ours."""

    def __init__(self, *, verbose: int = 0, say: Callable[[str], None] | None = None) -> None:
        self._queue: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._collector = logging.handlers.QueueHandler(self._queue)
        self._collector.setFormatter(JsonLines())
        self._writer: logging.handlers.QueueListener | None = None
        self._file: logging.Handler | None = None
        self._handlers: list[logging.Handler] = [self._collector]
        level = VERBOSITY[min(verbose, len(VERBOSITY) - 1)]
        if say is not None and verbose:
            self._handlers.append(Echo(say, level))
        ours = logging.getLogger("crawler")
        self._level = ours.level
        ours.setLevel(min(level, logging.INFO))
        for handler in self._handlers:
            logging.getLogger().addHandler(handler)

    def open(self, folder: Path) -> None:
        """Write to the log of *folder* from now on, beginning with what was collected."""
        if self._writer is not None:
            return
        file = _PrivateFile(folder / LOG_FILE, maxBytes=LARGEST, backupCount=KEPT, encoding="ascii", delay=True)
        file.setFormatter(logging.Formatter("%(message)s"))
        self._file = file
        self._writer = logging.handlers.QueueListener(self._queue, file)
        self._writer.start()

    def close(self) -> None:
        """Write what is left and let go of everything."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        logging.getLogger("crawler").setLevel(self._level)
        if self._writer is not None and self._file is not None:
            self._writer.stop()
            self._file.close()
            self._writer = self._file = None


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A log that nobody but its owner may read: URLs can hold secrets."""

    def _open(self) -> TextIOWrapper:
        descriptor = _private(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        return TextIOWrapper(BufferedWriter(FileIO(descriptor, "a")), encoding=self.encoding)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def record_crash(error: BaseException, folder: Path | None) -> Path:
    """Write the traceback of a bug down, in the log of the crawl where there is one, and return where."""
    entry = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": "critical", "logger": "crawler", "text": repr(error)}
    entry["trace"] = "".join(traceback.format_exception(error))
    if folder is not None and folder.is_dir():
        try:
            with open(folder / LOG_FILE, "a", encoding="ascii", opener=_private) as file:
                file.write(json.dumps(entry) + "\n")
            return folder / LOG_FILE
        except OSError:
            pass    # the folder may be what is broken: the system's place for temporary files is the next best
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="crawler-", suffix=".log", delete=False) as file:
        file.write(entry["trace"])
        return Path(file.name)
