"""One run of a crawl in a thread and an event loop of its own, and what is left of such runs when the program ends."""

from __future__ import annotations

import asyncio
import atexit
import errno
import functools
import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from crawler.cli.loops import loop_factory
from crawler.cli.plan import Plan
from crawler.control.server import serve
from crawler.core import secrets
from crawler.core.metrics import Summary
from crawler.engine import Crawler
from crawler.folder import storage_error
from crawler.hooks import Hooks
from crawler.library.handover import Handover

log = logging.getLogger("crawler")
log.addHandler(logging.NullHandler())       # whoever wants to read it says so, as with any library

MOST_WORDS = 20
"""Seeds of one call that are written down as its command line."""
_OF_THE_PLACE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EACCES, errno.EROFS)
"""What an output folder can be wrong with before anything is in it."""


class Run:
    """One run in a thread of its own."""

    def __init__(
        self, make_plan: Callable[[], Plan], words: tuple[str, ...], hooks: Hooks, *, place: Callable[[], Path | None], taken: bool
    ) -> None:
        self.folder: Path | None = None
        self.done: Future[Summary] = Future()
        self.pages = Handover()
        self.left = False
        self.thread = threading.Thread(target=self._main, name="crawl", daemon=True)
        self._make_plan = make_plan
        self._place = place
        self._argv = ("crawl", *secrets.redact_argv(words[:MOST_WORDS]), *(["..."] if len(words) > MOST_WORDS else []))
        self._hooks = hooks.for_run(*[self.pages.put] if taken else [])
        self._lock = threading.RLock()      # whoever leaves may be the garbage collector, in the middle of anything
        self._stops = 0
        self._stop: Callable[[], None] | None = None
        self.done.set_running_or_notify_cancel()    # whoever stops waiting for it does not end it by that

    def start(self) -> None:
        """Begin."""
        _register(self)
        self.thread.start()

    def stop(self) -> None:
        """Ask the crawl to stop, now or as soon as it has begun."""
        with self._lock:
            self._stops += 1
            if self._stop is not None:
                self._stop()

    def leave(self) -> None:
        """Stop for good: nobody takes pages any more. Does nothing the second time, and after the end."""
        with self._lock:
            already, self.left = self.left, True
        if not already and not self.done.done():
            self.pages.end(left=True)
            self.stop()

    def _main(self) -> None:
        try:
            summary = self._crawl()
        except BaseException as error:      # raised again where somebody waits for it
            if self.left:
                log.error("a crawl that was left ended in an error", exc_info=error)  # noqa: TRY400 - and perhaps nobody does any more
            self._over()
            self.done.set_exception(error)
        else:
            self._over()
            self.done.set_result(summary)

    def _over(self) -> None:
        self.pages.end()
        _running.discard(self)

    def _crawl(self) -> Summary:
        try:
            self.folder = self._place()
            if self.folder is not None:
                _wait_for_others(self, self.folder)
            outline = self._make_plan()
            self.folder = self.pages.folder = outline.output
            for notice in outline.effective.notices:
                log.warning("%s", notice)
            with asyncio.Runner(loop_factory=loop_factory(outline.effective.settings)) as runner:
                return runner.run(self._drive(outline))
        except OSError as error:
            if error.errno not in _OF_THE_PLACE:
                raise
            raise storage_error(Path(str(error.filename or self.folder)), error) from error

    async def _drive(self, outline: Plan) -> Summary:
        crawler = Crawler(
            outline.effective.settings, output=outline.output, seeds=outline.inputs.seeds, sources=outline.inputs.sources,
            hooks=self._hooks, argv=self._argv, door=lambda steering: serve(outline.output, steering),
        )  # fmt: skip
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.call_soon_threadsafe(crawler.stop, signal.SIGINT)

        with self._lock:
            for _ in range(self._stops):
                crawler.stop(signal.SIGINT)
            self._stop = stop
        try:
            return await crawler.run()
        finally:
            with self._lock:
                self._stop = None


_running: set[Run] = set()


def _register(run: Run) -> None:
    """Note a run, so that the end of the program can wait for it."""
    _watch_the_end()
    _running.add(run)


@functools.cache
def _watch_the_end() -> None:
    # Sooner than `atexit`, which comes when threads take no work any more, and with them no file can be closed.
    getattr(threading, "_register_atexit", atexit.register)(_stop_all)


def _stop_all() -> None:
    """Stop what runs at the end of the program, and wait for it; an interruption drops what is in flight."""
    runs = tuple(_running)
    for run in runs:
        run.leave()
    for run in runs:
        try:
            run.thread.join()
        except KeyboardInterrupt:
            run.stop()
            run.thread.join()


def _wait_for_others(run: Run, folder: Path) -> None:
    """Wait for runs in the same folder that have been left and are about to end."""
    for other in tuple(_running):
        if other is not run and other.left and other.folder is not None and other.folder.absolute() == folder.absolute():
            other.thread.join()
