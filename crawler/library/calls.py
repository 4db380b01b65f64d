"""What is called from Python: a crawl to iterate over, and the results of one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections import deque
from collections.abc import AsyncIterator, Generator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from crawler.cli import inputs, plan
from crawler.cli.errors import Wrong
from crawler.cli.memory import newest
from crawler.cli.plan import Plan
from crawler.cli.terminal import Voice
from crawler.core.metrics import Summary
from crawler.core.settings import Settings
from crawler.hooks import Hooks
from crawler.library.keywords import Keywords
from crawler.library.running import Run
from crawler.library.saying import Seeds, said_by, words_of
from crawler.query.reader import Reader
from crawler.query.results import Page, Results


def crawl(
    seeds: Seeds | None = None, settings: Settings | None = None, *, output: str | os.PathLike[str] | None = None, fresh: bool = False,
    hooks: Hooks | None = None, **more: Unpack[Keywords],
) -> Crawl:  # fmt: skip
    """Return a crawl, which begins when its pages are iterated over, or when it is run.

    *seeds* is a URL, a seed file, or several of them; without any the crawl in *output* goes on. *output* is the folder of
    the results, by default output/ and the name of the first seed. The same call goes on where the last one ended; *fresh*
    renames the crawl that is there and starts anew. What is not said here, by *settings* that differ from the default or by
    keywords, is as the folder remembers it; the environment and crawler.toml are not read.

    Raises CrawlError for settings that are wrong; everything else that is wrong is raised when the crawl begins.
    """
    words = words_of(seeds)
    return Crawl(words, said_by(settings, more), output=None if output is None else Path(output), fresh=fresh, hooks=hooks)


def open_crawl(folder: str | os.PathLike[str] | None = None) -> Results:
    """Open the results of a crawl, also of one that runs; without a *folder* those of the newest one. Raises CrawlError."""
    place = newest() if folder is None else Path(folder)
    if place is None:
        raise Wrong("there is no crawl under output/ yet", "Try naming the folder of a crawl.")
    return Results(Reader.open(place))


class Crawl:
    """One call of a crawl: `async for`, `for`, `await crawl.run()` or `crawl.run_sync()` runs it, once.

    As a context manager, `async with` or `with`, it waits at the end of the block until the crawl has stopped.
    """

    def __init__(self, words: tuple[str, ...], said: dict[str, object], *, output: Path | None, fresh: bool, hooks: Hooks | None) -> None:
        self._words = words
        self._said = said
        self._output = output
        self._fresh = fresh
        self._hooks = hooks or Hooks()
        self._run: Run | None = None

    @property
    def summary(self) -> Summary | None:
        """What the run came to; None until it has ended, and where it ended in an error."""
        done = None if self._run is None else self._run.done
        return done.result() if done is not None and done.done() and done.exception() is None else None

    @property
    def output(self) -> Path | None:
        """The folder of the results, once it is known."""
        return self._output if self._run is None or self._run.folder is None else self._run.folder

    def results(self) -> Results:
        """Open what is stored so far. Raises CrawlError."""
        return open_crawl(self.output)

    def stop(self) -> None:
        """Stop asking for further URLs; what is in flight lands within ten seconds. Called again, drop that. From any thread."""
        if self._run is not None:
            self._run.stop()

    def __aiter__(self) -> AsyncIterator[Page]:
        """Begin, and yield every page as soon as it is durable."""
        return _AsyncPages(self._begin(taken=True))

    def __iter__(self) -> Generator[Page, None, None]:
        """Begin, and yield every page as soon as it is durable."""
        run = self._begin(taken=True)
        try:
            while pages := run.pages.take().result():
                yield from pages
            run.done.result()
        finally:
            run.leave()

    async def run(self) -> Summary:
        """Crawl to the end and return what came of it, without handing out pages. Raises CrawlError."""
        run = self._begin(taken=False)
        try:
            return await asyncio.wrap_future(run.done)
        finally:
            run.leave()

    def run_sync(self) -> Summary:
        """Crawl to the end like `run`, where nothing is awaited; also within a running event loop, which it blocks."""
        run = self._begin(taken=False)
        try:
            return run.done.result()
        finally:
            run.leave()

    async def aclose(self) -> None:
        """Stop, and wait until everything is committed and the folder is free. Raises the error in which the crawl ended."""
        if self._run is not None:
            self._run.leave()
            await asyncio.wrap_future(self._run.done)

    def close(self) -> None:
        """Stop and wait, like `aclose`, where nothing is awaited."""
        if self._run is not None:
            self._run.leave()
            self._run.done.result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(Exception) if error is not None else contextlib.nullcontext():     # the first error is the one to see
            await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(Exception) if error is not None else contextlib.nullcontext():
            self.close()

    def __repr__(self) -> str:
        state = "not begun" if self._run is None else "running" if not self._run.done.done() else "ended"
        return f"<Crawl of {self.output or ', '.join(self._words[:3])}, {state}>"

    def _begin(self, *, taken: bool) -> Run:
        if self._run is not None:
            raise RuntimeError("a crawl runs once; call crawl() again to go on with it")
        self._run = Run(self._plan, self._words, self._hooks, place=self._place, taken=taken)
        self._run.start()
        return self._run

    def _place(self) -> Path | None:
        """Return the folder, None when it is not known and nothing is there to go on with. Raises CrawlError."""
        if self._words:
            return inputs.place_for(self._words, self._output)
        return self._output or newest()

    def _plan(self) -> Plan:
        """Find out what there is to do, as the command line does, and put aside what is in the way."""
        if not self._words and self._fresh:
            raise Wrong("a fresh start needs seeds", "Try naming those of the first run.")
        if not self._words:
            return plan.for_resume(self._output, self._said, None, environ={})
        silent = Voice(quiet=True)
        outline = plan.for_crawl(self._words, self._output, self._said, None, fresh=self._fresh, voice=silent, environ={})
        plan.put_aside(outline)
        return outline


class _AsyncPages(AsyncIterator[Page]):
    """The pages of a run. When nobody holds it any more, as after a `break`, the run is left."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._pages: deque[Page] = deque()
        self._taking: Future[list[Page]] | None = None
        weakref.finalize(self, run.leave).atexit = False

    async def __anext__(self) -> Page:
        """Return the next page. Whoever gives up waiting, as with a timeout, loses none by that."""
        if not self._pages:
            if self._taking is None or self._taking.cancelled():
                self._taking = self._run.pages.take()
            pages = await asyncio.wrap_future(self._taking)
            self._pages.extend(pages)
            self._taking = None
        if not self._pages:
            await asyncio.wrap_future(self._run.done)
            raise StopAsyncIteration
        return self._pages.popleft()
